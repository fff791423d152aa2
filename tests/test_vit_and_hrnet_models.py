"""ViTPose++ and HRNet, as their users get them, with random weights: the registry is a copy that is pinned to them."""

import io

import cv2
import numpy as np
import pytest

from fakes.published_models import MEAN, SCALE, place_of
from fakes.when_used import import_when_used
from networks.published import torch
from networks.test_vitpose import tensors_of
from posezoo import load, networks
from posezoo.networks.mmpose_names import merge_expert
from posezoo.poses.keypoints import to_pixel_indices

rtmpose = import_when_used("fakes.rtmpose")

NAME = "vitpose-plus-small"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with place_of(tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture(scope="module")
def vitpose(place):
    """The model from a file of the published size, and what the command said."""
    save = pytest.importorskip("safetensors.torch", reason="needs safetensors").save
    content = save(tensors_of(384, plus=True), metadata={"format": "pt"})
    assert len(content) == 132_619_932
    place.publish(NAME, content)
    return place, place.run("get", NAME, "-o", place.out, "--precisions", "FP32", "-v")


def test_the_published_file_of_experts_becomes_proven_ir(vitpose):
    place, said = vitpose
    assert "self-check passed" in said and "PyTorch" in said
    assert place.ir(NAME).is_file()


def test_vitpose_finds_what_its_network_computes(vitpose, tmp_path):
    place, _ = vitpose
    image = rtmpose.drawn_scene()
    (pose,) = load(place.ir(NAME), detector=None)(image, boxes=[(100, 50, 260, 400)])
    # The published crop (UDP) and cells, with OpenCV and PyTorch alone.
    size = np.array([192, 256])
    sides = np.array([350 * 1.25 * 192 / 256, 350 * 1.25])
    scale = (size - 1) / sides
    center = np.array([180.0, 225.0])
    shift = (size - 1) / 2 - center * scale
    matrix = np.concatenate([np.diag(scale), shift[:, None]], axis=1)
    crop = cv2.warpAffine(image, matrix, (192, 256), flags=cv2.INTER_LINEAR)[..., ::-1]
    feed = ((crop - np.float32(MEAN)) / np.float32(SCALE)).transpose(2, 0, 1)[None]
    network = networks.build_network("vitpose", width=384)
    tensors = {key: tensor.numpy() for key, tensor in tensors_of(384, plus=True).items()}
    merged = {key: torch.from_numpy(array) for key, array in merge_expert(tensors).items()}
    network.load_state_dict(merged)
    with torch.no_grad():
        (maps,) = network(torch.from_numpy(feed.astype(np.float32))).numpy()
    rows, columns = np.divmod(maps.reshape(17, -1).argmax(axis=1), 48)
    cells = np.stack([columns, rows], axis=1)
    expected = cells / [47, 63] * sides + center - sides / 2
    places = to_pixel_indices(pose.keypoints)[:, :2]
    is_found = pose.keypoints[:, 2] > 0
    # The step inside a cell is judged in pose/test_judged_udp.py; here it is at most two cells.
    reach = 2 * sides / [47, 63] + 0.5
    assert is_found.any()
    assert (np.abs(places - expected) <= reach)[is_found].all()
    assert np.allclose(pose.keypoints[:, 2], maps.max(axis=(1, 2)).clip(0), atol=1e-3)


def test_hrnet_from_a_checkpoint_with_a_description_becomes_proven_ir(place):
    torch.manual_seed(0)
    network = networks.build_network("hrnet", width=32)
    # 28.5 million parameters, as its paper states.
    assert sum(tensor.numel() for tensor in network.parameters()) == 28_536_113
    file = io.BytesIO()
    torch.save({"model": network.state_dict(), "model_family": "hrnet", "nb_classes": 1}, file)
    place.publish("hrnet-w32", file.getvalue())
    said = place.run("get", "hrnet-w32", "-o", place.out, "--precisions", "FP32")
    assert "converted, checked" in said
    (pose,) = load(place.ir("hrnet-w32"), detector=None)(
        rtmpose.drawn_scene(), boxes=[(100, 50, 260, 400)]
    )
    assert pose.keypoints.shape == (17, 3)
