"""AP before and after, on photos that were not used for calibration, and a limit to its drop."""

import json
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest

from fakes import coco, seeker
from fakes.command import posezoo, read_json, refusal
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import DatasetError, EvaluationError, QuantizationError
from posezoo.core.events import (
    AccuracyCompared,
    FloatLayersKept,
)
from posezoo.measure.coco import read_coco_dataset
from posezoo.media import images
from posezoo.quantize.int8_models import plan_int8
from posezoo.quantize.quantization_plan import QuantizationOptions
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.estimator import override_network
from posezoo.run.runtime.loading import load_estimator


@pytest.fixture(autouse=True)
def _evaluates():
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


def truth_of(bench, name="truth.json", area=1600.0):
    """What FP32 detects in each photo, as annotations, so that its AP is 1."""
    network, people, photos = CompiledNetwork(bench.fp32), [], sorted(bench.photos.iterdir())
    for number, photo in enumerate(photos, 1):
        keypoints = network({"image": images.read_image(photo)[None].astype(np.float32)})[
            "keypoints"
        ][0, 0]
        points = np.column_stack([keypoints[:, [1, 0]] * seeker.SIDE - 0.5, np.full(17, 2)])
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        people.append(coco.person(number, number, points, bbox=(*low, *(high - low)), area=area))
    content = coco.annotations(len(photos), people, (seeker.SIDE, seeker.SIDE))
    for entry, photo in zip(content["images"], photos, strict=True):
        entry["file_name"] = photo.name
    return coco.written(bench.photos.parent, content, name)


def test_ap_before_and_after_is_measured_on_photos_kept_apart_from_calibration(bench):
    bench.quantize(annotations=truth_of(bench))
    (compared,) = bench.of(AccuracyCompared)
    assert compared.fp32 == pytest.approx(1)
    assert 0.5 < compared.int8 <= 1
    assert compared.images == 3


def test_an_ir_is_due_until_its_accuracy_is_measured_with_the_same_annotations(bench):
    annotations = truth_of(bench)

    def reason(**changes):
        options = QuantizationOptions(**changes)
        plan = plan_int8(
            bench.spec, bench.context, bench.photos, options, output_dir=bench.output_dir
        )
        return plan.irs[0].reason

    bench.quantize()
    assert reason() == ""
    due = "its accuracy was not measured with these annotations"
    assert reason(annotations=annotations) == due
    bench.quantize(annotations=annotations)
    assert bench.of(AccuracyCompared)
    assert reason(annotations=annotations) == reason() == ""
    content = read_json(annotations)
    content["annotations"].pop()
    other = coco.written(annotations.parent, content, "other.json")
    assert reason(annotations=other) == due
    annotations.write_text(other.read_text())
    assert reason(annotations=annotations) == due
    other.rename(bench.photos / "keypoints.json")
    assert reason(metric="ap") == due
    with pytest.raises(DatasetError, match="gone"):
        bench.quantize(annotations=annotations.with_name("gone.json"))


def test_layers_go_back_to_floating_point_until_ap_is_within_its_limit(make_bench):
    settings = {"min_agreement": 0.01, "max_shift_px": 64.0}
    bench = make_bench(loud=True, quantization=settings)
    annotations = truth_of(bench)
    with pytest.raises(QuantizationError, match="finds 0 people"):
        bench.quantize(annotations=annotations)
    bench.quantize(annotations=annotations, max_drop=0.1)
    (compared,) = bench.of(AccuracyCompared)
    assert compared.fp32 - compared.int8 <= 0.1
    assert (
        read_json(bench.xml.with_name("provenance.json"))["key"]["quantization"]["max_drop"] == 0.1
    )


def test_with_the_folders_of_coco_a_layer_goes_back_to_floating_point(make_bench):
    bench = make_bench(loud=True)
    annotations = truth_of(bench)
    photos = bench.photos
    bench.photos = photos.with_name("coco")
    (bench.photos / "annotations").mkdir(parents=True)
    photos.rename(bench.photos / "val2017")
    annotations.rename(bench.photos / "annotations" / "person_keypoints_val2017.json")
    bench.quantize(metric="ap", max_drop=0.1)
    (compared,) = bench.of(AccuracyCompared)
    assert compared.fp32 - compared.int8 <= 0.1
    (kept,) = bench.of(FloatLayersKept)
    assert kept.layers == {"head": "in INT8, AP drops by more than the limit"}


def test_annotations_of_other_photos_are_refused(bench):
    annotations = truth_of(bench)
    content = read_json(annotations)
    for entry in content["images"]:
        entry["file_name"] = f"other-{entry['file_name']}"
    annotations.write_text(json.dumps(content))
    with pytest.raises(QuantizationError, match="has no person in the 3 photos that are not used"):
        bench.quantize(annotations=annotations)
    assert not bench.xml.exists()


def test_invalid_annotations_are_refused(bench):
    (bench.photos.parent / "truth.json").write_text("[]")
    with pytest.raises(DatasetError, match="is not a COCO annotation file"):
        bench.quantize(annotations=bench.photos.parent / "truth.json")


def test_a_model_of_another_skeleton_is_refused(bench):
    annotations = truth_of(bench)
    bench.spec = replace(bench.spec, skeleton="coco-17")
    content = read_json(annotations)
    content["categories"][0]["keypoints"] = [f"point_{n}" for n in range(17)]
    annotations.write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match="COCO's sigmas are unknown for point_0"):
        bench.quantize(annotations=annotations)
    assert not bench.xml.exists()


def accuracy_of(bench):
    return read_json(bench.xml.with_name("provenance.json"))["accuracy"]


def float_layers(network):
    """The convolutions whose weights are no whole numbers."""
    names = set()
    for operation in network.get_ops():
        if operation.get_type_name() != "Convolution":
            continue
        source = operation.input_value(1).get_node()
        while source.get_type_name() in ("Convert", "Multiply", "Subtract"):
            source = source.input_value(0).get_node()
        if source.get_element_type().is_real():
            names.add(operation.get_friendly_name())
    return names


def test_the_layers_in_floating_point_are_those_of_nncfs_own_accuracy_control(make_bench):
    import nncf

    from posezoo.measure.evaluation import evaluate

    bench = make_bench(loud=True)
    annotations = truth_of(bench)
    bench.quantize(annotations=annotations, max_drop=0.1, precisions=(Precision.FP32_INT8,))
    (kept,) = bench.of(FloatLayersKept)
    photos = sorted(bench.photos.iterdir())
    calibration = nncf.Dataset(
        [path for index, path in enumerate(photos) if index % 3 != 2],
        lambda path: {"image": images.read_image(path)[None].astype(np.float32)},
    )
    dataset = read_coco_dataset(annotations, bench.photos)
    apart = [image for image in dataset.images if image.path in photos[2::3]]
    dataset = replace(dataset, images=tuple(apart))

    def validate(compiled, ids):
        estimator = load_estimator(bench.spec, {seeker.NAME: bench.fp32})
        predictor = override_network(
            estimator,
            lambda inputs: {
                "keypoints": compiled(next(iter(inputs.values())).astype(np.float32))["keypoints"]
            },
            -1,
        )
        chosen = dataset.excluding({image.id for image in apart} - set(ids))
        return evaluate(predictor, chosen).figures.get("AP", 0.0), None

    judged = nncf.quantize_with_accuracy_control(
        ov.Core().read_model(bench.fp32),
        calibration,
        nncf.Dataset([image.id for image in apart]),
        validate,
        max_drop=0.1,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=6,
    )
    assert set(kept.layers) == float_layers(judged) == {"head"}
    assert kept.of == 2
    assert set(kept.layers.values()) == {"in INT8, AP drops by more than the limit"}


def test_the_best_ir_is_written_and_marked_if_the_limit_is_never_met(bench, tmp_path):
    annotations = truth_of(bench, area=4.0)  # a fraction of a pixel counts
    flags = ("--models_dir", tmp_path / "registry", "--weights_dir", tmp_path / "models")
    command = (
        "quantize", seeker.NAME, *flags, "--images", bench.photos, "--annotations", annotations,
        "--output", bench.output_dir, "--max_drop", "0",
    )  # fmt: skip
    done = posezoo(*command)
    assert bench.xml.exists(), done.stderr
    record = accuracy_of(bench)
    assert record["max_drop"] == 0 and record["fp32"] > record["int8"] > 0
    assert done.returncode == 1
    assert f"{bench.xml}\n" == done.stdout
    assert "it misses the limit of 0 points" in done.stderr
    assert "the best drops by" in done.stderr  # the progress of the search
    made = read_json(bench.xml.parents[1] / "card.json")["made"]
    (int8,) = [each for each in made if each["precision"] == "FP16-INT8"]
    assert int8["accuracy"] == record
    assert int8["speed"]["int8_ms"] > 0 and int8["in_float"]["of"] == 2
    card = (bench.xml.parents[1] / "README.md").read_text()
    assert "it misses the limit of 0 points" in card
    assert "the limit is missed" in refusal(posezoo(*command))
