"""Walks of people who are cut out of photos, in rendered frames, as a real model finds them.

The people walk, cross and are hidden as in tests/fakes/walks.py. They are whole and stand, and keep
the pose of their photo, so their keypoints move with them. Each frame has noise of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.media.images import read_image
from posezoo.poses.keypoints import Pose
from posezoo.run.load import Loader
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.subject import find_subject

if TYPE_CHECKING:
    from fakes.walks import Walk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
walks = import_module("fakes.walks")
SIZE = walks.SIZE

#: Fewer keypoints or pixels do not show a whole person.
MIN_KEYPOINTS, MIN_HEIGHT = 12, 110
_NOSE_AND_ANKLES = [0, 15, 16]
#: Standard deviations: of the blur that hides the people in the background, in pixels, and of the
#: noise of a pixel.
_BLUR, _NOISE = 15, 4
_PILLAR = (72, 76, 80)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A person in a photo.

    Attributes:
        pixels: (H, W, 3), BGR, of the person's box.
        mask: (H, W), 1 where the person is, else 0.
        keypoints: (17, 2) in pixels of the box; not a number where they are not annotated.
    """

    pixels: Array
    mask: Array
    keypoints: NDArray[np.float64]

    def resize(self, height: float) -> Cutout:
        scale = height / len(self.mask)
        pixels, mask = (
            cv2.resize(each, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            for each in (self.pixels, self.mask)
        )
        return Cutout(pixels, mask, self.keypoints * scale)

    def paste(self, frame: Array, x: int, y: int) -> None:
        """Draw the person, whose box begins at x and y; parts may be outside the frame."""
        height, width = self.mask.shape
        rows, columns = frame.shape[:2]
        left, top = max(-x, 0), max(-y, 0)
        right, bottom = min(width, columns - x), min(height, rows - y)
        if left >= right or top >= bottom:
            return
        part = np.s_[top:bottom, left:right]
        behind = frame[y + top : y + bottom, x + left : x + right]
        mask = self.mask[part][..., None]
        behind[:] = (mask * self.pixels[part] + (1 - mask) * behind).astype(np.uint8)


def read_cutouts(folder: Path, *, is_reported: bool) -> tuple[list[Cutout], list[Array]]:
    """The whole people of half of the photos, and these photos; the other half is for choosing
    constants.

    Args:
        folder: photos with person_keypoints.json, in COCO's format.
    """
    annotated = json.loads((folder / "person_keypoints.json").read_text("utf-8"))
    images = sorted(annotated["images"], key=lambda image: image["id"])[is_reported::2]
    photos = {image["id"]: read_image(folder / image["file_name"]) for image in images}
    people = [
        _cut_out(photos[person["image_id"]], person)
        for person in annotated["annotations"]
        if person["image_id"] in photos and _is_whole(person)
    ]
    return people, list(photos.values())


def _is_whole(person: dict[str, Any]) -> bool:
    """Whether a person stands, and nothing hides a part of them."""
    outline = person["segmentation"]
    _, _, width, height = person["bbox"]
    scores = np.array(person["keypoints"][2::3])
    return (
        isinstance(outline, list)
        and len(outline) == 1
        and person["num_keypoints"] >= MIN_KEYPOINTS
        and height >= max(MIN_HEIGHT, 1.5 * width)
        and bool(scores[_NOSE_AND_ANKLES].all())
    )


def _cut_out(photo: Array, person: dict[str, Any]) -> Cutout:
    (outline,) = person["segmentation"]
    mask = np.zeros(photo.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.reshape(outline, (-1, 2)).round().astype(np.int32)], 1.0)
    x, y, width, height = (round(value) for value in person["bbox"])
    box = np.s_[y : y + height, x : x + width]
    keypoints = np.reshape(person["keypoints"], (17, 3)).astype(float)
    keypoints[keypoints[:, 2] == 0] = np.nan
    return Cutout(photo[box], mask[box], keypoints[:, :2] - (x, y))


def rendered_walk(
    people: list[Cutout], photos: list[Array], *, seed: int, frames: int
) -> tuple[Walk, Iterator[Array]]:
    """A walk, with the annotated keypoints that are in the frame, and its frames, BGR."""
    rng = np.random.default_rng(seed)
    walked: Walk = walks.hidden_walk(frames=frames, seed=seed)
    chosen = [people[rng.integers(len(people))].resize(height) for height in walked.heights]
    sizes = np.array([each.mask.shape[::-1] for each in chosen])
    feet = np.stack([walked.keypoints[..., 0, 0], walked.keypoints[..., 15:, 1].max(axis=2)], 2)
    corners = np.round(feet - sizes * [0.5, 1]).astype(int)
    keypoints = corners[:, :, None] + np.stack([each.keypoints for each in chosen])
    keypoints[((keypoints < 0) | (keypoints >= SIZE)).any(axis=3)] = np.nan
    photo = photos[rng.integers(len(photos))]
    background = cv2.GaussianBlur(cv2.resize(photo, SIZE), None, _BLUR)
    return replace(walked, keypoints=keypoints), _render(walked, chosen, corners, background, rng)


def _render(
    walked: Walk,
    chosen: list[Cutout],
    corners: NDArray[np.int_],
    background: Array,
    rng: np.random.Generator,
) -> Iterator[Array]:
    """Who is larger is in front; pillars are in front of everybody."""
    width, height = SIZE
    noise = rng.normal(0, _NOISE, (2 * height, 2 * width, 1)).astype(np.int8)
    back_to_front = np.argsort(walked.heights)
    for places in corners:
        frame = background.copy()
        for person in back_to_front:
            chosen[person].paste(frame, *places[person].tolist())
        for left, right in walked.pillars.round().astype(int):
            frame[:, left:right] = _PILLAR
        x, y = rng.integers((width, height))
        grain = noise[y : y + height, x : x + width]
        yield (frame + grain).clip(0, 255).astype(np.uint8)


def load_model(name: str) -> Estimator:
    """A model of the zoo, in FP16."""
    context = open_context(to_settings(read_settings({})))
    return Loader(context).prepare(find_subject(name, context)).compile()


def find_poses(estimator: Estimator, frames: Iterable[Array]) -> list[list[Pose]]:
    """The poses that a model finds in each frame alone."""
    with estimator.stream(frames) as stream:
        return [poses for _, poses in stream]
