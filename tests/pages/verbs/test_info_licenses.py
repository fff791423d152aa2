"""posezoo info --licenses and the setting allow_licenses, run as commands."""

import sys
from pathlib import Path

import pytest

from fakes.command import json_of, posezoo, refusal, run_process, succeeded
from fakes.irs import write_ir
from fakes.network import network
from fakes.zoo import declared_file, model_yml, omz_yml, write_model


@pytest.fixture
def zoo(tmp_path):
    """Three models: one of which nothing is here, and one whose terms are an address."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode() * 1000)
        write_model(
            tmp_path / "models", name, model_yml(files=[declared_file(tmp_path / f"{name}.tflite")])
        )
    foreign = {**declared_file(tmp_path / "a.tflite"), "original_source": None}
    foreign.pop("original_source")
    write_model(tmp_path / "models", "foreign", omz_yml(files=[foreign]))
    return tmp_path


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", "-o", zoo / "out", cwd=zoo)


def test_the_notice_has_the_text_and_holder_of_downloaded_models_only(zoo):
    succeeded(run(zoo, "download", "a"))
    ended = run(zoo, "info", "--licenses")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("NOTICE of 1 model, written by posezoo ")
    assert "Apache-2.0 · Copyright 2026 The tests\n" in ended.stdout
    assert f"- a\n  from {zoo}/a.tflite\n" in ended.stdout
    assert ended.stdout.endswith("Copyright 2026 The tests\n\nThe terms.\n")
    assert "- b\n" not in ended.stdout


def test_models_with_the_same_text_share_it_and_a_missing_text_is_reported(zoo):
    run(zoo, "download", "--all")
    ended = run(zoo, "info", "--licenses")
    assert (
        "warning: foreign: its license text, which names the holder, is not available"
        in ended.stderr
    )
    assert ended.stdout.count("The terms.") == 1
    assert "declared to be at https://models.invalid/LICENSE" in ended.stdout
    rows = json_of(run(zoo, "info", "--licenses", "a", "foreign", "--format", "json"))["models"]
    assert [(row["name"], row["spdx"], row["holder"], row["url"]) for row in rows] == [
        ("a", "Apache-2.0", "Copyright 2026 The tests", None),
        ("foreign", None, None, "https://models.invalid/LICENSE"),
    ]


def test_the_notice_names_the_origin_the_change_and_the_note_of_a_model(zoo):
    pytest.importorskip("openvino", reason="needs openvino")
    (zoo / "net.onnx").write_bytes(network("onnx"))
    declared = model_yml(
        framework="onnx",
        files=[declared_file(zoo / "net.onnx")],
        inputs=[{"name": "image", "shape": [1, 3, 12, 20], "layout": "NCHW"}],
        outputs=None,
        origin={"repository": "https://models.invalid/code"},
        license_note="Ask before you sell it.",
    )
    write_model(zoo / "models", "net", declared)
    lines = [f"- net\n  from {zoo}/net.onnx\n  origin: https://models.invalid/code\n"]
    lines.append("  note: Ask before you sell it.\n")
    succeeded(run(zoo, "download", "net", "a"))
    assert "".join(lines) in run(zoo, "info", "--licenses").stdout
    succeeded(run(zoo, "convert", "net"))
    lines.insert(1, "  changed: converted to OpenVINO IR by posezoo\n")
    text = run(zoo, "info", "--licenses").stdout
    assert "".join(lines) in text
    assert f"- a\n  from {zoo}/a.tflite\n- net\n" in text  # it has none of these


def test_the_notice_of_an_ir_whose_license_nobody_states_says_that_it_is_missing(tmp_path):
    pytest.importorskip("openvino", reason="needs openvino")
    xml = write_ir(tmp_path / "mine.xml", {"heatmaps": (1, 17, 16, 24)})
    words = ("--to", "ovms", tmp_path / "out", "-o", tmp_path / "irs")
    succeeded(posezoo("export", xml, *words, cwd=tmp_path))
    (notice,) = (tmp_path / "out").rglob("*NOTICE")
    text = notice.read_text("utf-8")
    assert "\nUndeclared license\n" in text
    assert text.endswith("\nThe text is not available.\n")


def test_licenses_that_posezoo_cfg_does_not_allow_are_refused_by_verbs_and_scripts(zoo):
    (zoo / "posezoo.cfg").write_text("[posezoo]\nallow_licenses = MIT, BSD-*\n")
    assert (
        "error: a: its license is Apache-2.0, but allow_licenses permits only MIT, BSD-*"
        in refusal(run(zoo, "download", "a"))
    )
    assert "a: its license is Apache-2.0, but allow_licenses" in refusal(
        run(zoo, "get", "a", "--dry_run")
    )
    script = Path(__file__).resolve().parents[3] / "tools" / "downloader" / "downloader.py"
    assert "########## Error: a: its license is Apache-2.0" in refusal(
        run_process(
            [sys.executable, script, "--name", "a", "--models_dir", zoo / "models"], cwd=zoo
        )
    )
    assert not (zoo / "public").exists()
    succeeded(
        posezoo(
            *("download", "a", "--models_dir", zoo / "models", "-o", zoo / "out"),
            cwd=zoo,
            POSEZOO_ALLOW_LICENSES="Apache-2.0",
        )
    )


def test_an_empty_list_of_licenses_is_not_a_valid_setting(zoo):
    (zoo / "posezoo.cfg").write_text("[posezoo]\nallow_licenses = ,\n")
    assert "posezoo.cfg: allow_licenses: expected words separated by commas" in refusal(
        run(zoo, "download", "a")
    )
