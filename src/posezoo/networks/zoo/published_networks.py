"""The networks of Open Model Zoo's PyTorch models, and the published classes whose weights they
load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from posezoo.networks.definition import NetworkArgument, NetworkDefinition, Tensors
from posezoo.networks.zoo import published_tensors
from posezoo.spec.model import Input

_LIBRARIES = ("torchvision", "timm")


@dataclass(frozen=True, slots=True)
class PublishedClass:
    """The Python class or function that builds a network where it was published.

    Attributes:
        module: the module that a model.yml imports, or a library with such modules.
        name: its name in this module.
        parameters: the arguments that choose this network.
        file: a file of the model, if the other names do not show which network it is.
    """

    module: str
    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    file: str = ""

    @property
    def is_library(self) -> bool:
        """Whether several modules of an installed package have it."""
        return self.module in _LIBRARIES


@dataclass(frozen=True, slots=True)
class ZooNetwork:
    """A network, and the published class that it replaces."""

    published: PublishedClass
    definition: NetworkDefinition


def _classifier(
    published: PublishedClass,
    module_class: str,
    *,
    name: str = "",
    last_layer: str = "fc",
    count: int = 1000,
    adapt_tensors: Callable[[Tensors], dict[str, Any]] = dict,
    **fixed: int | str,
) -> ZooNetwork:
    """A network with one input and one output, which has scores of classes.

    Args:
        name: its name; by default that of the published class.
        last_layer: the key of the layer whose outputs are the classes.
        count: how many these are in the published checkpoint.
        fixed: arguments of our class.
    """
    classes = NetworkArgument(
        count,
        range(1, 100_001),
        lambda shapes: next(iter(shapes.get(f"{last_layer}.weight", ())), None),
    )
    definition = NetworkDefinition(
        name or published.name,
        f"posezoo.networks.zoo.{module_class}",
        Input("input", (1, 3, 224, 224), "NCHW"),
        ("output",),
        arguments={"classes": classes},
        fixed=fixed,
        adapt_tensors=adapt_tensors,
    )
    return ZooNetwork(published, definition)


def _torchvision(name: str) -> PublishedClass:
    return PublishedClass("torchvision", name)


_TIMM = "timm"
_GEN_EFFICIENTNET = "model/gen_efficientnet.py"

#: By variant: num_blocks and width_multiplier of the published class.
_REPVGG: Mapping[str, tuple[list[int], list[float]]] = {
    "a0": ([2, 4, 14, 1], [0.75, 0.75, 0.75, 2.5]),
    "b1": ([4, 6, 16, 1], [2, 2, 2, 4]),
    "b3": ([4, 6, 16, 1], [3, 3, 3, 5]),
}


def _efficientnet(name: str, variant: str, module: str, *, file: str = "") -> ZooNetwork:
    return _classifier(
        PublishedClass(module, name, file=file),
        "efficientnet:EfficientNet",
        last_layer="classifier",
        variant=variant,
    )


def _repvgg(variant: str, blocks: list[int], widths: list[float]) -> ZooNetwork:
    parameters = {"num_blocks": blocks, "width_multiplier": widths, "deploy": True}
    return _classifier(
        PublishedClass("repvgg", "RepVGG", parameters),
        "repvgg:RepVGG",
        name=f"repvgg_{variant}",
        last_layer="linear",
        adapt_tensors=published_tensors.fuse_branches,
        variant=variant,
    )


def _hbonet(width: float) -> ZooNetwork:
    return _classifier(
        PublishedClass("hbonet", "hbonet", {"width_mult": width}),
        "hbonet:HBONet",
        name=f"hbonet_{width}",
        last_layer="classifier",
        width=f"{width}",
    )


_ALL = (
    _classifier(_torchvision("resnet18"), "residual:ResNet", depth=18),
    _classifier(_torchvision("resnet34"), "residual:ResNet", depth=34),
    _classifier(_torchvision("resnet50"), "residual:ResNet", depth=50),
    _classifier(_torchvision("mobilenet_v2"), "mobile:MobileNetV2", last_layer="classifier.1"),
    _classifier(_torchvision("shufflenet_v2_x1_0"), "mobile:ShuffleNetV2"),
    _classifier(
        _torchvision("inception_v3"),
        "inception:InceptionV3",
        adapt_tensors=published_tensors.without_auxiliary_classifier,
    ),
    _efficientnet("tf_efficientnetv2_b0", "v2_b0", _TIMM),
    _efficientnet("tf_efficientnetv2_s_in21ft1k", "v2_s", _TIMM),
    _efficientnet("efficientnet_b0", "b0", "model", file=_GEN_EFFICIENTNET),
    _efficientnet("tf_efficientnet_b5", "b5", "model", file=_GEN_EFFICIENTNET),
    _efficientnet("tf_efficientnet_b7", "b7", "model", file=_GEN_EFFICIENTNET),
    *(_repvgg(variant, *parameters) for variant, parameters in _REPVGG.items()),
    _classifier(
        PublishedClass("model", "create_convnext", file="convnext_tiny_1k_224_ema.pth"),
        "convnext:ConvNeXt",
        name="convnext_tiny",
        last_layer="head",
    ),
    _classifier(
        PublishedClass(
            "model", "regnet", file="configs/dds_baselines/regnetx/RegNetX-3.2GF_dds_8gpu.yaml"
        ),
        "residual:RegNetX",
        name="regnetx_3.2gf",
        last_layer="head.fc",
    ),
    _classifier(PublishedClass("model.resnest", "resnest50"), "residual:ResNeSt50"),
    _classifier(
        PublishedClass("model", "create_model", file="models/yolo_pafpn.py"),
        "yolox:YoloX",
        name="yolox_tiny",
        last_layer="head.cls_preds.0",
        count=80,
    ),
    *map(_hbonet, (0.25, 0.5, 1.0)),
    _classifier(
        PublishedClass("rexnetv1", "ReXNetV1", {"width_mult": 1.0}),
        "rexnet:ReXNet",
        name="rexnet_1.0",
        last_layer="output.1",
    ),
    _classifier(
        PublishedClass("dla", "dla34"),
        "dla:DLA34",
        adapt_tensors=published_tensors.without_unused_projections,
    ),
    ZooNetwork(
        PublishedClass("model", "create_model", file="models/retinaface.py"),
        NetworkDefinition(
            "retinaface_resnet50",
            "posezoo.networks.zoo.retinaface:RetinaFace",
            Input("input", (1, 3, 640, 640), "NCHW"),
            ("boxes", "scores", "landmarks"),
            adapt_tensors=dict,
        ),
    ),
    ZooNetwork(
        PublishedClass("model", "get_model", file="vedastr/configs/resnet_fc.py"),
        NetworkDefinition(
            "text_recognition_resnet_fc",
            "posezoo.networks.zoo.text_recognition:ResNetFC",
            Input("input", (1, 1, 32, 100), "NCHW"),
            ("output",),
            adapt_tensors=published_tensors.without_containers,
        ),
    ),
)

#: The networks by name.
NETWORKS: Mapping[str, NetworkDefinition] = {each.definition.name: each.definition for each in _ALL}

#: By the same names, where they were published.
PUBLISHED: Mapping[str, PublishedClass] = {each.definition.name: each.published for each in _ALL}
