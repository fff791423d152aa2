"""A model of the user's own registry and its IR are the same pipeline: both find the same people."""

import json
import re
import shutil
from io import BytesIO
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import posezoo
from fakes.colored_discs import COLORS, HeatmapDiscs, discs_onnx, draw_disc
from fakes.command import posezoo as posezoo_command
from fakes.command import read_json, succeeded
from fakes.pages import ROOT, blocks
from fakes.published_models import MEAN, SCALE
from fakes.videos import write_frames
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.versions import version

pytest.importorskip("openvino", reason="needs openvino")

PHOTO = np.maximum(
    draw_disc((60, 80), COLORS[0], (120, 160)), draw_disc((30, 40), COLORS[1], (120, 160))
)
IMAGE = {
    "name": "input", "shape": [1, 3, 256, 192], "layout": "NCHW", "color": "RGB",
    "reverse_input_channels": True, "mean": list(MEAN), "scale": list(SCALE),
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The ONNX of a network that finds six discs in the whole picture."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "discs.onnx").write_bytes(discs_onnx(HeatmapDiscs(6), folder, 256, 192, "heatmaps"))
    return folder / "discs.onnx"


@pytest.fixture
def zoo(network, tmp_path):
    """make(people): the flags of a registry with the network as the model ``discs``."""

    def make(people="whole_image"):
        content = model_yml(
            framework="onnx",
            files=[declared_file(network)],
            inputs=[IMAGE],
            outputs=[{"name": "heatmaps", "shape": [1, 6, 64, 48], "role": "heatmaps"}],
            decoder={"name": "heatmap"},
            people={"photo": people},
        )
        write_model(tmp_path / "zoo", "discs", content)
        return ("--models_dir", tmp_path / "zoo", "--weights_dir", tmp_path / "models")

    return make


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("made") / "models"


@pytest.fixture
def xml(zoo, made, tmp_path):
    flags, models = zoo(), tmp_path / "models"
    if not made.exists():
        succeeded(posezoo_command("get", "discs", *flags, "--quiet"))
        shutil.copytree(models, made)
    shutil.copytree(made, models, dirs_exist_ok=True)
    return models / "public" / "discs" / "FP16" / "discs.xml"


def load_by_name(tmp_path):
    return posezoo.load(
        "discs", listener=None, models_dir=tmp_path / "zoo", weights_dir=tmp_path / "models"
    )


def to_json(poses):
    return [pose.to_json() for pose in poses]


def test_results_name_the_locked_files_that_they_were_made_with(xml, zoo, tmp_path):
    lock = tmp_path / "posezoo.lock"
    succeeded(posezoo_command("lock", "discs", *zoo(), "--lock", lock))
    entries = [json.loads(line) for line in lock.read_text("utf-8").splitlines()]
    locked = {each["file"]: each["sha384"] for each in entries if each["origin"] == "made"}
    photo, video, log = (tmp_path / name for name in ("photo.png", "video.avi", "log.jsonl"))
    cv2.imwrite(str(photo), PHOTO)
    write_frames(video, [PHOTO] * 2, fps=5)
    places = ("-i", photo, video, "-o", tmp_path / "out", "--json_lines", tmp_path / "lines.jsonl")
    succeeded(posezoo_command("run", "discs", *zoo(), *places, "--log", log))
    ran = read_json(tmp_path / "out" / "poses.json")["provenance"]
    assert (ran["model"], ran["revision"]) == ("discs", 1)
    assert set(ran["files"].items()) <= set(locked.items())
    assert sorted(ran["files"]) == ["FP16/discs.bin", "FP16/discs.xml"]
    assert ran["posezoo"] == version()
    assert {*ran} >= {"openvino", "device", "executed_precision", "date"}
    first, second = map(json.loads, (tmp_path / "lines.jsonl").read_text("utf-8").splitlines())
    assert first["provenance"] == ran
    assert "provenance" not in second
    assert load_by_name(tmp_path).provenance()["files"] == ran["files"]
    assert "inference" in {
        json.loads(line)["stage"] for line in log.read_text("utf-8").splitlines()
    }


@pytest.fixture
def run_with(xml, zoo, tmp_path):
    """run_with(VERB..., adds=LINE) -> what a verb ends with, with this line in the model.yml."""
    flags = zoo()
    declaration = tmp_path / "zoo" / "public" / "discs" / "model.yml"
    text = declaration.read_text("utf-8")
    cv2.imwrite(str(tmp_path / "photo.png"), PHOTO)
    of_run = (*flags, "-i", tmp_path / "photo.png", "-o", tmp_path / "out")

    def run(verb, *words, adds):
        declaration.write_text(f"{text}{adds}\n", "utf-8")
        places = {"info": flags[:2], "run": of_run}.get(verb, flags)
        return posezoo_command(verb, "discs", *words, *places)

    run.place = f"{declaration}:{len(text.splitlines()) + 1}:1"
    return run


def test_a_deprecated_model_warns_each_time_that_it_runs(run_with):
    for _ in range(2):
        done = run_with("run", adds="deprecated: {since: '2026-01-31', use: other}")
        said = "warning: discs: deprecated since 2026-01-31; use other\n"
        assert (done.returncode, done.stderr.count(said)) == (0, 1)


def test_a_key_of_a_later_version_is_left_out_with_a_warning_each_time(run_with):
    said = f"warning: {run_with.place}: of_next_year: unknown key, left out\n"
    for words in (("info",), ("get", "--dry_run"), ("get",), ("run",)):
        done = run_with(*words, adds="of_next_year: {a: 1}")
        assert (done.returncode, done.stderr.count(said)) == (0, 1), words
    done = run_with("run", adds="requires_posezoo: '97'")
    assert done.returncode == 1
    assert "requires_posezoo: needs posezoo 97 or newer, and this is " in done.stderr


def test_a_conversion_in_the_place_of_another_says_so(xml, zoo):
    done = posezoo_command("get", "discs", *zoo("nanodet-g"))
    reason = "discs.xml: converted again: model.yml has changed how people are found\n"
    assert reason in done.stderr


def test_the_service_of_the_guide_answers_with_the_same_person(xml, tmp_path):
    pytest.importorskip("fastapi", reason="needs fastapi")
    pytest.importorskip("python_multipart", reason="needs python_multipart")
    (script,) = blocks(ROOT / "docs" / "howto" / "own_service.md", "python")
    service = {"__name__": "service"}
    exec(re.sub(r'load\("[^"]*"', f"load({str(xml)!r}", script), service)
    photo = SimpleNamespace(file=BytesIO(cv2.imencode(".png", PHOTO)[1].tobytes()))
    assert service["find_poses"](photo) == to_json(load_by_name(tmp_path)(PHOTO))


@pytest.mark.parametrize("source", ["name", "file"])
@pytest.mark.parametrize("target", ["folder", "ovms", "triton", "cpp"])
def test_an_exported_ir_finds_the_same_person(target, source, xml, zoo, tmp_path):
    words = ("discs", *zoo()) if source == "name" else (xml, "--weights_dir", tmp_path / "own")
    succeeded(posezoo_command("export", *words, "--to", target, tmp_path / "out", "--quiet"))
    (exported,) = (tmp_path / "out").rglob("*.xml")
    (pose,) = posezoo.load(str(exported), listener=None)(PHOTO)
    (expected,) = load_by_name(tmp_path)(PHOTO)
    np.testing.assert_allclose(pose.keypoints, expected.keypoints, atol=0.1)
    assert pose.people_from == expected.people_from
