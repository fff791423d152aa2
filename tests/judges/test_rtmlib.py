"""Our pipelines and rtmlib's own, on the same photos with the same networks.

rtmlib counts from the centers of pixels, as COCO's files do, and we from the corners. Networks are given RGB, as
they were trained, so rtmlib gets the photo with red and blue exchanged.
"""

import numpy as np
import pytest

from fakes.when_used import import_when_used
from judges.agreement import Agreement
from judges.packages import judge
from judges.photos import pixel_indices, random_boxes
from posezoo import load
from posezoo.poses.letterbox import letterbox_image
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import crop_affine
from posezoo.poses.yolox_boxes import TOP_LEFT_ON_GREY

colored_discs = import_when_used("fakes.colored_discs")

INPUT = (192, 256)


#: The program whose answers are recorded.
RTMLIB = "rtmlib 0.0.16"


@pytest.fixture(scope="module")
def rtmlib():
    return judge("rtmlib", RTMLIB)


def without_network(pipeline, size):
    """A pipeline of rtmlib, for its preprocessing alone."""
    made = pipeline.__new__(pipeline)
    made.model_input_size = size
    made.mean = None
    return made


@pytest.mark.judge
@pytest.mark.parametrize(("name", "side"), [("YOLOX", 416), ("YOLOX", 640), ("RTMDet", 320)])
def test_detectors_see_the_same_pixels_and_divide_by_the_same_ratio(rtmlib, pictures, name, side):
    """Of photos, and of pictures with sides like photos."""
    pipeline = without_network(getattr(rtmlib, name), (side, side))
    rng = np.random.default_rng(side)
    sizes = rng.integers(150, 641, (142, 2))
    drawn = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    for picture in [*pictures, *drawn]:
        seen, ratio = pipeline.preprocess(picture)
        view, ours = letterbox_image(picture, (side, side), 114, sizing=TOP_LEFT_ON_GREY)
        assert np.array_equal(ours, seen)
        assert view.matrix.tolist() == [[ratio, 0, 0], [0, ratio, 0]]


@pytest.mark.judge
def test_pose_networks_see_the_same_crop(rtmlib, pictures):
    """rtmlib computes the matrix from three points in float32; OpenCV 4 rounds positions to 1/32 of a pixel."""
    pipeline = without_network(rtmlib.RTMPose, INPUT)
    differences = []
    for seed, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        for box in random_boxes(5, (width, height), seed):
            seen, _, _ = pipeline.preprocess(picture, box)
            ours = crop_affine(Box(*box), (width, height), INPUT).extract(picture)
            differences.append(np.abs(seen.astype(int) - ours).mean())
    assert np.median(differences) < 0.001 and np.max(differences) < 0.1


@pytest.fixture(scope="module")
def discs(place):
    """RTMPose's IR and the ONNX file that it was made from."""
    onnx = colored_discs.discs_onnx(
        colored_discs.SimccDiscs(17), place.models.parent, 256, 192, "simcc_x", "simcc_y"
    )
    place.publish("rtmpose-t", onnx)
    place.run("get", "rtmpose-t", "-o", place.out, "--precisions", "FP32")
    return load(place.ir("rtmpose-t"), detector=None), next(place.out.rglob("end2end.onnx"))


def test_rtmpose_finds_the_keypoints_of_rtmlib(recorded, pictures, discs):
    estimator, onnx = discs
    boxes_of = [
        random_boxes(3, picture.shape[1::-1], seed) for seed, picture in enumerate(pictures)
    ]

    def ask():
        pipeline = judge("rtmlib", RTMLIB).RTMPose(str(onnx), model_input_size=INPUT)
        shown = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
        return [list(pipeline(*each)[0]) for each in zip(shown, boxes_of, strict=True)]

    answer = recorded.people("rtmlib/rtmpose", RTMLIB, ask)
    agreement = Agreement(answer.by)
    for picture, boxes, expected in zip(pictures, boxes_of, answer.people, strict=True):
        for box, judged in zip(boxes, expected, strict=True):
            (pose,) = estimator(picture, boxes=[tuple(box)])
            agreement.add([judged], [pixel_indices(pose)])
    agreement.record("rtmpose")
    assert np.mean(np.concatenate(agreement.distances) <= 0.1) >= 0.95
