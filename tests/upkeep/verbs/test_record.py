"""posezoo record, as those run it who keep a registry."""

import json
import shutil

import pytest

from fakes.command import posezoo, refusal, succeeded
from fakes.network import network
from fakes.zoo import declared_file, model_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.cards.registry_pages import render_pages
from posezoo.run.measured import MAX_SPREAD, read_measured

SPEED = {
    "kind": "speed",
    "precision": "FP16",
    "machine": "A processor, 2 cores",
    "settings": {"device": "CPU"},
    "figures": {"throughput_fps": 31.5},
}


@pytest.fixture
def checkout(tmp_path):
    """A registry with a model alone, and one that is a part."""
    write_model(tmp_path / "models", "alone", model_yml())
    write_composite(tmp_path / "models", "whole", ["part"])
    write_model(tmp_path / "models", "whole/part", model_yml())
    return tmp_path


def write_small(checkout, *, open_sizes=False):
    """A model of two layers, which a folder contains."""
    original = checkout / "small.onnx"
    original.write_bytes(network("onnx", open_sizes=open_sizes))
    ends = [
        {"name": name, "shape": [1, 2, -1 if open_sizes else 12, 20]}
        for name in ("heatmaps", "pafs")
    ]
    image = {"name": "image", "shape": [1, 3, -1 if open_sizes else 12, 20], "layout": "NCHW"}
    content = model_yml(
        framework="onnx", files=[declared_file(original)], inputs=[image], outputs=ends
    )
    write_model(checkout / "models", "small", content)


def record(checkout, *args):
    return posezoo("record", *args, "--models_dir", checkout / "models", "-o", checkout / "out")


def record_rows(checkout, rows):
    (checkout / "speed.json").write_text(json.dumps(rows))
    return record(checkout, checkout / "speed.json")


def get_small(checkout, precision):
    args = ("small", "--models_dir", checkout / "models", "-o", checkout / "out")
    succeeded(posezoo("get", *args, "--precisions", precision, "-q"))


def beside(checkout, name, file="measured.yml"):
    return checkout / "models" / "public" / name / file


def test_figures_of_a_file_go_beside_each_model_s_model_yml(checkout):
    ended = record_rows(checkout, [{"model": each, **SPEED} for each in ("alone", "part")])
    places = [f"{checkout}/models/public/{each}/measured.yml" for each in ("alone", "whole/part")]
    assert (ended.returncode, ended.stderr, ended.stdout.splitlines()) == (0, "", places)
    for place in places:
        (found,) = read_measured(checkout / place)
        assert (found.machine, found.figures) == (SPEED["machine"], {"throughput_fps": 31.5})


def test_figures_of_a_composite_go_beside_its_composite_model_yml(checkout):
    ended = record_rows(checkout, {"model": "whole", **SPEED})
    place = beside(checkout, "whole")
    assert (ended.returncode, ended.stdout) == (0, f"{place}\n")
    assert [each.kind for each in read_measured(place)] == ["speed"]
    card = render_pages(checkout / "models")["public/whole/README.md"]
    assert "## Performance" in card
    assert "| whole | FP16 | CPU | 31.5 |" in card
    assert "\nMeasured with: A processor, 2 cores.\n" in card


def test_a_speed_whose_rounds_differ_by_more_than_15_percent_is_refused_and_the_others_are_recorded(
    checkout,
):
    def speed(model, least, most):
        rounds = {"throughput_fps": 100, "throughput_min_fps": least, "throughput_max_fps": most}
        return {"model": model, **SPEED, "figures": rounds}

    ended = record_rows(checkout, [speed("alone", 95, 111), speed("part", 95, 110)])
    place = beside(checkout, "whole/part")
    assert (ended.returncode, ended.stdout) == (1, f"{place}\n")
    assert (
        "alone: FP16, device CPU: not recorded: the throughput of its rounds varies by 16%"
        in ended.stderr
    )
    assert [*checkout.rglob("measured.yml")] == [place]


def test_no_recorded_speed_of_our_models_was_disturbed():
    spreads = []
    for path in builtin_models_dir().rglob("measured.yml"):
        for measurement in read_measured(path):
            assert measurement.spread <= MAX_SPREAD, f"{path}: {measurement.spread:.0%}"
            spreads.append(measurement.spread)
    assert max(spreads) > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "alon"}, "speed.json: no model is called 'alon'\n  hint: did you mean alone?"),
        (
            {"model": "whole", "kind": "complexity", "figures": {"gflops": 1}},
            "speed.json: whole: is a composite; only its parts are counted\n  hint: name part",
        ),
        ({"kind": "weight"}, "speed.json:1:29: [0].kind: expected one of complexity"),
        ({"figures": {}}, "figures: is empty"),
    ],
)
def test_of_a_bad_file_nothing_is_taken(checkout, change, said):
    rows = [{"model": "part", **SPEED}, {"model": "alone", **SPEED, **change}]
    if "kind" in change:
        rows = rows[1:]
    ended = record_rows(checkout, rows)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(checkout.rglob("measured.yml"))


def test_a_model_s_ir_are_counted_and_the_second_time_changes_nothing(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    write_small(checkout)
    get_small(checkout, "FP16")
    first = record(checkout, "small")
    path = beside(checkout, "small")
    assert (first.returncode, first.stdout, first.stderr) == (0, f"{path}\n", "counting small\n")
    (found,) = read_measured(path)
    assert (found.kind, found.precision, found.weights) == (
        "complexity",
        Precision.FP16,
        "published",
    )
    assert found.figures["mparams"] > 0
    before = path.stat().st_mtime_ns
    succeeded(record(checkout, "small", "-q"))
    assert path.stat().st_mtime_ns == before


def test_an_ir_that_is_not_what_model_yml_describes_is_not_counted(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    write_small(checkout)
    assert (
        f"error: {checkout}/out/public/small: contains no IR\n  hint: posezoo get small"
        in refusal(record(checkout, "small"))
    )
    get_small(checkout, "FP32")
    with open(checkout / "out" / "public" / "small" / "FP32" / "small.bin", "ab") as weights:
        weights.write(b"more")
    changed = record(checkout, "small")
    assert "not counted, since its .bin is not the file that was published" in changed.stderr
    assert not list(checkout.rglob("measured.yml"))


def test_an_ir_of_any_height_is_counted_at_the_one_that_is_said(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    write_small(checkout, open_sizes=True)
    get_small(checkout, "FP32")
    refused = record(checkout, "small")
    assert (
        "its sizes are dynamic, so no single number is right\n  hint: give the height and width: --size H,W"
        in (refused.stderr)
    )
    for height in (12, 24):
        succeeded(record(checkout, "small", "--size", f"{height},999", "-q"))
    low, high = read_measured(beside(checkout, "small"))
    assert (low.settings, high.settings) == (
        {"height": 12, "width": 999},
        {"height": 24, "width": 999},
    )
    assert high.figures["gflops"] == pytest.approx(2 * low.figures["gflops"], rel=1e-3)
    assert high.figures["mparams"] == low.figures["mparams"]
    path = beside(checkout, "small", "model.yml")
    path.write_text(
        path.read_text().replace("layout: NCHW", "layout: NCHW\n  usual_size: [18, 999]", 1)
    )
    succeeded(record(checkout, "small", "-q"))
    found = read_measured(beside(checkout, "small"))
    assert {"height": 18, "width": 999} in [each.settings for each in found]


@pytest.mark.slow
def test_a_network_s_figures_come_out_again_on_generated_weights(checkout):
    pytest.importorskip("torch", reason="needs torch")
    name = "mobile_pose_mobilenetv3_small"
    folder = checkout / "models" / "public" / name
    folder.mkdir()
    shutil.copy(builtin_models_dir() / "public" / name / "model.yml", folder)
    succeeded(record(checkout, "--generated", name, "-q"))
    committed = read_measured(builtin_models_dir() / "public" / name / "measured.yml")
    found = read_measured(folder / "measured.yml")
    actual = [each for each in committed if each.key in {row.key for row in found}]
    assert len(found) == 2
    assert [each.figures for each in found] == [each.figures for each in actual]
    assert {each.weights for each in found} == {"generated"}
    refused = record(checkout, "--generated", "alone", "-q")
    assert (
        "error: alone: is published as tflite, and is not one of posezoo's networks"
        in refused.stderr
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "the following arguments are required"),
        (("alone", "--size", "368"), "expected height and width such as 368,432"),
        (("alone", "--generated", "--size", "368,432"), "either --generated or --size"),
    ],
)
def test_flags_that_cannot_be_meant_are_wrong_usage(args, said):
    assert said in refusal(posezoo("record", *args), code=2)
