"""People in space in front of a known camera, and the maps that a perfect 3D network would draw of them.

Space is the camera's: x to the right, y down, z away, in cm. Joints are in the order of panoptic-19; the network's
root is the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fakes import crowds
from posezoo.poses.keypoints import SKELETONS
from posezoo.poses.lifting import LIMBS

SIZE, STRIDE = (448, 256), 8
FOCAL_LENGTH = 0.8 * SIZE[0]
PERSON_HEIGHT_CM = 180.0

NAMES = SKELETONS["panoptic-19"].keypoints
NECK, PELVIS = NAMES.index("neck"), NAMES.index("pelvis")
_OPENPOSE = [NAMES.index(name) for name in SKELETONS["openpose-18"].keypoints]

# Somebody of 175 cm who faces the camera, from the pelvis; the right side mirrors the left.
_MIDDLE = {"neck": (0, -50, 0), "nose": (0, -68, -10), "pelvis": (0, 0, 0)}
_LEFT = {
    "eye": (3.5, -71, -8),
    "ear": (8, -69, 0),
    "shoulder": (18, -48, 0),
    "elbow": (25, -22, 0),
    "wrist": (28, 2, -10),
    "hip": (10, 2, 0),
    "knee": (12, 45, -4),
    "ankle": (12, 88, 2),
}
_SIDES = {"left": 1, "right": -1}


def _standing(name: str) -> tuple[float, float, float]:
    if name in _MIDDLE:
        return _MIDDLE[name]
    side, joint = name.split("_")
    x, y, z = _LEFT[joint]
    return _SIDES[side] * x, y, z


@dataclass(frozen=True)
class Scene:
    """N people: (N, 19, 3) joints from the camera, in cm, and which of them, (N, 19), are in sight."""

    joints: np.ndarray
    there: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """(N, 19, 2): where the camera sees them, in pixels."""
        return FOCAL_LENGTH * self.joints[..., :2] / self.joints[..., 2:] + np.array(SIZE) / 2

    @property
    def relative(self) -> np.ndarray:
        """(N, 19, 3): from the pelvis, in cm."""
        return self.joints - self.joints[:, PELVIS, None]


_OUTER = [joint for limb in LIMBS if NAMES.index("nose") not in limb for joint in limb[:2]]


def scene(seed: int, count: int = 3) -> Scene:
    """People side by side at different distances, turned and moving their limbs as they please."""
    rng = np.random.default_rng([seed, 3])
    standing = np.array([_standing(name) for name in NAMES], float)
    people = []
    for place in range(count):
        one = standing * rng.uniform(0.85, 1.05)
        one[_OUTER] += rng.normal(0, 8, (len(_OUTER), 3))
        turn = crowds.turn(rng.uniform(-0.8, 0.8))
        one[:, [0, 2]] = one[:, [0, 2]] @ turn
        z = rng.uniform(380, 600)
        x = (SIZE[0] * (place + 0.5) / count - SIZE[0] / 2) * z / FOCAL_LENGTH
        people.append(one + np.array([x, rng.uniform(-20, 0), z]))
    return Scene(np.array(people), np.ones((count, len(NAMES)), bool))


def maps(
    people: Scene, seed: int, *, rough_cm: float = 0.0, noise: float = 0.005
) -> dict[str, np.ndarray]:
    """What the network would put out, by role.

    Every cell describes the person whose joint is nearest to it, off by ``rough_cm``; but around each joint of a
    limb that limb is told exactly, and around the neck the neck and the pelvis are.
    """
    rng = np.random.default_rng([seed, 57])
    heatmaps, pafs = crowds.openpose_drawn(
        people.seen[:, _OPENPOSE], people.there[:, _OPENPOSE], SIZE, seed
    )
    rows, columns = np.mgrid[: SIZE[1] // STRIDE, : SIZE[0] // STRIDE]
    cells = (np.stack([columns, rows], axis=-1) + 0.5) * STRIDE
    apart = np.linalg.norm(cells[:, :, None, None] - people.seen, axis=-1)  # rows, columns, N, 19
    owner = apart.min(axis=-1).argmin(axis=-1)
    exact = people.relative / PERSON_HEIGHT_CM
    rough = exact + rng.normal(0, 1, exact.shape) * rough_cm / PERSON_HEIGHT_CM
    locations = rough[owner]
    for person in range(len(exact)):
        for tells, told in (
            (NECK, (NECK, PELVIS)),
            *((joint, limb) for limb in LIMBS for joint in limb),
        ):
            near = (apart[:, :, person, tells] < 1.5 * STRIDE) & (owner == person)
            for joint in told:
                locations[near, joint] = exact[person, joint]
    locations = locations.reshape(*rows.shape, -1).transpose(2, 0, 1)
    locations = (locations + rng.normal(0, noise, locations.shape)).astype(np.float32)[None]
    return {"coordinates": locations, "heatmaps": heatmaps, "pafs": pafs}
