"""PyTorch modules of published networks, with the keys of the published checkpoints; importing this
does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from posezoo.core.errors import UnknownModelError, suggest
from posezoo.networks.catalog import NETWORKS, PLUGINS
from posezoo.networks.definition import ArgumentValue, NetworkArgument, NetworkDefinition, Shapes

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "NETWORKS", "PLUGINS", "ArgumentValue", "NetworkArgument", "NetworkDefinition", "Shapes",
    "build_network", "find_network", "is_network", "tensor_shapes",
]  # fmt: skip


def is_network(name: str) -> bool:
    """Whether the catalog or an installed package has a network of that name."""
    return name in NETWORKS or name in _zoo_networks() or name in PLUGINS.names()


def find_network(name: str) -> NetworkDefinition:
    """The network of that name, from the catalog or an installed package.

    Raises:
        UnknownModelError: there is no such network; the hint names the most similar one.
        PluginError: it is in an installed package that cannot be used.
    """
    network = NETWORKS.get(name) or _zoo_networks().get(name) or PLUGINS.find(name)
    if network is None:
        names = (*NETWORKS, *_zoo_networks(), *PLUGINS.names())
        raise UnknownModelError(
            f"no network is called {name}",
            hint=suggest(name, names) or f"available: {', '.join(names)}",
        )
    return network


def _zoo_networks() -> Mapping[str, NetworkDefinition]:
    from posezoo.networks.zoo.published_networks import NETWORKS

    return NETWORKS


def build_network(name: str, **arguments: ArgumentValue) -> nn.Module:
    """A network in eval mode, with torch's initial weights.

    Args:
        name: a name in ``NETWORKS``, or the name of an installed package's network.
        arguments: as in ``NETWORKS[name].arguments``; the defaults are those of the published
            checkpoint.

    Raises:
        UnknownModelError: there is no network of that name.
        NetworkError: an argument does not exist, or its value is not allowed.
        MissingPackageError: torch is not installed.
    """
    return find_network(name).build(**arguments)


def tensor_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a network's state dict, by its key, in order."""
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
