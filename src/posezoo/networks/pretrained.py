"""A network of ours with the weights of a checkpoint: whatever form these have, checked key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo import networks
from posezoo.errors import CheckpointError, NetworkError, import_optional
from posezoo.networks import ArgumentValue, NetworkDefinition

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class NetworkCheckpoint:
    """A checkpoint's tensors under the keys of one of our networks; PyTorch is not needed to have one.

    Attributes:
        path: the file.
        network: whose weights they are said to be.
        arguments: what the network is to be built with, complete: as the keys and shapes tell, but for
            what was declared.
        tensors: numpy arrays by key, most of them views of the file; of an old .params file by names without
            dots, which ``load`` knows the keys of.
    """

    path: Path
    network: NetworkDefinition
    arguments: Mapping[str, ArgumentValue]
    tensors: Mapping[str, Any]

    def load(self) -> nn.Module:
        """The network in eval mode with these weights, copied and in float32: the file may change afterwards.

        Raises:
            CheckpointError: tensors are missing, unexpected or of another shape.
            MissingPackageError: torch is not installed.
        """
        from posezoo import checkpoints
        from posezoo.networks.gluon_names import rename_tensors

        torch = import_optional("torch", extra="torch")
        with torch.device("meta"):  # no memory, and no time for weights that are replaced at once
            module = self.network.build(**self.arguments)
        requested: dict[str, Any] = module.state_dict()
        with _prefix_errors(self.path):
            arrays = checkpoints.match_tensors(
                rename_tensors(self.tensors, requested), networks.tensor_shapes(module)
            )
        state = {
            key: torch.tensor(array, dtype=requested[key].dtype, device="cpu")
            for key, array in arrays.items()
        }
        module.load_state_dict(state, assign=True)
        return module


def read_network_checkpoint(
    path: Path,
    network: str,
    declared: Mapping[str, ArgumentValue] | None = None,
    *,
    assumed: Mapping[str, ArgumentValue] | None = None,
) -> NetworkCheckpoint:
    """A checkpoint for one of our networks.

    Args:
        path: a .pth, .safetensors or .params file; its tensors may have torch's names or GluonCV's.
        network: a name of ``networks.NETWORKS``.
        declared: arguments of the network that are certain, whatever the keys tell.
        assumed: arguments that hold where the keys tell nothing.

    Raises:
        UnknownModelError: there is no such network.
        CheckpointError: the file cannot be read.
        NetworkError: the network cannot be built as declared, or as the keys tell.
    """
    from posezoo import checkpoints
    from posezoo.networks.gluon_names import torch_names

    found = networks.find_network(network)
    arrays = checkpoints.read_checkpoint(path)
    with _prefix_errors(path):
        tensors = torch_names(arrays)
        shapes = {key: array.shape for key, array in tensors.items()}
        told = found.infer_arguments(shapes)
    silent = {
        name: value
        for name, value in (assumed or {}).items()
        if name not in told or found.arguments[name].found(shapes) is None
    }
    return NetworkCheckpoint(
        path, found, found.complete_arguments(**told | silent | dict(declared or {})), tensors
    )


def matching_networks(path: Path) -> tuple[str, ...]:
    """The names of our networks whose keys and shapes are exactly those of a checkpoint.

    Raises:
        CheckpointError: the file cannot be read.
        MissingPackageError: torch is not installed, which builds the networks to compare with.
    """
    from posezoo import checkpoints
    from posezoo.checkpoints.key_matching import compare_keys
    from posezoo.networks.gluon_names import torch_names

    torch = import_optional("torch", extra="torch")
    arrays = checkpoints.read_checkpoint(path)
    fitting = []
    for name, network in networks.NETWORKS.items():
        with suppress(CheckpointError, NetworkError), torch.device("meta"):
            tensors = torch_names(arrays)
            told = network.infer_arguments({key: array.shape for key, array in tensors.items()})
            requested = networks.tensor_shapes(network.build(**network.complete_arguments(**told)))
            if not compare_keys(tensors, requested):
                fitting.append(name)
    return tuple(fitting)


@contextmanager
def _prefix_errors(path: Path) -> Iterator[None]:
    """Errors of those who see the tensors alone begin with the file that they came from."""
    try:
        yield
    except (CheckpointError, NetworkError) as error:
        raise type(error)(f"{path}: {error.problem}", hint=error.hint) from error
