"""Skeletons: the keypoints that a network finds, and what connects them."""

from __future__ import annotations

import json

from posezoo.core.values import frozen


@frozen
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


@frozen
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
