"""An IR that was changed by hand, or written by another program, is one error."""

import pytest

from fakes.conversion import convert_model
from fakes.network import downloaded, network, spec_of
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import InferenceError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.run.runtime.graph import Graph


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


@pytest.mark.parametrize(
    ("version", "advice"), [(5, "convert the original"), (7, "convert"), (99, "update OpenVINO")]
)
def test_an_ir_of_a_version_that_openvino_cannot_read_is_named(tmp_path, capfd, version, advice):
    xml = tmp_path / "other.xml"
    xml.write_text(f'<?xml version="1.0" ?>\n<net batch="1" name="n" version="{version}">\n</net>')
    with pytest.raises(InferenceError, match=f"an IR of version {version}; OpenVINO") as caught:
        Graph(xml)
    assert advice in caught.value.hint
    assert capfd.readouterr().err == ""


def test_an_input_with_the_names_of_merged_tensors_keeps_its_own(tmp_path):
    """OpenVINO merges an operation that changes nothing with the input, and with it the names of both."""
    ov = import_openvino()
    image = ov.opset13.parameter([1, 3, 8, 8], ov.Type.f32, name="input")
    image.output(0).set_names({"input", "/backbone/Cast_output_0"})
    result = ov.opset13.relu(image)
    ov.save_model(ov.Model([result], [image], "merged"), tmp_path / "merged.xml")
    graph = Graph(tmp_path / "merged.xml")
    assert list(graph.inputs) == list(graph.input_types) == ["input"]
