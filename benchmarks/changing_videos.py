"""Videos in which people come and go, each frame with the people in it: under a camera that stands
still, at cuts, in a time lapse, and under a camera that moves.

The people are cut out of photos, and stand before parts of photos in which nobody is annotated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rendered_walks import Cutout, read_cutouts

from posezoo.core.arrays import Array
from posezoo.run.images import read_image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

#: Width and height of the frames of a camera that stands still, and of one that moves.
SIZE = (640, 480)

#: The standard deviation of the noise of a pixel, as of a camera indoors.
NOISE = 4

# A person's box covers this much of the frame's height.
_HEIGHTS = (0.35, 0.75)

# The share of a person's box that the person covers.
_FILLED = 0.53

# Scenes of 3, 4, 2 and 1 people whom posezoo finds.
_SCENES = (349860, 790, 442450, 785)

# The least width of a part of a photo without people.
_LEAST = 200

Person = dict[str, Any]
#: A frame, BGR, and the people in it, as COCO's annotations have them.
Scene = tuple[Array, list[Person]]


class VideoMaker:
    """Makes the videos.

    Args:
        folder: photos with person_keypoints.json, in COCO's format.
        seed: of all random choices; another seed makes other videos.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        halves = [read_cutouts(folder, is_reported=half)[0] for half in (False, True)]
        self._cutouts = [cutout for half in halves for cutout in half]
        annotated = json.loads((folder / "person_keypoints.json").read_text("utf-8"))
        self._photos = {
            image["id"]: read_image(folder / image["file_name"]) for image in annotated["images"]
        }
        self._people: dict[int, list[Person]] = {number: [] for number in self._photos}
        for person in annotated["annotations"]:
            self._people[person["image_id"]].append(person)
        self._count = 0

    def visitors(self, scenes: int = 3) -> Iterator[Scene]:
        """Each of six people in a scene of 12 frames is there for 2 to 4 of them."""
        for _ in range(scenes):
            yield from self._visit(12)

    def _visit(self, frames: int) -> Iterator[Scene]:
        background = self._background()
        visits = []
        for column in range(6):
            first = int(self._rng.integers(0, frames - 1))
            stay = int(self._rng.integers(2, 5))
            visits.append((range(first, first + stay), self._stand(column / 6, 1 / 6)))
        for number in range(frames):
            there = [standing for stay, standing in visits if number in stay]
            yield self._render(background, there)

    def standing(self, frames: int = 12) -> Iterator[Scene]:
        """Three people who do not move."""
        background = self._background()
        people = [self._stand(column / 3, 1 / 3) for column in range(3)]
        for _ in range(frames):
            yield self._render(background, people)

    def flickering(self, frames: int = 12) -> Iterator[Scene]:
        """Three people who do not move, in a light that flickers."""
        for frame, people in self.standing(frames):
            gain = self._rng.uniform(0.85, 1.0)
            yield (frame * gain).astype(np.uint8), people

    def empty(self, frames: int = 12) -> Iterator[Scene]:
        """Nobody."""
        background = self._background()
        for _ in range(frames):
            yield self._render(background, [])

    def walking(self, frames: int = 18) -> Iterator[Scene]:
        """Three people who walk through the picture."""
        background = self._background()
        people = [self._stand(column / 3, 1 / 3) for column in range(3)]
        speeds = self._rng.uniform(4, 16, 3) * self._rng.choice([-1, 1], 3)
        for number in range(frames):
            moved = [
                (cutout, x + round(speed * number), y, person)
                for (cutout, x, y, person), speed in zip(people, speeds, strict=True)
            ]
            yield self._render(background, moved)

    def time_lapse(self, frames: int = 12) -> Iterator[Scene]:
        """Two other people in each frame, before the same background."""
        background = self._background()
        for _ in range(frames):
            yield self._render(background, [self._stand(0, 0.5), self._stand(0.5, 0.5)])

    def cuts(self, frames: int = 16) -> Iterator[Scene]:
        """Another photo on each fourth frame."""
        for number in range(frames):
            photo = _SCENES[number // 4 % len(_SCENES)]
            ((frame, people),) = _pan(self._photos[photo], self._people[photo], 1, share=1)
            yield self._add_noise(frame), people

    def pans(self, frames: int = 40) -> Iterator[Scene]:
        """A camera that moves across four photos, one after the other."""
        for photo in _SCENES:
            scene = _pan(self._photos[photo], self._people[photo], frames // len(_SCENES))
            for frame, people in scene:
                yield self._add_noise(frame), people

    def handheld(self, frames: int = 16) -> Iterator[Scene]:
        """A camera in somebody's hand, which shakes by one or two pixels, before two photos."""
        for photo in _SCENES[:2]:
            scene = _pan(self._photos[photo], self._people[photo], 1)
            frame, people = next(iter(scene))
            for _ in range(frames // 2):
                x, y = self._rng.normal(0, 1.2, 2)
                matrix = np.array([[1, 0, x], [0, 1, y]])
                shaken = cv2.warpAffine(frame, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
                yield self._add_noise(shaken), people

    def _background(self) -> Array:
        """A part of a photo, chosen at random, in which nobody is annotated."""
        while True:
            number = self._rng.choice(list(self._photos))
            height, width = self._photos[number].shape[:2]
            wide = int(self._rng.integers(_LEAST, width))
            high = wide * SIZE[1] // SIZE[0]
            if high >= height:
                continue
            x = int(self._rng.integers(0, width - wide))
            y = int(self._rng.integers(0, height - high))
            boxes = [person["bbox"] for person in self._people[number]]
            if not any(_overlap((x, y, wide, high), box) for box in boxes):
                part = self._photos[number][y : y + high, x : x + wide]
                background: Array = cv2.resize(part, SIZE, interpolation=cv2.INTER_CUBIC)
                return background

    def _stand(self, left: float, width: float) -> tuple[Cutout, int, int, Person]:
        """A person in a column of the frame, whose left side and width are shares of the frame."""
        cutout = self._cutouts[self._rng.integers(len(self._cutouts))]
        cutout = cutout.resize(SIZE[1] * self._rng.uniform(*_HEIGHTS))
        high, wide = cutout.mask.shape
        free = max(width * SIZE[0] - wide, 0)
        x = round(left * SIZE[0] + self._rng.uniform(0, 1) * free)
        y = round(self._rng.uniform(0.5, 1) * (SIZE[1] - high))
        self._count += 1
        return cutout, x, y, {"id": self._count}

    def _render(self, background: Array, people: list[tuple[Cutout, int, int, Person]]) -> Scene:
        frame = background.copy()
        for cutout, x, y, _ in people:
            cutout.paste(frame, x, y)
        annotated = [_annotate(*each) for each in people]
        return self._add_noise(frame), [each for each in annotated if each["num_keypoints"]]

    def _add_noise(self, frame: Array) -> Array:
        noise = self._rng.normal(0, NOISE, frame.shape)
        return (frame + noise).clip(0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[VideoMaker], Iterator[Scene]]] = {
    "people for 2 to 4 frames": VideoMaker.visitors,
    "people who stand": VideoMaker.standing,
    "a light that flickers": VideoMaker.flickering,
    "nobody": VideoMaker.empty,
    "people who walk": VideoMaker.walking,
    "a time lapse": VideoMaker.time_lapse,
    "cuts": VideoMaker.cuts,
    "a camera that pans": VideoMaker.pans,
    "a camera in a hand": VideoMaker.handheld,
}


def _pan(photo: Array, people: list[Person], frames: int, share: float = 0.7) -> Iterator[Scene]:
    people = [person for person in people if not person.get("iscrowd")]
    panned = import_module("fakes.moving_camera").pan(photo, people, frames, share)
    return islice(panned, frames)


def _annotate(cutout: Cutout, x: int, y: int, person: Person) -> Person:
    keypoints = cutout.keypoints + np.array([x, y])
    is_inside = ((keypoints > 0) & (keypoints < SIZE)).all(axis=1)
    rows = np.column_stack([np.nan_to_num(keypoints), 2 * is_inside])
    return {
        **person,
        "keypoints": rows.ravel().tolist(),
        "num_keypoints": int(is_inside.sum()),
        "area": _FILLED * cutout.mask.size,
        "bbox": [x, y, cutout.mask.shape[1], cutout.mask.shape[0]],
    }


def _overlap(one: tuple[int, ...], other: list[float]) -> bool:
    return all(
        one[side] < other[side] + other[side + 2] and other[side] < one[side] + one[side + 2]
        for side in (0, 1)
    )
