"""Draw the pictures of docs/howto/drawing.md, from the sample photos: docs/images/style-*.jpg.

It runs three models, which are downloaded if necessary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import posezoo
from posezoo.media.images import read_image, sample_photos
from posezoo.poses.letterbox import Image

FOLDER = Path(__file__).with_name("images")
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 80]
#: Of each picture, in pixels.
HEIGHT = 400


def main() -> None:
    """Draw each picture."""
    people, _ = photos = [*map(read_image, sample_photos("person"))]
    model = posezoo.load("movenet-thunder")
    shift = np.array([people.shape[1], 0, 0], np.float32)
    poses = list(model(people))
    for pose in model(photos[1]):
        x0, y0, x1, y1 = pose.box
        box = (x0 + shift[0], y0, x1 + shift[0], y1)
        poses.append(replace(pose, keypoints=pose.keypoints + shift, box=box))
    both = np.hstack(photos)
    styles: Mapping[str, Image] = {
        "person": posezoo.draw(both, poses),
        "side": posezoo.draw(both, poses, color="side"),
        "options": posezoo.draw(both, poses, thickness=8, radius=6, boxes=True),
        "tracked": posezoo.draw(
            both, [replace(pose, track_id=number) for number, pose in enumerate(poses, 1)]
        ),
        "hand": draw_found("hand-landmark-full", read_image(sample_photos("hand")[0])),
        "face": draw_found("face-landmark-attention", people[:300, 60:460]),
    }
    for name, picture in styles.items():
        scale = HEIGHT / picture.shape[0]
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(FOLDER / f"style-{name}.jpg"), small, QUALITY)


def draw_found(name: str, image: Image) -> Image:
    """An image with what a model finds in it."""
    return posezoo.draw(image, posezoo.load(name)(image))


if __name__ == "__main__":
    main()
