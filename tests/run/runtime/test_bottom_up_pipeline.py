"""Bottom-up networks with their real weights on real photos, and at sizes of all kinds."""

import os
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from fakes.loaded_irs import load_ir
from fakes.people import likeness
from fakes.processor import HAS_VNNI
from fakes.scaling_irs import write_ir
from fakes.waiting import wait_until
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ImageError
from posezoo.core.pipeline.get import get_irs
from posezoo.poses.decoders import DECODERS
from posezoo.poses.keypoints import Pose
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig

pytest.importorskip("cv2")

OPENPOSE, TF_POSE, MOVENET = (
    "human-pose-estimation-0001",
    "tf-pose-mobilenet-v2-small",
    "movenet-singlepose-lightning-int8",
)
#: What the mirror holds each in, and how many of the 37 people with five keypoints and more it finds.
MODELS = {OPENPOSE: ("FP16-INT8", 22), TF_POSE: ("FP32", 12), MOVENET: ("FP32", 10)}


@pytest.fixture(scope="session")
def parts(zoo):
    """Gives a model and its IR by its name, which are made once."""

    @cache
    def get_model(name):
        spec = zoo.registry.find(name)
        return spec, get_irs(spec, Precision(MODELS[name][0]), zoo)

    return get_model


@pytest.fixture(scope="session")
def estimators(parts):
    return cache(lambda name: load_estimator(*parts(name)))


@pytest.mark.parametrize("name", MODELS)
def test_people_of_real_photos_are_at_their_annotations(estimators, photos, name):
    if name == MOVENET and not HAS_VNNI:
        pytest.skip("needs a CPU with VNNI")
    found = sum(
        any(likeness(pose, person) > 0.5 for pose in poses)
        for photo, people in photos
        for poses in [estimators(name)(photo)]
        for person in people
    )
    assert found >= MODELS[name][1]


def best_of(estimator, photo, person, offset=(0, 0)):
    """How well the person is found in a photo, which may lie elsewhere in a larger one."""
    moved = (
        Pose(pose.keypoints - (*offset, 0), pose.skeleton, pose.score, pose.box)
        for pose in estimator(photo)
    )
    return max((likeness(pose, person) for pose in moved), default=0.0)


@pytest.mark.parametrize("name", MODELS)
def test_coordinates_are_the_images_whatever_lies_around_it(estimators, photos, name):
    estimator = estimators(name)
    alone = [(photo, people[0]) for photo, people in photos if len(people) == 1]
    photo, person = max(alone, key=lambda each: best_of(estimator, *each))
    framed = np.pad(photo, ((60, 0), (30, 90), (0, 0)))
    assert best_of(estimator, photo, person) > 0.7
    assert best_of(estimator, framed, person, offset=(30, 60)) > 0.6


@pytest.mark.parametrize("name", [OPENPOSE, TF_POSE, MOVENET])
def test_the_color_order_is_respected(estimators, photos, name):
    photo = photos[0][0]
    poses = estimators(name)(photo)
    same = zip(poses, estimators(name)(photo[..., ::-1], color="RGB"), strict=True)
    assert poses and all(np.array_equal(one.keypoints, other.keypoints) for one, other in same)


@pytest.mark.parametrize(
    ("name", "requested", "size"),
    [
        (OPENPOSE, {"target_size": 128}, (232, 128)),  # of its own aspect
        (OPENPOSE, {"aspect_size": (1280, 720)}, (656, 368)),
        (OPENPOSE, {"aspect_size": (480, 640)}, (280, 368)),
        (OPENPOSE, {"aspect_size": (480, 640), "target_size": 100}, (80, 104)),
        (TF_POSE, {"aspect_size": (640, 480)}, (496, 368)),
        (TF_POSE, {"target_size": 128}, None),
        (MOVENET, {"aspect_size": (640, 480)}, (192, 192)),
    ],
)
def test_the_target_size_is_the_height_and_the_aspect_gives_the_width(
    parts, photos, name, requested, size
):
    spec, irs = parts(name)
    estimator = load_estimator(spec, irs, LoadOptions(**requested))
    assert estimator.input_size == size
    assert isinstance(estimator(photos[0][0]), list)


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000)])
def test_a_strip_of_pixels_does_not_fill_the_memory(estimators, size):
    for fit in (decoder.input_sizing for _, decoder in DECODERS.items()):
        assert max(fit.input_size(100, size)) <= 416
    assert estimators(OPENPOSE)(np.zeros((size[1], size[0], 3), np.uint8)) == []


@pytest.mark.parametrize("name", MODELS)
def test_an_ir_alone_is_recognized(parts, estimators, photos, name):
    (xml,) = parts(name)[1].values()
    # Only model.yml knows the size that a model was published with.
    alone = load_ir(xml, options=LoadOptions(target_size=parts(name)[0].target_size))
    assert alone.decoder == estimators(name).decoder == parts(name)[0].decoder.name
    photo = photos[0][0]
    poses = alone(photo)
    same = zip(poses, estimators(name)(photo), strict=True)
    assert poses and all(np.array_equal(one.keypoints, other.keypoints) for one, other in same)


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_and_a_batch_return_the_results_of_calls(parts, estimators, photos, name):
    spec, irs = parts(name)
    several = load_estimator(spec, irs, LoadOptions(RuntimeConfig(requests=3)))
    assert several.requests == 3
    numbered = [(place, photo) for place, (photo, _) in enumerate(photos[:6])]
    streamed = list(several.stream(numbered, lambda item: item[1]))
    assert [item[0] for item, _ in streamed] == list(range(6))
    batch = several.batch([photo for _, photo in numbered])
    for (_, photo), (_, poses), together in zip(numbered, streamed, batch, strict=True):
        alone = estimators(name)(photo)
        assert len(alone) == len(poses) == len(together) > 0
        for one, other, third in zip(alone, poses, together, strict=True):
            assert np.allclose(one.keypoints, other.keypoints, atol=0.1)
            assert np.array_equal(other.keypoints, third.keypoints)


def test_a_frame_that_is_none_does_not_end_the_stream(estimators, photos):
    frames = [photos[0][0], np.zeros((0, 0, 3), np.uint8), photos[0][0]]
    with estimators(OPENPOSE).stream(frames) as stream:
        next(stream)
        with pytest.raises(ImageError, match="without pixels"):
            next(stream)
        assert next(stream)[1]


@pytest.mark.parametrize(("requests", "read"), [(1, 2), (2, 5)])
def test_a_list_is_read_ahead_and_the_frames_of_a_camera_are_not(tmp_path, requests, read):
    class Photos(Sequence):
        def __init__(self):
            self.read = 0

        def __len__(self):
            return 9

        def __getitem__(self, place):
            if place >= len(self):
                raise IndexError
            self.read += 1
            return np.zeros((48, 64, 3), np.uint8)

    xml = write_ir(tmp_path / "tiny.xml", {"heatmaps": 19, "pafs": 38})
    estimator = load_ir(xml, options=LoadOptions(RuntimeConfig(requests=requests)))
    listed, camera = Photos(), Photos()
    with estimator.stream(listed) as stream:
        next(stream)
        assert listed.read == read
    with estimator.stream(iter(camera)) as stream:
        next(stream)
        assert camera.read == requests


@pytest.mark.parametrize(
    ("said", "requests", "is_several"),
    [
        ({}, None, True),
        ({"is_video": True}, None, True),
        ({"track": True}, None, True),
        ({"live": True}, None, False),
        ({}, 1, False),
    ],
)
def test_independent_images_are_processed_at_the_same_time(tmp_path, said, requests, is_several):
    estimator, compiled = load_tiny(tmp_path, requests)
    found = []

    def image(number):
        found.append(number)
        return np.zeros((48, 64, 3), np.uint8)

    with estimator.stream(iter(range(9)), image, **said) as stream:
        next(stream)
        if is_several:
            wait_until(lambda: len(found) >= min(2, os.cpu_count() or 1))
        stream.close()  # waits until nothing is processed any more
    assert is_several or found == [0]
    assert len(compiled()) == 1 + is_several
    assert estimator.requests == 1


def load_tiny(folder, requests=None):
    """A small network, and what lists the copies of it that were compiled."""
    xml = write_ir(folder / "tiny.xml", {"heatmaps": 19, "pafs": 38})
    runtime = RuntimeConfig(cache_dir=folder / "compiled", requests=requests)
    return load_ir(xml, options=LoadOptions(runtime)), lambda: [*folder.rglob("*.compiled")]
