"""Compare the constants of an IR with those of its original, if they can be matched.

The outputs do not show a weight that hardly affects them. A kernel of the IR belongs to a kernel of
the original if most of its filters are similar up to a factor: a normalization that is folded into
a convolution leaves such factors. Then all of its filters must be equal up to a factor. The
declared mean and scale must be among the constants if similar values are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np

from posezoo.arrays import Array
from posezoo.convert.fp16_check import StoredConstant, list_constants
from posezoo.spec.model import ModelSpec

#: The fewest values of a kernel and of one of its filters that can be matched.
MIN_SIZE = 64
MIN_FILTER = 4

#: The largest difference of a value, relative to the largest of its filter: folding rounds twice.
ROUNDING = 1e-5

#: Filters are similar if no value differs by more than this: a rounding to FP16 or bf16, not to 8
#: bits.
SIMILAR_FILTER = 2e-3

#: Values are similar to a declared mean or scale if they differ by at most this share.
SIMILAR = 0.05

# So many values of so many filters are compared first.
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

    def compare(self, original: Array) -> None:
        """Compare each kernel with an original of this shape."""
        is_near = np.abs(self.directions - _directions(original)).max(-1) < 2 * SIMILAR_FILTER
        for number in map(int, np.flatnonzero(2 * is_near.sum(-1) > is_near.shape[-1])):
            fewest = self.changes.get(number)
            if fewest == 0:
                continue
            kernel = self.constants[number].read().squeeze()
            changed = _count_changed_filters(kernel, original)
            if changed is not None:
                self.changes[number] = changed if fewest is None else min(changed, fewest)


def find_changed_constant(spec: ModelSpec, originals: Iterable[Array], xml: Path) -> str:
    """Which constant of an IR in FP32 differs from those of the original, and how; empty if none
    does.
    """
    constants = [constant for constant in list_constants(xml) if constant.is_float]
    changed = _find_changed_preprocessing(spec, constants)
    return changed or _find_changed_kernel(originals, constants)


def _find_changed_preprocessing(spec: ModelSpec, constants: Sequence[StoredConstant]) -> str:
    for port in spec.inputs:
        for title, declared in (("mean", port.mean), ("scale", port.scale)):
            if not declared:
                continue
            name = _find_similar(np.asarray(declared, np.float32), constants)
            if name:
                return f"{name} is not the declared {title}"
    return ""


def _find_changed_kernel(originals: Iterable[Array], constants: Sequence[StoredConstant]) -> str:
    groups = _group_kernels(constants)
    for array in originals:
        original = array.squeeze()
        if original.size < MIN_SIZE or original.ndim < 2 or original.dtype.kind != "f":
            continue
        for kernels in groups:
            for view in _oriented(original, kernels.shape):
                kernels.compare(view)
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


def _find_similar(declared: Array, constants: Iterable[StoredConstant]) -> str:
    """The name of a constant that is similar to a mean or scale, if none is equal."""
    similar = ""
    inverse = np.float32(1) / declared
    orders = (declared, declared[::-1], inverse, inverse[::-1])
    for constant in constants:
        if math.prod(constant.shape) != declared.size or constant.element_type != "f32":
            continue
        flat = constant.read().reshape(-1)
        for order in orders:
            if np.array_equal(flat, order):
                return ""
            differences = np.abs(flat - order)
            if np.all(differences <= SIMILAR * np.abs(order)):
                similar = constant.name
    return similar


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
    """How many filters are not equal up to a factor; None if fewer than half of them are
    similar.
    """
    if np.array_equal(kernel, original):
        return 0
    count = len(kernel)
    rows = kernel.reshape(count, -1).astype(np.float32)
    wanted = original.reshape(count, -1).astype(np.float32)
    products = np.einsum("ij,ij->i", rows, wanted)
    squares = np.einsum("ij,ij->i", wanted, wanted)
    factors = np.divide(products, squares, out=np.zeros_like(products), where=squares != 0)
    # Factors of exactly 1 mean that nothing was folded into this kernel.
    is_equal = np.all(rows == wanted, axis=1)
    if 2 * is_equal.sum() > len(rows):
        return int((~is_equal).sum())
    differences = np.abs(rows - factors[:, None] * wanted).max(1)
    largest = np.abs(rows).max(1)
    differences /= np.maximum(largest, np.finfo(np.float32).tiny)
    similar = (differences <= SIMILAR_FILTER).sum()
    if 2 * similar <= len(rows):
        return None
    return int((differences > ROUNDING).sum())
