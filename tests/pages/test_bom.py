"""posezoo bom: what the validator of CycloneDX accepts, and nothing that the files do not say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from fakes.command import posezoo
from fakes.network import network
from fakes.zoo import declared_file, model_yml, omz_yml, write_composite, write_model


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Path:
    """A model with IR, one that was not downloaded, a composite, and one of another zoo."""
    pytest.importorskip("openvino", reason="needs openvino")
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "net.onnx").write_bytes(network("onnx"))
    (folder / "part.tflite").write_bytes(b"part")
    (folder / "far.tflite").write_bytes(b"far")
    claim = {"metric": "AP", "value": 0.646, "dataset": "COCO val2017", "protocol": "single scale"}
    net = model_yml(
        framework="onnx",
        files=[declared_file(folder / "net.onnx")],
        inputs=[{"name": "image", "shape": [1, 3, 12, 20], "layout": "NCHW"}],
        outputs=None,
        published={"accuracy": [claim]},
        origin={"repository": "https://models.invalid/net"},
    )
    write_model(folder / "models", "net", net)
    write_model(
        folder / "models", "whole/part", model_yml(files=[declared_file(folder / "part.tflite")])
    )
    write_composite(folder / "models", "whole", ["part"])
    far = model_yml(
        files=[declared_file(folder / "far.tflite")],
        license={"spdx": "LicenseRef-Far", "text": "Far.txt"},
    )
    write_model(folder / "models", "far", far)
    write_model(folder / "models", "omz", omz_yml())
    (folder / "measured.json").write_text(
        json.dumps(
            {
                "model": "net",
                "kind": "accuracy",
                "precision": "FP16",
                "settings": {"dataset": "val", "images": 17},
                "figures": {"AP": 0.5},
                "intervals": {"AP": [0.4, 0.6]},
                "date": "2026-11-01",
            }
        )
    )
    recorded = posezoo(
        "record", folder / "measured.json", "--models_dir", folder / "models", cwd=folder
    )
    assert recorded.returncode == 0, recorded.stderr
    got = posezoo("get", "net", "--models_dir", folder / "models", "-o", folder / "out", cwd=folder)
    assert got.returncode == 0, got.stderr
    return folder


def bom(zoo: Path, *args: object, out: str = "out", **environ: str) -> dict:
    words = ["bom", *(args or ["--all"]), "--models_dir", zoo / "models", "-o", zoo / out]
    ended = posezoo(*words, cwd=zoo, **environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def require_valid_cyclonedx(content: dict) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="needs cyclonedx-python-lib"
    )
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    with mock.patch("jsonschema._format._rfc3987_is_valid_syntax", is_valid_address):
        problem = validator.validate_str(json.dumps(content))
    assert problem is None, problem


def is_valid_address(rule: str, address: str) -> bool:
    """The parser of addresses takes 20 ms for each; letters and digits are alike to it."""
    return is_valid_form(rule, re.sub("(?<!%)[a-zA-Z0-9]+", "a", address))


@cache
def is_valid_form(rule: str, form: str) -> bool:
    from rfc3987_syntax import is_valid_syntax

    return is_valid_syntax(rule, form)


def test_an_invalid_address_is_seen():
    assert is_valid_address("iri", "https://models.invalid/net%202")
    assert not is_valid_address("iri", "https://models.invalid/net 2")


def component(content: dict, name: str) -> dict:
    (found,) = [each for each in content["components"] if each["name"] == name]
    return found


def properties(of: dict) -> dict[str, str]:
    return {each["name"]: each["value"] for each in of["properties"]}


def test_a_model_with_its_ir_is_described_in_cyclonedx(zoo):
    content = bom(zoo)
    require_valid_cyclonedx(content)
    net = component(content, "net")
    assert net["type"] == "machine-learning-model"
    (license,) = net["licenses"]
    assert license["license"]["id"] == "Apache-2.0"
    assert license["license"]["text"]["content"] == "Copyright 2026 The tests\n\nThe terms.\n"
    files = {file["name"]: file for file in net["components"]}
    assert set(files) == {
        "net.onnx",
        *(f"FP{bits}/net.{end}" for bits in (16, 32) for end in ("xml", "bin")),
    }
    for name, file in files.items():
        (hashed,) = file["hashes"]
        assert hashed["alg"] == "SHA-384"
        content_on_disk = (zoo / "out/public/net" / name).read_bytes()
        assert hashed["content"] == hashlib.sha384(content_on_disk).hexdigest()
        assert properties(file)["posezoo:size"] == str(len(content_on_disk))
    (ancestor,) = files["FP16/net.bin"]["pedigree"]["ancestors"]
    assert ancestor["hashes"] == files["net.onnx"]["hashes"]
    made = json.loads(files["FP16/net.bin"]["description"].removeprefix("made by posezoo: "))
    record = json.loads((zoo / "out/public/net/FP16/provenance.json").read_bytes())
    assert (made["openvino"], made["arguments"]) == (
        record["key"]["openvino"],
        record["key"]["arguments"],
    )
    assert made["self_check"][0]["reference"] == record["self_check"]["reference"]
    published, measured = net["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert published == {
        "type": "AP",
        "value": "0.646",
        "slice": "published, COCO val2017, single scale",
    }
    assert (measured["type"], measured["value"]) == ("AP", "0.5")
    assert measured["slice"] == "measured accuracy: FP16, dataset val, images 17, 2026-11-01"
    assert measured["confidenceInterval"] == {"lowerBound": "0.4", "upperBound": "0.6"}
    assert properties(net)["posezoo:training_data"] == "not declared"
    assert properties(net)["posezoo:verified_files"].startswith("all here")


def test_of_a_model_that_was_not_downloaded_only_declared_facts_are_stated(zoo):
    content = bom(zoo)
    for name, file in (("far", "far.tflite"), ("part", "part.tflite")):
        of = component(content, name)
        assert (
            properties(of)["posezoo:verified_files"]
            == "0 of 1 here; of other files, only declared facts are stated"
        )
        assert [each["name"] for each in of["components"]] == [file]
    assert component(content, "far")["licenses"] == [{"license": {"name": "LicenseRef-Far"}}]
    omz = component(content, "omz")["licenses"]
    assert omz == [
        {
            "license": {
                "name": "https://models.invalid/LICENSE",
                "url": "https://models.invalid/LICENSE",
            }
        }
    ]
    assert content["dependencies"] == [{"ref": "whole", "dependsOn": ["part"]}]


def test_the_same_facts_give_the_same_bytes_and_a_time_only_if_it_is_given(zoo, tmp_path):
    command = [
        "bom",
        "net",
        "--models_dir",
        zoo / "models",
        "-o",
        zoo / "out",
        "--output",
    ]
    texts = []
    for number, environ in enumerate(({}, {}, {"SOURCE_DATE_EPOCH": "1767225600"})):
        path = tmp_path / str(number)
        assert posezoo(*command, path, cwd=zoo, **environ).returncode == 0
        texts.append(path.read_text("utf-8"))
    assert texts[0] == texts[1] != texts[2]
    assert "2026-01-01T00:00:00Z" in texts[2] and "2026-01-01T00:00:00Z" not in texts[0]
    assert "timestamp" not in texts[0]
    assert json.loads(texts[0])["serialNumber"] != json.loads(texts[2])["serialNumber"]
    require_valid_cyclonedx(json.loads(texts[2]))


def test_an_ir_that_was_changed_is_not_described(zoo, tmp_path):
    subprocess.run(["cp", "-r", zoo, tmp_path / "zoo"], check=True)
    path = tmp_path / "zoo/out/public/net/FP32/net.bin"
    path.write_bytes(path.read_bytes()[:-1])
    names = {file["name"] for file in component(bom(tmp_path / "zoo", "net"), "net")["components"]}
    assert "FP32/net.bin" not in names and "FP32/net.xml" in names
    record = tmp_path / "zoo/out/public/net/FP32/provenance.json"
    stated = json.loads(record.read_bytes())
    stated["key"]["sources"] = ["not a mapping"]
    record.write_text(json.dumps(stated))
    require_valid_cyclonedx(bom(tmp_path / "zoo", "net"))


def test_the_whole_zoo_is_valid():
    ended = posezoo("bom", "--all", HOME=os.environ["HOME"])
    assert ended.returncode == 0
    require_valid_cyclonedx(json.loads(ended.stdout))


def test_models_of_open_model_zoo_are_valid(shared):
    ended = posezoo(
        "bom", "--all", "--models_dir", shared / "data" / "omz-2021.4" / "models", "--quiet"
    )
    content = json.loads(ended.stdout)
    assert len(content["components"]) > 100
    require_valid_cyclonedx(content)
