"""People as boxes, with the detector's real weights on real photos."""

import numpy as np
import pytest

from fakes.dots import deaf_network
from fakes.loaded_irs import load_ir
from posezoo.core.declarations.model import Precision
from posezoo.core.pipeline.get import get_irs
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")

DETECTOR = "person-detection-retail-0013"


@pytest.fixture(scope="session")
def irs(zoo):
    return {
        each: get_irs(zoo.registry.find(DETECTOR), Precision(each), zoo)
        for each in ("FP32", "FP16")
    }


@pytest.fixture(scope="session")
def detector(zoo, irs):
    return load_estimator(zoo.registry.find(DETECTOR), irs["FP16"])


def overlap(box, person):
    """Intersection over union."""
    x, y, width, height = person["bbox"]
    across = min(box[2], x + width) - max(box[0], x)
    down = min(box[3], y + height) - max(box[1], y)
    common = max(across, 0) * max(down, 0)
    return common / (width * height + (box[2] - box[0]) * (box[3] - box[1]) - common)


def test_two_of_three_people_are_found(detector, photos):
    """24 of the 37 with five keypoints and more."""
    found = sum(
        any(overlap(box.box, person) > 0.5 for box in boxes)
        for photo, people in photos
        for boxes in [detector(photo)]
        for person in people
    )
    assert found >= 24


def test_boxes_are_in_the_image_the_surest_first_and_know_no_keypoints(detector, photos):
    for photo, _ in photos[:4]:
        boxes = detector(photo)
        height, width = photo.shape[:2]
        assert boxes and all(
            0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
            for x0, y0, x1, y1 in (b.box for b in boxes)
        )
        scores = [box.score for box in boxes]
        assert scores == sorted(scores, reverse=True) and all(score >= 0.5 for score in scores)
        assert all(box.skeleton == "box" and box.to_json()["keypoints"] == [] for box in boxes)


def test_the_threshold_is_an_option(zoo, irs, photos):
    spec = zoo.registry.find(DETECTOR)
    low, default, high = (
        load_estimator(spec, irs["FP16"], LoadOptions(decoder_options={"min_box_score": min_count}))
        for min_count in (0.3, 0.5, 0.9)
    )
    crowd = max((photo for photo, _ in photos), key=lambda photo: len(default(photo)))
    assert len(low(crowd)) > len(default(crowd)) > len(high(crowd)) > 0


def test_nanodet_sees_the_letterboxed_image(tmp_path):
    """In an image of 640x320, the input of 320x320 has 80 rows above and below."""
    maps = {}
    for stride in (8, 16, 32):
        maps[f"scores_{stride}"] = np.zeros((1, (320 // stride) ** 2, 80), np.float32)
        maps[f"distances_{stride}"] = np.zeros((1, (320 // stride) ** 2, 32), np.float32)
    # The cell in row 4 and column 2, and all distances between 0 and 7 cells equally likely: 3.5 x 32 pixels.
    maps["scores_32"][0, 42, 0] = 0.75
    found = load_ir(deaf_network(tmp_path / "net.xml", (320, 320), maps))
    assert found.decoder == "nanodet" and found.input_size == (320, 320)
    (person,) = found(np.zeros((320, 640, 3), np.uint8))
    left, top, right, bottom = 80 - 112, 144 - 112, 80 + 112, 144 + 112
    expected = max(2 * left, 0), max(2 * (top - 80), 0), 2 * right, min(2 * (bottom - 80), 320)
    assert person.box == pytest.approx(expected) and person.score == 0.75
    assert found(np.zeros((320, 640, 3), np.uint8))[0].to_json()["keypoints"] == []
