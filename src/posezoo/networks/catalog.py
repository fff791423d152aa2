"""The catalog of networks: their inputs, outputs, and the arguments that depend on the checkpoint.

A new network needs a module with its torch class, and one record here; an installed package can
also add one.
"""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.networks.definition import NetworkArgument, NetworkDefinition, Shapes, first_size
from posezoo.networks.vitpose_experts import merge_expert
from posezoo.plugins import LazyTable
from posezoo.spec.model import ColorOrder, Input, SelfCheckSettings

# ImageNet's mean and standard deviation, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225), times
# 255.
_MEAN = (123.675, 116.28, 103.53)
_SCALE = (58.395, 57.12, 57.375)
# AlphaPose's own mean, (0.406, 0.457, 0.480) times 255, for red, green and blue in this order; it
# does not divide by a standard deviation.
_ALPHA_MEAN = (103.53, 116.535, 122.4)


def _rgb(
    name: str,
    height: int,
    width: int,
    mean: tuple[float, ...] = _MEAN,
    scale: tuple[float, ...] = _SCALE,
) -> Input:
    # The IR takes BGR, like all IR of the zoo.
    return Input(
        name,
        (1, 3, height, width),
        "NCHW",
        ColorOrder.RGB,
        mean=mean,
        scale=scale,
        reverse_input_channels=True,
    )


def _bgr(height: int, width: int, scale: float) -> Input:
    return Input(
        "data", (1, 3, height, width), "NCHW", ColorOrder.BGR, mean=(128.0,) * 3, scale=(scale,) * 3
    )


def _channels(default: int, key: str, allowed: range = range(1, 513)) -> NetworkArgument:
    """A number of output channels, which the shape of this convolution's weight shows."""
    return NetworkArgument(default, allowed, first_size(key))


def _stages(default: int) -> NetworkArgument:
    return NetworkArgument(default, range(17), _count_stages)


def _count_stages(shapes: Shapes) -> int | None:
    """2 for ``refinement_stages.0.weight`` and ``refinement_stages.1.weight``."""
    parts = (key.split(".") for key in shapes if key.startswith("refinement_stages."))
    if shapes:
        return len({number for _, number, *_ in parts if number.isdecimal()})
    return None


def _simple_pose(depth: int, version: str) -> NetworkDefinition:
    return NetworkDefinition(
        f"simple_pose_resnet{depth}_{version}",
        "posezoo.networks.resnet_pose:SimplePose",
        _rgb("data", 256, 192),
        ("heatmaps",),
        arguments={"keypoints": _channels(17, "final_layer.weight")},
        fixed={"depth": depth, "deep": version == "v1d"},
    )


def _mobile_pose(trunk: str) -> NetworkDefinition:
    return NetworkDefinition(
        f"mobile_pose_{trunk}",
        "posezoo.networks.mobile_pose:MobilePose",
        _rgb("data", 256, 192),
        ("heatmaps",),
        arguments={"keypoints": _channels(17, "upsampling.4.weight")},
        fixed={"trunk": trunk},
    )


# The outputs of the networks in tests/networks/published.py are compared with those of the
# published code. The others have the published keys, shapes and blocks; no published outputs were
# available.
_ALL = (
    NetworkDefinition(
        "higher_hrnet",
        "posezoo.networks.higher_hrnet:HigherHrnet",
        # Height and width are multiples of 32; the other networks take any size.
        _rgb("image", 512, 512),
        ("heatmaps", "embeddings"),
        arguments={
            "width": _channels(32, "transition1.0.0.weight", range(8, 65)),
            "keypoints": _channels(17, "final_layers.1.weight"),
        },
        # If IR and PyTorch differ by 6e-5, 20 of 1.1 million values change their sign, so the
        # maximum is not used. More than half of all values are 0, so the median would detect no
        # error.
        self_check=SelfCheckSettings(
            measure="p99",
            reason=(
                "of two neighbours a rounding apart either may be the peak, and the other is"
                " negated"
            ),
        ),
        ir_order=(1, 0),  # as Open Model Zoo's IR: embeddings, heatmaps
    ),
    NetworkDefinition(
        "hrnet",
        "posezoo.networks.hrnet:Hrnet",
        _rgb("image", 256, 192),  # multiples of 32, as for higher_hrnet
        ("heatmaps",),
        arguments={
            "width": _channels(32, "transition1.0.0.weight", range(8, 65)),
            "keypoints": _channels(17, "final_layer.weight"),
        },
    ),
    NetworkDefinition(
        "vitpose",
        "posezoo.networks.vitpose:VitPose",
        _rgb("pixel_values", 256, 192),  # the only size
        ("heatmaps",),
        arguments={
            "width": NetworkArgument(
                768, (384, 768, 1024, 1280), first_size("backbone.layernorm.weight")
            ),
            "keypoints": _channels(17, "head.conv.weight"),
        },
        adapt_tensors=merge_expert,
    ),
    NetworkDefinition(
        "single_human_pose",
        "posezoo.networks.lightweight_openpose:SingleHumanPose",
        _rgb("data", 384, 288),
        ("heatmaps",),
        arguments={
            "refinement_stages": _stages(5),
            "interpolation": NetworkArgument("bilinear", ("bilinear", "nearest")),
            "keypoints": _channels(17, "initial_stage.heatmaps.1.0.weight"),
        },
    ),
    NetworkDefinition(
        "lightweight_openpose",
        "posezoo.networks.lightweight_openpose:LightweightOpenPose",
        _bgr(256, 456, scale=256.0),
        ("stage_{refinement_stages}_output_1_heatmaps", "stage_{refinement_stages}_output_0_pafs"),
        arguments={
            "refinement_stages": _stages(1),
            "heatmaps": _channels(19, "initial_stage.heatmaps.1.0.weight"),
            "pafs": _channels(38, "initial_stage.pafs.1.0.weight"),
        },
        ir_order=(1, 0),  # as the IR of its authors' commands: pafs, heatmaps
    ),
    NetworkDefinition(
        "human_pose_3d",
        "posezoo.networks.lightweight_openpose:HumanPose3D",
        _bgr(256, 448, scale=255.0),
        ("features", "heatmaps", "pafs"),
        arguments={
            "refinement_stages": _stages(1),
            "convertible": NetworkArgument(
                False, (False, True), lambda shapes: "fake_conv_heatmaps.weight" in shapes
            ),
        },
    ),
    _simple_pose(18, "v1b"),
    *(_simple_pose(depth, version) for depth in (50, 101, 152) for version in ("v1b", "v1d")),
    *map(_mobile_pose, ("resnet18_v1b", "resnet50_v1b", "mobilenet1.0", "mobilenetv2_1.0")),
    *map(_mobile_pose, ("mobilenetv3_small", "mobilenetv3_large")),
    NetworkDefinition(
        "alpha_pose_resnet101_v1b_coco",
        "posezoo.networks.resnet_pose:AlphaPose",
        _rgb("data", 320, 256, mean=_ALPHA_MEAN, scale=(255.0,) * 3),
        ("heatmaps",),
        arguments={"keypoints": _channels(17, "conv_out.weight")},
    ),
)

#: The built-in networks by name; those from GluonCV have its names.
NETWORKS: Mapping[str, NetworkDefinition] = {network.name: network for network in _ALL}

#: Networks of installed packages.
PLUGINS: LazyTable[NetworkDefinition] = LazyTable("posezoo.networks", NetworkDefinition, {})
