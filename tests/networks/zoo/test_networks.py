"""Our definitions of the networks of Open Model Zoo against those of torchvision and timm."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from fakes.soak import soak
from networks.zoo.judges import judge, torch, with_random_statistics
from posezoo import networks
from posezoo.core.errors import CheckpointError
from posezoo.networks.pretrained import read_network_checkpoint
from posezoo.networks.zoo.published_networks import NETWORKS


class Judge(NamedTuple):
    """Who defines a network, and how its checkpoint comes from there."""

    module: str
    name: str
    options: Mapping[str, Any] = MappingProxyType({})
    size: int = 224
    #: From the judge's network to the tensors that were published.
    publish: Callable[[Any], dict[str, Any]] = lambda network: network.state_dict()


def renamed(*rules):
    """timm's tensors by the keys of a network's authors: (regular expression, replacement), in this order."""

    def publish(network):
        tensors = network.state_dict()
        for pattern, replacement in rules:
            tensors = {re.sub(pattern, replacement, key): each for key, each in tensors.items()}
        return tensors

    return publish


REPVGG = renamed(
    (r"^stem\.", "stage0."),
    (r"^stages\.(\d)\.", lambda match: f"stage{int(match[1]) + 1}."),
    ("conv_kxk", "rbr_dense"),
    ("conv_1x1", "rbr_1x1"),
    ("identity", "rbr_identity"),
    (r"head\.fc", "linear"),
)
REGNET = renamed(
    *((rf"conv{number}\.conv", f"f.{letter}") for number, letter in enumerate("abc", 1)),
    *((rf"conv{number}\.bn", f"f.{letter}_bn") for number, letter in enumerate("abc", 1)),
    (r"downsample\.conv", "proj"),
    (r"downsample\.bn", "bn"),
)
CONVNEXT = renamed(
    (r"^stem\.", "downsample_layers.0."),
    (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
    (r"\.blocks\.", "."),
    ("conv_dw", "dwconv"),
    (r"mlp\.fc", "pwconv"),
    (r"head\.norm", "norm"),
    (r"head\.fc", "head"),
)


def in_order_of(name):
    """timm's tensors by the keys of our network: both have the same layers in the same order."""

    def publish(network):
        ours = networks.build_network(name).state_dict()
        tensors = network.state_dict().values()
        return {
            key: tensor.reshape(wanted.shape)
            for (key, wanted), tensor in zip(ours.items(), tensors, strict=True)
        }

    return publish


def torchvision(name, **options):
    return Judge("torchvision.models", name, {"weights": None, **options})


JUDGES = {
    **{
        name: torchvision(name)
        for name in ("resnet18", "resnet34", "resnet50", "mobilenet_v2", "shufflenet_v2_x1_0")
    },
    "inception_v3": torchvision(
        "inception_v3", init_weights=False, aux_logits=True, transform_input=False
    )._replace(size=299),
    "tf_efficientnetv2_b0": Judge("timm.models", "tf_efficientnetv2_b0"),
    "tf_efficientnetv2_b0, odd": Judge("timm.models", "tf_efficientnetv2_b0", size=193),
    "tf_efficientnetv2_s_in21ft1k": Judge("timm.models", "tf_efficientnetv2_s"),
    "efficientnet_b0": Judge("timm.models", "efficientnet_b0"),
    "tf_efficientnet_b5": Judge("timm.models", "tf_efficientnet_b5", size=228),
    "tf_efficientnet_b7": Judge("timm.models", "tf_efficientnet_b7", size=150),
    "resnest50": Judge("timm.models", "resnest50d"),
    "dla34": Judge("timm.models", "dla34"),
    "rexnet_1.0": Judge("timm.models", "rexnet_100", publish=in_order_of("rexnet_1.0")),
    "repvgg_a0": Judge("timm.models", "repvgg_a0", publish=REPVGG),
    "repvgg_b1": Judge("timm.models", "repvgg_b1", publish=REPVGG),
    "regnetx_3.2gf": Judge("timm.models", "regnetx_032", publish=REGNET),
    "convnext_tiny": Judge("timm.models", "convnext_tiny", publish=CONVNEXT),
}

#: Millions of parameters, as Open Model Zoo's cards have them.
PARAMETERS = {
    "resnet18": 11.68,
    "resnet34": 21.7892,
    "resnet50": 25.53,
    "mobilenet_v2": 3.489,
    "shufflenet_v2_x1_0": 2.2705,
    "inception_v3": 23.817,
    "tf_efficientnetv2_b0": 7.1094,
    "tf_efficientnetv2_s_in21ft1k": 21.3816,
    "efficientnet_b0": 5.268,
    "tf_efficientnet_b5": 30.303,
    "tf_efficientnet_b7": 66.193,
    "repvgg_a0": 8.3094,
    "repvgg_b1": 51.8295,
    "repvgg_b3": 110.9609,
    "convnext_tiny": 28.5892,
    "regnetx_3.2gf": 15.2653,
    "resnest50": 27.4493,
    "dla34": 15.7344,
    "hbonet_0.25": 1.93,
    "hbonet_0.5": 2.5289,
    "hbonet_1.0": 4.5447,
    "rexnet_1.0": 4.7779,
    "retinaface_resnet50": 27.2646,
    "yolox_tiny": 5.0472,
    "text_recognition_resnet_fc": 177.9668,
}


def judged(case):
    make = getattr(judge(case.module), case.name)
    return with_random_statistics(make(**case.options))


#: They have the layers of others of these, only more or wider ones.
LARGER = (
    "resnet34",
    "tf_efficientnetv2_s_in21ft1k",
    "tf_efficientnet_b5",
    "tf_efficientnet_b7",
    "repvgg_b1",
)


@pytest.mark.parametrize("name", [soak(name) if name in LARGER else name for name in JUDGES])
def test_the_outputs_are_those_of_the_published_definition(name, tmp_path):
    case = JUDGES[name]
    published = judged(case)
    torch.save(case.publish(published), tmp_path / "net.pth")
    ours = read_network_checkpoint(tmp_path / "net.pth", name.partition(",")[0]).load()
    image = torch.randn(1, 3, case.size, case.size)
    with torch.no_grad():
        expected, found = published(image), ours(image)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layers_fit_and_have_as_many_parameters_as_on_the_card(name):
    with torch.device("meta"):
        network = networks.build_network(name)
        if name not in LARGER:
            network(torch.zeros(NETWORKS[name].input.shape))
    # The cards count a batch normalization that is folded into its convolution as one bias.
    folded = sum(
        module.num_features
        for module in network.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    )
    count = sum(parameter.numel() for parameter in network.parameters()) - folded
    assert count / 1e6 == pytest.approx(PARAMETERS[name], rel=0.002)


def test_the_number_of_classes_is_that_of_the_checkpoint(tmp_path):
    tuned = networks.build_network("resnet18", classes=7)
    torch.save(tuned.state_dict(), tmp_path / "tuned.pth")
    checkpoint = read_network_checkpoint(tmp_path / "tuned.pth", "resnet18")
    assert checkpoint.arguments == {"classes": 7}
    assert checkpoint.load()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_only_the_classifier_that_training_used_may_be_left_over(tmp_path):
    state = networks.build_network("inception_v3").state_dict()
    state["AuxLogits.fc.bias"] = torch.zeros(1000)
    torch.save(state, tmp_path / "net.pth")
    read_network_checkpoint(tmp_path / "net.pth", "inception_v3").load()
    torch.save({**state, "OtherLogits.fc.bias": torch.zeros(1000)}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="1 unexpected: OtherLogits"):
        read_network_checkpoint(tmp_path / "net.pth", "inception_v3").load()


@pytest.mark.parametrize(
    ("key", "size"),
    [("stage1.0.rbr_1x1.bn.bias", None), ("stage0.rbr_dense.bn.weight", 3)],
)
def test_a_block_of_repvgg_that_cannot_be_fused_is_named(tmp_path, key, size):
    published = judged(JUDGES["repvgg_a0"])
    state = REPVGG(published)
    if size is None:
        del state[key]
    else:
        state[key] = torch.zeros(size)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=rf"net\.pth: does not fit the network: {key[:6]}"):
        read_network_checkpoint(tmp_path / "net.pth", "repvgg_a0")


def test_the_rows_of_yolox_are_those_of_the_cells_of_each_stride(tmp_path):
    network = networks.build_network("yolox_tiny", classes=3)
    with torch.no_grad():
        small, large = (network(torch.zeros(1, 3, size, size)) for size in (64, 96))
    assert small.shape == (1, 64 + 16 + 4, 5 + 3)
    assert large.shape == (1, 144 + 36 + 9, 5 + 3)
    assert small[..., 4:].min() >= 0
    assert small[..., 4:].max() <= 1
