import numpy as np
import pytest

from fakes.checkpoints import entry, params, safetensors
from fakes.command import posezoo_process, refusal
from fakes.founding import gluon_names
from fakes.weights import conditioned
from fakes.when_used import import_when_used
from posezoo import networks
from posezoo.core.errors import CheckpointError, NetworkError
from posezoo.networks import pretrained
from posezoo.networks.gluon_names import rename_tensors

torch = import_when_used("torch")

NAME = "lightweight_openpose"


@pytest.fixture
def checkpoint(tmp_path):
    """Weights of two refinement stages, in half precision, as training on several devices leaves them."""
    network = networks.build_network(NAME, refinement_stages=2)
    state = {f"module.{key}": tensor.half() for key, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "iter": 7}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_the_arguments_are_read_from_the_keys_and_the_weights_loaded_in_float32(checkpoint):
    found = pretrained.read_network_checkpoint(checkpoint, NAME)
    assert found.arguments["refinement_stages"] == 2
    module = found.load()
    assert not module.training
    weight = module.state_dict()["refinement_stages.1.trunk.0.initial.0.weight"]
    assert weight.dtype == torch.float32
    key = "refinement_stages.1.trunk.0.initial.0.weight"
    assert np.array_equal(weight.numpy(), found.tensors[key].astype(np.float32))


def test_a_declared_argument_is_used_whatever_the_keys_show(checkpoint):
    found = pretrained.read_network_checkpoint(checkpoint, NAME, {"refinement_stages": 1})
    with pytest.raises(
        CheckpointError, match=r"net\.pth: does not fit the network: .* unexpected: refinement_st"
    ):
        found.load()
    with pytest.raises(NetworkError, match="refinement_stages is 99"):
        pretrained.read_network_checkpoint(checkpoint, NAME, {"refinement_stages": 99})


SMALL = "mobile_pose_mobilenetv3_small"


def numbered(network):
    """The tensors of a network as the files of old have them: each kind of parameter counted by itself."""
    counts = {}
    found = {}
    for name, tensor in gluon_names(network).items():
        word = name.rpartition(".")[2]
        counts[word] = counts.get(word, -1) + 1
        found[f"mobilepose2_block{counts[word]}_{word}"] = tensor.numpy()
    return found


def statistics_last(arrays):
    """As ``Module.save_checkpoint`` writes them."""
    parts = [
        {n: a for n, a in arrays.items() if ("running" in n) is last} for last in (False, True)
    ]
    return {f"arg:{n}": a for n, a in parts[0].items()} | {
        f"aux:{n}": a for n, a in parts[1].items()
    }


@pytest.mark.parametrize("order", [dict, statistics_last])
def test_names_without_dots_are_matched_by_their_order(tmp_path, order):
    network = conditioned(SMALL)
    (tmp_path / "net.params").write_bytes(params(order(numbered(network))))
    loaded = pretrained.read_network_checkpoint(tmp_path / "net.params", SMALL).load().state_dict()
    for key, tensor in network.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(loaded[key], tensor)


def test_another_networks_names_without_dots_do_not_match(tmp_path):
    (tmp_path / "net.params").write_bytes(
        params(numbered(networks.build_network("simple_pose_resnet18_v1b")))
    )
    with pytest.raises(
        CheckpointError, match=r"does not fit the network: \d+ missing: features\.0\.0\.weight"
    ):
        pretrained.read_network_checkpoint(tmp_path / "net.params", SMALL).load()
    shuffled = dict(reversed(numbered(networks.build_network(SMALL)).items()))
    (tmp_path / "net.params").write_bytes(params(shuffled))
    with pytest.raises(CheckpointError, match=r"does not fit the network: \d+ of another shape"):
        pretrained.read_network_checkpoint(tmp_path / "net.params", SMALL).load()


def test_the_network_that_a_checkpoint_fits_is_named(checkpoint):
    with pytest.raises(CheckpointError) as caught:
        pretrained.read_network_checkpoint(checkpoint, "higher_hrnet").load()
    assert caught.value.problem == (
        f"{checkpoint}: does not fit the network higher_hrnet: its tensors are those of {NAME}"
    )
    assert caught.value.hint == f"posezoo convert --network {NAME} --checkpoint {checkpoint}"


def test_sorted_names_without_dots_are_refused(tmp_path):
    """The 36 blocks of a layer have one shape: block 10 would be taken for block 2."""
    name = "simple_pose_resnet152_v1b"
    with torch.device("meta"):
        shapes = networks.tensor_shapes(networks.find_network(name).build())
    tensors = {
        key: np.broadcast_to(np.float32(0), shape)
        for key, shape in shapes.items()
        if len(shape) == 4
    }
    sequence = {f"net0_conv{number}_weight": array for number, array in enumerate(tensors.values())}
    assert list(rename_tensors(sequence, tensors)) == list(tensors)
    with pytest.raises(NetworkError, match="sorted by name"):
        rename_tensors(dict(sorted(sequence.items())), tensors)


def prefixed(prefix, state):
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


PREFIXED = {
    "a LightningModule": lambda state: {"state_dict": prefixed("model.", state)},
    "with its loss": lambda state: {**prefixed("net.", state), "criterion.weight": torch.ones(17)},
    "of two words": lambda state: {**prefixed("model.net.", state), "sigmas": torch.ones(17)},
}


@pytest.mark.parametrize("kind", PREFIXED)
def test_the_prefix_of_a_training_program_is_removed(tmp_path, kind):
    state = networks.build_network(SMALL, keypoints=12).state_dict()
    torch.save(PREFIXED[kind](state), tmp_path / "net.pth")
    found = pretrained.read_network_checkpoint(tmp_path / "net.pth", SMALL)
    assert found.arguments == {"keypoints": 12}
    loaded = found.load().state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in state.items())


def test_a_checkpoint_with_a_prefix_for_each_tensor_is_refused_in_time(tmp_path):
    header = {f"a{number:x}.b.c": entry("U8", [0], 0, 0) for number in range(60_000)}
    (tmp_path / "net.pth").write_bytes(safetensors(header))
    checkpoint = ("--network", SMALL, "--checkpoint", tmp_path / "net.pth")
    error = refusal(posezoo_process("convert", *checkpoint, "-o", tmp_path / "out"))
    assert "60000 unexpected: a0.b.c, a1.b.c, " in error


@pytest.mark.parametrize("head", ["head", "keypoint_head"])
def test_the_names_of_mmpose_are_those_of_hrnet(tmp_path, head):
    state = networks.build_network("hrnet", width=8).state_dict()
    renamed = {
        f"{head if key.startswith('final_layer') else 'backbone'}.{key}": tensor
        for key, tensor in state.items()
    }
    torch.save({"state_dict": renamed, "meta": {"epoch": 210}}, tmp_path / "net.pth")
    loaded = pretrained.read_network_checkpoint(tmp_path / "net.pth", "hrnet").load().state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in state.items())


# How the repository of ViTPose, and mmpose since 1.0, name the layers of one block and the others.
VITPOSE_NAMES = (
    ("blocks", "patch_embed.proj", "norm1", "norm2", "mlp.fc1", "mlp.fc2", "last_norm", "keypoint_head"),
    (
        "layers", "patch_embed.projection", "ln1", "ln2", "ffn.layers.0.0", "ffn.layers.1", "ln1", "head",
    ),
)  # fmt: skip


def named_by_authors(state, names):
    """ViTPose's tensors by the names of its authors."""
    blocks, patches, before, after, first, second, last, head = names
    fixed = {
        "backbone.embeddings.position_embeddings": "backbone.pos_embed",
        "backbone.embeddings.patch_embeddings.projection": f"backbone.{patches}",
        "backbone.encoder.layer": f"backbone.{blocks}",
        "layernorm_before": before,
        "layernorm_after": after,
        "attention.output.dense": "attn.proj",
        "mlp.fc1": first,
        "mlp.fc2": second,
        "backbone.layernorm.": f"backbone.{last}.",
        "head.deconv1": f"{head}.deconv_layers.0",
        "head.batchnorm1": f"{head}.deconv_layers.1",
        "head.deconv2": f"{head}.deconv_layers.3",
        "head.batchnorm2": f"{head}.deconv_layers.4",
        "head.conv": f"{head}.final_layer",
    }
    renamed = {}
    for key, tensor in state.items():
        if ".key." in key or ".value." in key:
            continue
        if ".query." in key:
            parts = [state[key.replace("query", part)] for part in ("query", "key", "value")]
            key, tensor = key.replace("attention.attention.query", "attn.qkv"), torch.cat(parts)
        for ours, theirs in fixed.items():
            key = key.replace(ours, theirs)
        renamed[key] = tensor
    return renamed


@pytest.mark.parametrize("names", VITPOSE_NAMES, ids=["ViTPose", "mmpose 1"])
def test_the_names_of_mmpose_are_those_of_vitpose(tmp_path, names):
    torch.manual_seed(0)
    state = networks.build_network("vitpose", width=384, keypoints=12).state_dict()
    torch.save({"state_dict": named_by_authors(state, names)}, tmp_path / "net.pth")
    found = pretrained.read_network_checkpoint(tmp_path / "net.pth", "vitpose")
    assert found.arguments == {"width": 384, "keypoints": 12}
    loaded = found.load().state_dict()
    assert all(torch.equal(tensor, loaded[key]) for key, tensor in state.items())
