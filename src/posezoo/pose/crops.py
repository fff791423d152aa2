"""Crops of people for top-down networks, according to the published conventions.

Transforms use continuous coordinates. Published code treats a box's corners as centers of pixels, which is an
error of half a pixel. Here a point is mapped back to exactly the position in the image that the network sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from posezoo.pose.letterbox import Image, ImageTransform, Size
from posezoo.pose.ssd_detection import Box

Color = tuple[float, float, float]


@dataclass(frozen=True, eq=False, slots=True)
class PersonCrop:
    """The crop of one person.

    Attributes:
        view: the transform from image pixels to pixels of the crop.
        shown: left, top, right and bottom of the visible part of the image, in integer pixels; the rest of
            the crop is blank.
    """

    view: ImageTransform
    shown: tuple[int, int, int, int]

    def extract(self, image: Image, blank: Color = (0, 0, 0)) -> Image:
        """The cropped picture, (height, width, 3), of an (H, W, 3) image; ``blank`` fills the rest."""
        left, top, right, bottom = self.shown
        shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
        part = ImageTransform(self.view.matrix @ shift, self.view.size)
        return part.warp(image[top:bottom, left:right], blank)

    @property
    def area(self) -> float:
        """The area of the crop, in image pixels."""
        (width, height), (across, down) = self.view.size, self.view.scales
        return width / across * height / down


#: Returns a crop. The arguments are a box, the sizes of image and input, and the size of the crop relative to
#: the box (0: the default of the convention).
CropFunction = Callable[[Box, Size, Size, float], PersonCrop]

#: The size of the crop relative to the box, in SimpleBaseline, HRNet, UDP, GluonCV,
#: single-human-pose-estimation-0001, RTMPose and MoveNet.
PADDING = 1.25


def crop_fit(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The box, extended to the input's aspect ratio and then enlarged; the image around it stays visible.

    B. Xiao et al., Simple Baselines, 2018, arXiv:1804.06208 (``_xywh2cs``, ``get_affine_transform``).
    Their factor pixel_std of 200 cancels out, so it is not used here.
    """
    width, height = _fit_aspect(box, size, padding or PADDING)
    return PersonCrop(_view(box.center, (size[0] / width, size[1] / height), size), (0, 0, *image))


def crop_align(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """As ``crop_fit``, but the crop extends from the center of the input's first pixel to that of its last.

    J. Huang et al., The Devil is in the Details, 2020, arXiv:1911.07524 (``get_warp_matrix``).
    """
    width, height = _fit_aspect(box, size, padding or PADDING)
    scales = (size[0] - 1) / width, (size[1] - 1) / height
    return PersonCrop(_view(box.center, scales, size), (0, 0, *image))


def crop_stretch(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The enlarged box, clipped to the image, truncated to integer pixels, and stretched to the input.

    GluonCV's demo: ``upscale_bbox_fn`` and ``crop_resize_normalize`` in gluoncv/data/transforms/pose.py.
    """
    enlarged = _enlarge(box, padding or PADDING)
    left, top, right, bottom = shown = _truncate(enlarged.clip(image), image)
    center = (left + right) / 2, (top + bottom) / 2
    return PersonCrop(_view(center, (size[0] / (right - left), size[1] / (bottom - top)), size), shown)


def crop_blank(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The slightly enlarged box, letterboxed: two sides of the crop are blank.

    AlphaPose (H.-S. Fang et al., RMPE, 2017, arXiv:1612.00137; ``crop_from_dets`` and ``cropBox``, also
    in GluonCV): the box is enlarged by 20 % if it is wider than 100 px, else by 30 %, and clipped to the
    image.
    """
    enlarged = _enlarge(box, padding or (1.2 if box.width > 100 else 1.3)).clip(image)
    left, top, right, bottom = shown = _truncate(enlarged, image)
    visible = Box(left, top, right, bottom)
    width, height = _fit_aspect(visible, size, 1)
    return PersonCrop(_view(visible.center, (size[0] / width, size[1] / height), size), shown)


def _fit_aspect(box: Box, size: Size, padding: float) -> tuple[float, float]:
    """The sides of the smallest rectangle around the box with the input's aspect, times ``padding``."""
    aspect = size[0] / size[1]
    height = max(box.height, box.width / aspect) * padding
    return height * aspect, height


def _enlarge(box: Box, padding: float) -> Box:
    (x, y), width, height = box.center, box.width * padding / 2, box.height * padding / 2
    return Box(x - width, y - height, x + width, y + height, box.score)


def _truncate(box: Box, image: Size) -> tuple[int, int, int, int]:
    """The corners as integers; the result contains at least one pixel of the image."""
    left, top = min(int(box.x0), image[0] - 1), min(int(box.y0), image[1] - 1)
    return left, top, max(int(box.x1), left + 1), max(int(box.y1), top + 1)


def _view(center: tuple[float, float], scales: tuple[float, float], size: Size) -> ImageTransform:
    """A transform with ``center`` in the middle of the input, and ``scales`` input pixels per image pixel."""
    (across, down), (x, y) = scales, center
    return ImageTransform(
        np.array([[across, 0, size[0] / 2 - across * x], [0, down, size[1] / 2 - down * y]], np.float64), size
    )
