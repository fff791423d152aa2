"""posezoo.get and posezoo.load, as a program uses them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import posezoo
from conftest import by_digest
from posezoo.images import read

ASTRONAUT = "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3"


def test_the_public_names_are_these():
    assert posezoo.__all__ == ["Pose", "PosezooError", "decode", "draw", "get", "load", "version"]
    for name in posezoo.__all__:
        assert getattr(posezoo, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        posezoo.nope  # noqa: B018


def test_get_returns_the_ir_of_each_part_and_a_second_time_the_same(blazepose):
    irs = posezoo.get("blazepose-full", precision="FP16", output_dir=blazepose.output_dir)
    assert list(irs) == ["pose-detection-mediapipe", "pose-landmark-full-mediapipe"]
    for name, xml in irs.items():
        assert xml == blazepose.output_dir / "public" / "blazepose-full" / name / "FP16" / f"{name}.xml"
        assert xml.with_suffix(".bin").is_file()
    assert posezoo.get("blazepose-full", output_dir=str(blazepose.output_dir)) == irs


def test_load_gives_a_callable_from_image_to_poses(blazepose, mirror):
    model = posezoo.load("blazepose-full", precision="FP16", device="CPU", output_dir=blazepose.output_dir)
    image = read(by_digest(mirror, ASTRONAUT))
    (pose,) = model(image)
    assert pose.keypoints.shape == (33, 3)
    assert pose.skeleton == "blazepose-33"
    assert model.executed_precision == "f32"
    nose = pose.keypoints[0]
    assert np.hypot(nose[0] - 213, nose[1] - 121) < 15
    (same,) = model(image[:, :, ::-1].copy(), color="RGB")
    assert np.array_equal(same.keypoints, pose.keypoints)
    assert json.loads(json.dumps(pose.to_json()))["skeleton"] == "blazepose-33"
    assert len(pose.to_coco()["keypoints"]) == 51


def test_what_cannot_be_meant_is_answered_with_a_hint():
    with pytest.raises(posezoo.PosezooError) as caught:
        posezoo.get("blazepose-ful")
    assert caught.value.hint == "did you mean blazepose-full?"
    with pytest.raises(posezoo.PosezooError, match="no precision is called 'FP64'"):
        posezoo.get("blazepose-full", precision="FP64")
    with pytest.raises(posezoo.PosezooError, match="unknown setting 'outputdir'"):
        posezoo.get("blazepose-full", outputdir="x")
