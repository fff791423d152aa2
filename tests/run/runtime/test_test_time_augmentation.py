"""Several passes find the people of a single pass, and more of them."""

import numpy as np
import pytest

from fakes.people import likeness
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import InferenceError
from posezoo.core.pipeline.get import get_irs
from posezoo.core.registry import open_registry
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")


@pytest.fixture(scope="session")
def openpose(zoo):
    spec = zoo.registry.find("human-pose-estimation-0001")
    return spec, get_irs(spec, Precision("FP16-INT8"), zoo)


def similarity(estimator, photos):
    """The mean over everybody in the photos."""
    best = [
        max((likeness(pose, person) for pose in poses), default=0.0)
        for photo, people in photos
        for poses in [estimator(photo)]
        for person in people
    ]
    return float(np.mean(best))


def test_photos_seen_in_a_mirror_too_and_larger_show_people_better(openpose, photos):
    some = photos[::3]
    once = similarity(load_estimator(*openpose), some)
    flipped = load_estimator(*openpose, LoadOptions(flip=True))
    assert len(flipped.batch([photo for photo, _ in some])) == len(some)
    assert similarity(flipped, some) > once - 0.02
    larger = load_estimator(*openpose, LoadOptions(scales=(1, 1.5)))
    assert larger.input_size == (656, 368)
    assert similarity(larger, some) > once


def test_a_mirrored_photo_has_mirrored_people(openpose, photos):
    estimator = load_estimator(*openpose, LoadOptions(flip=True))
    photo, _ = photos[0]
    here, there = estimator(photo), estimator(np.ascontiguousarray(photo[:, ::-1]))
    nose = here[0].keypoints[0]
    width = photo.shape[1]
    assert (
        min(
            np.hypot(width - pose.keypoints[0, 0] - nose[0], pose.keypoints[0, 1] - nose[1])
            for pose in there
        )
        < 4
    )


def test_scales_without_the_usual_one_are_refused(openpose):
    with pytest.raises(InferenceError, match="1 among them"):
        load_estimator(*openpose, LoadOptions(scales=(0.5, 2)))


def test_augmentation_is_refused_for_decoders_that_do_not_support_it(blazepose_irs):
    with pytest.raises(
        InferenceError, match="test-time augmentation is not supported for decoder blazepose"
    ):
        load_estimator(
            open_registry().find("blazepose-full"), blazepose_irs, LoadOptions(flip=True)
        )
