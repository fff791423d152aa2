"""Fit images into a network's input (letterbox, stretch, rotated square), and map points back to
the image.

Coordinates are continuous, as in ``poses.keypoints``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from hashlib import shake_128
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array, Doubles, Floats
from posezoo.core.errors import import_cv2
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.keypoints import Pose, bounding_box

Image = NDArray[np.uint8]
#: Width and height of an image or of a network's input, in pixels.
Size = tuple[int, int]


def image_size(image: Array) -> Size:
    """Width and height of an image (H, W, ...), in pixels."""
    height, width = image.shape[:2]
    return width, height


#: How an image gets the input's size: ``LETTERBOX`` keeps its aspect and pads it, ``STRETCH`` may
#: change its aspect, and ``CROP`` cuts the largest part of the input's aspect from its middle.
LETTERBOX = "letterbox"
STRETCH = "stretch"
CROP = "crop"

#: Which side of the input a target size is.
HEIGHT = "height"
SHORTER = "shorter"
LONGER = "longer"

#: Model API's values of ``resize_type``: how images are fitted, and whether they are in the middle.
RESIZE_TYPES = {
    "standard": (STRETCH, True),
    "fit_to_window": (LETTERBOX, False),
    "fit_to_window_letterbox": (LETTERBOX, True),
    "crop": (CROP, True),
}

# The columns that OpenCV warps at once.
_BLOCK = 64

# OpenCV warps no longer images.
_LONGEST_SIDE = 2**15 - 2


@frozen_with_arrays
class ImageTransform:
    """The mapping from an image to a network's input.

    Attributes:
        matrix: (2, 3) float64, from image pixels to input pixels: scales, rotation and shift.
        size: width and height of the input, in pixels.
    """

    matrix: Doubles
    size: Size

    @property
    def scales(self) -> tuple[float, float]:
        """The number of input pixels per image pixel, horizontally and vertically."""
        across = self.matrix[:, 0]
        down = self.matrix[:, 1]
        return math.hypot(*across), math.hypot(*down)

    def to_image(self, points: Array) -> Floats:
        """Points (..., 2) in input pixels, converted to image pixels."""
        # The inverse is written out, because numpy.linalg.inv takes ten times as long.
        (a, b, x), (c, d, y) = self.matrix.tolist()
        adjugate = np.array([[d, -b, b * y - d * x], [-c, a, c * x - a * y]])
        inverse = adjugate / (a * d - b * c)
        moved = points @ inverse[:, :2].T + inverse[:, 2]
        converted: Floats = moved.astype(np.float32)
        return converted

    def warp(self, image: Image, padding: float | tuple[float, float, float] = 0) -> Image:
        """The network's input, (height, width, 3), of an (H, W, 3) image.

        Outside the image it has the value ``padding``, 0..255, one for all channels or one for
        each; the default is black.

        If two input pixels are four image pixels apart or more, the visible part is first reduced
        by averaging: a linear warp alone would skip most of a large photo. The reduced part still
        has at least twice the resolution of the input, because networks that were trained on plain
        linear warps are less accurate on smooth images (camera.png: an error of 35 px at the left
        wrist).
        """
        # The part that the input covers, with a margin for interpolation.
        width, height = self.size
        corners = self.to_image(np.array([[0, 0], [width, 0], [0, height], [width, height]]))
        margin = 2 / min(self.scales)
        sides = image_size(image)
        first = np.floor(corners.min(axis=0) - margin).clip(0, sides)
        last = np.ceil(corners.max(axis=0) + margin).clip(0, sides)
        left, top = first.astype(int).tolist()
        right, bottom = last.astype(int).tolist()
        if left >= right or top >= bottom:
            return np.full((height, width, 3), np.rint(padding), np.uint8)
        part = _shrink(image[top:bottom, left:right], self.scales)
        stretch_x = (right - left) / part.shape[1]
        stretch_y = (bottom - top) / part.shape[0]
        from_part = np.array([[stretch_x, 0, left], [0, stretch_y, top], [0, 0, 1]], np.float64)
        matrix = self.matrix @ from_part
        # In OpenCV integer coordinates are centers of pixels.
        matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
        border = np.broadcast_to(padding, 3).tolist()
        inverse = import_cv2().invertAffineTransform(matrix)
        warp = _choose_warp(_warp_by_opencv, _warp_as_opencv_4, 2)
        return warp(part, inverse, self.size, borderValue=border)

    def sample(self, image: Image, *, repeats_edges: bool = False) -> Image:
        """The network's input, (height, width, 3), of an (H, W, 3) image, as MediaPipe makes it.

        Nothing is averaged, however large the image is, and the corners that ``matrix`` maps are
        centers of pixels for OpenCV (``image_to_tensor_converter_opencv.cc``). So the input is what
        MediaPipe's networks were published with: shifted by half a pixel, the detector's score for
        the person in camera.png is 0.46 instead of 0.61.

        Outside the image it is black, or repeats the pixels at the image's edges.
        """
        cv2 = import_cv2()
        if max(image.shape) > _LONGEST_SIDE:
            return self.warp(image)
        border = cv2.BORDER_REPLICATE if repeats_edges else cv2.BORDER_CONSTANT
        width, height = self.size
        corners = np.array([[0, height], [0, 0], [width, 0], [width, height]], np.float32)
        to_input = cv2.getPerspectiveTransform(self.to_image(corners), corners)
        warp = _choose_warp(cv2.warpPerspective, _warp_perspective_as_opencv_4, 3)
        return warp(image, to_input, self.size, borderMode=border)

    def sample_back(self, values: Floats, size: Size) -> Floats:
        """Values (height, width) of the input's pixels, for the pixels of an image of this size:
        (H, W) float32, 0 outside the input.

        Pixels are counted as in ``sample`` (``affine_transformation_runner_opencv.cc``).
        """
        cv2 = import_cv2()
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled: Floats = cv2.warpAffine(values, self.matrix, size, flags=flags)
        return sampled


#: Warps an image by a matrix to a size; the options are those of the border.
_WarpFunction = Callable[..., Image]


@cache
def _choose_warp(by_opencv: _WarpFunction, as_opencv_4: _WarpFunction, rows: int) -> _WarpFunction:
    """OpenCV's function if it has the bits of OpenCV 4 here, 2 to 4 times as fast; else ours.

    OpenCV 5's differ by up to 7 of 255 levels, which moved keypoints of BlazePose by up to 20 px.
    """
    noise = shake_128(b"noise").digest(64 * 64 * 3)  # numpy.random takes 20 ms to import
    image = np.frombuffer(noise, np.uint8).reshape(64, 64, 3).copy()
    matrix = np.array([[0.83, 0.36, -7.3], [-0.36, 0.83, 11.7], [1e-9, -1e-9, 1]])[:rows]
    trusted, exact = (warp(image, matrix, (72, 96)) for warp in (by_opencv, as_opencv_4))
    return by_opencv if np.array_equal(trusted, exact) else as_opencv_4


def _warp_by_opencv(image: Image, inverse: Doubles, size: Size, **border: Any) -> Image:
    cv2 = import_cv2()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped: Image = cv2.warpAffine(image, inverse, size, flags=flags, **border)
    return warped


def _warp_perspective_as_opencv_4(
    image: Image, matrix: Doubles, size: Size, **border: Any
) -> Image:
    cv2 = import_cv2()
    _, inverse = cv2.invert(matrix)
    width, height = size
    x, y = np.arange(width), np.arange(height)[:, None]
    # OpenCV adds the columns of a block to its first one, which decides how halves are rounded.
    block = x // _BLOCK * _BLOCK
    across, down, depth = (
        (row[0] * block + row[1] * y + row[2]) + row[0] * (x - block) for row in inverse
    )
    scale = 32 / depth
    positions = [np.rint(values * scale).astype(np.int32) for values in (across, down)]
    return _remap(image, positions, **border)


def _remap(image: Image, positions: Sequence[Array], **border: Any) -> Image:
    """The pixels at positions, x and y of (height, width) each, in 1/32 of a pixel."""
    cv2 = import_cv2()
    pixels = np.empty((*positions[0].shape, 2), np.int16)
    for place, values in enumerate(positions):
        pixels[..., place] = (values >> 5).clip(-(2**15), 2**15 - 1)
    x, y = ((values & 31).astype(np.uint16) for values in positions)
    warped: Image = cv2.remap(image, pixels, y << 5 | x, cv2.INTER_LINEAR, **border)
    return warped


def _warp_as_opencv_4(image: Image, inverse: Doubles, size: Size, **border: Any) -> Image:
    width, height = size
    # Positions are in 1/1024 of a pixel, then in 1/32.
    columns = _to_integer(1024 * inverse[:, :1] * np.arange(width))
    rows = _to_integer(1024 * (inverse[:, 1:2] * np.arange(height) + inverse[:, 2:])) + 16
    positions = [(rows[axis][:, None] + columns[axis]) >> 5 for axis in (0, 1)]
    return _remap(image, positions, **border)


def _to_integer(values: Doubles) -> NDArray[np.int32]:
    """Rounded; the sum of two fits into 32 bits."""
    return np.rint(values).clip(-(2**30), 2**30 - 32).astype(np.int32)


@frozen
class InputSizing:
    """How images are fitted to the input of a network.

    Attributes:
        fit: ``LETTERBOX``, ``STRETCH`` or ``CROP``.
        stride: the sides of the input are multiples of this number of pixels, plus ``extra``.
        extra: 1 for a network with a cell at the first and the last pixel, and at every ``stride``
            between.
        default_target: the target size in pixels, if the IR accepts any size.
        target_side: the side that the target size is: ``HEIGHT``, ``SHORTER`` or ``LONGER``.
        window: the width and height within which images are fitted instead of a target size, if the
            IR accepts any size; None: there is none.
        padding: the value of all channels outside the image, 0..255.
        centered: whether the image is in the middle of the input; otherwise it is in the upper left
            corner.
        truncates: whether the sides of the resized image are cut to whole pixels, and points are
            mapped as if they were not, as YOLOX's published code; otherwise they are rounded.
        keeps_scale: whether points are mapped by the scale before the sides are rounded, as in
            Model API.
        is_embedded: whether the graph itself fits images, which it takes as they are.
    """

    fit: str = LETTERBOX
    stride: int = 32
    extra: int = 0
    default_target: int = 512
    target_side: str = HEIGHT
    window: Size | None = None
    padding: int = 0
    centered: bool = True
    truncates: bool = False
    keeps_scale: bool = False
    is_embedded: bool = False

    @property
    def maps_by_scale(self) -> bool:
        """Whether points are mapped by the scale before the sides are whole pixels."""
        return self.truncates or self.keeps_scale

    def as_stated(self, resize_type: str, padding: int) -> InputSizing:
        """The same with a file's metadata: one of ``RESIZE_TYPES``, and the value outside the
        image.
        """
        fit, centered = RESIZE_TYPES[resize_type]
        return replace(
            self, fit=fit, centered=centered, padding=padding, truncates=False, keeps_scale=True
        )

    def target_size(self, size: Size) -> int:
        """The target size of an input of this width and height."""
        if self.target_side == HEIGHT:
            return size[1]
        return max(size) if self.target_side == LONGER else min(size)

    def input_size(self, target: int, aspect: Size) -> Size:
        """Width and height of the input for images with this aspect, rounded up as in Open Model
        Zoo's demo.

        Before rounding, both are limited to four times the target: a very long image would need too
        much memory.
        """
        scale = target / self.target_size(aspect)
        if self.window:
            scale = min(self.window[0] / aspect[0], self.window[1] / aspect[1])
            target = max(self.window)
        sides = []
        for side in aspect:
            usual = min(round(side * scale), 4 * target)
            cells = max(1, math.ceil((usual - self.extra) / self.stride))
            sides.append(cells * self.stride + self.extra)
        width, height = sides
        return width, height


def describe_size(size: Size | None) -> str:
    """The size of an input, for records of measurements; None: that of each image."""
    return f"{size[0]}x{size[1]}" if size else "varies"


def letterbox_transform(image: Size, size: Size) -> ImageTransform:
    """Letterbox: the whole image, as large as possible, in the middle of an input of this size."""
    scale = min(size[0] / image[0], size[1] / image[1])
    return _center(image, size, (scale, scale))


def _center(image: Size, size: Size, scales: tuple[float, float]) -> ImageTransform:
    across, down = scales
    left = (size[0] - across * image[0]) / 2
    top = (size[1] - down * image[1]) / 2
    return ImageTransform(np.array([[across, 0, left], [0, down, top]]), size)


def stretch_transform(image: Size, size: Size) -> ImageTransform:
    """The whole image stretched to an input of this size; its aspect may change."""
    return ImageTransform(np.array([[size[0] / image[0], 0, 0], [0, size[1] / image[1], 0]]), size)


def center_transform(image: Size, size: Size, share: float) -> ImageTransform:
    """The square in the middle of an image, whose side is this share of the image's shorter side,
    stretched to an input of this size.
    """
    side = share * min(image)
    return _center(image, size, (size[0] / side, size[1] / side))


#: If pixels are averaged before a resize, at least this many times the resolution of the input is
#: kept.
KEPT_RESOLUTION = 2


def fit_image(image: Image, size: Size, sizing: InputSizing) -> tuple[ImageTransform, Image]:
    """Fit an image to an input of this size: the transform, and the network's input; the image
    itself, if the graph fits it.
    """
    if sizing.is_embedded:
        return fit_transform(image_size(image), size, sizing), image
    if sizing.fit == LETTERBOX:
        return letterbox_image(image, size, sizing.padding, sizing=sizing)
    transform = fit_transform(image_size(image), size, sizing)
    return transform, transform.warp(image)


def fit_transform(image: Size, size: Size, sizing: InputSizing) -> ImageTransform:
    """The transform of ``fit_image``, from the size of an image."""
    if sizing.fit == STRETCH:
        return stretch_transform(image, size)
    if sizing.fit == CROP:
        # The largest part in the middle of the image that has the aspect of the input.
        scale = max(size[0] / image[0], size[1] / image[1])
        return _center(image, size, (scale, scale))
    return _place_in_letterbox(image, size, sizing)[0]


def letterbox_image(
    image: Image,
    size: Size,
    padding: float | tuple[float, ...] = 0,
    *,
    sizing: InputSizing = InputSizing(),
    stretches: bool = False,
) -> tuple[ImageTransform, Image]:
    """Letterbox an image: the transform, and the network's input, (height, width, 3).

    The resized image has integer sides, so a resize is enough, which takes half the time of a warp.
    Therefore the scales of x and y differ slightly, except if sides are truncated.

    Outside the image, all channels have the value ``padding``, 0..255, or one for each. ``sizing``
    says where the image is in the input, and how its sides are rounded. With ``stretches``, it
    fills the input, and its aspect may change.
    """
    cv2 = import_cv2()
    transform, place, inner = _place_in_letterbox(image_size(image), size, sizing, stretches)
    left, top = place
    letterboxed = np.full((size[1], size[0], 3), padding, image.dtype)
    inside = letterboxed[top : top + inner[1], left : left + inner[0]]
    reduced = _shrink(image, transform.scales)
    cv2.resize(reduced, inner, dst=inside, interpolation=cv2.INTER_LINEAR)
    return transform, letterboxed


def _place_in_letterbox(
    image: Size, size: Size, sizing: InputSizing, stretches: bool = False
) -> tuple[ImageTransform, Size, Size]:
    """The transform to a letterbox, the left and top side of the image in it, and its size there,
    in pixels.
    """
    width, height = image
    scale = min(size[0] / width, size[1] / height)
    inner = size
    if not stretches:
        to_integer = int if sizing.truncates else round
        inner = (max(1, to_integer(scale * width)), max(1, to_integer(scale * height)))
    scales = (inner[0] / width, inner[1] / height)
    if sizing.maps_by_scale and not stretches:
        scales = (scale, scale)
    left = 0
    top = 0
    if sizing.centered:
        left = (size[0] - inner[0]) // 2
        top = (size[1] - inner[1]) // 2
    matrix = np.array([[scales[0], 0, left], [0, scales[1], top]])
    return ImageTransform(matrix, size), (left, top), inner


#: Width and height of the blocks that OpenCV averages faster by other functions than INTER_AREA;
#: halves are rounded up, as it does for 2 x 2.
_FAST_BLOCKS = {(2, 1), (1, 2), (3, 1)}


def _shrink(part: Image, scales: tuple[float, float]) -> Image:
    """The image, reduced by averaging if two input pixels are four image pixels apart or more.

    It is halved first if they are eight or more apart: OpenCV averages 2 x 2 and 3 x 3 pixels
    several times as fast as larger squares.
    """
    cv2 = import_cv2()
    while min(scales) <= 0.125:
        across, down = (2 if scale <= 0.125 else 1 for scale in scales)
        # The average of 2 x 2 pixels.
        part = _reduce(part, across, down, cv2.INTER_LINEAR)
        scales = across * scales[0], down * scales[1]
    across, down = (max(1, int(1 / (KEPT_RESOLUTION * scale))) for scale in scales)
    if across == down == 1:
        return part
    width, height = image_size(part)
    is_whole = width % across == height % down == 0
    if not is_whole or (across, down) not in _FAST_BLOCKS:
        return _reduce(part, across, down, cv2.INTER_AREA)
    # The same averages in a third of the time: those of two pixels, which lie between them, and
    # those of three, by a filter.
    if across == 3:
        part = cv2.blur(part, (3, 1))
    return _reduce(part, across, down, cv2.INTER_LINEAR)


def _reduce(part: Image, across: int, down: int, interpolation: int) -> Image:
    width, height = image_size(part)
    sides = max(1, width // across), max(1, height // down)
    reduced: Image = import_cv2().resize(part, sides, interpolation=interpolation)
    return reduced


def to_image_pixels(
    poses: Sequence[Pose],
    transform: ImageTransform,
    image: Size,
    *,
    seen_from: float = 0.0,
    has_own_boxes: bool = False,
) -> list[Pose]:
    """Poses of one skeleton, converted from pixels of the input to the image's; missing keypoints
    stay 0.

    Their boxes are those around their keypoints with a score of ``seen_from`` or more; or the
    network's own, which are converted, too.
    """
    if not poses:
        return []
    # numpy.stack takes three times as long.
    keypoints = np.concatenate([pose.keypoints for pose in poses]).reshape(len(poses), -1, 3)
    is_found = keypoints[:, :, 2:] > 0
    points = transform.to_image(keypoints[:, :, :2])
    keypoints[:, :, :2] = np.where(is_found, points, 0)
    if has_own_boxes:
        corners = np.array([pose.box for pose in poses], np.float64).reshape(-1, 2, 2)
        boxes = list(map(tuple, transform.to_image(corners).clip(0, image).reshape(-1, 4).tolist()))
    else:
        boxes = [bounding_box(rows, image, seen_from) for rows in keypoints]
    skeleton = poses[0].layout
    moved = [
        replace(given, keypoints=rows, box=box, own_skeleton=skeleton)
        for given, rows, box in zip(poses, keypoints, boxes, strict=True)
    ]
    if poses[0].z is None and poses[0].depths is None:
        return moved
    return [convert_depths(pose, transform, image) for pose in moved]


def convert_depths(pose: Pose, transform: ImageTransform, image: Size) -> Pose:
    """A pose whose keypoints are in image pixels, with ``z``, ``world`` and ``mask`` converted from
    the input, a rotated square of the image.
    """
    scale, _ = transform.scales
    z = None if pose.z is None else pose.z / np.float32(scale)
    world = pose.world
    if world is not None:
        world = world.copy()
        world[:, :2] = world[:, :2] @ (transform.matrix[:, :2] / scale)
    mask = None if pose.mask is None else transform.sample_back(pose.mask, image)
    return replace(pose, z=z, world=world, mask=mask)


def rotated_square_transform(
    center: tuple[float, float], side: float, angle: float, size: Size
) -> ImageTransform:
    """The transform from a rotated square of the image to the input, in which the square is
    upright.

    ``center`` and ``side`` are in image pixels, ``angle`` is clockwise, in radians. The input is
    square.
    """
    scale = size[0] / side
    cos = scale * math.cos(angle)
    sin = scale * math.sin(angle)
    x, y = center
    shift_x = size[0] / 2 - cos * x - sin * y
    shift_y = size[1] / 2 + sin * x - cos * y
    matrix = np.array([[cos, sin, shift_x], [-sin, cos, shift_y]])
    return ImageTransform(matrix, size)
