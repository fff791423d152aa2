"""Outputs and inner tensors of a model that its publisher's runtime computed, in a file beside the
model.yml; docs/model_yml.md describes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import ModelSpec, RecordedOutputs, RecordedRanges
from posezoo.core.errors import CheckpointError, ConversionError, os_reason
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.resolve.own_networks import OWN_NETWORKS
from posezoo.core.values import frozen

SEEDS = {"noise": 2024, "blocks": 2025}

#: The most values of an output that are recorded; of a larger one, every n-th value is.
MAX_VALUES = 1024

#: How many values of an inner tensor are recorded.
INNER_VALUES = 32

#: The side of the squares of ``blocks``; an axis with at least two of them is taken for height or
#: width.
_BLOCK = 16


@frozen
class RecordedInput:
    """An input of the original: its shape, and the values that stand for black and white."""

    shape: tuple[int, ...]
    low: float
    high: float


@frozen
class Recording:
    """The content of a file with recorded outputs.

    Attributes:
        inner: the shape of each inner tensor by name, in the order of the original.
        values: for each kind of image, some values of each of these by name, from ``sample``.
    """

    inputs: Mapping[str, RecordedInput]
    shapes: Mapping[str, tuple[int, ...]]
    inner: Mapping[str, tuple[int, ...]]
    values: Mapping[str, NamedArrays]

    def sample(self, computed: NamedArrays) -> dict[str, Array]:
        """The values that are recorded, of all values of outputs and inner tensors."""
        outputs = {name: sample_values(computed[name]) for name in self.shapes}
        return outputs | {name: _sample_inner(computed[name]) for name in self.inner}

    def without_inner(self) -> Recording:
        """What is recorded of the outputs alone."""
        values = {
            kind: {name: values[name] for name in self.shapes}
            for kind, values in self.values.items()
        }
        return replace(self, inner={}, values=values)


def read_recording(spec: ModelSpec) -> Recording | None:
    """The recorded outputs of a model; None if it declares none.

    Raises:
        ConversionError: as for ``verify_file_beside``, or it is not such a file.
        MissingPackageError: a package that reads it is not installed.
    """
    if spec.recorded_outputs is None:
        return None
    path = verify_file_beside(spec, spec.recorded_outputs)
    try:
        tensors = OWN_NETWORKS.part.read_checkpoint(path)
    except CheckpointError as error:
        raise ConversionError(error.problem, hint=error.hint) from error
    try:
        return parse_recording(tensors)
    except KeyError as error:
        raise ConversionError(f"{path}: has no recorded {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError(f"{path}: is not a file with recorded outputs: {error}") from error


def verify_file_beside(spec: ModelSpec, declared: RecordedOutputs | RecordedRanges) -> Path:
    """The path of a file that a model declares beside its model.yml.

    Raises:
        ConversionError: it is missing, cannot be read, or has another digest.
    """
    path = spec.path.parent / declared.file
    try:
        if compute_digest(path) == declared.checksum:
            return path
        problem = "its digest differs from the one in model.yml"
    except OSError as error:
        problem = f"cannot be read: {os_reason(error)}"
    hint = "it comes with model.yml: get both from the same place"
    raise ConversionError(f"{path}: {problem}", hint=hint)


def parse_recording(tensors: NamedArrays) -> Recording:
    """The recorded outputs in the tensors of a file.

    Raises:
        KeyError: a tensor is missing.
        ValueError: a tensor has another form, or is not one of such a file; also TypeError and
            OverflowError.
    """
    groups: dict[str, dict[str, Array]] = {}
    for title, tensor in tensors.items():
        group, _, name = title.partition("/")
        groups.setdefault(group, {})[name] = tensor
    shapes = _to_shapes(groups.pop("output"))
    inner = _to_shapes(groups.pop("inner", {}))
    ranges = groups.pop("range")
    inputs = {}
    for name, sizes in groups.pop("input").items():
        low, high = map(float, ranges[name])
        inputs[name] = RecordedInput(tuple(map(int, sizes)), low, high)
    for kind, values in groups.items():
        if kind not in SEEDS or values.keys() != shapes.keys() | inner.keys():
            raise ValueError(f"{kind} is not an image with values of each output")
    return Recording(inputs, shapes, inner, groups)


def _to_shapes(tensors: NamedArrays) -> dict[str, tuple[int, ...]]:
    return {name: tuple(map(int, sizes)) for name, sizes in tensors.items()}


def draw_recorded_image(kind: str, shape: Sequence[int]) -> Array:
    """Integers from 0 to 255 in any shape; the same in every version of numpy.

    ``noise`` has a random value for each element. ``blocks`` is a mixture of a quarter noise and
    three quarters of squares of 16 x 16 elements.
    """
    # The values of RandomState never change (numpy's NEP 19).
    random = np.random.RandomState(SEEDS[kind])
    noise = random.randint(0, 256, tuple(shape), np.uint8).astype(np.int64)
    if kind == "noise":
        return noise
    is_long = [size >= 2 * _BLOCK for size in shape]
    counts = [
        -(-size // _BLOCK) if long else size for size, long in zip(shape, is_long, strict=True)
    ]
    squares = random.randint(0, 256, counts, np.uint8).astype(np.int64)
    for axis, size in enumerate(shape):
        if is_long[axis]:
            squares = squares.repeat(_BLOCK, axis).take(range(size), axis)
    return (noise + 3 * squares) // 4


def draw_feed(
    kind: str, inputs: Mapping[str, RecordedInput], dtypes: Mapping[str, Any]
) -> dict[str, Array]:
    """The original's inputs by name: an image each; an input of integers gets its values as they
    are.
    """
    feed = {}
    for name, port in inputs.items():
        image = draw_recorded_image(kind, port.shape)
        dtype = np.dtype(dtypes[name])
        if dtype.kind == "f":
            shares = image.astype(dtype) / dtype.type(255)
            span = dtype.type(port.high - port.low)
            image = shares * span + dtype.type(port.low)
        feed[name] = image.astype(dtype)
    return feed


def sample_values(values: Array) -> Array:
    """At most ``MAX_VALUES`` values, every n-th of an output."""
    step = -(-values.size // MAX_VALUES) or 1
    return values.reshape(-1)[::step]


def _sample_inner(values: Array) -> Array:
    """At most ``INNER_VALUES`` values of a tensor, from its first to its last, of all channels."""
    count = min(values.size, INNER_VALUES)
    indices = np.arange(count) * (values.size - 1) // max(count - 1, 1)
    return values.reshape(-1)[indices]
