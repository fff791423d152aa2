"""Decoder of networks that put out the coordinates of one person's keypoints.

A. Toshev and C. Szegedy, DeepPose: Human Pose Estimation via Deep Neural Networks, 2014,
arXiv:1312.4659; and the networks of most tutorials on landmarks. Their outputs have no form of
their own, so a model has this decoder only if it or the user says so.
"""

from __future__ import annotations

from math import nan

import numpy as np

from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError, suggest
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Maps,
    NetworkFacts,
    Shape,
    Sizes,
    TopDownDecoder,
    declare_outputs,
)
from posezoo.poses.keypoints import Pose, create_poses
from posezoo.poses.letterbox import Size
from posezoo.poses.top_down import TopDownOptions

#: What the values of x and y can be.
PIXELS, SHARES = "pixels", "shares"


@frozen
class CoordinatesOptions(TopDownOptions):
    """Options of the decoder coordinates.

    Attributes:
        values: ``pixels`` of the network's input, or ``shares`` of its width and height, where 0
            and 1 are its borders.
        scores: whether a score follows x and y in rows of numbers; outputs (1, K, 2) and (1, K, 3)
            show it.
        y_first: whether y comes before x.
    """

    values: str = PIXELS
    scores: bool = False
    y_first: bool = False
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        TopDownOptions.__post_init__(self)
        if self.values not in (PIXELS, SHARES):
            raise InferenceError(
                f"decoder option values: expected {PIXELS} or {SHARES}, got {self.values}",
                hint=suggest(self.values, (PIXELS, SHARES)),
            )

    def count_numbers(self, shape: Shape) -> int:
        """How many numbers a keypoint has, x, y and perhaps a score, in an output of this shape.

        Raises:
            InferenceError: the output does not have as many for each.
        """
        *_, columns = shape
        if len(shape) > 2 and columns in (2, 3):
            return columns
        numbers = 3 if self.scores else 2
        if columns % numbers:
            other = "false" if self.scores else "true"
            raise InferenceError(
                f"coordinates: {columns} numbers are not {numbers} for each keypoint",
                hint=f"decoder option scores={other}" if columns % (5 - numbers) == 0 else "",
            )
        return numbers

    def scale(self, size: Size) -> tuple[float, float]:
        """What x and y are multiplied by, for an input of this width and height."""
        width, height = size if self.values == SHARES else (1, 1)
        return width, height


def decode_coordinates(maps: Maps, size: Size, options: CoordinatesOptions) -> list[Pose]:
    """The person, with the mean score of the keypoints; an empty list if a value is not finite.

    Without scores, that of each keypoint is 1.

    Args:
        maps: ``coordinates`` (K, 2), (K, 3), (1, 2 K) or (1, 3 K) float32: x, y and perhaps a
            score, 0..1, of any number of keypoints K.
    """
    rows = maps["coordinates"]
    if not np.isfinite(rows).all():
        return []
    rows = rows.reshape(-1, options.count_numbers((1, *rows.shape)))
    keypoints = np.ones((1, len(rows), 3), np.float32)
    keypoints[0, :, : rows.shape[1]] = rows
    if options.y_first:
        keypoints = keypoints[:, :, [1, 0, 2]]
    keypoints[:, :, :2] *= np.array(options.scale(size), np.float32)
    return create_poses(keypoints, keypoints[:, :, 2].mean(axis=1), options.skeleton, size)


def _are_coordinates(_name: str, shape: Shape) -> bool:
    is_flat = len(shape) == 2 and shape[1] > 1 and (shape[1] % 2 == 0 or shape[1] % 3 == 0)
    return is_flat or (len(shape) == 3 and shape[2] in (2, 3))


def _sizes(facts: NetworkFacts, options: CoordinatesOptions) -> dict[str, Sizes]:
    if facts.columns in (2, 3):
        return {"coordinates": (1, facts.keypoints, nan)}
    return {"coordinates": (1, facts.keypoints * (3 if options.scores else 2))}


def _to_rows(outputs: Maps) -> Maps:
    """(1, N) becomes (1, 1, N)."""
    return {role: rows[None] if rows.ndim == 2 else rows for role, rows in outputs.items()}


DECODER = TopDownDecoder(
    networks=(declare_outputs(coordinates=(1, -1, -1)),),
    options=CoordinatesOptions,
    decode=decode_coordinates,
    convert_outputs=_to_rows,
    sizes=_sizes,
    needs="x and y of each keypoint",
    rules=({"coordinates": _are_coordinates},),
    needs_task=True,
)
