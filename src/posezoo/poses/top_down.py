"""Top-down networks, which process one person at a time: options, crops of people, removal of
duplicates.

Each crop is a published convention: from the same box, the network sees the same pixels. Transforms
use continuous coordinates. Published code counts from the centers of pixels, also in a box, so its
coordinates are half a pixel less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np

from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.decoder_type import Count, DecoderOptions, Range, Share
from posezoo.poses.keypoints import HALF_PIXEL, Pose, pose_similarity
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    InputSizing,
    Size,
    fit_image,
    fit_transform,
    rotated_square_transform,
)
from posezoo.poses.ssd_detection import Box

Color = tuple[float, float, float]


@frozen
class TopDownOptions(DecoderOptions):
    """Options of all top-down decoders.

    Attributes:
        padding: the crop's size relative to the box; 0: the default of the crop's convention.
        max_people: the maximum number of boxes to use; those with the highest scores are used.
        max_similarity: poses with a higher object keypoint similarity count as one person, 0..1.
            HRNet's 0.9 is for AP, which a second pose of a person costs nothing; the default is the
            highest with which nobody is drawn twice (decision 0037).
        min_pose_score: poses with a lower score, which is that of the keypoints times that of the
            box, are left out, 0..1.
    """

    padding: Annotated[
        float, Range("0, or 0.1 to 10", lambda value: value == 0 or 0.1 <= value <= 10)
    ] = 0.0
    max_people: Count = 100
    max_similarity: Share = 0.55
    min_pose_score: Share = 0.0

    @property
    def crop(self) -> CropFunction:
        """Returns the crop for a box."""
        return crop_fit

    @property
    def blank_is_mean(self) -> bool:
        """Whether the blank part of a crop has the color that the network sees as zero."""
        return False

    @property
    def runs_mirrored(self) -> bool:
        """Whether the network also processes the mirrored crop."""
        return False


@frozen_with_arrays
class PersonCrop:
    """The crop of one person.

    Attributes:
        view: from image pixels to pixels of the crop.
        shown: left, top, right and bottom of the visible part of the image, in integer pixels; the
            rest of the crop is blank.
        sizing: how this part is fitted to the crop; None: as ``view`` maps it.
        repeats_edges: whether it is as MediaPipe makes it: see ``ImageTransform.sample``.
    """

    view: ImageTransform
    shown: tuple[int, int, int, int]
    sizing: InputSizing | None = None
    repeats_edges: bool = False

    def extract(self, image: Image, blank: Color = (0, 0, 0)) -> Image:
        """The cropped picture, (height, width, 3), of an (H, W, 3) image; ``blank`` fills the
        rest.
        """
        left, top, right, bottom = self.shown
        if self.repeats_edges:
            return self.view.sample(image, repeats_edges=True)
        if self.sizing:
            return fit_image(image[top:bottom, left:right], self.view.size, self.sizing)[1]
        shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
        part = ImageTransform(self.view.matrix @ shift, self.view.size)
        return part.warp(image[top:bottom, left:right], blank)

    @property
    def area(self) -> float:
        """The area of the crop, in image pixels."""
        width, height = self.view.size
        across, down = self.view.scales
        return width / across * height / down


#: Returns a crop. The arguments are a box, the sizes of image and input, and the size of the crop
#: relative to the box (0: the default of the convention).
CropFunction = Callable[[Box, Size, Size, float], PersonCrop]

#: The size of the crop relative to the box, in SimpleBaseline, HRNet, UDP, GluonCV,
#: single-human-pose-estimation-0001, RTMPose and MoveNet.
PADDING = 1.25


def crop_fit(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The box, extended to the input's aspect ratio and then enlarged; the image around it stays
    visible.
    """
    sides = _fit_aspect(box, size, padding or PADDING)
    return PersonCrop(_view(box.center, sides, size), (0, 0, *image))


def crop_affine(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """As ``crop_fit``, with the matrix of HRNet, MMPose and rtmlib: the center of the box is the
    center of a pixel in the image, and that of the input a corner between pixels.

    B. Xiao et al., Simple Baselines, 2018, arXiv:1804.06208 (``_xywh2cs``,
    ``get_affine_transform``). Their factor pixel_std of 200 cancels out, so it is not used here.
    """
    sides = _fit_aspect(box, size, padding or PADDING)
    view = _view(_pixel_center(box), sides, size)
    view.matrix[:, 2] += HALF_PIXEL
    return PersonCrop(view, (0, 0, *image))


def crop_align(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """As ``crop_affine``, but the crop extends from the center of the input's first pixel to that
    of its last.

    J. Huang et al., The Devil is in the Details, 2020, arXiv:1911.07524 (``get_warp_matrix``).
    """
    sides = _fit_aspect(box, size, padding or PADDING)
    return PersonCrop(_view(_pixel_center(box), sides, size, border=1), (0, 0, *image))


def crop_as_stated(
    box: Box, image: Size, size: Size, padding: float = 0.0, *, sizing: InputSizing
) -> PersonCrop:
    """The box in integer pixels, fitted to the input as its metadata say; Model API's pipeline
    (``TopDownKeypointDetectionPipeline``).

    As there, the middle of the box's first pixel is in the middle of the input's first pixel,
    whatever the scale is.
    """
    shown = _enlarge(box, padding or 1, image)
    left, top, right, bottom = shown
    view = fit_transform((right - left, bottom - top), size, sizing)
    first = np.array([left, top]) + HALF_PIXEL
    view.matrix[:, 2] += HALF_PIXEL - first * view.scales
    return PersonCrop(view, shown, sizing)


def crop_square(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The square of the box's longer side, rotated and mirrored as the box is; outside the image,
    its edges are repeated (MediaPipe). By default nothing is added: the scale of each square in
    MediaPipe's rect_transformation_calculator is in the box already, as landmarks.py computes it.
    """
    side = max(box.width, box.height) * (padding or 1)
    view = rotated_square_transform(box.center, side, box.angle, size)
    if box.is_mirrored:
        view.matrix[0] *= -1
        view.matrix[0, 2] += size[0]
    return PersonCrop(view, (0, 0, *image), repeats_edges=True)


def _pixel_center(box: Box) -> tuple[float, float]:
    """The center of a box whose corners count from the centers of pixels, in continuous
    coordinates.
    """
    x, y = box.center
    return x + HALF_PIXEL, y + HALF_PIXEL


def crop_stretch(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The enlarged box, clipped to the image, truncated to integer pixels, and stretched to the
    input.

    GluonCV's demo: ``upscale_bbox_fn`` and ``crop_resize_normalize`` in
    gluoncv/data/transforms/pose.py.
    """
    shown = _enlarge(box, padding or PADDING, image)
    visible = Box(*shown)
    sides = (visible.width, visible.height)
    return PersonCrop(_view(visible.center, sides, size), shown)


def crop_blank(box: Box, image: Size, size: Size, padding: float = 0.0) -> PersonCrop:
    """The slightly enlarged box, letterboxed: two sides of the crop are blank.

    AlphaPose (H.-S. Fang et al., RMPE, 2017, arXiv:1612.00137; ``crop_from_dets`` and ``cropBox``,
    also in GluonCV): the box is enlarged by 20 % if it is wider than 100 px, else by 30 %, and
    clipped to the image.
    """
    if not padding:
        padding = 1.2 if box.width > 100 else 1.3
    shown = _enlarge(box, padding, image)
    visible = Box(*shown)
    sides = _fit_aspect(visible, size, 1)
    return PersonCrop(_view(visible.center, sides, size), shown)


def _fit_aspect(box: Box, size: Size, padding: float) -> tuple[float, float]:
    """The sides of the smallest rectangle around the box with the input's aspect, times
    ``padding``.
    """
    aspect = size[0] / size[1]
    height = max(box.height, box.width / aspect) * padding
    return height * aspect, height


def _enlarge(box: Box, padding: float, image: Size) -> tuple[int, int, int, int]:
    """The corners of the enlarged box inside the image, as integers; they contain at least one
    pixel.
    """
    x, y = box.center
    width = box.width * padding / 2
    height = box.height * padding / 2
    inside = Box(x - width, y - height, x + width, y + height).clip(image)
    left = min(int(inside.x0), image[0] - 1)
    top = min(int(inside.y0), image[1] - 1)
    right = max(int(inside.x1), left + 1)
    bottom = max(int(inside.y1), top + 1)
    return left, top, right, bottom


def _view(
    center: tuple[float, float], sides: tuple[float, float], size: Size, border: int = 0
) -> ImageTransform:
    x, y = center
    across = (size[0] - border) / sides[0]
    down = (size[1] - border) / sides[1]
    left = size[0] / 2 - across * x
    top = size[1] / 2 - down * y
    matrix = np.array([[across, 0, left], [0, down, top]], np.float64)
    return ImageTransform(matrix, size)


def suppress_by_oks(
    poses: Sequence[Pose], areas: Sequence[float], *, max_similarity: float
) -> list[int]:
    """The indices of the poses without duplicates of the same person; the highest score comes first
    (HRNet's ``oks_nms``).

    Args:
        areas: of each pose's crop, in square image pixels; keypoint distances are relative to it.
        max_similarity: if two poses are more similar, the one with the lower score is removed,
            0..1.
    """

    def are_alike(one: int, other: int) -> bool:
        area = (areas[one] + areas[other]) / 2
        return not pose_similarity(poses[one], poses[other], area) <= max_similarity

    kept: list[int] = []
    for index in sorted(range(len(poses)), key=lambda index: -poses[index].score):
        if not any(are_alike(index, other) for other in kept):
            kept.append(index)
    return kept
