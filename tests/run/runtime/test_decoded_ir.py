"""An IR with its decoder says how many keypoints its people have; the pipeline takes the skeleton that has so many."""

import json

import numpy as np
import pytest

from fakes.irs import state_images
from posezoo import load
from posezoo.core.errors import InferenceError

ov = pytest.importorskip("openvino", reason="needs openvino")
ops = ov.opset13


def decoded_ir(folder, decoder, keypoints):
    """An IR that finds one person, whose keypoints are all at (3, 5), in each image of 64x48 pixels."""
    image = ops.parameter([1, 48, 64, 3], np.float32, name="image")
    image.set_layout(ov.Layout("NHWC"))
    nothing = ops.multiply(ops.reduce_sum(image, np.arange(4)), np.float32(0))
    person = np.tile(np.array([3, 5, 0.9], np.float32), (1, keypoints, 1))
    outputs = {"keypoints": person, "scores": np.array([0.8], np.float32)}
    results = []
    for name, value in outputs.items():
        result = ops.add(ops.constant(value), nothing)
        result.output(0).set_names({name})
        results.append(result)
    model = ov.Model(results, [image], "net")
    model.set_rt_info("net", ["posezoo", "model"])
    model.set_rt_info(decoder, ["posezoo", "decoder"])
    model.set_rt_info(json.dumps({"max_people": 1, "min_score": 0}), ["posezoo", "decoding"])
    xml = folder / "net.xml"
    ov.save_model(state_images(model), xml)
    return xml


@pytest.mark.parametrize(("keypoints", "skeleton"), [(17, "coco-17"), (133, "coco-wholebody-133")])
def test_a_decoder_of_any_skeleton_takes_that_of_the_ir(tmp_path, keypoints, skeleton):
    image = np.zeros((48, 64, 3), np.uint8)
    (pose,) = load(decoded_ir(tmp_path, "simcc", keypoints), detector=None)(image)
    assert pose.skeleton == skeleton and pose.keypoints.shape == (keypoints, 3)


def test_a_decoder_of_one_skeleton_refuses_another_number_of_keypoints(tmp_path):
    with pytest.raises(InferenceError, match="its people have 26 keypoints, not 17"):
        load(decoded_ir(tmp_path, "movenet", 26), detector=None)
