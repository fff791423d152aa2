"""AP before and after, on photos that were not used for calibration, and a limit to its drop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import coco, seeker
from posezoo import images
from posezoo.errors import DatasetError, QuantizationError
from posezoo.events import AccuracyCompared
from posezoo.runtime.compiled_network import CompiledNetwork


@pytest.fixture(autouse=True)
def _evaluates():
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")


def truth_of(bench, name: str = "truth.json") -> Path:
    """What FP32 detects in each photo, as annotations, so that its AP is 1."""
    network, people, photos = CompiledNetwork(bench.fp32), [], sorted(bench.photos.iterdir())
    for number, photo in enumerate(photos, 1):
        keypoints = network({"image": images.read_image(photo)[None].astype(np.float32)})[
            "keypoints"
        ][0, 0]
        points = np.column_stack([keypoints[:, [1, 0]] * seeker.SIDE, np.full(17, 2)])
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        people.append(coco.person(number, number, points, bbox=(*low, *(high - low)), area=1600.0))
    content = coco.annotations(len(photos), people, (seeker.SIDE, seeker.SIDE))
    for entry, photo in zip(content["images"], photos, strict=True):
        entry["file_name"] = photo.name
    return coco.written(bench.photos.parent, content, name)


@pytest.mark.slow
def test_ap_before_and_after_is_measured_on_photos_kept_apart_from_calibration(bench):
    bench = bench()
    bench.quantize(annotations=truth_of(bench))
    (compared,) = bench.of(AccuracyCompared)
    assert compared.fp32 == pytest.approx(1)
    assert 0.5 < compared.int8 <= 1
    assert compared.images == 3


@pytest.mark.slow
def test_layers_go_back_to_floating_point_until_ap_is_within_its_limit(bench):
    settings = {"min_agreement": 0.01, "max_shift_px": 64.0}
    bench = bench(loud=True, quantization=settings)
    annotations = truth_of(bench)
    with pytest.raises(QuantizationError, match="finds 0 people"):
        bench.quantize(annotations=annotations)
    bench.quantize(annotations=annotations, max_drop=0.1)
    (compared,) = bench.of(AccuracyCompared)
    assert compared.fp32 - compared.int8 <= 0.1
    assert (
        json.loads(bench.xml.with_name("provenance.json").read_text())["key"]["quantization"][
            "max_drop"
        ]
        == 0.1
    )


def test_a_limit_of_the_drop_needs_annotations(bench):
    with pytest.raises(QuantizationError, match="max_drop needs annotations"):
        bench().quantize(max_drop=0.1)


def test_annotations_of_other_photos_are_refused(bench):
    bench = bench()
    annotations = truth_of(bench)
    content = json.loads(annotations.read_text())
    for entry in content["images"]:
        entry["file_name"] = f"other-{entry['file_name']}"
    annotations.write_text(json.dumps(content))
    with pytest.raises(
        QuantizationError, match="has no person in the 3 photos that are kept apart"
    ):
        bench.quantize(annotations=annotations)
    assert not bench.xml.exists()


def test_invalid_annotations_are_refused(bench):
    bench = bench()
    (bench.photos.parent / "truth.json").write_text("[]")
    with pytest.raises(DatasetError, match="is not a COCO annotation file"):
        bench.quantize(annotations=bench.photos.parent / "truth.json")


def test_a_model_of_another_skeleton_is_refused(bench):
    bench = bench()
    annotations = truth_of(bench)
    bench.spec = replace(bench.spec, skeleton="coco-17")
    content = json.loads(annotations.read_text())
    content["categories"][0]["keypoints"] = [f"point_{n}" for n in range(17)]
    annotations.write_text(json.dumps(content))
    with pytest.raises(Exception, match=r"skeleton|keypoints"):
        bench.quantize(annotations=annotations)
    assert not bench.xml.exists()
