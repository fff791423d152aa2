"""posezoo compare, in each of its forms."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fakes.command import posezoo
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.run.measured import Measurement, update_measured_yml

SPEED = {
    "kind": "speed",
    "precision": "FP16",
    "machine": "A processor, 2 cores",
    "settings": {"device": "CPU"},
    "figures": {"throughput_fps": 31.5, "latency_p50_ms": 30},
}


@pytest.fixture
def checkout(tmp_path):
    """Two models, and figures of the second."""
    published = {
        "accuracy": [{"metric": "AP", "value": 0.402, "dataset": "val2017"}],
        "gflops": 15.4,
    }
    write_model(tmp_path / "models", "light", model_yml(published=published))
    write_model(tmp_path / "models", "other", model_yml())
    rows = [{"model": "other", "weights": "generated", **SPEED}]
    (tmp_path / "speed.json").write_text(json.dumps(rows))
    return tmp_path


def compare(checkout, *args):
    places = ("--models_dir", checkout / "models", "-o", checkout / "out")
    return posezoo("compare", *args, *places)


def test_the_table_shows_values_and_their_origin(checkout):
    ended = compare(checkout, "light", "other", "--figures", checkout / "speed.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    header, light, other, *notes = ended.stdout.splitlines()
    assert header.split() == [
        *("MODEL", "DOWNLOAD", "MB", "PUBLISHED", "AP", "NETWORK/S", "NETWORK", "MS", "GFLOPS"),
        *("PEOPLE", "FROM", "LICENSE"),
    ]
    assert light.split() == [
        *("light", "0.0", "d", "0.402", "d", "15.4", "d", "the", "model", "Apache-2.0"),
    ]
    assert other.split() == [
        *("other", "0.0", "d", "31.5", "g", "30", "g", "the", "model", "Apache-2.0")
    ]
    assert notes == [
        "g: measured on generated weights",
        "d: declared",
        "speed of the network alone: A processor, 2 cores; device CPU",
    ]


def test_a_detector_in_int8_is_named_and_what_is_without_it(checkout):
    top_down = {"skeleton": "coco-17", "decoder": {"name": "simcc"}}
    yml = model_yml(published={"gflops": 1.5}, **top_down)
    path = write_model(checkout / "models", "of_one", yml)
    note = "GFLOPS: without the detector that finds the people"
    for precision, named in (("FP16", "nanodet-g  "), ("FP16-INT8", "nanodet-g (FP16-INT8)  ")):
        settings = {"people_from": "nanodet-g"}
        if precision != "FP16":
            settings["detector_precision"] = precision
        measured = [Measurement("accuracy", Precision.FP16, {"AP": 0.4}, settings=settings)]
        update_measured_yml(path.with_name("measured.yml"), measured)
        table = compare(checkout, "of_one", "light").stdout
        assert named in table
        assert note in table.splitlines()
    assert note not in compare(checkout, "light").stdout.splitlines()


def test_unknown_values_are_empty_in_json_and_csv(checkout):
    args = ("--all", "--figures", checkout / "speed.json")
    answer = json.loads(compare(checkout, *args, "--format", "json").stdout)
    light, other = answer["models"]
    assert light["published_AP"] == {"number": 0.402, "origin": "declared", "how": "val2017"}
    assert light["AP"] is None
    assert light["network_fps"] is None
    assert other["network_fps"]["origin"] == "measured on generated weights"
    assert answer["network_way"] == "A processor, 2 cores; device CPU"
    first, second = csv.DictReader(io.StringIO(compare(checkout, *args, "--format", "csv").stdout))
    assert (first["published_AP"], first["published_AP_origin"]) == ("0.402", "declared")
    assert (first["AP"], first["network_fps"]) == ("", "")
    assert (second["network_fps"], second["license"]) == ("31.5", "Apache-2.0")


def test_markdown_is_a_table(checkout):
    lines = compare(checkout, "light", "--format", "markdown").stdout.splitlines()
    assert lines[0].startswith("| MODEL | DOWNLOAD MB | PUBLISHED AP | GFLOPS | PEOPLE FROM |")
    assert lines[2].startswith("| light | 0.0 d | 0.402 d | 15.4 d | the model |")
    assert lines[-1] == "d: declared"


@pytest.mark.parametrize(("name", "start"), [("zoo.svg", b"<svg "), ("zoo.png", b"\x89PNG")])
def test_the_suffix_decides_the_format_of_the_chart(checkout, name, start):
    ended = compare(checkout, "--all", "--picture", checkout / name)
    assert (ended.returncode, ended.stderr) == (0, f"drawn: {checkout / name}\n")
    assert (checkout / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lihgt",), "no model is called 'lihgt'\n  hint: did you mean light?"),
        (("light", "--precisions", "FP16-INT8"), "none of these models is available in FP16-INT8"),
        (("light", "--figures", "nothing.json"), "nothing.json: no such file"),
        (("light", "--figures", "models/public/light/model.yml"), "model.yml:1:1: "),
    ],
)
def test_a_failure_is_one_line_of_error(checkout, args, said):
    args = [checkout / each if str(each).endswith((".json", ".yml")) else each for each in args]
    ended = compare(checkout, *args)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_measurements_of_an_unknown_model_are_refused(checkout):
    (checkout / "speed.json").write_text(json.dumps({"model": "lights", **SPEED}))
    ended = compare(checkout, "light", "--figures", checkout / "speed.json")
    assert ended.returncode == 1
    assert "speed.json: no model is called 'lights'" in ended.stderr


def test_a_machine_without_measurements_is_reported(checkout):
    ended = compare(checkout, "other", "--figures", checkout / "speed.json", "--machine", "abacus")
    assert (ended.returncode, ended.stderr) == (
        0,
        "warning: no speed measurement matches --machine and --setting\n",
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("light", "--picture", "zoo.gif"), "expected a name that ends with .svg or .png"),
        (("light", "--setting", "batch"), "expected a setting such as batch=8"),
        ((), "name a model, or use --all"),
    ],
)
def test_invalid_flags_are_wrong_usage(args, said):
    ended = posezoo("compare", *args)
    assert ended.returncode == 2
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("light", "--keypoints", "--input", "."), "--keypoints compares two, not 1"),
        (
            ("light", "other", "--keypoints", "--precisions", "FP16,FP32", "--input", "."),
            "--keypoints compares two, not 4",
        ),
        (
            ("light@FP16", "light@FP32", "--keypoints", "--input", "."),
            "light@FP16: FP16 is a precision: write --precisions FP16",
        ),
        (("light", "other", "--keypoints"), "--keypoints requires --input"),
        (
            ("light", "other", "--keypoints", "--input", ".", "--format", "csv"),
            "--keypoints prints text or json, not csv",
        ),
        (("light", "--input", "photo.jpg"), "--input requires --keypoints"),
        (("light", "--heights", "256"), "--heights requires --keypoints"),
    ],
)
def test_comparing_keypoints_takes_two_models_and_images(checkout, args, problem):
    ended = compare(checkout, *args)
    assert ended.returncode == 2
    assert problem in ended.stderr


@pytest.mark.slow
def test_two_precisions_of_a_model_find_nearly_the_same_keypoints(mirror, shared, tmp_path):
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))[:4]
    flags = ("--precisions", "FP32,FP16", "--format", "json", "--input", *photos)
    environ = {"POSEZOO_MIRROR": str(mirror), "POSEZOO_WEIGHTS_DIR": str(tmp_path / "models")}
    ended = posezoo("compare", "--keypoints", "blazepose-full", *flags, **environ)
    assert ended.returncode == 0, ended.stderr
    moves = json.loads(ended.stdout)
    assert (moves["first"], moves["second"]) == ("blazepose-full FP32", "blazepose-full FP16")
    assert moves["images"] == 4
    assert moves["by_both"] >= 3
    assert moves["only_by_first"] == moves["only_by_second"] == 0
    assert 0 <= moves["of_image"]["median"] <= moves["of_image"]["p90"] < 1
    assert moves["of_input"]["median"] < 1
