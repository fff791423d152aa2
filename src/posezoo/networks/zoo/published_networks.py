"""The networks of Open Model Zoo's PyTorch models, and the published classes whose weights they
load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from posezoo.core.values import frozen
from posezoo.networks.catalog_file import read_catalog, read_definition
from posezoo.networks.definition import NetworkDefinition
from posezoo.networks.zoo import published_tensors

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


@frozen
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


# Their fields are ``published`` (the ``PublishedClass``), and those of ``read_definition``.
_DECLARED = read_catalog(Path(__file__).with_suffix(".json"))

#: The networks by name.
NETWORKS: Mapping[str, NetworkDefinition] = {
    name: read_definition(name, fields, "posezoo.networks.zoo", _ADAPTERS.get(name, dict))
    for name, fields in _DECLARED.items()
}

#: By the same names, where they were published.
PUBLISHED: Mapping[str, PublishedClass] = {
    name: PublishedClass(**fields["published"]) for name, fields in _DECLARED.items()
}
