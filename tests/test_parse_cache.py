"""What was read is stored as JSON, and only what we stored is made into values again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.bad_files import FILE, INPUT, WHEEL
from fakes.zoo import model_yml, omz_yml, write_model
from posezoo import parse_cache
from posezoo.spec.model import Family, Framework
from posezoo.spec.model_yml import read_model

SOURCES = ["https://a.invalid/x", {"$type": "file", "path": "/x"}, WHEEL]


def test_every_kind_of_value_survives(tmp_path):
    rich = model_yml(
        files=[{**FILE, "source": SOURCES}],
        inputs=[{**INPUT, "mean": [1, 2, 3]}],
        decoder={"name": "blazepose", "max_people": 3},
        network={"name": "higher_hrnet", "width": 32},
        checkpoint="net.tflite",
        published={"accuracy": [{"metric": "AP", "value": 0.5}], "gflops": 1.5},
        training={"log": "https://a.invalid/log"},
        self_check={"tolerance": {"*": 0.1}, "reason": "x"},
        postprocessing=[{"$type": "unpack_archive", "format": "zip", "file": "net.tflite"}],
    )
    reference = omz_yml(model_info={"$type": "x", "labels": ["a", "b"], "more": {"threshold": 0.5}})
    specs = tuple(
        read_model(write_model(tmp_path / "models", name, content), family=Family.PUBLIC, name=name)
        for name, content in (("rich", rich), ("theirs", reference))
    )
    specs = (replace(specs[0], variants=(replace(specs[0], tag="x", is_default=False),)), specs[1])
    again = parse_cache.from_json_text(parse_cache.to_json_text(specs))
    assert again == specs
    assert again[1].framework is Framework.ONNX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[" * 100_000,
        '{"\\u0000":"system","":["id"]}',
        '{"\\u0000":"Input","":[]}',
        '{"\\u0000":"Input"}',
        '{"\\u0000":"Framework","":["none"]}',
        '{"\\u0000":["Input"],"":[]}',
        '{"\\u0000":"Path","":7}',
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_cache.from_json_text(text)
