"""Videos of annotated photos: a camera that zooms from a person to the whole photo and back, and pans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

#: Width and height of the frames.
SIZE = (640, 480)

#: How long a camera moves across a photo.
PAN_FRAMES = 60


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
        area = person["area"] / scale**2
        moved = {**person, "keypoints": keypoints.ravel().tolist(), "area": area}
        yield _take_frame(photo, corner, scale), moved


def pan(
    photo: np.ndarray, people: list[dict[str, Any]], frames: int, share: float = 0.7
) -> Iterator[tuple[np.ndarray, list[dict[str, Any]]]]:
    """Frames, BGR, of a camera that moves across a photo and back, each with the people in it.

    Args:
        photo: (H, W, 3), BGR.
        people: annotations of COCO.
        share: how much of the photo a frame shows, along each side.
    """
    size = np.array(SIZE)
    photo_size = np.array(photo.shape[1::-1])
    scale = share * min(photo_size / size)  # photo pixels in a frame pixel
    for frame in range(frames):
        turn = np.pi * frame / PAN_FRAMES
        away = np.array([(1 - np.cos(turn)) / 2, (1 + np.sin(2 * turn)) / 2])
        corner = away * (photo_size - scale * size)
        yield (
            _take_frame(photo, corner, scale),
            [_move(person, corner, scale) for person in people],
        )


def _take_frame(photo: np.ndarray, corner: np.ndarray, scale: float) -> np.ndarray:
    """What the camera sees whose upper left corner is at this place of a photo."""
    # In OpenCV integer coordinates are centers of pixels.
    first = (0.5 - corner) / scale - 0.5
    matrix = np.array([[1 / scale, 0, first[0]], [0, 1 / scale, first[1]]])
    return cv2.warpAffine(photo, matrix, SIZE, flags=cv2.INTER_LINEAR)


def _move(person: dict[str, Any], corner: np.ndarray, scale: float) -> dict[str, Any]:
    keypoints = np.reshape(person["keypoints"], (17, 3)).astype(float)
    keypoints[:, :2] = (keypoints[:, :2] - corner) / scale
    inside = ((keypoints[:, :2] > 0) & (keypoints[:, :2] < SIZE)).all(axis=1)
    keypoints[~inside, 2] = 0
    x, y = (np.array(person["bbox"][:2]) - corner) / scale
    width, height = np.array(person["bbox"][2:]) / scale
    return {
        **person,
        "bbox": [x, y, width, height],
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "area": person["area"] / scale**2,
    }
