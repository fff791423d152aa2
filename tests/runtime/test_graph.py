"""An IR that was changed by hand, or written by another program, is one error."""

from __future__ import annotations

import pytest

from fakes.conversion import convert_model
from fakes.network import downloaded, network, spec_of
from posezoo.errors import InferenceError
from posezoo.runtime.graph import Graph
from posezoo.spec.model import Precision


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"heatmaps"', b'"\xff\xfetmaps"', "a name that is not UTF-8"),
        (b'"heatmaps"', b'"&#1;eatmaps"', "a character that XML does not allow"),
        (b'"image"', b'"\xed\xa0\x80ge"', "a name that is not UTF-8"),
    ],
)
def test_a_name_that_is_no_text_is_an_error(tmp_path, old, new, reason):
    content = network("tflite")
    spec = spec_of(content, tmp_path)
    layout = downloaded(spec, content, tmp_path)
    convert_model(spec, layout, precisions=[Precision.FP16])
    xml = layout.ir_path(spec, Precision.FP16)
    changed = xml.read_bytes().replace(old, new)
    assert new in changed
    xml.write_bytes(changed)
    with pytest.raises(InferenceError, match=reason):
        Graph(xml)
