"""ViTPose++ and HRNet, as their users get them, with random weights: the registry is a copy that is pinned to them."""

import io

import pytest

from fakes.published_models import place_of
from fakes.when_used import import_when_used
from networks.published import torch
from networks.test_vitpose import tensors_of
from posezoo import load, networks

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
