"""Each figure of a row was measured or declared, and those of a column may stand side by side."""

from __future__ import annotations

import pytest

from fakes.zoo import model_yml, write_model
from posezoo.facts.comparison import MeasurementSelection, MetricSource, compare_models
from posezoo.layout import ModelLayout
from posezoo.measured import Measurement, update_measured_yml
from posezoo.registry import open_registry
from posezoo.spec.model import Precision

MACHINE = "A processor, 2 cores, Linux"
FP16 = (Precision.FP16,)


def speed(fps, *, machine=MACHINE, precision=Precision.FP16, weights="published", **settings):
    metrics = {"throughput_fps": fps, "latency_p50_ms": 1000 / fps}
    said = {"device": "CPU", "batch": 1, **settings}
    return Measurement("speed", precision, metrics, machine=machine, settings=said, weights=weights)


@pytest.fixture
def zoo(tmp_path):
    """zoo(name=(measurement, ...), ...) -> compare(...) of models with these in their measured.yml."""

    def compared(precisions=FP16, metrics=None, changes=None, **measured):
        for name, found in measured.items():
            path = write_model(tmp_path / "models", name, model_yml(**(changes or {})))
            if found:
                update_measured_yml(path.with_name("measured.yml"), found)
        specs = [open_registry([tmp_path / "models"]).find(name) for name in measured]
        return compare_models(
            specs, precisions, ModelLayout(tmp_path, tmp_path), metrics or MeasurementSelection()
        )

    return compared


def column(found, key):
    return [row.values[key] and row.values[key].number for row in found.rows]


def test_what_nobody_knows_stays_empty(zoo):
    (row,) = zoo(one=()).rows
    assert set(row.values.values()) == {None}
    assert (row.model, row.precision, row.license) == ("one", Precision.FP16, "Apache-2.0")


def test_speeds_of_one_machine_stand_side_by_side_never_of_two(zoo):
    found = zoo(one=[speed(10), speed(99, machine="Another")], two=[speed(20)], three=[speed(5, machine="B")])
    assert column(found, "throughput_fps") == [10, 20, None]
    assert column(found, "latency_p50_ms") == [100, 50, None]
    assert found.speed_way == f"{MACHINE}; batch 1, device CPU"


def test_speeds_measured_in_another_way_are_not_mixed_in(zoo):
    found = zoo(one=[speed(10), speed(40, batch=8)], two=[speed(20)])
    assert column(found, "throughput_fps") == [10, 20]


def test_what_follows_from_the_model_may_differ(zoo):
    found = zoo(one=[speed(10, requests=2, executed_precision="i8")], two=[speed(20, requests=4)])
    assert column(found, "throughput_fps") == [10, 20]


def test_a_machine_and_settings_can_be_asked_for(zoo):
    measured = {
        "one": [speed(10), speed(7, hint="LATENCY"), speed(99, machine="Another")],
        "two": [speed(20)],
    }
    assert column(zoo(metrics=MeasurementSelection(machine="another"), **measured), "throughput_fps") == [
        99,
        None,
    ]
    requested = MeasurementSelection(settings={"hint": "LATENCY"})
    assert column(zoo(metrics=requested, **measured), "throughput_fps") == [7, None]
    nothing = zoo(metrics=MeasurementSelection(settings={"batch": "64"}), **measured)
    assert (column(nothing, "throughput_fps"), nothing.speed_way) == ([None, None], "")


def test_figures_of_one_s_own_take_the_place_of_all_recorded_ones_of_their_kind(zoo):
    count = Measurement("complexity", Precision.FP16, {"gflops": 3, "mparams": 2}, weights="generated")
    own = MeasurementSelection([("two", speed(1))])
    found = zoo(metrics=own, one=[speed(10), count], two=[speed(20)])
    assert column(found, "throughput_fps") == [None, 1]
    assert column(found, "gflops") == [3, None]


def test_speed_on_generated_weights_is_marked_and_complexity_is_not(zoo):
    count = Measurement("complexity", Precision.FP16, {"gflops": 3, "mparams": 2}, weights="generated")
    (row,) = zoo(one=[speed(10, weights="generated"), count]).rows
    assert row.values["throughput_fps"].origin is MetricSource.GENERATED
    assert row.values["gflops"].origin is MetricSource.MEASURED


def test_what_was_measured_stands_before_what_is_declared(zoo):
    published = {
        "accuracy": [{"metric": "AP", "value": 0.7, "dataset": "val2017", "flip": True}],
        "gflops": 5,
    }
    own = Measurement("accuracy", Precision.FP16, {"AP": 0.65}, settings={"dataset": "coco-val2017"})
    declared, measured = zoo(changes={"published": published}, one=(), two=[own]).rows
    assert (declared.values["AP"].number, declared.values["AP"].origin) == (0.7, MetricSource.DECLARED)
    assert declared.values["AP"].conditions == "val2017, flip"
    assert (measured.values["AP"].number, measured.values["AP"].origin) == (0.65, MetricSource.MEASURED)
    assert measured.values["gflops"].origin is MetricSource.DECLARED


def test_a_published_ap_is_of_no_quantized_ir(zoo):
    published = {"accuracy": [{"metric": "AP", "value": 0.7}]}
    files = [
        {
            "name": f"{precision}/one.{suffix}",
            "size": size,
            "checksum": "0" * 96,
            "source": "https://a.invalid/b",
        }
        for precision, size in (("FP16", 100), ("FP16-INT8", 40))
        for suffix in ("xml", "bin")
    ]
    changes = {"framework": "dldt", "files": files, "published": published}
    found = zoo(precisions=(Precision.FP16, Precision.FP16_INT8), changes=changes, one=())
    assert column(found, "AP") == [0.7, None]
    assert column(found, "size_bytes") == [200, 80]


def test_the_size_of_an_ir_is_that_on_disk(zoo, tmp_path):
    folder = tmp_path / "public" / "one" / "FP16"
    folder.mkdir(parents=True)
    (folder / "one.xml").write_bytes(b"12345")
    assert column(zoo(one=()), "size_bytes") == [None]
    (folder / "one.bin").write_bytes(b"123")
    assert column(zoo(one=()), "size_bytes") == [8]


def test_what_was_quantized_here_has_a_row(zoo, tmp_path):
    both = (Precision.FP16, Precision.FP16_INT8)
    assert [row.precision for row in zoo(precisions=both, one=()).rows] == [Precision.FP16]
    folder = tmp_path / "public" / "one" / "FP16-INT8"
    folder.mkdir(parents=True)
    for suffix in ("xml", "bin"):
        (folder / f"one.{suffix}").write_bytes(b"1234")
    found = zoo(precisions=both, one=())
    assert [row.precision for row in found.rows] == list(both)
    assert column(found, "size_bytes") == [None, 8]
