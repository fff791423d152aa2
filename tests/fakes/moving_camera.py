"""Videos of annotated photos: a camera that zooms from a person to the whole photo and back, and pans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

#: Width and height of the frames.
SIZE = (640, 480)


def film(
    photo: np.ndarray, person: dict[str, Any], frames: int
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """The frames, BGR, and in each the person as COCO's annotations have them.

    Keypoints outside the frame are not labelled.

    Args:
        photo: (H, W, 3), BGR.
        person: an annotation of COCO.
    """
    size = np.array(SIZE)
    x, y, width, height = person["bbox"]
    photo_size = np.array(photo.shape[1::-1])
    # Photo pixels in a frame pixel.
    near, far = (
        1.3 * max((width, height) / size),
        max(photo_size / size),
    )
    start, end = np.array([x + width / 2, y + height / 2]), photo_size / 2
    truth = np.reshape(person["keypoints"], (17, 3)).astype(float)
    for frame in range(frames):
        share = (1 - np.cos(2 * np.pi * frame / (frames - 1))) / 2
        scale = near * (max(near, far) / near) ** share
        pan = 0.06 * size[0] * scale * np.array([np.sin(frame / 9), np.cos(frame / 13)])
        corner = (1 - share) * start + share * end + pan - scale * size / 2
        keypoints = truth.copy()
        keypoints[:, :2] = (truth[:, :2] - corner) / scale
        inside = (keypoints[:, :2] > 0).all(axis=1) & (keypoints[:, :2] < size).all(axis=1)
        keypoints[~inside, 2] = 0
        # In OpenCV integer coordinates are centers of pixels.
        first = (0.5 - corner) / scale - 0.5
        matrix = np.array([[1 / scale, 0, first[0]], [0, 1 / scale, first[1]]])
        image = cv2.warpAffine(photo, matrix, SIZE, flags=cv2.INTER_LINEAR)
        area = person["area"] / scale**2
        yield image, {**person, "keypoints": keypoints.ravel().tolist(), "area": area}
