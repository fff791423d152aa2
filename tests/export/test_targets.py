"""The targets: what each writes for a model, and which models it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.exports import files_below, renamed
from posezoo.errors import ExportError
from posezoo.export.export_writer import write_export
from posezoo.export.ir_facts import read_ir_facts
from posezoo.export.target_type import TEMPLATES, ExportFolder
from posezoo.export.targets import TARGETS, find_target
from posezoo.registry import open_registry
from posezoo.spec.model import Precision

OVMS_SCHEMA = Path(__file__).parent / "ovms_config.schema.json"


def export(folder, name, *models, **options):
    """Export models as the verb does, one after the other."""
    target = find_target(name)
    for model in models:
        changes = write_export(
            folder,
            lambda present, model=model: list(target.draw(model, ExportFolder(present, **options))),
            versioned=[model.name] if target.is_versioned else [],
        )
    return changes


def test_an_unknown_target_is_named_with_the_near_one():
    with pytest.raises(ExportError, match="no export target is called omvs; the targets: folder") as error:
        find_target("omvs")
    assert error.value.hint == "did you mean ovms?"


def test_every_target_has_a_record():
    for name, target in TARGETS.items():
        assert target.summary[0].islower() or target.summary.startswith("OpenVINO"), name
        assert target.checked_by.endswith("."), name
        assert set(re.findall(r"\{(\w+)\}", target.next_step)) <= {"folder", "name"}, name


def test_every_template_is_used():
    source = "".join(path.read_text() for path in TEMPLATES.parent.glob("*.py"))
    unused = [path.name for path in TEMPLATES.iterdir() if f'"{path.name.removesuffix(".in")}"' not in source]
    assert unused == []


def test_the_facts_are_those_of_the_ir(make_model):
    model = make_model()
    assert [(port.name, port.shape, port.element_type) for port in (*model.inputs, *model.outputs)] == [
        ("image", (1, 3, 64, 96), "f32"),
        ("heatmaps", (1, 17, 16, 24), "f32"),
    ]
    assert model.inputs[0].sides == {"N": 1, "C": 3, "H": 64, "W": 96}
    assert model.inputs[0].color == "BGR"


def test_an_ir_that_cannot_be_read_is_an_error(make_model):
    model = make_model()
    model.xml.write_text("<net>")
    with pytest.raises(ExportError, match=rf"{model.xml}: cannot be read as an IR"):
        read_ir_facts(model.spec, model.precision, model.xml, model.layout)


# --- ovms


def test_model_server_gets_numbered_versions_and_a_config_that_fits_its_schema(make_model, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    out = tmp_path / "out"
    export(out, "ovms", make_model("one"), make_model("two"))
    files = files_below(out)
    assert files.keys() == {
        "config.json",
        *("one/1/one.xml", "one/1/one.bin", "two/1/two.xml", "two/1/two.bin"),
    }
    config = json.loads(files["config.json"])
    jsonschema.validate(config, json.loads(OVMS_SCHEMA.read_text()))
    assert [each["config"]["base_path"] for each in config["model_config_list"]] == ["one", "two"]


def test_the_schema_refuses_what_model_server_refuses(make_model, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    export(tmp_path / "out", "ovms", make_model())
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    config["model_config_list"][0]["config"]["path"] = "net"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, json.loads(OVMS_SCHEMA.read_text()))


@pytest.mark.parametrize("target", [name for name, each in TARGETS.items() if each.is_versioned])
def test_a_new_ir_becomes_the_next_version_and_earlier_ones_stay(make_model, tmp_path, target):
    out = tmp_path / "out"
    export(out, target, make_model())
    first = files_below(out / "net" / "1")
    assert export(out, target, make_model()).created == ()
    changes = export(out, target, make_model(text="new"))
    assert {name.split("/")[1] for name in changes.created} == {"2"}
    assert files_below(out / "net" / "1") == first
    assert files_below(out / "net" / "2").keys() == first.keys()
    # Back to the IR of version 1: the latest version is served, so it needs a third one.
    assert {name.split("/")[1] for name in export(out, target, make_model()).created} == {"3"}
    assert export(out, target, make_model()).created == ()


def test_a_variant_has_a_name_without_an_at_sign(make_model, tmp_path):
    model = make_model()
    variant = replace(model, spec=replace(model.spec, tag="v2", is_default=False))
    export(tmp_path / "out", "ovms", variant)
    assert (tmp_path / "out" / "net-v2" / "1" / "net-v2.xml").is_file()


def test_model_names_that_begin_alike_have_their_own_versions(make_model, tmp_path):
    model = make_model()
    export(tmp_path / "out", "ovms", model, renamed(model, "net2"), renamed(model, "my-net"))
    assert sorted(path.name for path in (tmp_path / "out").glob("*/*")) == ["1", "1", "1"]


# --- folder


def test_a_folder_has_checksums_that_sha256sum_accepts(make_model, tmp_path):
    export(tmp_path / "out", "folder", make_model())
    names = {path.name for path in (tmp_path / "out" / "net").iterdir()}
    assert names >= {"net.xml", "net.bin", "README.md", "NOTICE", "sample.py", "SHA256SUMS"}
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "out" / "net",
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert {line.split(":")[0] for line in checked.stdout.splitlines()} == names - {"SHA256SUMS"}


def test_the_notice_has_the_text_of_the_license(make_model, tmp_path):
    model = make_model()
    model.xml.with_name("provenance.json").write_text("{}")  # the license is that of a converted IR
    export(tmp_path / "out", "folder", model)
    notice = (tmp_path / "out" / "net" / "NOTICE").read_text()
    assert "Copyright 2026 The tests" in notice
    assert "The terms." in notice


def run_sample(folder, image, tmp_path):
    """Run a sample in a process that cannot import posezoo."""
    blocked = tmp_path / "blocked"
    (blocked / "posezoo").mkdir(parents=True, exist_ok=True)
    (blocked / "posezoo" / "__init__.py").write_text("raise ImportError('posezoo is not installed here')")
    return subprocess.run(
        [sys.executable, folder / "sample.py", image],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(blocked)},
        timeout=120,
        check=False,
    )


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((120, 80, 3), 51, np.uint8))
    return path


@pytest.mark.parametrize(
    "image",
    [
        {"name": "image", "shape": [1, 3, 64, 96], "layout": "NCHW", "color": "BGR"},
        {"name": "image", "shape": [1, 64, 96, 3], "layout": "NHWC", "color": "RGB"},
        {"name": "image", "shape": [1, 64, 96, 3], "layout": "NHWC"},
    ],
)
def test_the_sample_runs_without_posezoo(make_model, tmp_path, photo, image):
    export(tmp_path / "out", "folder", make_model(image=image))
    ended = run_sample(tmp_path / "out" / "net", photo, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("heatmaps (1, 17, 16, 24)")
    assert "0.2" in ended.stdout  # the mean of the image over 255


@pytest.mark.parametrize("name", find_target("folder").run_with)
def test_the_samples_of_real_models_run_without_posezoo(blazepose, tmp_path, photo, name):
    spec = open_registry().find(name)
    model = read_ir_facts(spec, Precision.FP16, blazepose.ir_path(spec, Precision.FP16), blazepose)
    export(tmp_path / "out", "folder", model)
    assert (tmp_path / "out" / name / "provenance.json").is_file()
    ended = run_sample(tmp_path / "out" / name, photo, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert all(f"{port.name} {port.shape}" in ended.stdout for port in model.outputs)


def test_the_sample_says_that_a_file_is_no_image(make_model, tmp_path):
    export(tmp_path / "out", "folder", make_model())
    ended = run_sample(tmp_path / "out" / "net", tmp_path / "models", tmp_path)
    assert ended.returncode == 1
    assert "is not an image that OpenCV can read" in ended.stderr


def test_a_model_that_takes_no_image_is_refused(make_model):
    with pytest.raises(
        ExportError, match=r"net: the sample needs one image as its input, not image \[1, 1, 64, 96\]"
    ):
        list(
            find_target("folder").draw(
                make_model(image={"name": "image", "shape": [1, 1, 64, 96], "layout": "NCHW"}),
                ExportFolder({}),
            )
        )
