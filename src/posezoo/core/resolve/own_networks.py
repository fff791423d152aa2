"""What the core asks about models that are posezoo's own networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec, NetworkChoice
from posezoo.core.errors import CheckpointError, ConversionError
from posezoo.core.plugins import Hook

if TYPE_CHECKING:
    from posezoo.core.arrays import Array


class OwnNetworks:
    """Knows no such network; a feature overrides the methods."""

    def with_known_network(self, spec: ModelSpec) -> ModelSpec:
        """The model with its network, if it is a PyTorch model of another registry, and one of
        ours.
        """
        return spec

    def require_fitting_skeleton(self, spec: ModelSpec) -> None:
        """Raise an InferenceError if the model's own skeleton does not fit its network."""

    def with_dynamic_shape(self, spec: ModelSpec) -> ModelSpec:
        """The model with dynamic sizes of its inputs and outputs; a ConversionError if it is not
        one of our networks.
        """
        return spec

    def read_checkpoint(self, path: Path) -> Mapping[str, Array]:
        """The tensors of a file by name.

        Raises:
            CheckpointError: it cannot be read.
        """
        raise CheckpointError(f"{path}: no reader of checkpoints is installed")


OWN_NETWORKS = Hook(OwnNetworks())


def require_network(model: ModelSpec) -> NetworkChoice:
    """The one of our networks that a model is; a ConversionError if it was published as a graph."""
    if model.network is None:
        raise ConversionError(
            f"{model.name}: is published as {model.framework}, and is not one of posezoo's"
            " networks",
            hint="posezoo list --framework pytorch lists the models that are",
        )
    return model.network
