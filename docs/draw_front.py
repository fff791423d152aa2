"""Draw the picture of README, what `make quickstart` finds, into docs/images/poses.jpg, and write
its keypoints beside it: tests/test_front_page.py compares them with what is found today.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

import posezoo
from posezoo.media.images import read_image, sample_photos

PICTURE = Path(__file__).with_name("images") / "poses.jpg"
KEYPOINTS = PICTURE.with_suffix(".json")
MODEL = "movenet-thunder"


def main() -> None:
    """Draw the picture, and write the keypoints: x and y in pixels of each photo."""
    photos = [*map(read_image, sample_photos("person"))]
    model = posezoo.load(MODEL, inference_precision="f32")
    found = list(map(model, photos))
    pictures = [posezoo.draw(photo, poses) for photo, poses in zip(photos, found, strict=True)]
    cv2.imwrite(str(PICTURE), np.hstack(pictures), [cv2.IMWRITE_JPEG_QUALITY, 85])
    keypoints = [
        [pose.keypoints[:, :2].astype(float).round(1).tolist() for pose in poses] for poses in found
    ]
    KEYPOINTS.write_text(json.dumps({"model": MODEL, "photos": keypoints}) + "\n", "utf-8")


if __name__ == "__main__":
    main()
