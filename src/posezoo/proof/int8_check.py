"""Compare INT8 that was made with declared ranges with FP16, on photos.

Random images say little of ranges for photos: on them, right INT8 of MoveNet Thunder is as far off
as INT8 with some wrong ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.feature_steps import SAMPLE_PHOTOS
from posezoo.core.declarations.model import ColorOrder, ModelSpec
from posezoo.core.events import Int8Comparison
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import openvino_core, static_sizes
from posezoo.core.values import frozen
from posezoo.proof.reference_outputs import EXACT
from posezoo.proof.samples import fit_photo, read_samples

if TYPE_CHECKING:
    from openvino import Model

#: The largest allowed deviation of an output, as for INT8 that ``posezoo quantize`` makes. Measured
#: on the sample photos: the three networks with ranges in the registry have up to 0.16, three more
#: that NNCF calibrated 0.51; a constant output has 1.
LARGEST_DEVIATION = 0.8

# The least share of an output's squares that its mean leaves, for the mean to be left out.
_LEAST_VARIATION = 0.01


@frozen
class PhotoInput:
    """The only input of a network, which takes a photo.

    Attributes:
        layout: its layout, with N, H, W and C.
        sizes: by the letters of the layout; -1 for any.
        dtype: of its values.
        is_rgb: whether it takes RGB instead of BGR.
        largest: the value of white.
    """

    name: str
    layout: str
    sizes: dict[str, int]
    dtype: np.dtype[np.generic]
    is_rgb: bool
    largest: float

    @classmethod
    def find(cls, spec: ModelSpec, network: Model) -> PhotoInput | None:
        """The input of an IR; None unless it is the only one, and declared as an image of three
        channels.
        """
        if len(network.inputs) != 1:
            return None
        port = network.inputs[0]
        declared = next((each for each in spec.inputs if each.name in port.names), None)
        if declared is None or set(declared.ir_layout) != set("NHWC"):
            return None
        sizes = dict(zip(declared.ir_layout, static_sizes(port.partial_shape), strict=True))
        if sizes["C"] != 3:
            return None
        for letter, size in zip("HW", declared.usual_size or (), strict=False):
            sizes[letter] = size if sizes[letter] < 0 else sizes[letter]
        return cls(
            declared.name,
            declared.ir_layout,
            sizes,
            port.element_type.to_dtype(),
            declared.ir_color is ColorOrder.RGB,
            spec.self_check.largest,
        )

    def fit(self, photo: Array) -> dict[str, Array]:
        """The input with a photo (uint8, BGR), stretched to the sizes; by the input's name."""
        sides = [
            side if self.sizes[letter] < 0 else self.sizes[letter]
            for letter, side in zip("HW", photo.shape, strict=False)
        ]
        image = fit_photo(photo, (sides[0], sides[1]), 3)
        if self.is_rgb:
            image = image[..., ::-1]
        image = image * (self.largest / 255)
        stack = np.repeat(image[None], max(self.sizes["N"], 1), axis=0)
        stack = stack.transpose(list(map("NHWC".index, self.layout)))
        return {self.name: np.ascontiguousarray(stack, self.dtype)}


def compare_with_half(
    spec: ModelSpec, half: Path, int8: Path, feeds: Sequence[NamedArrays]
) -> Int8Comparison:
    """Run an INT8 IR and its FP16 IR on the inputs from ``draw_feeds``: the deviation of each
    output, nan if INT8 computes inf or nan.

    Raises:
        RuntimeError: an IR cannot be run.
    """
    if not feeds:
        return Int8Comparison(LARGEST_DEVIATION)
    pairs = list(zip(_run(half, feeds), _run(int8, feeds), strict=True))
    deviation = {
        name: measure_deviation([(exact[name], rounded[name]) for exact, rounded in pairs])
        for name in spec.output_names or pairs[0][0]
        # Of outputs with a row for each person, the shapes may differ.
        if all(exact[name].shape == rounded[name].shape for exact, rounded in pairs)
    }
    if not deviation:
        return Int8Comparison(LARGEST_DEVIATION)
    return Int8Comparison(LARGEST_DEVIATION, len(feeds), deviation)


def draw_feeds(spec: ModelSpec, half: Path) -> list[dict[str, Array]]:
    """The declared samples, and the sample photos; none if the network does not take photos."""
    network = openvino_core().read_model(half)
    taken = PhotoInput.find(spec, network)
    types = {name: port.element_type.to_dtype() for port in network.inputs for name in port.names}
    feeds = [
        {name: values.astype(types[name]) for name, values in sample.values.items()}
        for sample in read_samples(spec)
    ]
    return feeds + ([taken.fit(photo) for photo in SAMPLE_PHOTOS.part.read()] if taken else [])


def _run(xml: Path, feeds: Sequence[NamedArrays]) -> Iterator[dict[str, Array]]:
    """The outputs of an IR, which is in memory only here."""
    compiled = openvino_core().compile_model(xml, "CPU", EXACT)
    for feed in feeds:
        yield run_compiled(compiled, feed)


def measure_deviation(pairs: Sequence[tuple[Array, Array]]) -> float:
    """The root mean square of the differences of an output, divided by the standard deviation of
    its exact values inside of a photo; ``pairs`` are exact values and others, for each photo.

    The mean is left out, unless hardly anything else is in the output: one without any content may
    have the right mean, with coordinates all in the middle of the image.

    Returns:
        It is 0 for equal values, infinite if an output of zeros changes, and nan if a value is inf
        or nan.
    """
    difference = size = variation = 0.0
    for exact, other in pairs:
        values = exact.astype(np.float64)
        if not np.isfinite(other).all():
            return float("nan")
        difference += float(np.square(other - values).sum())
        size += float(np.square(values).sum())
        variation += float(np.square(values - values.mean()).sum()) if values.size else 0.0
    if difference == 0:
        return 0.0
    scale = variation if variation > _LEAST_VARIATION * size else size
    return float(np.sqrt(difference / scale)) if scale else float("inf")
