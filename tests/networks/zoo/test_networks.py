"""Our definitions of the networks of Open Model Zoo against those of torchvision and timm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from networks.zoo.judges import judge, torch, with_random_statistics
from posezoo import networks
from posezoo.errors import CheckpointError
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


def torchvision(name: str, **options: Any) -> Judge:
    return Judge("torchvision.models", name, {"weights": None, **options})


JUDGES = {
    **{
        name: torchvision(name)
        for name in ("resnet18", "resnet34", "resnet50", "mobilenet_v2", "shufflenet_v2_x1_0")
    },
    "inception_v3": torchvision(
        "inception_v3", init_weights=False, aux_logits=True, transform_input=False
    )._replace(size=299),
}

#: Millions of parameters, as Open Model Zoo's cards have them.
PARAMETERS = {
    "resnet18": 11.68,
    "resnet34": 21.7892,
    "resnet50": 25.53,
    "mobilenet_v2": 3.489,
    "shufflenet_v2_x1_0": 2.2705,
    "inception_v3": 23.817,
}


def judged(case: Judge):
    make = getattr(judge(case.module), case.name)
    return with_random_statistics(make(**case.options))


@pytest.mark.parametrize("name", JUDGES)
def test_the_outputs_are_those_of_the_published_definition(name, tmp_path):
    case = JUDGES[name]
    published = judged(case)
    torch.save(case.publish(published), tmp_path / "net.pth")
    ours = read_network_checkpoint(tmp_path / "net.pth", name).load()
    image = torch.randn(1, 3, case.size, case.size)
    with torch.no_grad():
        expected, found = published(image), ours(image)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("name", NETWORKS)
def test_there_are_as_many_parameters_as_on_the_card(name):
    with torch.device("meta"):
        network = networks.build_network(name)
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


def test_the_weights_of_another_network_are_refused(tmp_path):
    torch.save(networks.build_network("resnet34").state_dict(), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="does not fit the network"):
        read_network_checkpoint(tmp_path / "net.pth", "resnet18").load()
