"""What the core asks about models that are posezoo's own networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec, NetworkChoice
from posezoo.core.errors import CheckpointError, ConversionError
from posezoo.core.plugins import Hook
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.arrays import Array


def _refuse_checkpoint(path: Path) -> Mapping[str, Array]:
    raise CheckpointError(f"{path}: no reader of checkpoints is installed")


@frozen
class OwnNetworks:
    """The answers; by default, no model is such a network."""

    #: Adds the network to a PyTorch model of another registry, if it is one of ours.
    with_known_network: Callable[[ModelSpec], ModelSpec] = lambda spec: spec
    #: An InferenceError if the model's own skeleton does not fit its network.
    require_fitting_skeleton: Callable[[ModelSpec], None] = lambda _: None
    #: Makes sizes of a network's inputs and outputs dynamic; a ConversionError for other models.
    with_dynamic_shape: Callable[[ModelSpec], ModelSpec] = lambda spec: spec
    #: The tensors of a file by name; a CheckpointError if it cannot be read.
    read_checkpoint: Callable[[Path], Mapping[str, Array]] = _refuse_checkpoint


OWN_NETWORKS: Hook[OwnNetworks] = Hook("own_networks", OwnNetworks())


def require_network(model: ModelSpec) -> NetworkChoice:
    """The one of our networks that a model is; a ConversionError if it was published as a graph."""
    if model.network is None:
        raise ConversionError(
            f"{model.name}: is published as {model.framework}, and is not one of posezoo's"
            " networks",
            hint="posezoo list --framework pytorch lists the models that are",
        )
    return model.network
