"""Random images for the self-check: a seed gives the same image on every machine; none is
symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import numpy as np

from posezoo.core.arrays import Array, Doubles, Floats
from posezoo.core.values import frozen

_Draw = Callable[[int, int, int, np.random.Generator], Doubles]

#: The side of the coarse squares of ``noise``, in pixels: about one cell of a pose network's
#: heatmaps.
BLOCK = 16

#: The values of an image after the usual means and scales, such as those of ImageNet.
NORMALIZED = (-2, 2)


@frozen
class CheckImage:
    """What the inputs of a network are drawn from.

    Attributes:
        seed: of the random values.
        batch: how many images are in the inputs that take any number.
        is_normalized: whether an input has the values of a normalized image, if nothing is declared
            of them.
        has_contrast: whether such an input has many values of 0 and 255, which show where the
            network limits values.
        title: the file of a sample, whose values the inputs have; empty for random values.
        values: of a sample, by the names of the inputs, as the IR takes them.
        ranges: the smallest and largest value of each input in the samples, by its name.
        tables: how many rows the table has from which an input of integers chooses, by its name.
    """

    seed: int
    batch: int = 1
    is_normalized: bool = False
    has_contrast: bool = False
    tables: Mapping[str, int] = field(default_factory=dict)
    title: str = ""
    values: Mapping[str, Array] = field(default_factory=dict, repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.title or f"random input {self.seed}"


def draw_test_image(kind: str, shape: Sequence[int], layout: str, seed: int) -> Floats:
    """An input for an IR of this shape and layout: float32 with values from 0 to 255.

    ``kind`` is ``noise`` or ``photo``. If the layout lacks H, W or C, the values are uniform noise.
    """
    rng = np.random.default_rng(seed)
    if len(layout) != len(shape) or not set("HWC") <= set(layout):
        return rng.uniform(0, 255, tuple(shape)).astype(np.float32)
    height, width, channels = (shape[layout.index(axis)] for axis in "HWC")
    others = [size for axis, size in zip(layout, shape, strict=True) if axis not in "HWC"]
    draw = IMAGE_KINDS[kind]
    images = [draw(height, width, channels, rng) for _ in range(math.prod(others))]
    stack = np.reshape(images, (*others, height, width, channels))
    axes = list(map(layout.index, "HWC"))
    stack = np.moveaxis(stack, (-3, -2, -1), axes)
    return np.ascontiguousarray(stack, dtype=np.float32)


def _noise(height: int, width: int, channels: int, rng: np.random.Generator) -> Doubles:
    """Noise in single pixels plus noise in squares of 16x16 pixels, with equal weights, scaled to 0
    to 255.

    Noise in single pixels averages out in the first layers, and squares have no detail inside.
    Differences are measured relative to the largest output, which should therefore be small: of
    eleven mixtures tried on a detector, this one gave the smallest (170; others gave up to 250).
    """
    rows = -(-height // BLOCK)
    columns = -(-width // BLOCK)
    squares = rng.uniform(size=(rows, columns, channels))
    squares = squares.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    values = squares[:height, :width] + rng.uniform(size=(height, width, channels))
    low = float(values.min())
    high = float(values.max())
    scale = 255 / max(high - low, 1e-9)
    return (values - low) * scale


def _photo(height: int, width: int, channels: int, rng: np.random.Generator) -> Doubles:
    """The dead leaves model: discs that occlude each other, lit from one side, with slight blur and
    noise.

    If the density of the discs' radii is r**-3, edges, occlusions and spectrum are similar to those
    of photographs (Lee, Mumford, Huang: Occlusion Models for Natural Images, IJCV 2001). Here the
    power spectrum falls as f**-2.7; in 17 photographs of COCO at this size it falls as f**-1.8 to
    f**-3.2. Colours are close to grey, as in photographs.
    """
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    largest = max(height, width) / 2
    smallest = largest / 25
    scene: Doubles = np.ones((height, width, channels)) * _color(channels, rng)
    for _ in range(400):
        radius = smallest / math.sqrt(1 - rng.uniform() * (1 - (smallest / largest) ** 2))
        y = rng.uniform(0, height)
        x = rng.uniform(0, width)
        top = max(int(y - radius), 0)
        left = max(int(x - radius), 0)
        window = np.s_[top : int(y + radius) + 2, left : int(x + radius) + 2]
        squared = (rows[window] - y) ** 2 + (columns[window] - x) ** 2
        scene[window][squared < radius**2] = _color(channels, rng)
    slope = rows / height * 0.3 + columns / width * 0.7
    light = 0.6 + 0.4 * slope
    scene = scene * light[:, :, None]
    for axis in (0, 1):
        before = np.roll(scene, 1, axis)
        after = np.roll(scene, -1, axis)
        scene = (before + 2 * scene + after) / 4
    noise = rng.normal(0, 3, scene.shape)
    return np.clip(scene + noise, 0, 255)


def _color(channels: int, rng: np.random.Generator) -> Doubles:
    grey = rng.uniform(0, 255)
    return np.clip(grey + rng.normal(0, 35, channels), 0, 255)


IMAGE_KINDS: dict[str, _Draw] = {"noise": _noise, "photo": _photo}
