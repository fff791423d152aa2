"""The models of 2026, as their users get them, with generated weights: the registry is a copy that is pinned to them."""

import json

import cv2
import numpy as np
import pytest

from fakes.command import posezoo, succeeded
from fakes.published_models import Place, place_of
from fakes.when_used import import_when_used
from posezoo import load

onnxruntime = import_when_used("onnxruntime")

heads = import_when_used("fakes.rtmo")
rtmpose_network = import_when_used("fakes.rtmpose")
yolox_networks = import_when_used("fakes.yolox_networks")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with place_of(tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture(scope="module")
def rtmpose(place):
    """rtmpose-t from the archive with its dated folder, as FP32 and FP16, with what the command said."""
    place.publish("rtmpose-t", rtmpose_network.rtmpose_onnx(place.models.parent, "t", 17, 256, 192))
    said = place.run("get", "rtmpose-t", "-o", place.out, "--precisions", "FP32,FP16", "-v")
    return place, said


def test_an_archive_with_a_dated_folder_becomes_proven_ir(rtmpose):
    place, said = rtmpose
    assert "self-check passed" in said and "compared with ONNX Runtime" in said
    assert "warning" not in said
    assert place.ir("rtmpose-t").is_file() and place.ir("rtmpose-t", "FP16").is_file()


def test_rtmw3d_finds_depths_in_meters_that_do_not_depend_on_the_size_of_a_person(tmp_path):
    """Of a small network with its outputs; `pose.z` of other models is in pixels, and grows with the person."""
    names = ["output", "1554", "1556"]
    onnx = tmp_path / "rtmw3d.onnx"
    onnx.write_bytes(rtmpose_network.rtmpose_onnx(tmp_path, "t", 133, 384, 288, names))
    xml = tmp_path / "rtmw3d.xml"
    succeeded(posezoo("convert", onnx, "--as", "rtmw3d-x", "-o", xml))
    estimator = load(xml, detector=None)
    image = np.random.default_rng(1).integers(0, 256, (384, 288, 3), np.uint8)
    box = (28.8, 38.4, 259.2, 345.6)  # with the margin, the whole image
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    (pose,) = estimator(image, boxes=[box])
    (twice,) = estimator(large, boxes=[[2 * side for side in box]])
    assert pose.z is None and 0 < np.abs(pose.depths).max() <= 2.1744869
    assert np.median(np.abs(twice.depths - pose.depths)) < 0.01
    assert len(np.unique(pose.depths)) > 20


@pytest.mark.parametrize("shift", [-3.2, -50], ids=["people", "nobody"])
def test_only_rtmos_rows_of_people_are_compared(place, tmp_path, shift):
    """ONNX Runtime fills the row after the people with the last anchor, OpenVINO with zeros."""
    other = Place(tmp_path, place.server)
    other.publish("rtmo-t", heads.rtmo_onnx(tmp_path, 416, shift))
    said = other.run("get", "rtmo-t", "-o", other.out, "--precisions", "FP32,FP16", "-v")
    image = rtmpose_network.drawn_scene()
    poses = load(other.ir("rtmo-t"))(image)
    if shift == -50:
        assert "cannot be compared" in said and poses == []
        return
    assert "self-check passed" in said and "compared with ONNX Runtime" in said
    # The published preprocessing with OpenCV and ONNX Runtime alone: a centered letterbox on grey.
    scale = 416 / 640
    fed = np.full((416, 416, 3), 114, np.uint8)
    fed[52:364] = cv2.resize(image, (416, 312), interpolation=cv2.INTER_LINEAR)
    session = onnxruntime.InferenceSession(next(other.out.rglob("end2end.onnx")))
    feed = fed.transpose(2, 0, 1)[None].astype(np.float32)
    dets, keypoints = session.run(None, {"input": feed})
    people = keypoints[0, dets[0, :, 4] >= 0.3]
    expected = (people[..., :2] - [0, 52]) / scale
    assert len(poses) == len(people) > 3
    found = np.array([pose.keypoints[:, :2] for pose in poses])
    assert np.abs(found - expected).max() <= 0.1
    said = other.run("convert", "rtmo-t", "-d", other.out, "-o", tmp_path / "ir", "--decode")
    assert "converted, checked" in said
    decoded = load(tmp_path / "ir/public/rtmo-t/FP32/rtmo-t.xml")(image)
    assert np.abs(np.array([pose.keypoints[:, :2] for pose in decoded]) - found).max() <= 0.1


#: The one label of the drawn RTMDet is 0 for each image, which proves nothing of it.
PROOFS = {
    "yolox-nano-coco": "self-check passed",
    "rtmdet-nano": "cannot be compared in labels",
}


@pytest.fixture(
    scope="module",
    params=[("yolox-nano-coco", "yolox_onnx", 416), ("rtmdet-nano", "rtmdet_onnx", 320)],
)
def detected(place, tmp_path_factory, request):
    """A detector as FP32 and FP16, with what the command said."""
    detector, draw, side = request.param
    drawn = getattr(heads, draw)(tmp_path_factory.mktemp("detector"), side)
    # The folder of RTMDet's member is not known: model.yml names it without one.
    place.publish(detector, drawn, "20230831/rtmdet/end2end.onnx")
    return detector, place.run("get", detector, "-o", place.out, "--precisions", "FP32,FP16", "-v")


def test_a_detector_of_2026_finds_the_people_for_rtmpose(rtmpose, tmp_path, detected):
    place, _ = rtmpose
    detector, said = detected
    assert PROOFS[detector] in said and "compared with ONNX Runtime" in said
    scene = tmp_path / "scene.png"
    cv2.imwrite(str(scene), rtmpose_network.drawn_scene())
    results = tmp_path / "results"
    options = ("--detector", detector, "--weights_dir", place.out)
    place.run("run", "rtmpose-t", "-i", scene, "-o", results, *options)
    found = json.loads((results / "poses.json").read_text("utf-8"))
    assert found["people_from"] == detector
    boxes = load(place.ir(detector))(rtmpose_network.drawn_scene())
    assert boxes and all(pose.skeleton == "box" for pose in boxes)
