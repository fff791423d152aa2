"""The networks of Open Model Zoo's PyTorch models, and the published classes whose weights they
load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posezoo.networks.definition import NetworkArgument, NetworkDefinition, first_size
from posezoo.networks.zoo import published_tensors
from posezoo.spec.model import Input

_LIBRARIES = ("torchvision", "timm")

# For networks whose published tensors are not those of our class.
_ADAPTERS = {
    "inception_v3": published_tensors.without_auxiliary_classifier,
    "repvgg_a0": published_tensors.fuse_branches,
    "repvgg_b1": published_tensors.fuse_branches,
    "repvgg_b3": published_tensors.fuse_branches,
    "dla34": published_tensors.without_unused_projections,
    "text_recognition_resnet_fc": published_tensors.without_containers,
}


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


def _read_definition(name: str, fields: Mapping[str, Any]) -> NetworkDefinition:
    """A network of published_networks.json.

    Its fields are ``published`` (the ``PublishedClass``), ``class`` in this package, and, if they
    are not the usual ones: ``fixed`` arguments of our class, the ``shape`` of its input, its
    ``outputs``. A classifier has ``last_layer``, the key of the layer whose outputs are the
    classes, and the number of ``classes`` of the published checkpoint.
    """
    shape = fields.get("shape", (1, 3, 224, 224))
    arguments = {}
    if "last_layer" in fields:
        read = first_size(f"{fields['last_layer']}.weight")
        classes = NetworkArgument(fields.get("classes", 1000), range(1, 100_001), read)
        arguments["classes"] = classes
    return NetworkDefinition(
        name,
        f"posezoo.networks.zoo.{fields['class']}",
        Input("input", tuple(shape), "NCHW"),
        tuple(fields.get("outputs", ["output"])),
        arguments=arguments,
        fixed=fields.get("fixed", {}),
        adapt_tensors=_ADAPTERS.get(name, dict),
    )


_DECLARED: Mapping[str, Mapping[str, Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text("utf-8")
)

#: The networks by name.
NETWORKS: Mapping[str, NetworkDefinition] = {
    name: _read_definition(name, fields) for name, fields in _DECLARED.items()
}

#: By the same names, where they were published.
PUBLISHED: Mapping[str, PublishedClass] = {
    name: PublishedClass(**fields["published"]) for name, fields in _DECLARED.items()
}
