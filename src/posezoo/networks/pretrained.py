"""Build networks with the weights of a checkpoint in any format; every key and shape is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo import networks
from posezoo.core.errors import CheckpointError, NetworkError, import_optional, shell_word
from posezoo.core.values import frozen
from posezoo.networks import ArgumentValue, NetworkDefinition
from posezoo.networks.gluon_names import rename_tensors

if TYPE_CHECKING:
    from torch import nn

    from posezoo.core.arrays import Array, NamedArrays


# A prefix has at most this number of words, such as ``model.net.``.
_MOST_WORDS = 2


@frozen
class NetworkCheckpoint:
    """A checkpoint's tensors by the keys of a network; reading it does not need PyTorch."""

    path: Path  # the file
    network: NetworkDefinition
    #: All arguments of the network: declared, or inferred from keys and shapes.
    arguments: Mapping[str, ArgumentValue]
    #: Numpy arrays by key, most of them views of the file. The tensors of an old .params file have
    #: names without dots, which ``load`` replaces by keys.
    tensors: NamedArrays

    def load(self) -> nn.Module:
        """The network in eval mode with float32 copies of these weights; the file may change
        afterwards.

        A CheckpointError if tensors are missing, unexpected or of another shape.
        """
        from posezoo.networks import checkpoints

        torch = import_optional("torch", extra="torch")
        # Allocates and initializes no weights, since they are replaced below.
        with torch.device("meta"):
            module = self.network.build(**self.arguments)
        requested: dict[str, Any] = module.state_dict()
        with _prefix_errors(self.path):
            tensors = rename_tensors(self.tensors, requested)
            try:
                arrays = checkpoints.match_tensors(tensors, networks.tensor_shapes(module))
            except CheckpointError:
                fitting = matching_networks(self.path)
                if not fitting or self.network.name in fitting:
                    raise
                raise CheckpointError(
                    f"does not fit the network {self.network.name}: "
                    f"its tensors are those of {' or '.join(fitting)}",
                    hint=(
                        f"posezoo convert --network {fitting[0]} --checkpoint"
                        f" {shell_word(self.path)}"
                    ),
                ) from None
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
    names: Sequence[str] = (),
) -> NetworkCheckpoint:
    """Read a checkpoint for a network.

    Args:
        path: a .pth, .safetensors or .params file, with torch's names or GluonCV's.
        declared: arguments that are used even if the keys show other values.
        assumed: arguments for what the keys do not show.
        names: of its input and outputs, if not its own.

    Raises:
        UnknownModelError: there is no such network.
        CheckpointError: the file cannot be read.
        NetworkError: the network cannot be built with the declared arguments, or with those the
            keys show.
    """
    from posezoo.networks import checkpoints

    definition = networks.find_network(network).with_names(names)
    arrays = checkpoints.read_checkpoint(path)
    with _prefix_errors(path):
        tensors = _network_tensors(arrays, definition)
        shapes = _shapes(tensors)
        arguments = definition.infer_arguments(shapes)
    for name, value in (assumed or {}).items():
        if name not in arguments or definition.arguments[name].read(shapes) is None:
            arguments[name] = value
    arguments |= declared or {}
    return NetworkCheckpoint(path, definition, definition.complete_arguments(**arguments), tensors)


def matching_networks(path: Path) -> tuple[str, ...]:
    """The networks, which torch builds, whose keys and shapes are exactly those of a checkpoint."""
    from posezoo.networks import checkpoints
    from posezoo.networks.checkpoints.key_matching import compare_keys

    # A file of another program is refused before torch is asked for, which is large.
    arrays = checkpoints.read_checkpoint(path)
    torch = import_optional("torch", extra="torch")
    names = []
    for name, network in (*networks.NETWORKS.items(), *networks.PLUGINS.items()):
        with suppress(CheckpointError, NetworkError), torch.device("meta"):
            tensors = _network_tensors(arrays, network)
            # Building takes up to half a second; a plug-in may show nothing in its keys.
            if name in networks.NETWORKS and not _count_shown(network, tensors):
                continue
            arguments = network.infer_arguments(_shapes(tensors))
            if not compare_keys(tensors, networks.tensor_shapes(network.build(**arguments))):
                names.append(name)
    return tuple(names)


def _network_tensors(arrays: NamedArrays, network: NetworkDefinition) -> NamedArrays:
    """The tensors by the network's keys, without a prefix that training programs add, such as
    ``model.`` and ``net.`` of a LightningModule.

    A prefix is that of the network if the keys that show its arguments begin with it; tensors
    outside of it, such as those of a loss, are left out then.

    Raises:
        CheckpointError: the tensors of the network are there with several prefixes.
    """
    tensors = network.adapt_tensors(arrays)
    if not network.arguments or _count_shown(network, tensors):
        return tensors
    # A prefix is the first word or two of a name, with a dot after each.
    groups: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        words = name.split(".", _MOST_WORDS)
        for count in range(1, len(words)):
            prefix = ".".join(words[:count]) + "."
            groups.setdefault(prefix, {})[name.removeprefix(prefix)] = array
    by_prefix: dict[str, NamedArrays] = {}
    for prefix, named in groups.items():
        with suppress(NetworkError):
            by_prefix[prefix] = network.adapt_tensors(named)
    counts = {prefix: _count_shown(network, named) for prefix, named in by_prefix.items()}
    most = max(counts.values(), default=0)
    best = [prefix for prefix, count in counts.items() if count == most and most]
    if len(best) > 1:
        raise CheckpointError(
            f"has weights of {network.name} {len(best)} times: below {', '.join(best)}",
            hint="save those that you want: torch.save(net.state_dict(), FILE)",
        )
    return by_prefix[best[0]] if best else tensors


def _count_shown(network: NetworkDefinition, tensors: NamedArrays) -> int:
    shapes = _shapes(tensors)
    return sum(bool(argument.read(shapes)) for argument in network.arguments.values())


def _shapes(tensors: NamedArrays) -> dict[str, tuple[int, ...]]:
    return {key: array.shape for key, array in tensors.items()}


@contextmanager
def _prefix_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (CheckpointError, NetworkError) as error:
        raise error.within(path) from error
