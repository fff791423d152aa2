"""Compare the constants of an IR with those of its original, if they can be matched.

The outputs do not show a weight that hardly affects them. A kernel of the IR belongs to the kernel
of the original that has its name. A conversion that computes a kernel leaves it without a name:
such a kernel belongs to each kernel of the original with which most of its filters are similar up
to a factor. A normalization that is folded into a convolution leaves such factors, and a scale of
the image leaves factors by channel. Then all of its filters must be equal up to such factors, to
those of one original at least. From some originals the graph itself computes others, such as a
kernel with a mask: a kernel that is similar to one of these is not compared. Kernels of integers
are not computed, so each must be equal to one of the originals in its shape.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.formats import OriginalConstant
from posezoo.core.declarations.model import ModelSpec
from posezoo.proof.fp16_check import StoredConstant

#: The fewest values of a kernel and of one of its filters that can be matched.
MIN_SIZE = 64
MIN_FILTER = 4

#: The largest difference of a value, relative to the largest of its filter: folding rounds twice.
ROUNDING = 1e-5

#: Filters are similar if no value differs by more than this: a rounding to FP16 or bf16, not to 8
#: bits.
SIMILAR_FILTER = 2e-3

#: The same for an original in FP16, into which factors are folded in FP16.
ROUNDING_FP16 = SIMILAR_FILTER

# This many values of this many filters are compared first.
_VALUES = 16
_FILTERS = 3


@dataclass(slots=True)
class _Kernels:
    """The kernels of an IR that have one shape, without axes of size 1.

    Attributes:
        directions: the ``_directions`` of each kernel.
        changes: the fewest filters in which a kernel differs from a similar original, by its
            number; none for a kernel that is similar to no original.
    """

    shape: tuple[int, ...]
    constants: list[StoredConstant] = field(default_factory=list)
    directions: list[Array] = field(default_factory=list)
    changes: dict[int, int] = field(default_factory=dict)

    def compare(self, values: Array, original: OriginalConstant) -> None:
        is_near = np.abs(self.directions - _directions(values)).max(-1) < 2 * SIMILAR_FILTER
        for number in map(int, np.flatnonzero(2 * is_near.sum(-1) > is_near.shape[-1])):
            fewest = self.changes.get(number)
            constant = self.constants[number]
            are_named = constant.tensors and original.names
            is_other = are_named and constant.tensors.isdisjoint(original.names)
            if fewest == 0 or is_other:
                continue
            changed = _count_changed_filters(constant.read().squeeze(), values)
            if changed is not None:
                if original.is_computed_from and not constant.tensors:
                    changed = 0
                self.changes[number] = changed if fewest is None else min(changed, fewest)


class _Integers:
    """The kernels of integers in an IR."""

    def __init__(self, constants: Iterable[StoredConstant]) -> None:
        arrays = {constant.name: constant.read().squeeze() for constant in constants}
        self._kernels = {name: each for name, each in arrays.items() if each.size >= MIN_SIZE}
        self._is_equal: dict[str, bool] = {}  # of the kernels that may be one of the originals

    def compare(self, original: Array) -> None:
        for name, kernel in self._kernels.items():
            if kernel.dtype == original.dtype and not self._is_equal.get(name):
                views = list(_oriented(original, kernel.shape))
                if views:
                    self._is_equal[name] = any(np.array_equal(kernel, view) for view in views)

    def find_changed(self) -> str:
        """The first kernel that is none of the originals; empty if each is one."""
        return next((name for name, is_equal in self._is_equal.items() if not is_equal), "")


def find_changed_constant(
    spec: ModelSpec, originals: Iterable[OriginalConstant], constants: Sequence[StoredConstant]
) -> str:
    """Which constant of an IR in FP32 differs from those of the original, and how; empty if none
    does.
    """
    is_reversed = any(port.reverse_input_channels for port in spec.inputs)
    groups = _group_kernels(constant for constant in constants if constant.is_float)
    integers = _Integers(constant for constant in constants if not constant.is_float)
    for original in originals:
        values = original.values.squeeze()
        if values.size < MIN_SIZE or values.ndim < 2:
            continue
        if values.dtype.kind != "f":
            integers.compare(values)
            continue
        for kernels in groups:
            _compare_views(kernels, original, values, is_reversed=is_reversed)
    if changed_name := integers.find_changed():
        return f"{changed_name} differs from the original's"
    return _describe_changed(groups, constants)


def _compare_views(
    kernels: _Kernels, original: OriginalConstant, values: Array, *, is_reversed: bool
) -> None:
    for view in _oriented(values, kernels.shape):
        kernels.compare(view, original)
        # The reversal of the image's channels is folded into the first kernel.
        if is_reversed and view.shape[1] == 3:
            kernels.compare(view[:, ::-1], original)


def _describe_changed(groups: Collection[_Kernels], constants: Iterable[StoredConstant]) -> str:
    """The first constant of floats that differs, and in how many filters; empty if none does."""
    changes = {
        kernels.constants[number].name: (changed, kernels.shape[0])
        for kernels in groups
        for number, changed in kernels.changes.items()
        if changed
    }
    for constant in constants:
        if constant.name in changes:
            changed, count = changes[constant.name]
            return f"{constant.name} differs from the original's in {changed} of {count} filters"
    return ""


def _group_kernels(constants: Iterable[StoredConstant]) -> Collection[_Kernels]:
    groups: dict[tuple[int, ...], _Kernels] = {}
    for constant in constants:
        shape = tuple(size for size in constant.shape if size != 1)
        if len(shape) < 2 or math.prod(shape) < max(MIN_SIZE, MIN_FILTER * shape[0]):
            continue
        group = groups.setdefault(shape, _Kernels(shape))
        group.constants.append(constant)
        group.directions.append(_directions(constant.read().squeeze()))
    return groups.values()


def _oriented(kernel: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Views of a kernel with its axes in every order that gives the shape."""
    if sorted(kernel.shape) != sorted(shape):
        return
    for axes in permutations(range(kernel.ndim)):
        if tuple(kernel.shape[axis] for axis in axes) == shape:
            yield kernel.transpose(axes)


def _directions(kernel: Array) -> Array:
    """Some values of some filters, divided by the largest of them."""
    filters = np.arange(_FILTERS)
    indices = filters * (len(kernel) - 1) // (_FILTERS - 1)
    chosen = kernel[indices].reshape(_FILTERS, -1)
    columns = np.arange(_VALUES) * (chosen.shape[1] - 1) // (_VALUES - 1)
    values = chosen[:, columns].astype(np.float32)
    largest = values[filters, np.abs(values).argmax(1)][:, None]
    zeros = np.zeros_like(values)
    with np.errstate(invalid="ignore"):  # inf in a damaged kernel
        directions: Array = np.divide(values, largest, out=zeros, where=largest != 0)
    return directions


def _count_changed_filters(kernel: Array, original: Array) -> int | None:
    """How many filters are not equal up to factors; None if fewer than half of them are similar."""
    if np.array_equal(kernel, original):
        return 0
    count = len(kernel)
    rows = kernel.reshape(count, -1).astype(np.float32, copy=False)
    wanted = original.reshape(count, -1).astype(np.float32, copy=False)
    products = np.einsum("ij,ij->i", rows, wanted)
    squares = np.einsum("ij,ij->i", wanted, wanted)
    factors = np.divide(products, squares, out=np.zeros_like(products), where=squares != 0)
    # Factors of exactly 1 mean that nothing was folded into this kernel.
    is_equal = np.all(rows == wanted, axis=1)
    if 2 * is_equal.sum() > len(rows):
        return int((~is_equal).sum())
    largest = np.maximum(np.abs(rows).max(1), np.finfo(np.float32).tiny)
    differences = np.abs(rows - factors[:, None] * wanted).max(1) / largest
    if 2 * (differences <= SIMILAR_FILTER).sum() <= len(rows):
        return None
    rounding = ROUNDING_FP16 if original.dtype == np.float16 else ROUNDING
    changed = differences > rounding
    if changed.any():
        rest = np.abs(rows - _scale_axes(kernel, original)).max(1) / largest
        changed &= ~(rest <= rounding)
    return int(changed.sum())


def _scale_axes(kernel: Array, original: Array) -> Array:
    """The filters of the original times the factors by filter and by channel that most values of
    the kernel show.
    """
    shape = *kernel.shape[:2], -1
    values = kernel.reshape(shape).astype(np.float64)
    wanted = original.reshape(shape).astype(np.float64)
    squares = (wanted**2).sum(-1)
    ratios = np.divide(
        (values * wanted).sum(-1), squares, out=np.full_like(squares, np.nan), where=squares != 0
    )
    by_filter = _median(ratios, 1)
    relative = np.divide(ratios, by_filter, out=np.full_like(ratios, np.nan), where=by_filter != 0)
    scaled: Array = wanted * (by_filter * _median(relative, 0))[..., None]
    return scaled.reshape(len(kernel), -1)


def _median(ratios: Array, axis: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all are nan
        median: Array = np.nanmedian(ratios, axis=axis, keepdims=True)
    return np.nan_to_num(median)
