"""ViTPose has the published keys and sizes, and computes what transformers computes."""

import json

import numpy as np
import pytest

from networks.published import torch
from networks.zoo.judges import judge
from posezoo import networks
from posezoo.core.errors import NetworkError
from posezoo.networks.mmpose_names import merge_expert
from posezoo.networks.pretrained import read_network_checkpoint

#: The sizes of the published safetensors files, by width and whether it is ViTPose++.
PUBLISHED = {(384, True): 132_619_932, (768, True): 501_627_628, (768, False): 360_007_012}
EXPERTS = 6


def tensors_of(width, *, plus, seed=0, has_values=True):
    """A checkpoint with random weights, or with any; without experts or with six of them."""
    torch.manual_seed(seed)
    with torch.device("cpu" if has_values else "meta"):
        state = networks.build_network("vitpose", width=width).state_dict()
    if not has_values:
        state = {key: torch.empty(each.shape, dtype=each.dtype) for key, each in state.items()}
    part = width // 4
    tensors = {}
    for key, tensor in state.items():
        is_divided = plus and ".mlp.fc2." in key
        tensors[key] = tensor[: width - part].clone() if is_divided else tensor
        for expert in range(EXPERTS if is_divided else 0):
            name = key.replace("fc2", f"experts.{expert}")
            tensors[name] = tensor[width - part :] + expert
    return tensors


@pytest.mark.parametrize(("width", "plus"), PUBLISHED)
def test_a_safetensors_file_has_the_published_number_of_bytes(width, plus):
    """The size of the file shows that all names, types and shapes are right."""
    header = {"__metadata__": {"format": "pt"}}
    end = 0
    tensors = tensors_of(width, plus=plus, has_values=False)
    types = {torch.float32: "F32", torch.int64: "I64"}
    # The safetensors package sorts by type, the widest first, then by name.
    ordered = sorted(tensors.items(), key=lambda pair: (-pair[1].element_size(), pair[0]))
    for key, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.element_size()
        kind = types[tensor.dtype]
        header[key] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, end]}
    length = len(json.dumps(header, separators=(",", ":")))
    assert 8 + length + -length % 8 + end == PUBLISHED[width, plus]


def test_coco_s_expert_is_joined_and_the_others_are_left_out(tmp_path):
    save_file = pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file
    save_file(tensors_of(384, plus=True), tmp_path / "model.safetensors")
    checkpoint = read_network_checkpoint(tmp_path / "model.safetensors", "vitpose")
    assert checkpoint.arguments == {"width": 384, "keypoints": 17}
    loaded = checkpoint.load().state_dict()
    for key, tensor in tensors_of(384, plus=False).items():
        assert torch.equal(loaded[key], tensor), key


def test_an_expert_of_another_shape_is_refused():
    block = "backbone.encoder.layer.0.mlp"
    shapes = {f"{block}.fc2.weight": (6, 4), f"{block}.experts.0.weight": (2, 5)}
    tensors = {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}
    with pytest.raises(NetworkError, match=r"layer\.0\.mlp\.fc2\.weight and its expert do not fit"):
        merge_expert(tensors)


def ask_transformers(tensors, image):
    """The heatmaps of its ViTPose++ with these weights."""
    transformers = judge("transformers")
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[256, 192],
        patch_size=[16, 16],
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        out_indices=[12],
        num_experts=EXPERTS,
        part_features=96,
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, num_labels=17, use_simple_decoder=False
    )
    published = transformers.VitPoseForPoseEstimation(config).eval()
    published.load_state_dict(tensors)
    with torch.no_grad():
        return published(
            pixel_values=image, dataset_index=torch.zeros(1, dtype=torch.long)
        ).heatmaps


def test_it_computes_what_transformers_computes(recorded):
    """Of its 17 maps, every eighth row and column is recorded."""
    tensors = tensors_of(384, plus=True)
    image = torch.randn(1, 3, 256, 192)
    ours = networks.build_network("vitpose", width=384)
    merged = merge_expert({key: tensor.numpy() for key, tensor in tensors.items()})
    ours.load_state_dict({key: torch.from_numpy(array) for key, array in merged.items()})

    def every_eighth(maps):
        return maps[0, :, ::8, ::8].numpy()

    answer = recorded.people(
        "transformers/vitpose-network",
        "transformers 5.23.0",
        lambda: [[every_eighth(ask_transformers(tensors, image))]],
        within=1e-5,
    )
    ((expected,),) = answer.people
    with torch.no_grad():
        found = every_eighth(ours(image))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
