"""Comparing models: each value is measured or declared, and the values of a column are comparable."""

from dataclasses import replace

import pytest

from fakes.conversion import convert_model
from fakes.network import downloaded, network, spec_of
from fakes.zoo import file_yml, model_yml, write_model
from posezoo.core.declarations.model import WHOLE_IMAGE, Precision
from posezoo.core.download.transfer import transfer_bytes
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.figures.comparison import MetricSource, compare_models, int8_ratio
from posezoo.figures.measured import (
    ANNOTATED_BOXES,
    FIGURES_FILE,
    THIS_MACHINE,
    Measurement,
    update_measured_yml,
)
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.figures.model_facts import ModelFacts, describe_model

MACHINE = "A processor, 2 cores, Linux"
#: Of the speed of a pipeline.
OF_FOUR = {"pipeline": "all", "shown": 4, "crops": 4}


def speed(fps, *, machine=MACHINE, precision=Precision.FP16, weights="published", **settings):
    metrics = {"throughput_fps": fps, "latency_p50_ms": 1000 / fps}
    all_settings = {"device": "CPU", "batch": 1, **settings}
    return Measurement(
        "speed", precision, metrics, machine=machine, settings=all_settings, weights=weights
    )


@pytest.fixture
def zoo(tmp_path):
    """zoo(name=(measurement, ...), ...) -> compare(...) of models with these in their measured.yml."""

    def compared(metrics=None, changes=None, **measured):
        for name, measurements in measured.items():
            path = write_model(tmp_path / "models", name, model_yml(**(changes or {})))
            if measurements:
                update_measured_yml(path.with_name("measured.yml"), measurements)
        registry = open_registry([tmp_path / "models"])
        models = [describe_model(spec, registry) for spec in map(registry.find, measured)]
        return compare_models(
            models,
            ModelLayout(tmp_path, tmp_path),
            metrics or MeasurementSelection(),
        )

    return compared


IR_FILES = [
    file_yml(f"{precision}/one.{suffix}", size=size)
    for precision, size in (("FP16", 100), ("FP16-INT8", 40))
    for suffix in ("xml", "bin")
]


def column(comparison, key):
    return [row.values[key] and row.values[key].number for row in comparison.rows]


def test_unknown_values_stay_empty(zoo):
    (row,) = zoo(one=()).rows
    assert {key for key, value in row.values.items() if value} == {"transfer_bytes"}
    assert (row.model, row.precision, row.license) == ("one", Precision.FP16, "Apache-2.0")


def test_only_speeds_of_one_machine_are_compared(zoo):
    comparison = zoo(
        one=[speed(10), speed(99, machine="Another")],
        two=[speed(20)],
        three=[speed(5, machine="B")],
    )
    assert column(comparison, "network_fps") == [10, 20, None]
    assert column(comparison, "network_p50_ms") == [100, 50, None]


def mine(measurement, record=FIGURES_FILE):
    return replace(measurement, record=record)


def test_the_users_measurements_stand_beside_the_recorded_ones(zoo):
    own = MeasurementSelection([("two", mine(speed(1, machine="Mine")))])
    recorded = {"one": [speed(10)], "two": [speed(20), speed(30, precision=Precision.FP16_INT8)]}
    comparison = zoo(metrics=own, **recorded)
    assert column(comparison, "network_fps") == [10, 1]
    assert [row.is_own for row in comparison.rows] == [False, True]


def test_a_file_of_the_user_decides_the_settings_but_what_was_kept_does_not(zoo):
    recorded = {"one": [speed(10)], "two": [speed(20)]}
    of_batch = speed(40, batch=8)
    file = MeasurementSelection([("two", mine(of_batch))])
    assert column(zoo(metrics=file, **recorded), "network_fps") == [None, 40]
    kept = MeasurementSelection([("two", mine(of_batch, THIS_MACHINE))])
    assert column(zoo(metrics=kept, **recorded), "network_fps") == [10, 20]


def test_an_ap_that_the_user_measured_on_other_photos_drops_neither_rows_nor_his_speed(zoo):
    own = MeasurementSelection(
        [
            ("one", mine(accuracy(0.6, dataset="mine"))),
            ("one", mine(speed(5, **OF_FOUR), THIS_MACHINE)),
        ]
    )
    comparison = zoo(metrics=own, one=[accuracy(0.3)], two=[accuracy(0.4), speed(9, **OF_FOUR)])
    assert column(comparison, "AP") == [0.6, 0.4]
    assert column(comparison, "throughput_fps") == [5, 9]
    ap = comparison.rows[0].values["AP"]
    assert (ap.record, "dataset mine" in ap.conditions) == (FIGURES_FILE, True)


def test_all_figures_of_a_row_are_of_the_ir_whose_ap_was_measured(zoo):
    of_old, of_new = (
        replace(speed(fps, **OF_FOUR), irs=irs * 16) for fps, irs in ((9, "0"), (7, "1"))
    )
    ap = replace(accuracy(0.4), irs="1" * 16)
    assert column(zoo(one=[ap, of_old]), "throughput_fps") == [None]
    assert column(zoo(one=[ap, of_new]), "throughput_fps") == [7]
    users = MeasurementSelection([("one", mine(of_old, THIS_MACHINE))])
    assert column(zoo(metrics=users, one=[ap]), "throughput_fps") == [9]


def test_the_time_of_a_pipeline_without_weights_is_estimated_from_its_networks(zoo, tmp_path):
    """Detector, network for each person, and what a pipeline takes beside them."""
    alone = {"requests": 1, "hint": "LATENCY"}
    zoo(net=[speed(100, **alone)])  # 10 ms
    comparison = zoo(changes=TOP_DOWN, one=[speed(50, weights="generated", **alone)])  # 20 ms
    assert column(comparison, "latency_p50_ms") == [10 + 4 * 20 + 3 + 4 * 3]
    assert column(comparison, "single_p50_ms") == [10 + 20 + 3 + 3]
    assert comparison.rows[0].values["single_p50_ms"].origin is MetricSource.ESTIMATED
    whole = speed(25, weights="generated", machine="B", people_from="net", requests=1, **OF_FOUR)
    pipelines = zoo(changes=TOP_DOWN, one=[whole])
    assert column(pipelines, "latency_p50_ms") == [40]
    assert pipelines.rows[0].values["latency_p50_ms"].machine == "B"


def test_speed_on_generated_weights_is_marked_and_complexity_is_not(zoo):
    count = Measurement(
        "complexity", Precision.FP16, {"gflops": 3, "mparams": 2}, weights="generated"
    )
    (row,) = zoo(one=[speed(10, weights="generated"), count]).rows
    assert row.values["network_fps"].origin is MetricSource.GENERATED
    assert row.values["gflops"].origin is MetricSource.MEASURED


def test_a_published_and_a_measured_ap_are_two_columns(zoo):
    published = {
        "accuracy": [{"metric": "AP", "value": 0.7, "dataset": "val2017", "flip": True}],
        "gflops": 5,
    }
    own = Measurement(
        "accuracy", Precision.FP16, {"AP": 0.65}, settings={"dataset": "coco-val2017"}
    )
    declared, measured = zoo(changes={"published": published}, one=(), two=[own]).rows
    published_ap = declared.values["published_AP"]
    assert (published_ap.number, published_ap.origin) == (0.7, MetricSource.DECLARED)
    assert published_ap.conditions == "val2017, flip"
    assert declared.values["AP"] is None
    assert measured.values["published_AP"].number == 0.7
    assert (measured.values["AP"].number, measured.values["AP"].origin) == (
        0.65,
        MetricSource.MEASURED,
    )
    assert measured.values["gflops"].origin is MetricSource.DECLARED


def accuracy(ap, precision=Precision.FP16, **settings):
    return Measurement(
        "accuracy",
        precision,
        {"AP": ap},
        settings={"dataset": "photos", "images": 17, **settings},
        intervals={"AP": (ap - 0.1, ap + 0.1)},
    )


TOP_DOWN = {"decoder": {"name": "movenet"}, "people": {"photo": "net", "video": "tracking"}}


def test_ap_and_speed_are_those_of_the_models_own_pipeline(zoo):
    found = zoo(
        changes=TOP_DOWN,
        one=[
            *(accuracy(0.1, people_from=WHOLE_IMAGE), accuracy(0.3, people_from="net")),
            *(accuracy(0.4, people_from="other"), accuracy(0.5, people_from=ANNOTATED_BOXES)),
            *(speed(130), speed(60, people_from=WHOLE_IMAGE, **OF_FOUR)),
            speed(16, people_from="net", **OF_FOUR),
        ],
    )
    (row,) = found.rows
    assert row.pipeline.people_from == "net"
    assert column(found, "AP") == [0.3]
    assert column(found, "throughput_fps") == [16]
    assert column(found, "network_fps") == [130]
    assert found.accuracy_conditions == "dataset photos, images 17"
    assert row.values["AP"].conditions == "95 % interval 0.200 to 0.400"
    assert row.values["AP"].interval == pytest.approx((0.2, 0.4))


def test_a_published_ap_is_only_of_the_size_that_the_model_declares(zoo, tmp_path):
    published = {"accuracy": [{"metric": "AP", "value": 0.7}]}
    larger = accuracy(0.5, target_size=480)
    zoo(changes={"published": published}, one=[larger])
    registry = open_registry([tmp_path / "models"])
    facts = describe_model(registry.find("one"), registry)
    layout = ModelLayout(tmp_path, tmp_path)
    comparison = compare_models([facts], layout, MeasurementSelection())
    assert [row.name for row in comparison.rows] == ["one", "one at 480"]
    assert column(comparison, "published_AP") == [0.7, None]


def test_ghosts_are_of_the_pictures_of_situations_alone(zoo):
    """A data set of an evaluation may also have photos without people: these are other pictures."""
    of_photos = accuracy(0.5)
    of_photos = replace(of_photos, figures={"AP": 0.5, "ghosts": 3.0})
    of_pictures = Measurement(
        "situations", Precision.FP16, {"ghosts": 0.25}, settings={"pictures": 33}
    )
    comparison = zoo(one=[of_photos], two=[of_photos, of_pictures])
    assert column(comparison, "AP") == [0.5, 0.5]
    assert column(comparison, "ghosts") == [None, 0.25]


def test_int8_is_that_with_a_detector_in_int8_if_both_were_measured(zoo, tmp_path):
    int8, fp32 = Precision.FP16_INT8, Precision.FP32
    net = {"people_from": "net"}
    one = [
        accuracy(0.3, int8, **net),
        accuracy(0.2, int8, **net, detector_precision="FP16-INT8"),
        accuracy(0.25, fp32, **net),
    ]
    zoo(changes=TOP_DOWN, one=one)
    model = open_registry([tmp_path / "models"]).find("one")
    found = MeasurementSelection().select_of_pipeline(model, "accuracy")
    assert {each.precision: each.figures["AP"] for each in found} == {int8: 0.2, fp32: 0.25}
    assert int8_ratio(one[1], one) == pytest.approx(0.8)


def test_a_composite_has_a_row_with_the_sums_of_its_parts():
    registry = open_registry()
    composite = registry.find("blazepose-full")
    facts = ModelFacts(composite, registry.parts(composite))
    layout = ModelLayout(composite.path.parent, composite.path.parent)
    row = compare_models([facts], layout, MeasurementSelection()).rows[0]
    assert (row.model, row.precision) == ("blazepose-full", Precision.FP16)
    selection = MeasurementSelection()
    for kind, metric, key in (
        ("accuracy", "AP", "AP"),
        ("speed", "latency_p50_ms", "single_p50_ms"),
    ):
        recorded = selection.select_of_pipeline(composite, kind, 1)
        here = [each.figures[metric] for each in recorded if each.precision is Precision.FP16]
        assert row.values[key].number in here
    assert row.values["network_fps"] is None
    parts = compare_models(
        [ModelFacts(part, (part,)) for part in facts.parts], layout, MeasurementSelection()
    )
    assert row.values["mparams"].number == pytest.approx(sum(column(parts, "mparams")))
    assert row.values["mparams"].record == "the registry"


def test_int8_is_compared_with_floating_point_in_the_same_settings():
    int8, fp32, fp16 = Precision.FP16_INT8, Precision.FP32, Precision.FP16
    found = [
        accuracy(0.4, fp32, arithmetic="f32"),
        accuracy(0.5, fp32, people_from="net"),
        speed(10),
    ]
    assert int8_ratio(accuracy(0.38, int8, arithmetic="i8"), found) == pytest.approx(0.95)
    assert int8_ratio(accuracy(0.38, int8, people_from="other"), found) is None
    assert int8_ratio(accuracy(0.38, fp16), found) is None
    assert int8_ratio(speed(15, precision=int8, executed_precision="i8"), found) == 1.5
    assert int8_ratio(speed(15, precision=int8, machine="another"), found) is None
    assert int8_ratio(accuracy(0.0, int8), [accuracy(0.0, fp32)]) is None


#: An AP that was measured in each precision of ``IR_FILES``.
OF_BOTH = [accuracy(0.5), accuracy(0.4, Precision.FP16_INT8)]


def test_a_published_ap_is_not_that_of_a_quantized_ir(zoo):
    published = {"accuracy": [{"metric": "AP", "value": 0.7}]}
    changes = {"framework": "dldt", "files": IR_FILES, "published": published}
    comparison = zoo(changes=changes, one=OF_BOTH)
    assert column(comparison, "published_AP") == [0.7, None]
    assert column(comparison, "size_bytes") == [200, 80]


def test_the_size_of_an_ir_is_that_on_disk(zoo, tmp_path):
    folder = tmp_path / "public" / "one" / "FP16"
    folder.mkdir(parents=True)
    (folder / "one.xml").write_bytes(b"12345")
    assert column(zoo(one=()), "size_bytes") == [None]
    (folder / "one.bin").write_bytes(b"123")
    assert column(zoo(one=()), "size_bytes") == [8]


def test_a_row_says_what_the_ir_on_disk_was_compared_with(tmp_path):
    content = network("onnx")
    spec = spec_of(content, tmp_path)
    layout = downloaded(spec, content, tmp_path)
    convert_model(spec, layout, precisions=[Precision.FP16], by_nodes=True)
    facts = ModelFacts(spec, (spec,), layout=layout)
    (row,) = compare_models([facts], layout, MeasurementSelection()).rows
    runtime, nodes = row.compared_with
    assert runtime.startswith("ONNX Runtime ")
    assert nodes.startswith("inner tensors: ")
    assert row.as_json["compared_with"] == [runtime, nodes]


def test_a_row_is_of_a_precision_with_a_measured_ap_and_of_fp16_before_fp32(zoo):
    fp32 = Precision.FP32
    comparison = zoo(
        both=[accuracy(0.3, fp32), accuracy(0.4)],
        single=[accuracy(0.5, fp32)],
        unknown=(),
    )
    assert [row.precision for row in comparison.rows] == [Precision.FP16, fp32, Precision.FP16]
    assert [row.name for row in comparison.rows] == ["both", "single (FP32)", "unknown"]


def test_a_speed_with_four_people_that_does_not_state_its_crops_has_no_place(zoo):
    of_former_scene = speed(10, pipeline="all", shown=4)
    assert column(zoo(one=[of_former_scene]), "latency_p50_ms") == [None]


def test_what_is_transferred_counts_the_precision_and_the_detector(zoo, tmp_path):
    changes = {"framework": "dldt", "files": IR_FILES}
    detector = zoo(changes=changes, net=OF_BOTH)
    assert column(detector, "transfer_bytes") == [200, 80]
    registry = open_registry([tmp_path / "models"])
    net = registry.find("net")
    write_model(tmp_path / "models", "top", model_yml(**TOP_DOWN))
    top = open_registry([tmp_path / "models"]).find("top")
    facts = describe_model(top, open_registry([tmp_path / "models"]))
    assert facts.detector == net
    own = transfer_bytes([top])
    assert facts.download_bytes == own + 200


def test_a_latency_with_one_person_is_not_that_with_four(zoo):
    of_one = speed(40, pipeline="all", shown=1)
    comparison = zoo(one=[speed(10, **OF_FOUR), of_one])
    assert column(comparison, "latency_p50_ms") == [100]
    assert column(comparison, "single_p50_ms") == [25]
    assert comparison.rows[0].is_opened
    assert not zoo(two=[speed(10, weights="generated")]).rows[0].is_opened
