"""Building a network: its arguments, what a checkpoint shows of them, and wrong values."""

import sys

import pytest

from fakes.command import assert_success, run_process
from fakes.plugin_package import plugin_package
from networks.published import outputs_of, torch
from posezoo import networks
from posezoo.core.errors import MissingPackageError, NetworkError, UnknownModelError
from posezoo.networks import NETWORKS


def test_the_table_is_read_without_torch():
    code = (
        "import sys\nfrom posezoo import networks\n"
        "networks.NETWORKS['higher_hrnet'].infer_arguments({'transition1.0.0.weight': (48, 256, 3, 3)})\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    ended = run_process([sys.executable, "-c", code])
    assert_success(ended)


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError) as caught:
        networks.build_network("mobile_pose_mobilenetv3_small")
    assert caught.value.problem == "torch is not installed"
    assert "[torch]" in caught.value.hint


def test_a_network_comes_in_eval_mode():
    with torch.device("meta"):
        assert not any(
            module.training for module in networks.build_network("lightweight_openpose").modules()
        )


def test_an_unknown_network_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownModelError) as caught:
        networks.build_network("simple_pose_resnet18")
    assert caught.value.problem == "no network is called simple_pose_resnet18"
    assert caught.value.hint == "did you mean simple_pose_resnet18_v1b?"
    with pytest.raises(UnknownModelError) as caught:
        networks.find_network("zzz")
    assert "higher_hrnet" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("higher_hrnet", {"widht": 48}, "higher_hrnet has no argument widht: it has width, keypoints"),
        ("higher_hrnet", {"width": 4096}, "higher_hrnet: width is 4096, expected 8 to 64"),
        ("lightweight_openpose", {"refinement_stages": True}, "lightweight_openpose: refinement_stages is True, expected 0 to 16"),
        ("single_human_pose", {"interpolation": "cubic"}, "single_human_pose: interpolation is 'cubic', expected bilinear or nearest"),
        ("human_pose_3d", {"convertible": 1}, "human_pose_3d: convertible is 1, expected False or True"),
        ("simple_pose_resnet18_v1b", {"depth": 50}, "simple_pose_resnet18_v1b has no argument depth: it has keypoints"),
    ],
)  # fmt: skip
def test_an_argument_with_a_wrong_value_is_refused(name, arguments, problem):
    for ask in (networks.build_network, lambda name, **given: NETWORKS[name].output_names(**given)):
        with pytest.raises(NetworkError) as caught:
            ask(name, **arguments)
        assert caught.value.problem == problem
    with pytest.raises(NetworkError) as caught:
        networks.build_network("higher_hrnet", widht=48)
    assert caught.value.hint == "did you mean width?"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("higher_hrnet", {"width": 18, "keypoints": 14}),
        (
            "single_human_pose",
            {"refinement_stages": 0, "interpolation": "bilinear", "keypoints": 21},
        ),
        ("lightweight_openpose", {"refinement_stages": 2, "heatmaps": 22, "pafs": 42}),
        ("human_pose_3d", {"refinement_stages": 3, "convertible": True}),
        ("hrnet", {"width": 48, "keypoints": 14}),
        ("vitpose", {"width": 384, "keypoints": 14}),
        ("simple_pose_resnet50_v1d", {"keypoints": 5}),
    ],
)
def test_a_checkpoint_of_another_variant_gives_its_arguments(name, arguments):
    with torch.device("meta"):
        network = networks.build_network(name, **arguments)
        outputs = outputs_of(network, torch.empty(1, 3, 256, 192))
    assert NETWORKS[name].infer_arguments(networks.tensor_shapes(network)) == arguments
    assert len(outputs) == len(NETWORKS[name].outputs)


def test_a_checkpoint_of_a_giant_network_is_refused_before_it_is_built():
    giant = {f"refinement_stages.{number}.weight": (1,) for number in range(100_000)}
    with pytest.raises(NetworkError, match="refinement_stages is 100000, expected 0 to 16"):
        NETWORKS["single_human_pose"].infer_arguments(giant)
    with pytest.raises(NetworkError, match="width is 1152921504606846976, expected 8 to 64"):
        NETWORKS["higher_hrnet"].infer_arguments({"transition1.0.0.weight": (1 << 60, 256, 3, 3)})


TINY_DEFINITION = """
from posezoo.networks import NetworkDefinition
from posezoo.core.declarations.model import Input

TINY = NetworkDefinition("tiny_net", "tiny_module:TinyNet", Input("image", (1, 3, 8, 8), "NCHW"), ("heatmaps",))
"""

TINY_MODULE = """
from torch import nn

class TinyNet(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 2, 1)
"""


def test_an_installed_package_adds_a_network(tmp_path):
    with plugin_package(
        tmp_path,
        "posezoo.networks: tiny_net = tiny_definition:TINY",
        tiny_definition=TINY_DEFINITION,
        tiny_module=TINY_MODULE,
    ):
        network = networks.build_network("tiny_net")
        assert networks.tensor_shapes(network) == {"weight": (2, 3, 1, 1), "bias": (2,)}
        with pytest.raises(UnknownModelError) as caught:
            networks.find_network("tiny_ned")
        assert caught.value.hint == "did you mean tiny_net?"
    with pytest.raises(UnknownModelError):
        networks.find_network("tiny_net")
