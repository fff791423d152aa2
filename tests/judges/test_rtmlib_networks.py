"""Whole programs of rtmlib and ours, with the same network files: RTMO, RTMDet, YOLOX,
and RTMW in the boxes of RTMDet.

The networks find discs of colors, so they see an exchange of red and blue. rtmlib gives its networks the photo as it
is, BGR: RTMO, RTMDet and YOLOX were trained so, and RTMW was not, so its judge gets RGB.

rtmlib removes RTMO's people whose boxes overlap by 0.45, after the network itself has removed those that overlap by
0.65; here it gets 1. Its default scores are 0.7; here it gets our 0.3. We remove poses of one person that were found in
two boxes, and rtmlib does not; here we keep them.
"""

import numpy as np
import pytest

from fakes.loaded_irs import load_ir
from fakes.when_used import import_when_used
from judges.agreement import Agreement, pairs
from judges.packages import judge
from judges.photos import corners, cut_square, pixel_indices
from judges.test_rtmlib import RTMLIB
from posezoo import load
from posezoo.run.runtime.runtime_config import LoadOptions

disc_people = import_when_used("fakes.disc_people")
colored_discs = import_when_used("fakes.colored_discs")


@pytest.fixture(scope="module")
def scenes():
    return [disc_people.draw_people(seed) for seed in range(20)]


@pytest.fixture(scope="module")
def squares(pictures, scenes):
    return [cut_square(picture) for picture in [*pictures, *scenes]]


@pytest.fixture(scope="module")
def models(place):
    """The IR and the ONNX file of each model."""
    folder = place.models.parent
    place.publish("rtmo-s", disc_people.rtmo_discs(folder, 640))
    place.publish("rtmdet-nano", disc_people.rtmdet_discs(folder, 320))
    place.publish("yolox-tiny-coco", disc_people.yolox_discs(folder, 416))
    place.publish(
        "rtmw-l",
        colored_discs.discs_onnx(
            colored_discs.SimccDiscs(133), folder, 256, 192, "simcc_x", "simcc_y"
        ),
    )
    names = "rtmo-s", "rtmdet-nano", "yolox-tiny-coco", "rtmw-l"
    # On noise, scores of RTMO differ by less than a rounding, and each runtime sorts them in its own order.
    place.run("get", *names, "-o", place.out, "--precisions", "FP32", "--self_check", "off")
    onnx = {name: next((place.out / "public" / name).rglob("*.onnx")) for name in names}
    return {name: (place.ir(name), str(onnx[name])) for name in names}


def people_of(keypoints):
    """Where it finds nobody, rtmlib's RTMO answers one person whose keypoints are 0."""
    return [person for person in keypoints if person.any()]


def compare_rtmo(recorded, name, models, pictures):
    ir, onnx = models["rtmo-s"]

    def ask():
        options = {"model_input_size": (640, 640), "nms_thr": 1, "score_thr": 0.3}
        pipeline = judge("rtmlib", RTMLIB).RTMO(onnx, **options)
        return [people_of(pipeline(picture)[0]) for picture in pictures]

    answer = recorded.people(f"rtmlib/{name}", RTMLIB, ask)
    estimator = load(ir)
    agreement = Agreement(answer.by)
    for picture, judged in zip(pictures, answer.people, strict=True):
        agreement.add(judged, [pose.keypoints[:, :2] for pose in estimator(picture)])
    return agreement


def test_rtmo_finds_the_people_of_rtmlib(recorded, models, squares):
    """Other pictures are in the middle of our input, as in MMPose, and in the corner of rtmlib's."""
    compare_rtmo(recorded, "rtmo", models, squares).check("rtmo")


def test_rtmo_has_other_pictures_in_the_middle_of_its_input(recorded, models, pictures, scenes):
    """Its cells are then at other places of the picture than rtmlib's; this network's people depend on them."""
    every = [*pictures, *scenes]
    compare_rtmo(recorded, "rtmo-photos", models, every).record("rtmo_photos")


DETECTORS = pytest.mark.parametrize(
    ("model", "name", "side"), [("rtmdet-nano", "RTMDet", 320), ("yolox-tiny-coco", "YOLOX", 416)]
)


@DETECTORS
def test_detectors_find_the_boxes_of_rtmlib(
    recorded, models, pictures, scenes, squares, model, name, side
):
    """Our boxes end at the sides of the picture; nothing else differs."""
    ir, onnx = models[model]
    every = [*pictures, *scenes, *squares]

    def ask():
        options = {"model_input_size": (side, side), "score_thr": 0.3}
        pipeline = getattr(judge("rtmlib", RTMLIB), name)(onnx, **options)
        return [[corners(box) for box in pipeline(picture)] for picture in every]

    answer = recorded.people(f"rtmlib/{name.lower()}", RTMLIB, ask)
    estimator = load(ir)
    agreement = Agreement(answer.by)
    for picture, judged in zip(every, answer.people, strict=True):
        size = picture.shape[1::-1]
        found = [corners(pose.box) for pose in estimator(picture)]
        agreement.add(judged, found)
        for box, other in pairs(judged, found):
            assert np.abs(found[other] - judged[box].clip(0, size)).max() <= 1e-2
    agreement.check(name.lower())


@pytest.mark.parametrize("removes_doubles", [False, True])
def test_rtmw_finds_the_keypoints_of_rtmlib_in_the_boxes_of_rtmdet(
    recorded, models, squares, removes_doubles
):
    boxes_ir, boxes_onnx = models["rtmdet-nano"]
    ir, onnx = models["rtmw-l"]

    def ask():
        rtmlib = judge("rtmlib", RTMLIB)
        detector = rtmlib.RTMDet(boxes_onnx, model_input_size=(320, 320), score_thr=0.3)
        pipeline = rtmlib.RTMPose(onnx, model_input_size=(192, 256))
        found = []
        for picture in squares:
            boxes = detector(picture)
            rgb = np.ascontiguousarray(picture[..., ::-1])
            found.append(list(pipeline(rgb, boxes)[0]) if len(boxes) else [])
        return found

    answer = recorded.people("rtmlib/rtmw", RTMLIB, ask)
    keeps_all = LoadOptions(decoder_options={"max_similarity": 1})
    loaded = load_ir(ir, options=None if removes_doubles else keeps_all)
    estimator = loaded.with_detector(load(boxes_ir))
    agreement = Agreement(answer.by)
    for picture, judged in zip(squares, answer.people, strict=True):
        agreement.add(judged, [pixel_indices(pose) for pose in estimator(picture)])
    if removes_doubles:
        agreement.record("rtmw_default")
    else:
        agreement.check("rtmw")
