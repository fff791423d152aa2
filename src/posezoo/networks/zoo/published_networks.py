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
    adapt_tensors: Callable[[Tensors], dict[str, Any]] = dict,
    **fixed: int | str,
) -> ZooNetwork:
    """A network for images of 224x224 with one output, the scores of the classes."""
    classes = NetworkArgument(
        1000,
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
)

#: The networks by name.
NETWORKS: Mapping[str, NetworkDefinition] = {each.definition.name: each.definition for each in _ALL}

#: By the same names, where they were published.
PUBLISHED: Mapping[str, PublishedClass] = {each.definition.name: each.published for each in _ALL}
