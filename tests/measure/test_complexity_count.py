"""GFLOPs and MParams are counted on IR, and measurements go beside the model.yml."""

import json
import shutil

import pytest

from fakes.command import posezoo, succeeded
from fakes.network import network
from fakes.zoo import declared_file, model_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError, InferenceError
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import builtin_models_dir
from posezoo.core.settings import read_settings, to_settings
from posezoo.figures.measured import Measurement, read_measured
from posezoo.measure.complexity_count import count_model, record_measurements
from posezoo.pages.cards.registry_pages import render_pages

SPEED = Measurement(
    "speed",
    Precision.FP16,
    {"throughput_fps": 31.5},
    machine="A processor, 2 cores",
    settings={"device": "CPU"},
)


@pytest.fixture
def checkout(tmp_path):
    """A registry with a model alone, and one that is a part."""
    write_model(tmp_path / "models", "alone", model_yml())
    write_composite(tmp_path / "models", "whole", ["part"])
    write_model(tmp_path / "models", "whole/part", model_yml())
    return tmp_path


def context_of(checkout):
    places = {"models_dir": (checkout / "models",), "weights_dir": checkout / "out"}
    return open_context(to_settings(read_settings(places)))


def record(checkout, name, measurement=SPEED):
    return record_measurements(context_of(checkout).registry.find(name), [measurement])


def count(checkout, name, size=None, **options):
    context = context_of(checkout)
    return count_model(context.registry.find(name), context, size, **options)


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
    return write_model(checkout / "models", "small", content)


def get_small(checkout, precision):
    args = ("small", "--models_dir", checkout / "models", "-o", checkout / "out")
    succeeded(posezoo("get", *args, "--precisions", precision, "-q"))


def test_measurements_go_beside_the_model_yml_of_a_model_and_of_a_part(checkout):
    for name, place in (("alone", "alone"), ("part", "whole/part")):
        path = record(checkout, name)
        assert path == checkout / "models" / "public" / place / "measured.yml"
        (found,) = read_measured(path)
        assert (found.machine, found.figures) == (SPEED.machine, {"throughput_fps": 31.5})


def test_those_of_a_composite_go_beside_its_composite_model_yml_and_are_in_its_card_json(checkout):
    path = record(checkout, "whole")
    assert path == checkout / "models" / "public" / "whole" / "measured.yml"
    facts = json.loads(render_pages(checkout / "models")["public/whole/card.json"])
    (measured,) = facts["measured"]
    assert (measured["model"], measured["machine"]) == ("whole", "A processor, 2 cores")


@pytest.mark.parametrize(("most", "is_refused"), [(110, False), (111, True)])
def test_a_speed_whose_rounds_differ_by_more_than_15_percent_is_refused(checkout, most, is_refused):
    rounds = {"throughput_fps": 100, "throughput_min_fps": 95, "throughput_max_fps": most}
    speed = Measurement("speed", Precision.FP16, rounds, settings={"device": "CPU"})
    if is_refused:
        why = "alone: FP16, device CPU: not recorded: the throughput of its rounds varies by 16%"
        with pytest.raises(InferenceError, match=why):
            record(checkout, "alone", speed)
    else:
        record(checkout, "alone", speed)
    assert bool([*checkout.rglob("measured.yml")]) is not is_refused


def test_a_model_s_ir_are_counted_and_the_second_time_changes_nothing(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    write_small(checkout)
    get_small(checkout, "FP16")
    (counted,) = count(checkout, "small")
    assert (counted.kind, counted.precision) == ("complexity", Precision.FP16)
    assert counted.weights == "published"
    assert counted.figures["mparams"] > 0
    path = record(checkout, "small", counted)
    before = path.stat().st_mtime_ns
    (again,) = count(checkout, "small")
    record(checkout, "small", again)
    assert path.stat().st_mtime_ns == before


def test_an_ir_that_is_not_what_model_yml_describes_is_not_counted(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    write_small(checkout)
    with pytest.raises(ConversionError, match="out/public/small: contains no IR"):
        count(checkout, "small")
    get_small(checkout, "FP32")
    with open(checkout / "out" / "public" / "small" / "FP32" / "small.bin", "ab") as weights:
        weights.write(b"more")
    with pytest.raises(ConversionError, match=r"not counted, since its \.bin is not as posezoo"):
        count(checkout, "small")


def test_an_ir_of_any_height_is_counted_at_the_one_that_is_said(checkout):
    pytest.importorskip("openvino", reason="needs openvino")
    path = write_small(checkout, open_sizes=True)
    get_small(checkout, "FP32")
    with pytest.raises(ConversionError, match="its sizes are dynamic"):
        count(checkout, "small")
    (low,) = count(checkout, "small", (12, 999))
    (high,) = count(checkout, "small", (24, 999))
    assert low.settings == {"height": 12, "width": 999}
    assert high.figures["gflops"] == pytest.approx(2 * low.figures["gflops"], rel=1e-3)
    assert high.figures["mparams"] == low.figures["mparams"]
    path.write_text(
        path.read_text().replace("layout: NCHW", "layout: NCHW\n  usual_size: [18, 999]", 1)
    )
    (usual,) = count(checkout, "small")
    assert usual.settings == {"height": 18, "width": 999}


def test_a_network_s_figures_come_out_again_on_generated_weights(checkout):
    pytest.importorskip("torch", reason="needs torch")
    name = "mobile_pose_mobilenetv3_small"
    folder = checkout / "models" / "public" / name
    folder.mkdir()
    shutil.copy(builtin_models_dir() / "public" / name / "model.yml", folder)
    for each in count(checkout, name, generates_weights=True):
        record(checkout, name, each)
    found = read_measured(folder / "measured.yml")
    committed = read_measured(builtin_models_dir() / "public" / name / "measured.yml")
    actual = [each for each in committed if each.key in {row.key for row in found}]
    assert len(found) == 2
    assert [each.figures for each in found] == [each.figures for each in actual]
    assert {each.weights for each in found} == {"generated"}
