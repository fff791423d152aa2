"""3D poses from an image of any size: the camera is the image's, not the network's."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import space
from fakes.dots import deaf_network
from posezoo.core.registry import open_registry
from posezoo.poses.drawing import draw
from posezoo.poses.keypoints import Pose3D
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")

PEOPLE = space.scene(0)


@pytest.fixture(scope="session")
def xml(tmp_path_factory):
    """A network that sees ``PEOPLE`` in every picture, its outputs named as the zoo's model has them."""
    outputs = space.maps(PEOPLE, 0, noise=0)
    named = {"features" if role == "coordinates" else role: each for role, each in outputs.items()}
    return deaf_network(tmp_path_factory.mktemp("lifting") / "deaf.xml", space.SIZE, named)


@pytest.fixture(scope="session")
def estimator(xml):
    model = open_registry().find("human-pose-estimation-3d-0001")
    return load_estimator(model, {model.name: xml})


def errors_cm(poses):
    """(N, 19): how far each joint is from its place before the camera, person by person from the left."""
    found = sorted(
        (pose for pose in poses if isinstance(pose, Pose3D)), key=lambda pose: pose.camera[0, 0]
    )
    truth = sorted(PEOPLE.joints, key=lambda joints: joints[0, 0])
    assert len(found) == len(poses) == len(truth)
    return np.linalg.norm(np.array([pose.camera for pose in found]) - np.array(truth), axis=2)


def test_an_image_of_the_networks_aspect_is_all_it_sees(estimator):
    for times in (1, 2):
        size = (256 * times, 448 * times, 3)
        poses = estimator(np.zeros(size, np.uint8))
        assert errors_cm(poses).mean() < 0.6
        assert max(pose.keypoints[:, 0].max() for pose in poses) > 300 * times


def test_an_image_of_another_aspect_has_its_own_camera(xml):
    """560 x 512 lies in the middle of 448 x 256 at a half: the known camera's focal length is twice as long there."""
    model = open_registry().find("human-pose-estimation-3d-0001")
    told = load_estimator(
        model,
        {model.name: xml},
        LoadOptions(decoder_options={"focal_length": 2 * space.FOCAL_LENGTH}),
    )
    poses = told(np.zeros((512, 560, 3), np.uint8))
    assert errors_cm(poses).mean() < 0.6
    seen = sorted(
        (PEOPLE.seen[:, space.NECK] - np.array(space.SIZE) / 2) * 2 + (280, 256), key=tuple
    )
    found = sorted((pose.keypoints[space.NECK, :2] for pose in poses), key=tuple)
    assert np.allclose(found, seen, atol=1)


def test_poses_in_space_are_drawn_in_the_image(estimator):
    image = np.zeros((256, 448, 3), np.uint8)
    pose = replace(estimator(image)[0], score=0.9)
    drawn = draw(image, [pose])
    x, y = pose.keypoints[space.PELVIS, :2].astype(int)
    assert drawn[y, x].any()
