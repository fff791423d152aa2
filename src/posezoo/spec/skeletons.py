"""Skeletons: the keypoints that a network finds, and what connects them.

A skeleton is a YAML file (``skeleton_yml``): those of the package are in the folder beside this
module, others in the folder ``skeletons`` of a registry. model.yml may also contain one, and so may
the metadata of an IR, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from posezoo.spec.field_types import WORD_PATTERN

#: The folder of skeletons in a registry.
FOLDER = "skeletons"

#: The first word of the name of keypoints of which nothing but the number is known.
UNKNOWN = "keypoints"

_PACKAGED = Path(__file__).parent / FOLDER


@dataclass(frozen=True, slots=True)
class LimbField:
    """The part affinity field of a limb (OpenPose).

    Attributes:
        limb: the indices of the keypoints at which it starts and ends.
        channel: its first channel, x; the next one is y.
        length: of the limb, relative to the body's height; 0 if it is unknown.
    """

    limb: tuple[int, int]
    channel: int
    length: float = 0.0


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The keypoints that a network finds, and the limbs between them.

    Attributes:
        name: as in model.yml.
        keypoints: the names of the keypoints, in the order of the network's output.
        limbs: pairs of keypoint indices that are connected by a line in drawings.
        flip_pairs: (left, right) indices that are exchanged when an image is mirrored.
        sigmas: COCO's standard deviation of annotators for each keypoint, relative to the person's
            size; empty if they are not declared.
        fields: the part affinity fields, in the order in which people are assembled; empty if
            there are none.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    fields: tuple[LimbField, ...] = ()

    @property
    def flip_order(self) -> tuple[int, ...]:
        """For each keypoint, the index of the keypoint that replaces it in a mirrored image."""
        partners = dict(self.flip_pairs) | {right: left for left, right in self.flip_pairs}
        return tuple(partners.get(place, place) for place in range(len(self.keypoints)))

    @property
    def coco(self) -> tuple[int, ...] | None:
        """The index of each of COCO's 17 keypoints in this skeleton; None if some are missing."""
        wanted = SKELETONS["coco-17"].keypoints
        if not set(wanted) <= set(self.keypoints):
            return None
        return tuple(map(self.keypoints.index, wanted))

    def to_json(self) -> str:
        """What ``skeleton_yml.parse_skeleton`` reads: the same keys as in a file."""

        def named(pairs: tuple[tuple[int, int], ...]) -> list[list[str]]:
            return [[self.keypoints[place] for place in pair] for pair in pairs]

        fields = []
        for each in self.fields:
            length = {"length": each.length} if each.length else {}
            fields.append({"limb": named((each.limb,))[0], "channel": each.channel, **length})
        content = {
            "limbs": named(self.limbs),
            "flips": named(self.flip_pairs),
            "sigmas": self.sigmas,
            "fields": fields,
        }
        given = {key: value for key, value in content.items() if value}
        return json.dumps({"keypoints": self.keypoints, **given})


class _Skeletons(Mapping[str, Skeleton]):
    """The skeletons of the package by name, each of which is read when it is needed;
    ``keypoints-21`` has 21 keypoints of which nothing is known.
    """

    def __getitem__(self, name: str) -> Skeleton:
        return _find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


@cache
def _names() -> list[str]:
    return sorted(path.stem for path in _PACKAGED.glob("*.yml"))


@cache
def _find(name: str) -> Skeleton:
    kind, _, count = name.partition("-")
    if kind == UNKNOWN and count.isdecimal() and len(count) < 5:
        return Skeleton(name, tuple(map(str, range(int(count)))))
    path = _PACKAGED / f"{name}.yml"
    if not (WORD_PATTERN.fullmatch(name) and path.is_file()):
        raise KeyError(name)
    from posezoo.spec.skeleton_yml import read_skeleton  # imports the YAML reader

    return read_skeleton(path)


SKELETONS: Mapping[str, Skeleton] = _Skeletons()


def find_skeleton(name: str) -> Skeleton:
    """The skeleton of the package with this name, or the one in this file.

    Raises:
        SpecError: there is neither, or the file has a mistake.
    """
    if name in SKELETONS:
        return SKELETONS[name]
    from posezoo.spec.skeleton_yml import read_skeleton

    return read_skeleton(Path(name))


def known_counts() -> set[int]:
    """The numbers of keypoints of the skeletons in the package, which their names end with."""
    return {int(name.rpartition("-")[2]) for name in SKELETONS if "-" in name}


def skeleton_of(count: int) -> str:
    """The name of the package's skeleton with this number of keypoints; ``keypoints-21`` if none
    has 21.
    """
    names = (name for name in SKELETONS if name.endswith(f"-{count}"))
    return next(names, f"{UNKNOWN}-{count}")
