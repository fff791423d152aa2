"""Models of poses that declare no decoder, as in Open Model Zoo: the outputs of their IR decide."""

import json

import cv2
import numpy as np
import openvino
import pytest
import yaml
from openvino import opset13 as ops

import posezoo as posezoo_package
from fakes.command import assert_success, posezoo, printed
from fakes.dots import COLORS, SIZE, dots_network, dotted
from fakes.region_networks import publish_ir
from fakes.zoo import write_model
from posezoo.core.registry import open_registry

OPENPOSE = "human-pose-estimation-0001"
DETECTOR = "person-detection-retail-0013"


@pytest.fixture(scope="module")
def openpose(mirror, tmp_path_factory):
    """Where a model of several people is, whose model.yml has no key of posezoo's for poses."""
    folder = tmp_path_factory.mktemp("openpose")
    content = yaml.safe_load(open_registry().find(OPENPOSE).path.read_text("utf-8"))
    for key in ("decoder", "skeleton", "published", "quantization", "limits", "outputs"):
        content.pop(key, None)
    content["license"] = {"spdx": "Apache-2.0", "text": "Apache-2.0-Tests.txt"}
    write_model(folder / "models", OPENPOSE, content, family="intel")
    return {
        "models_dir": folder / "models",
        "weights_dir": folder / "weights",
        "mirror": (str(mirror),),
    }


def test_its_poses_are_those_of_the_same_model_with_a_decoder(openpose, shared):
    photo = cv2.imread(str(shared / "data" / "photos" / "000000000785.jpg"))
    where = {key: openpose[key] for key in ("weights_dir", "mirror")}
    declared = posezoo_package.load(OPENPOSE, "FP16-INT8", **where)(photo)
    found = posezoo_package.load(OPENPOSE, "FP16-INT8", **openpose)(photo)
    assert len(found) == len(declared) == 1
    assert np.array_equal(found[0].keypoints, declared[0].keypoints)


@pytest.fixture
def dots(tmp_path):
    """The flags that select a model of one person at a time."""
    network = openvino.Core().read_model(dots_network(tmp_path / "ir"))
    network.set_friendly_name("dots")
    return publish_ir(network, tmp_path, "human_pose_estimation")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "dots.png"
    width, height = SIZE
    places = np.random.default_rng(7).uniform((20, 20), (width - 20, height - 20), (17, 2))
    cv2.imwrite(str(path), dotted(SIZE, places, 6.0))
    return path


def run(flags, picture, output, *more):
    return posezoo("run", *flags, "--input", picture, "--output", output, *more)


def test_one_person_at_a_time_is_found_in_the_whole_image(dots, picture, tmp_path):
    done = run(("dots", *dots), picture, tmp_path / "out", "--detector", "none")
    assert_success(done)
    (image,) = json.loads((tmp_path / "out" / "poses.json").read_text())["images"]
    assert len(image["poses"][0]["keypoints"]) == len(COLORS)


def test_a_detector_finds_the_people_for_it(dots, picture, tmp_path, mirror):
    output = printed(
        run(("dots", *dots), picture, tmp_path / "out", "--detector", DETECTOR, "--mirror", mirror)
    )
    assert f"people from {DETECTOR}" in output


def test_one_person_at_a_time_is_evaluated_in_the_annotated_boxes(dots, shared, tmp_path):
    photos = shared / "data" / "photos"
    output = printed(posezoo(
        "evaluate", "dots", *dots, "--images", photos, "--boxes", "truth",
        "--annotations", photos / "person_keypoints.json", "--output", tmp_path / "out",
    ))  # fmt: skip
    assert "people from the annotated boxes" in output


def test_outputs_that_no_decoder_takes_are_named(picture, tmp_path):
    image = ops.parameter([1, 3, 8, 8], np.float32, name="image")
    network = openvino.Model([ops.relu(image)], [image], "strange")
    done = run(
        ("strange", *publish_ir(network, tmp_path, "human_pose_estimation")), picture, tmp_path
    )
    assert done.returncode != 0
    assert "strange: no decoder for human pose estimation takes its outputs" in done.stderr
    assert "1x3x8x8" in done.stderr
