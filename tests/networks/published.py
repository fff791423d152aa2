"""The published keys and outputs, and networks filled as those who published the outputs filled theirs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fakes.when_used import import_when_used
from posezoo import networks
from posezoo.networks.gluon_names import torch_names

torch = import_when_used("torch")


#: One network of each kind; the others are deeper ones of the same blocks.
KINDS = tuple(
    name
    for name in networks.NETWORKS
    if not name.endswith(("resnet101_v1b", "resnet101_v1d", "resnet152_v1b", "resnet152_v1d"))
    and name != "mobile_pose_resnet50_v1b"
)


#: Of how many networks the weights are kept.
MOST_DRAWN = 4


class Reference(NamedTuple):
    """Outputs of the published code, and how to get the same ones from our module."""

    network: str
    file: str  # below reference/
    calibration: str
    arguments: dict[str, Any]
    #: Module, image → tensors by their names in the file.
    outputs: Callable[[Any, Any], Mapping[str, Any]]


def outputs_of(network, image) -> tuple[Any, ...]:
    """What ``forward`` returns, without gradients; one output too is a tuple."""
    with torch.no_grad():
        result = network(image)
    return result if isinstance(result, tuple) else (result,)


def forward_as(*names: str) -> Callable[[Any, Any], Mapping[str, Any]]:
    return lambda network, image: dict(zip(names, outputs_of(network, image), strict=True))


def stages_as(pattern: str, *names: str) -> Callable[[Any, Any], Mapping[str, Any]]:
    """Names such as stage1_pafs for the maps of every stage."""
    return lambda network, image: {
        pattern.format(stage=stage, name=name): maps
        for stage, outputs in enumerate(network.stages(image))
        for name, maps in zip(names, outputs, strict=True)
    }


def maps_as(*names: str) -> Callable[[Any, Any], Mapping[str, Any]]:
    return lambda network, image: dict(zip(names, network.maps(image), strict=True))


def gluon(name: str) -> Reference:
    return Reference(name, f"gluon/{name}", f"gluon_{name}", {}, forward_as("heatmaps"))


_HRNET = "higher-hrnet-w32_512"
_SINGLE = "single-human-pose-estimation-0001.refine4.bilinear"
REFERENCES = {
    "higher_hrnet": Reference("higher_hrnet", _HRNET, _HRNET, {}, maps_as("out0", "out1")),
    "higher_hrnet, deployed": Reference(
        "higher_hrnet", f"{_HRNET}.omz-wrapper", _HRNET, {}, forward_as("heatmaps", "embeddings")
    ),
    "single_human_pose": Reference(
        "single_human_pose",
        _SINGLE,
        _SINGLE,
        {"refinement_stages": 4},
        stages_as("heatmaps{stage}", "heatmaps"),
    ),
    "lightweight_openpose": Reference(
        "lightweight_openpose",
        "lightweight-openpose-refine1",
        "lightweight-openpose-refine1",
        {},
        stages_as("stage{stage}_{name}", "heatmaps", "pafs"),
    ),
    "human_pose_3d": Reference(
        "human_pose_3d",
        "human-pose-estimation-3d-0001",
        "human-pose-estimation-3d-0001",
        {},
        forward_as("features", "heatmaps", "pafs"),
    ),
    "simple_pose_resnet18_v1b": gluon("simple_pose_resnet18_v1b"),
    "simple_pose_resnet50_v1d": gluon("simple_pose_resnet50_v1d"),
    "mobile_pose_mobilenetv2_1.0": gluon("mobile_pose_mobilenetv2_1.0"),
    "mobile_pose_mobilenetv3_small": gluon("mobile_pose_mobilenetv3_small"),
}


def noise(shape):
    """Grids of 1, 4, 16 and 64 pixels added: unlike white noise it survives the way down."""
    batch, channels, height, width = shape
    total = torch.zeros(shape)
    for cell in (1, 4, 16, 64):
        grid = torch.randn(batch, channels, -(-height // cell), -(-width // cell))
        total += grid.repeat_interleave(cell, 2).repeat_interleave(cell, 3)[:, :, :height, :width]
    return total / 2


def awake(name):
    """A network whose batch normalizations hold the statistics of some image: else the signal dies in it."""
    network = networks.build_network(name)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(noise((1, 3, *networks.NETWORKS[name].input.shape[2:])))
    return network.eval()


class Published:
    """What was published of the networks, below the folder of facts."""

    def __init__(self, facts: Path) -> None:
        self.facts = facts
        self.fill = _module(facts / "reference" / "fill.py")
        self._drawn: dict[str, Mapping[str, Any]] = {}

    def table(self, file: str) -> dict[str, Any]:
        """A keys file as it is."""
        return json.loads((self.facts / "keys" / f"{file}.json").read_text("utf-8"))

    def shapes(self, file: str) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor of a checkpoint, by its published key."""
        return {key: tuple(shape) for key, shape, _ in self.table(file)["keys"]}

    def network(self, reference: Reference):
        """Our network with the weights that the reference's outputs were made with."""
        with torch.device("meta"):
            network = networks.build_network(reference.network, **reference.arguments)
        shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        weights = self._weights(reference.calibration, shapes)
        copies = {key: tensor.clone() for key, tensor in weights.items()}
        network.load_state_dict(copies, strict=True, assign=True)
        return network

    def _weights(self, calibration: str, shapes: dict[str, tuple[int, ...]]):
        """The weights for a network whose tensors have these shapes; to draw them takes longest."""
        if calibration in self._drawn:
            return self._drawn[calibration]
        file = self.facts / "reference" / "calib" / f"{calibration}.npz"
        is_gluon = calibration.startswith("gluon_")
        values = self.fill.state_dict(self.shapes(calibration) if is_gluon else shapes, file)
        weights = {
            key: torch.from_numpy(value).reshape(value.shape) for key, value in values.items()
        }
        # Those of all networks would take half a gigabyte.
        while len(self._drawn) >= MOST_DRAWN:
            del self._drawn[next(iter(self._drawn))]
        self._drawn[calibration] = torch_names(weights) if is_gluon else weights
        return self._drawn[calibration]

    def differences(self, network, reference: Reference) -> dict[str, tuple[float, float, bool]]:
        """For each output: largest difference, mean of the published magnitudes, whether it is near enough."""
        file = self.facts / "reference" / f"{reference.file}.small.npz"
        with np.load(file) as stored:
            image = torch.from_numpy(self.fill.make_input(stored["meta/input_shape"]))
        with torch.no_grad():
            outputs = reference.outputs(network, image)
        return self.fill.check(file, {name: tensor.numpy() for name, tensor in outputs.items()})


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
