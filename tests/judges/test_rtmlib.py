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

colored_discs = import_when_used("fakes.colored_discs")

INPUT = (192, 256)


#: The program whose answers are recorded.
RTMLIB = "rtmlib 0.0.16"


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
