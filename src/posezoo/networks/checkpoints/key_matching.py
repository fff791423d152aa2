"""Compare a checkpoint's tensors with those that a network needs, and report every difference at
once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest
from typing import Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.errors import CheckpointError, suggest
from posezoo.core.values import frozen
from posezoo.networks.checkpoints.mapped_file import truncate

#: A count of training steps, which inference does not need; PyTorch before 0.4.1 and MXNet do not
#: save it.
_COUNTER = "num_batches_tracked"

# The most keys that a message names: a checkpoint of another network may differ in all keys, for
# example in 1 900 of HigherHRNet.
_MAX_NAMED = 5

# The number of keys that are compared with difflib, which takes 0.1 ms for each; those that share
# the most words are chosen.
_MAX_COMPARED = 20

# Of MMPose's networks, the zoo has HRNet and ViTPose. YOLOX has a backbone and a head, too.
_NOT_UNREAD_MMPOSE = (
    *("backbone.stage2.0.branches.", "backbone.pos_embed", "backbone.embeddings."),
    "backbone.backbone.",
)
# How a name in each kind of head begins; its configuration of MMDeploy, and flags for its ONNX.
_HEADS_OF_MMPOSE = (
    ("head.cls_x.", "pose-detection_simcc_onnxruntime_dynamic.py", "--as rtmpose-m"),
    ("head.dcc.", "pose-detection_rtmo_onnxruntime_dynamic.py", "--as rtmo-s"),
    ("", "pose-detection_onnxruntime_static.py", "--decoder heatmap"),
)

_ANOTHER = "it has no name of the network: it belongs to another network, or was renamed"

Shapes = Mapping[str, tuple[int, ...]]


def explain_mmpose(names: Iterable[str]) -> str:
    """What to do with a checkpoint that has MMPose's names, and that no network of the zoo reads;
    empty for any other.
    """
    names = list(names)
    parts = {name.partition(".")[0].removeprefix("keypoint_") for name in names}
    if not {"backbone", "head"} <= parts or any(map(_has_known_name, names)):
        return ""
    config, flags = next(
        (config, flags)
        for beginning, config, flags in _HEADS_OF_MMPOSE
        if any(name.startswith(beginning) for name in names)
    )
    return (
        f"export it with MMDeploy: python tools/deploy.py configs/mmpose/{config}"
        " CONFIG_OF_TRAINING.py CHECKPOINT.pth photo.jpg --work-dir out; then posezoo run"
        f" out/end2end.onnx {flags}"
    )


def _has_known_name(name: str) -> bool:
    return name.startswith(_NOT_UNREAD_MMPOSE)


@frozen
class CheckpointMismatch:
    """The differences between a checkpoint and a network."""

    missing: tuple[str, ...]  # keys that only the network has
    unexpected: tuple[str, ...]  # keys that only the checkpoint has
    #: Keys that both have in different shapes, with the checkpoint's shape and the network's.
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.reshaped)


def match_tensors(tensors: NamedArrays, requested: Shapes) -> dict[str, Array]:
    """The tensors of a checkpoint in the order of a network's keys, with the ``requested`` shapes.

    Returns:
        The tensors of exactly the network's keys, in its shapes; a ``num_batches_tracked`` that the
        checkpoint lacks is 0, and a single number may be saved with the shape [1].

    Raises:
        CheckpointError: keys are missing or unexpected, or have other shapes. The error names the
            first 5 of each kind with the most similar known key; :func:`compare_keys` returns all.
    """
    if differences := compare_keys(tensors, requested):
        problem = _format_differences(differences, tensors, requested)
        raise CheckpointError(problem, hint=_hint(tensors, requested))
    matched: dict[str, Array] = {}
    for key, shape in requested.items():
        if key in tensors:
            matched[key] = tensors[key].reshape(tuple(shape))
        else:
            matched[key] = np.zeros(shape, np.int64)
    return matched


def compare_keys(tensors: NamedArrays, requested: Shapes) -> CheckpointMismatch:
    """The differences between a checkpoint and a network."""
    missing = (key for key in requested if key not in tensors and not _is_counter(key))
    unexpected = []
    reshaped = []
    for key, array in tensors.items():
        if key not in requested:
            unexpected.append(key)
            continue
        shapes = (array.shape, tuple(requested[key]))
        # PyTorch before 0.4 saved a single number with the shape [1]; load_state_dict still accepts
        # it.
        if shapes[0] != shapes[1] and shapes != ((1,), ()):
            reshaped.append((key, *shapes))
    return CheckpointMismatch(tuple(missing), tuple(unexpected), tuple(reshaped))


def _hint(tensors: Iterable[str], requested: Iterable[str]) -> str:
    # Training programs often save the network as part of a larger module; if the prefix is removed,
    # the keys match.
    keys = set(tensors)
    needed = [key for key in requested if not _is_counter(key)]
    for candidate in sorted(keys):
        if not needed or not candidate.endswith(f".{needed[0]}"):
            continue
        prefix = candidate.removesuffix(needed[0])
        if all(f"{prefix}{key}" in keys for key in needed):
            return (
                f"all keys exist, but begin with {truncate(prefix)}: save them without this prefix"
            )
    if keys.isdisjoint(needed):
        return explain_mmpose(keys) or _ANOTHER
    if keys.issuperset(needed):
        return (
            "if it has all tensors of the network in its shapes, save it without the others;"
            " otherwise it belongs to another variant"
        )
    return "it belongs to another variant of the network (width, number of stages), or to another"


def _is_counter(key: str) -> bool:
    return key.rpartition(".")[2] == _COUNTER


def _format_differences(
    differences: CheckpointMismatch, tensors: NamedArrays, requested: Shapes
) -> str:
    # A renamed key is missing under one name and unexpected under the other.
    candidates = differences.unexpected or tensors
    expected = differences.missing or requested
    reshaped = [
        f"{truncate(key)} ({_format_shape(shape)}, not {_format_shape(requested)})"
        for key, shape, requested in differences.reshaped
    ]
    groups: tuple[tuple[str, Sequence[Any], Callable[[Any], str]], ...] = (
        ("missing", differences.missing, lambda key: _with_nearest(key, candidates)),
        ("unexpected", differences.unexpected, lambda key: _with_nearest(key, expected)),
        ("of another shape", reshaped, str),
    )
    parts = []
    for problem, keys, describe in groups:
        more = ""
        if len(keys) > _MAX_NAMED:
            more = f", and {len(keys) - _MAX_NAMED} more"
        if keys:
            named = ", ".join(map(describe, keys[:_MAX_NAMED]))
            parts.append(f"{len(keys)} {problem}: {named}{more}")
    return f"does not fit the network: {'; '.join(parts)}"


def _with_nearest(key: str, candidates: Iterable[str]) -> str:
    words = set(re.split(r"[._]", key))
    likely = nlargest(
        _MAX_COMPARED,
        candidates,
        key=lambda candidate: len(words & set(re.split(r"[._]", candidate))),
    )
    hint = suggest(key, likely)
    return f"{truncate(key)} ({hint})" if hint else truncate(key)


def _format_shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
