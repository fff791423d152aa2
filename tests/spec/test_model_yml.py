"""model.yml -> ModelSpec, and every mistake answered with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.zoo import model_yml, write_model
from posezoo.errors import SpecError
from posezoo.spec.model import ColorOrder, Digest, Family, FileSource, HttpSource, PythonPackageSource
from posezoo.spec.model_yml import read_composite, read_model

FILE = {"name": "net.tflite", "size": 3, "checksum": "0" * 96, "source": "https://models.invalid/net.tflite"}
INPUT = {"name": "input", "shape": [1, 4, 6, 3], "layout": "NHWC", "color": "RGB"}
WHEEL = {
    "$type": "python_package",
    "package": "mediapipe",
    "version": "0.10.21",
    "wheel": {
        "name": "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        "size": 9,
        "sha256": "0" * 64,
    },
    "member": "mediapipe/a.tflite",
}


def spec_of(tmp_path: Path, **changes: object):
    return read_model(
        write_model(tmp_path / "models", "net", model_yml(**changes)), family=Family.PUBLIC, name="net"
    )


def test_every_value_arrives_typed(tmp_path):
    spec = spec_of(
        tmp_path,
        inputs=[{**INPUT, "mean": [1, 2, 3], "scale": [4, 5, 6], "reverse_input_channels": True}],
        decoder={"name": "blazepose", "max_people": 3},
    )
    assert spec.files[0].checksum == Digest("sha384", "0" * 96)
    assert spec.inputs[0].mean == (1.0, 2.0, 3.0)
    assert spec.inputs[0].ir_color is ColorOrder.BGR
    assert spec.decoder is not None
    assert dict(spec.decoder.options) == {"max_people": 3}
    assert spec.subdirectory == "public/net"


def test_a_file_may_have_several_sources_of_every_kind(tmp_path):
    sources = [
        "https://a.invalid/x",
        {"$type": "http", "url": "http://b.invalid/x"},
        {"$type": "file", "path": "/x"},
        WHEEL,
    ]
    spec = spec_of(tmp_path, files=[{**FILE, "source": sources}])
    assert [type(source) for source in spec.files[0].sources] == [
        HttpSource, HttpSource, FileSource, PythonPackageSource,
    ]  # fmt: skip


def test_older_zoos_sha256_is_read(tmp_path):
    older = {key: value for key, value in FILE.items() if key != "checksum"} | {"sha256": "A" * 64}
    assert spec_of(tmp_path, files=[older]).files[0].checksum == Digest("sha256", "a" * 64)


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"framework": "tflit"}, "framework", "expected one of"),
        ({"framework": None}, "", "the key framework is missing"),
        ({"files": []}, "files", "is empty"),
        ({"files": [{**FILE, "size": -1}]}, "files[0].size", "expected a whole number from 0"),
        ({"files": [{**FILE, "size": 1 << 60}]}, "files[0].size", "expected a whole number from 0"),
        ({"files": [{**FILE, "checksum": "abc"}]}, "files[0].checksum", "expected 96 hex digits"),
        ({"files": [{**FILE, "checksum": {"$type": "md5", "value": "0"}}]}, "files[0].checksum.$type", "sha384, sha256"),
        ({"files": [{**FILE, "name": "../x"}]}, "files[0].name", ".. part"),
        ({"files": [FILE, FILE]}, "files[1].name", "is there already"),
        ({"files": [FILE, {**FILE, "name": "NET.tflite"}]}, "files[1].name", "where case is ignored"),
        ({"files": [{**FILE, "source": "ftp://x/y"}]}, "files[0].source", "expected an http(s) or file address"),
        ({"files": [{**FILE, "source": "https://a b"}]}, "files[0].source", "no blanks"),
        ({"files": [{**FILE, "source": []}]}, "files[0].source", "at least one source"),
        ({"files": [{**FILE, "source": {"$type": "htp", "url": "x"}}]}, "files[0].source.$type", "expected one of"),
        ({"files": [{**FILE, "source": {**WHEEL, "package": "-rf"}}]}, "files[0].source.package", "a package name"),
        ({"files": [{**FILE, "source": {**WHEEL, "version": "--pre"}}]}, "files[0].source.version", "expected letters"),
        ({"files": [{**FILE, "source": {**WHEEL, "member": "/x"}}]}, "files[0].source.member", "absolute"),
        ({"inputs": [{**INPUT, "shape": [1, 0]}]}, "inputs[0].shape", "sizes of at least 1"),
        ({"inputs": [{**INPUT, "layout": "NCH"}]}, "inputs[0].layout", "names 3 dimensions, the shape has 4"),
        ({"inputs": [{**INPUT, "layout": "NCCW"}]}, "inputs[0].layout", "different capital letters"),
        ({"inputs": [{**INPUT, "mean": [1, 2]}]}, "inputs[0].mean", "expected 3 values"),
        ({"inputs": [{**INPUT, "scale": [1, 0, 1]}]}, "inputs[0].scale", "divides by nothing"),
        ({"inputs": [{**INPUT, "shape": [1, 4, 6, 4]}]}, "inputs[0]", "three channels"),
        ({"inputs": [{**INPUT, "reverse_input_channels": "yes"}]}, "inputs[0].reverse_input_channels", "true or false"),
        ({"inputs": [INPUT, INPUT]}, "inputs[1]", "is there already"),
        ({"license": {"spdx": "MIT", "text": "../../etc/passwd"}}, "license.text", ".. part"),
        ({"origin": {"paper": "file:///x"}}, "origin.paper", "http(s)"),
        ({"self_check": {"tolerance": {"nope": 1}, "reason": "x"}}, "self_check.tolerance.nope", "unknown key"),
        ({"self_check": {"tolerance": {"*": 2}, "reason": "x"}}, "self_check.tolerance.*", "between 0 and 1"),
        ({"self_check": {"tolerance": {"*": 0.1}}}, "self_check", "reason is missing"),
        ({"revision": 0}, "revision", "from 1"),
        ({"descripton": "x"}, "descripton", "unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path, changes, field, problem):
    with pytest.raises(SpecError) as caught:
        spec_of(tmp_path, **changes)
    assert caught.value.field == field
    assert problem in caught.value.problem
    assert caught.value.problem.startswith(f"{tmp_path}")
    assert "\n" not in caught.value.problem


def test_a_composite_names_its_stages(tmp_path):
    path = tmp_path / "composite-model.yml"
    path.write_text("description: Two.\ntask_type: detection\nstages: [a, b]\n")
    assert read_composite(path, family=Family.PUBLIC, name="ab").stages == ("a", "b")
    path.write_text("description: Two.\ntask_type: detection\nstages: []\n")
    with pytest.raises(SpecError, match="needs its parts"):
        read_composite(path, family=Family.PUBLIC, name="ab")


def test_the_shared_zoo_parses_as_yaml_without_recursion_or_loss(shared):
    from posezoo.spec.reader import read

    files = sorted((shared / "data" / "omz-2021.4" / "models").rglob("*model.yml"))
    assert len(files) == 294
    for path in files:
        assert read(path).fields()["description" if path.name == "model.yml" else "task_type"].text()
