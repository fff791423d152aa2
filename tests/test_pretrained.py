from __future__ import annotations

import numpy as np
import pytest

from posezoo import networks, pretrained
from posezoo.errors import CheckpointError, NetworkError

torch = pytest.importorskip("torch", reason="needs torch")

NAME = "lightweight_openpose"


@pytest.fixture
def checkpoint(tmp_path):
    """Weights of two refinement stages, in half precision, as training on several devices leaves them."""
    network = networks.build(NAME, refinement_stages=2)
    state = {f"module.{key}": tensor.half() for key, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "iter": 7}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_the_keys_tell_the_arguments_and_the_weights_are_loaded_in_float32(checkpoint):
    found = pretrained.read(checkpoint, NAME)
    assert found.arguments["refinement_stages"] == 2
    module = found.load()
    assert not module.training
    weight = module.state_dict()["refinement_stages.1.trunk.0.initial.0.weight"]
    assert weight.dtype == torch.float32
    key = "refinement_stages.1.trunk.0.initial.0.weight"
    assert np.array_equal(weight.numpy(), found.tensors[key].astype(np.float32))


def test_the_file_may_be_written_anew_while_the_network_is_in_use(checkpoint):
    module = pretrained.read(checkpoint, NAME).load()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    checkpoint.write_bytes(b"")
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


def test_what_was_declared_is_certain(checkpoint):
    found = pretrained.read(checkpoint, NAME, {"refinement_stages": 1})
    with pytest.raises(
        CheckpointError, match=r"net\.pth: does not fit the network: .* unexpected: refinement_st"
    ):
        found.load()
    with pytest.raises(NetworkError, match="refinement_stages is 99"):
        pretrained.read(checkpoint, NAME, {"refinement_stages": 99})
