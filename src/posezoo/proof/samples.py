"""Read the inputs that a user knows to be right for a network: photos, and arrays in .npz files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.feature_steps import SAMPLE_PHOTOS
from posezoo.core.convert.formats import Shape
from posezoo.core.declarations.model import ColorOrder, Input, ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.regular_files import open_regular
from posezoo.core.values import frozen

#: The most bytes of the arrays in a file.
LARGEST = 1 << 30

#: An open height or width is that of the photo, rounded to a multiple of STEP, up to LARGEST_SIDE.
STEP = 32
LARGEST_SIDE = 640


@frozen
class Sample:
    """One input of a network.

    Attributes:
        title: the file, and the number of the row if it has several.
        values: by the names of the inputs, as the IR takes them: before mean and scale.
    """

    title: str
    values: NamedArrays = field(repr=False)


def read_samples(spec: ModelSpec, names: Mapping[str, str] = MappingProxyType({})) -> list[Sample]:
    """The samples that a model declares in its self_check, in their order.

    Args:
        spec: a model that declares all of its inputs.
        names: the declared name of an input by each name that the IR has for it.

    Raises:
        ConversionError: a file cannot be read, or does not fit the inputs.
    """
    samples: list[Sample] = []
    for name in spec.self_check.samples:
        path = spec.path.parent / name
        if not path.is_file():
            raise ConversionError(f"{name}: does not exist", hint="give an image, or a .npz")
        is_photo = path.suffix != ".npz"
        samples += [_read_photo(spec, path)] if is_photo else _read_arrays(spec, path, names)
    return samples


def find_ranges(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """The smallest and the largest value of each input in all samples, by its name."""
    names = samples[0].values if samples else ()
    return {
        name: (
            min(float(sample.values[name].min()) for sample in samples),
            max(float(sample.values[name].max()) for sample in samples),
        )
        for name in names
    }


def find_sizes(spec: ModelSpec, samples: Sequence[Sample]) -> dict[str, tuple[int, ...]]:
    """The shapes of the original's inputs by name, with the sizes of the first sample where a size
    is open.
    """
    sizes = {}
    for port in spec.inputs:
        if samples and port.shape and not (port.resize or port.bounds):
            shape = arrange(samples[0].values[port.name], port).shape
            sizes[port.name] = tuple(
                own if own >= 0 else given for own, given in zip(port.shape, shape, strict=True)
            )
    return sizes


def arrange(values: Array, port: Input) -> Array:
    """What the IR takes, in the layout of the original."""
    if not port.to_layout:
        return values
    return np.ascontiguousarray(values.transpose(list(map(port.ir_layout.index, port.layout))))


def _read_arrays(spec: ModelSpec, path: Path, declared: Mapping[str, str]) -> Iterator[Sample]:
    arrays = {declared.get(name, name): values for name, values in _load(path).items()}
    names = [port.name for port in spec.inputs]
    if set(arrays) != set(names):
        raise ConversionError(
            f"{path.name}: has the arrays {', '.join(arrays)}, and the inputs of the network are"
            f" {', '.join(names)}"
        )
    for name, values in arrays.items():
        if values.dtype.kind not in "biuf":
            raise ConversionError(f"{path.name}: {name} has no numbers, but {values.dtype}")
    rows = {port.name: _split(path, port, arrays[port.name]) for port in spec.inputs}
    counts = {len(each) for each in rows.values()}
    if len(counts) != 1 or counts == {0}:
        raise ConversionError(f"{path.name}: its arrays have different numbers of rows")
    (count,) = counts
    for row in range(count):
        title = f"{path.name}, row {row}" if count > 1 else path.name
        yield Sample(title, {name: each[row] for name, each in rows.items()})


def _load(path: Path) -> dict[str, Array]:
    try:
        with open_regular(path) as stream:
            with zipfile.ZipFile(stream) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST:
                raise ConversionError(f"{path.name}: has arrays of {size:,} bytes, more than 1 GiB")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConversionError(
            f"{path.name}: cannot be read: {error}", hint="numpy.savez(file, NAME=array) writes it"
        ) from error


def _split(path: Path, port: Input, values: Array) -> list[Array]:
    """The samples in an array: it is one, or has a row for each."""
    shape = port.ir_shape
    if not shape:
        return [values]
    if values.ndim == len(shape) + 1 and _fits(values.shape[1:], shape):
        return list(values)
    batch = abs(shape[0])  # an open one takes a row
    is_whole = values.ndim == len(shape) and batch and len(values) % batch == 0
    if not (is_whole and _fits(values.shape[1:], shape[1:])):
        raise ConversionError(
            f"{path.name}: {port.name} has the shape {list(values.shape)}, and the network takes"
            f" {list(shape)}"
        )
    return [values[start : start + batch] for start in range(0, len(values), batch)]


def _fits(sizes: Sequence[int], shape: Sequence[int]) -> bool:
    return all(own in (-1, size) for size, own in zip(sizes, shape, strict=True))


def _read_photo(spec: ModelSpec, path: Path) -> Sample:
    images = [port for port in spec.inputs if set(port.ir_layout) == set("NHWC") and port.shape]
    others = [port.name for port in spec.inputs if port not in images]
    if others or not images:
        raise ConversionError(
            f"{path.name}: is a photo, and {', '.join(others) or 'the network'} takes none",
            hint="numpy.savez(FILE.npz, NAME=array) writes the inputs of such a network",
        )
    photo = SAMPLE_PHOTOS.part.read_photo(path)
    return Sample(path.name, {port.name: _fit(photo, port, spec) for port in images})


def _fit(photo: Array, port: Input, spec: ModelSpec) -> Array:
    """The input with a photo (uint8, BGR), stretched to its size."""
    sides = port.sides
    for letter, side in zip("HW", photo.shape, strict=False):
        if sides[letter] < 0 or port.resize:
            share = min(1, LARGEST_SIDE / max(photo.shape[:2]))
            sides[letter] = max(STEP, round(side * share / STEP) * STEP)
    image = np.round(fit_photo(photo, (sides["H"], sides["W"]), sides["C"]))
    if port.ir_color is ColorOrder.RGB:
        image = image[..., ::-1]
    image = image * (spec.self_check.largest / 255)
    stack = np.repeat(image[None], max(sides["N"], 1), axis=0)
    return np.ascontiguousarray(stack.transpose(list(map("NHWC".index, port.ir_layout))))


def fit_photo(photo: Array, sides: tuple[int, int], channels: int) -> Array:
    """A photo in float32 (height, width, channels), stretched to height and width."""
    image: Array = resize(photo.astype(np.float32), "HWC", (*sides, 3))
    return image if channels == 3 else np.repeat(image.mean(-1, keepdims=True), channels, -1)


def resize(image: Array, layout: str, shape: Shape) -> Array:
    """Resize an image (float32, in ``layout``) to the height and width of ``shape``, by linear
    interpolation between the centres of pixels; edge values are repeated.
    """
    for axis in (layout.index("H"), layout.index("W")):
        before = image.shape[axis]
        after = shape[axis]
        centers = np.arange(after, dtype=np.float64) + 0.5
        position = np.clip(centers * before / after - 0.5, 0, before - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, before - 1)
        sides = [1] * image.ndim
        sides[axis] = -1
        share = (position - low).reshape(sides)
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image.astype(np.float32)
