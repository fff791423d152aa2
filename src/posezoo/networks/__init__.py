"""The founding networks as our own PyTorch modules, whose keys are those of the published checkpoints.

Importing this does not import torch; ``build`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.errors import UnknownModelError, suggest
from posezoo.networks.catalog import NETWORKS
from posezoo.networks.definition import ArgumentValue, NetworkArgument, NetworkDefinition, Shapes

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "NETWORKS",
    "ArgumentValue",
    "NetworkArgument",
    "NetworkDefinition",
    "Shapes",
    "build_network",
    "find_network",
    "tensor_shapes",
]


def find_network(name: str) -> NetworkDefinition:
    """The network of that name.

    Raises:
        UnknownModelError: there is none; the hint names the nearest one.
    """
    if name not in NETWORKS:
        raise UnknownModelError(
            f"no network {name}", hint=suggest(name, NETWORKS) or f"there is {', '.join(NETWORKS)}"
        )
    return NETWORKS[name]


def build_network(name: str, **arguments: ArgumentValue) -> nn.Module:
    """A network in eval mode, with torch's initial weights.

    Args:
        name: of ``NETWORKS``.
        arguments: what ``NETWORKS[name].arguments`` lists, such as ``refinement_stages``; the published
            checkpoint's where left out.

    Raises:
        UnknownModelError: there is no network of that name.
        NetworkError: there is no such argument, or its value is not one of those allowed.
        MissingPackageError: torch is not installed.
    """
    return find_network(name).build(**arguments)


def tensor_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that a network's checkpoint holds, by its key, in order."""
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
