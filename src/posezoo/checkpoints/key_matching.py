"""Hold a checkpoint's tensors against what a network wants, and say all that differs at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from posezoo.checkpoints.mapped_file import Array, truncate
from posezoo.errors import CheckpointError, suggest

#: A count of training steps, which no inference needs and PyTorch before 0.4.1 and MXNet do not have.
_COUNTER = "num_batches_tracked"

# Of another network every key differs: 1 900 in HigherHRNet.
_MOST_NAMED = 20

# difflib takes 0.1 ms a pair: it looks only at those that share most words.
_MOST_COMPARED = 20

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class CheckpointMismatch:
    """What keeps a checkpoint from fitting a network.

    Attributes:
        missing: keys that the network has, and the checkpoint lacks.
        unexpected: keys that only the checkpoint has.
        reshaped: keys of both, with the checkpoint's shape and the wanted one.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)


def match_tensors(tensors: Mapping[str, Array], requested: Shapes) -> dict[str, Array]:
    """The tensors in the order of a network's keys, none more and none less.

    Args:
        tensors: a checkpoint's, by name.
        requested: the shapes of the network's state dict, by name.

    Returns:
        As many as wanted; a ``num_batches_tracked`` that the checkpoint lacks is 0.

    Raises:
        CheckpointError: keys are missing or unexpected, or have other shapes. All are named with the
            nearest known key, the first 20 of each kind; :func:`compare` gives every one.
    """
    if differences := compare_keys(tensors, requested):
        raise CheckpointError(_format_keys(differences, tensors, requested), hint=_hint(tensors, requested))
    return {
        key: tensors[key] if key in tensors else np.zeros(shape, np.int64) for key, shape in requested.items()
    }


def compare_keys(tensors: Mapping[str, Array], requested: Shapes) -> CheckpointMismatch:
    """What differs between a checkpoint and a network; nothing where it fits."""
    return CheckpointMismatch(
        tuple(key for key in requested if key not in tensors and not _is_counter(key)),
        tuple(key for key in tensors if key not in requested),
        tuple(
            (key, array.shape, tuple(requested[key]))
            for key, array in tensors.items()
            if key in requested and array.shape != tuple(requested[key])
        ),
    )


def _hint(tensors: Iterable[str], requested: Iterable[str]) -> str:
    """What is likely wrong: often a trainer keeps the network in a module of its own, and it would fit."""
    keys, needed = set(tensors), [key for key in requested if not _is_counter(key)]
    for key in sorted(keys):
        prefix = key.removesuffix(needed[0]) if needed and key.endswith(f".{needed[0]}") else ""
        if prefix and all(f"{prefix}{each}" in keys for each in needed):
            return f"all of them are there, but begin with {truncate(prefix)}: save them without it"
    return "it belongs to another network, or to another form of it (width, number of stages)"


def _is_counter(key: str) -> bool:
    return key.rpartition(".")[2] == _COUNTER


def _format_keys(differences: CheckpointMismatch, tensors: Mapping[str, Array], requested: Shapes) -> str:
    # A key that was renamed is missing under one name and unexpected under the other.
    there, known = differences.unexpected or tensors, differences.missing or requested
    parts = (
        _listed("missing", [_UnmatchedKey(key, there) for key in differences.missing]),
        _listed("unexpected", [_UnmatchedKey(key, known) for key in differences.unexpected]),
        _listed("of another shape", [_ShapeMismatch(*each) for each in differences.reshaped]),
    )
    return f"does not fit the network: {'; '.join(filter(None, parts))}"


def _listed(what: str, faults: Sequence[_UnmatchedKey | _ShapeMismatch]) -> str:
    """How many there are, and the first of them; a fault is worded only when it is shown."""
    if not faults:
        return ""
    shown = ", ".join(str(fault) for fault in faults[:_MOST_NAMED])
    more = f", and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
    return f"{len(faults)} {what}: {shown}{more}"


@dataclass(frozen=True, slots=True)
class _UnmatchedKey:
    key: str
    known: Iterable[str]

    def __str__(self) -> str:
        words = _words(self.key)
        likely = nlargest(_MOST_COMPARED, self.known, key=lambda each: len(words & _words(each)))
        hint = suggest(self.key, likely)
        return f"{truncate(self.key)} ({hint})" if hint else truncate(self.key)


@dataclass(frozen=True, slots=True)
class _ShapeMismatch:
    key: str
    shape: tuple[int, ...]
    wanted: tuple[int, ...]

    def __str__(self) -> str:
        return f"{truncate(self.key)} ({_format_shape(self.shape)}, not {_format_shape(self.wanted)})"


def _words(key: str) -> set[str]:
    return set(re.split(r"[._]", key))


def _format_shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
