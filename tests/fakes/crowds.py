"""Groups of people whose joints are known, and the maps that a perfect network would draw of them.

Every group comes from a seed and a kind of ``KINDS``. Joints of one name lie at least 20 px apart; what
lies outside the frame is not there. Coordinates are continuous pixels, as ``posezoo.poses.keypoints`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from fakes.omz_decoders import LIMBS
from posezoo.poses.keypoints import SKELETONS

#: Width and height of the input, and its stride, for each family of maps.
OPENPOSE_SIZE, OPENPOSE_STRIDE, OPENPOSE_SIGMA = (456, 256), 8, 7.0
EMBEDDINGS_SIZE, EMBEDDINGS_STRIDE, EMBEDDINGS_SIGMA = (512, 512), 2, 4.0

NOISE = 0.01
APART = 20.0  # px between joints of one name
TAG_STEP = 1.6
SMALLEST = 48.0  # px: six cells of OpenPose's maps

Random = np.random.Generator
Size = tuple[int, int]

_NAMES = SKELETONS["coco-17"].keypoints
_LEGS = [
    index for index, name in enumerate(_NAMES) if name.split("_")[-1] in ("hip", "knee", "ankle")
]
_SHOULDERS = [5, 6]
# The neck comes between.
_OPENPOSE_FROM_COCO = [
    0,
    6,
    8,
    10,
    5,
    7,
    9,
    12,
    14,
    16,
    11,
    13,
    15,
    2,
    1,
    4,
    3,
]

# Somebody who stands upright and looks at us, the nose at (0, 0), as shares of the height of the body.
_STANDING = np.array(
    [
        *[(0, 0), (0.022, -0.02), (-0.022, -0.02), (0.05, -0.01), (-0.05, -0.01)],
        *[(0.11, 0.13), (-0.11, 0.13), (0.15, 0.3), (-0.15, 0.3), (0.16, 0.45), (-0.16, 0.45)],
        *[(0.07, 0.47), (-0.07, 0.47), (0.08, 0.7), (-0.08, 0.7), (0.08, 0.93), (-0.08, 0.93)],
    ]
)
_BODY_HEIGHT = 0.95  # of the template, eyes to ankles
#: What hangs on a joint, and how far the joint turns it, in radians to either side.
_LIMBS_THAT_TURN = (
    (5, slice(7, 10, 2), 1.2),
    (6, slice(8, 11, 2), 1.2),
    (7, slice(9, 10), 1.0),
    (8, slice(10, 11), 1.0),
    (11, slice(13, 16, 2), 0.35),
    (12, slice(14, 17, 2), 0.35),
    (13, slice(15, 16), 0.3),
    (14, slice(16, 17), 0.3),
)


@dataclass(frozen=True)
class Group:
    """N people: (N, 17, 2) joints in pixels, which of them are there, (N, 2) necks, the frame's size."""

    joints: np.ndarray
    there: np.ndarray
    size: Size
    necks: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "necks", self.joints[:, _SHOULDERS].mean(axis=1))

    def __len__(self) -> int:
        return len(self.joints)


def standing(size: Size, *places: tuple[float, float, float]) -> Group:
    """People upright, by the middle of their bodies and their height, in pixels."""
    joints = np.stack([person(np.random.default_rng(4), height) for _, _, height in places])
    joints += np.array(places)[:, None, :2]
    return Group(joints, np.ones(joints.shape[:2], bool), size)


def person(rng: Random, height: float) -> np.ndarray:
    """(17, 2): the joints of somebody, arms and legs as they please, the middle of the box at (0, 0)."""
    joints = _STANDING + rng.normal(0, 0.006, _STANDING.shape)
    for joint, limb, reach in _LIMBS_THAT_TURN:
        turned = (joints[limb] - joints[joint]) @ turn(rng.uniform(-reach, reach))
        joints[limb] = joints[joint] + turned
    joints = joints @ turn(rng.uniform(-0.25, 0.25))
    if rng.random() < 0.5:  # seen from behind: left and right change places in the picture
        joints[:, 0] *= -1
    middle = (joints.min(axis=0) + joints.max(axis=0)) / 2
    return (joints - middle) * (height / _BODY_HEIGHT)


def turn(angle: float) -> np.ndarray:
    """(2, 2): a turn by an angle in radians, for row vectors."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@cache
def group(
    kind: str, seed: int, size: Size, count: int | None = None, apart: float = APART
) -> Group:
    """The people of one kind and seed; as many as fit, at most ``count``, joints ``apart`` pixels or more."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    min_count, max_count, candidates = KINDS[kind]
    requested = int(rng.integers(min_count, max_count + 1)) if count is None else count
    joints: list[np.ndarray] = []
    there: list[np.ndarray] = []
    for people in candidates(rng, size, requested):
        for one, seen in people:
            inside = (one > 0).all(axis=1) & (one < size).all(axis=1)
            joints.append(one)
            there.append(seen & inside)
        if not _fitting(joints, there, len(people), size, apart):
            del joints[-len(people) :], there[-len(people) :]
        if len(joints) >= requested:
            break
    shape = (len(joints), 17)
    return Group(np.reshape(joints, (*shape, 2)), np.reshape(there, shape).astype(bool), size)


def _fitting(
    joints: list[np.ndarray], there: list[np.ndarray], new: int, size: Size, apart: float
) -> bool:
    """Whether the last people keep their distance from all and each other, and show enough of themselves."""
    everybody = np.array(joints)
    all_seen = np.array(there)
    necks = everybody[:, _SHOULDERS].mean(axis=1)
    for place in range(len(joints) - new, len(joints)):
        neck = necks[place]
        if all_seen[place].sum() < 6 or not ((neck > 0) & (neck < size)).all():
            return False
        common = all_seen[place] & all_seen[:place]
        distances = np.hypot(*(everybody[place] - everybody[:place])[common].T)
        neck_distances = np.hypot(*(neck - necks[:place]).T)
        if (distances < apart).any() or (neck_distances < apart).any():
            return False
    return True


People = list[tuple[np.ndarray, np.ndarray]]
_ALL = np.ones(17, bool)
TRIES = 400


def _anywhere(rng: Random, size: Size, one: np.ndarray) -> np.ndarray:
    """The person moved to a place where the whole body is in the frame, or as much of it as can be."""
    low, high = 4 - one.min(axis=0), np.array(size) - 4 - one.max(axis=0)
    return one + np.where(
        high > low, rng.uniform(np.minimum(low, high), np.maximum(low, high)), (low + high) / 2
    )


def _heights(size: Size, requested: int) -> tuple[float, float]:
    tallest = size[1] * 0.95
    return (
        SMALLEST * 1.3,
        min(tallest, max(SMALLEST * 2, tallest * 2.2 / max(requested, 1) ** 0.5)),
    )


def _plain(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """Nobody's box touches another's."""
    taken: list[np.ndarray] = []
    for _ in range(TRIES):
        one = _anywhere(rng, size, person(rng, rng.uniform(*_heights(size, 2 * requested))))
        if _is_alone(one, taken):
            yield [(one, _ALL)]


def _is_alone(one: np.ndarray, taken: list[np.ndarray]) -> bool:
    """Whether a person's box is two cells off all others'; then it is taken, too."""
    low, high = one.min(axis=0) - 16, one.max(axis=0) + 16
    alone = all(
        (low > other.max(axis=0)).any() or (high < other.min(axis=0)).any() for other in taken
    )
    if alone:
        taken.append(one)
    return alone


def _crowd(rng: Random, size: Size, requested: int) -> Iterator[People]:
    for _ in range(TRIES):
        yield [(_anywhere(rng, size, person(rng, rng.uniform(*_heights(size, requested)))), _ALL)]


def _sizes(rng: Random, size: Size, requested: int) -> Iterator[People]:
    for _ in range(TRIES):
        height = np.exp(rng.uniform(np.log(SMALLEST), np.log(size[1] - 9)))
        yield [(_anywhere(rng, size, person(rng, height)), _ALL)]


def _overlapping(rng: Random, size: Size, requested: int) -> Iterator[People]:
    for _ in range(TRIES):
        height = rng.uniform(90, size[1] * 0.9)
        one, other = person(rng, height), person(rng, height * rng.uniform(0.8, 1.2))
        half = np.ptp(one, axis=0) / 2
        shift = (
            (half[0] * rng.choice([-1, 1]), 0)
            if rng.random() < 0.7
            else (0, half[1] * rng.choice([-1, 1]))
        )
        yield _together(rng, size, one, other + shift)


def _crossing(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """Two lean towards each other, so that their limbs cross."""
    for _ in range(TRIES):
        lean, height = rng.uniform(0.3, 0.7), rng.uniform(100, size[1] * 0.85)
        one, other = (
            person(rng, height) @ turn(lean),
            person(rng, height * rng.uniform(0.9, 1.1)) @ turn(-lean),
        )
        yield _together(rng, size, one, other + rng.uniform(-0.15, 0.15, 2) * height)


def _twins(rng: Random, size: Size, requested: int) -> Iterator[People]:
    for _ in range(TRIES):
        one = person(rng, rng.uniform(70, size[1] * 0.85))
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(APART + 0.5, APART + 6)
        yield _together(rng, size, one, one + far * np.array([np.cos(angle), np.sin(angle)]))


def _together(rng: Random, size: Size, one: np.ndarray, other: np.ndarray) -> People:
    one, other = np.split(_anywhere(rng, size, np.concatenate([one, other])), 2)
    return [(one, _ALL), (other, _ALL)]


def _edge(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """Somebody's outermost joint lies within 4 px of the frame, in a corner on two sides; boxes do not touch."""
    taken: list[np.ndarray] = []
    for _ in range(TRIES):
        one = _anywhere(rng, size, person(rng, rng.uniform(SMALLEST, size[1] * 0.95)))
        sides = (0, 1) if rng.random() < 0.3 else (int(rng.integers(2)),)
        for axis in sides:
            far = rng.uniform(0.1, 4)
            if rng.random() < 0.5:
                one[:, axis] += far - one[:, axis].min()
            else:
                one[:, axis] += size[axis] - far - one[:, axis].max()
        if _is_alone(one, taken):
            yield [(one, _ALL)]


def _truncated(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """The frame cuts through the body; the neck is inside."""
    for _ in range(TRIES):
        one = person(rng, rng.uniform(100, size[1] * 1.4))
        one += rng.uniform((8, 8), np.array(size) - 8) - one[_SHOULDERS].mean(axis=0)
        if not ((one > 0) & (one < size)).all():
            yield [(one, _ALL)]


def _missing(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """Up to four joints of ten are dropped.

    Left out is what no field could tell: somebody of whom most hangs on nothing that is there, and limbs of
    two people that run over each other in opposite directions, which cancel (``crossing`` has those).
    """
    taken: list[People] = []
    for _ in range(TRIES):
        one = _anywhere(rng, size, person(rng, rng.uniform(*_heights(size, requested))))
        seen = rng.random(17) > rng.uniform(0.05, 0.4)
        if _hanging_on_the_neck(seen) >= 0.6 * seen.sum() and not _cancels(one, taken):
            taken.append([(one, seen)])
            yield taken[-1]


def _cancels(one: np.ndarray, taken: list[People]) -> bool:
    """Whether a limb runs over the same limb of somebody else, within two cells and against it."""
    starts, ends = _limb_ends(one)
    points = starts + (ends - starts) * np.linspace(0, 1, 9)[:, None, None]
    for [(other, _)] in taken:
        from_, to = _limb_ends(other)
        others = from_ + (to - from_) * np.linspace(0, 1, 9)[:, None, None]
        near = (
            np.linalg.norm(points[:, None] - others, axis=-1).min(axis=(0, 1)) < 2 * OPENPOSE_STRIDE
        )
        lengths = np.linalg.norm(ends - starts, axis=1) * np.linalg.norm(to - from_, axis=1)
        if (near & (((ends - starts) * (to - from_)).sum(axis=1) < -0.5 * lengths)).any():
            return True
    return False


def _limb_ends(one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(19, 2) where each limb starts, and where it ends."""
    joints = np.insert(one[_OPENPOSE_FROM_COCO], 1, one[_SHOULDERS].mean(axis=0), axis=0)
    starts, ends = np.array([pair for pair, _ in LIMBS]).T
    return joints[starts], joints[ends]


def _hanging_on_the_neck(seen: np.ndarray) -> int:
    """How many of the joints that are there a chain of limbs joins to the neck."""
    there = np.insert(seen[_OPENPOSE_FROM_COCO], 1, True)
    reached = {1}
    for _ in range(4):  # neck, hip, knee, ankle, or neck, nose, eye, ear: no chain is longer
        for joints, _ in LIMBS:
            if there[list(joints)].all() and reached & set(joints):
                reached |= set(joints)
    return len(reached) - 1


def _half_bodies(rng: Random, size: Size, requested: int) -> Iterator[People]:
    upper = _ALL.copy()
    upper[_LEGS] = False
    for _ in range(TRIES):
        yield [(_anywhere(rng, size, person(rng, rng.uniform(*_heights(size, requested)))), upper)]


def _unequal(rng: Random, size: Size, requested: int) -> Iterator[People]:
    """0.9, 0.5 and 0.33 times as high as the picture, in turn, so that bodies cover each other many times."""
    for turn_number in range(TRIES):
        height = size[1] * (0.9, 0.5, 0.33)[turn_number % 3]
        yield [(_anywhere(rng, size, person(rng, height)), _ALL)]


def _empty(rng: Random, size: Size, requested: int) -> Iterator[People]:
    return iter(())


#: Each kind: the least and the most people, and who is put to the test of keeping distance.
KINDS: dict[
    str, tuple[int, int, Callable[[np.random.Generator, tuple[int, int], int], Iterator[People]]]
] = {
    "plain": (1, 8, _plain),
    "empty": (0, 0, _empty),
    "overlapping": (2, 6, _overlapping),
    "crossing": (2, 6, _crossing),
    "truncated": (1, 5, _truncated),
    "crowd": (8, 30, _crowd),
    "missing": (1, 12, _missing),
    "sizes": (1, 12, _sizes),
    "edge": (1, 10, _edge),
    "half bodies": (1, 12, _half_bodies),
    "twins": (2, 8, _twins),
    "unequal": (8, 30, _unequal),
}


def openpose_maps(people: Group, seed: int, **drawn: float) -> tuple[np.ndarray, np.ndarray]:
    """(1, 19, H, W) heatmaps, merged by maximum, and (1, 38, H, W) PAFs, averaged.

    ``drawn`` says how: ``upsampled``, ``noise``, and ``thickness``, the pixels that a field reaches
    to each side of its limb.
    """
    return openpose_drawn(*openpose_joints(people), people.size, seed, **drawn)


def openpose_drawn(
    joints: np.ndarray,
    there: np.ndarray,
    size: Size,
    seed: int,
    *,
    upsampled: int = 1,
    noise: float = NOISE,
    thickness: float = OPENPOSE_STRIDE,
) -> tuple[np.ndarray, np.ndarray]:
    """The same of (N, 18, 2) joints, of which (N, 18) are there."""
    rng = np.random.default_rng([seed, 19])
    stride = OPENPOSE_STRIDE / upsampled
    shape = (round(size[1] / stride), round(size[0] / stride))
    heatmaps = np.zeros((19, *shape), np.float32)
    heatmaps[:18] = _gaussians(joints, there, shape, stride, OPENPOSE_SIGMA)
    heatmaps[18] = 1 - heatmaps[:18].max(axis=0)
    pafs = np.zeros((38, *shape), np.float32)
    for (a, b), channel in LIMBS:
        pafs[channel : channel + 2] = _field(
            joints[:, a], joints[:, b], there[:, a] & there[:, b], shape, stride, thickness
        )
    return _noisy(heatmaps, rng, noise), _noisy(pafs, rng, noise)


def openpose_joints(people: Group) -> tuple[np.ndarray, np.ndarray]:
    """(N, 18, 2) joints and (N, 18) which are there, in the order of openpose-18; the neck is always there."""
    count = len(people)
    joints, there = np.zeros((count, 18, 2)), np.ones((count, 18), bool)
    others = [0, *range(2, 18)]
    joints[:, others], there[:, others] = (
        people.joints[:, _OPENPOSE_FROM_COCO],
        people.there[:, _OPENPOSE_FROM_COCO],
    )
    joints[:, 1] = people.necks
    return joints, there


def embedding_maps(
    people: Group, seed: int, *, nms_in_graph: bool = False, noise: float = NOISE
) -> tuple[np.ndarray, np.ndarray]:
    """(1, 17, H, W) heatmaps and embeddings: around its joints lie a person's tags, 1.6 apart from the next's."""
    rng = np.random.default_rng([seed, 17])
    stride, sigma = EMBEDDINGS_STRIDE, EMBEDDINGS_SIGMA
    shape = (people.size[1] // stride, people.size[0] // stride)
    tags = TAG_STEP * (rng.permutation(len(people)) - len(people) / 2)
    heatmaps, embeddings = np.zeros((2, 17, *shape), np.float32)
    for one, seen, tag in zip(people.joints, people.there, tags, strict=True):
        for joint in np.flatnonzero(seen):
            drawn, window = _gaussian(one[joint], shape, stride, sigma)
            heat = heatmaps[joint][window]
            embeddings[joint][window][drawn > np.maximum(heat, 0.01)] = tag
            np.maximum(heat, drawn, out=heat)
    noisy = _noisy(heatmaps, rng, noise)
    return negated(noisy) if nms_in_graph else noisy, _noisy(embeddings, rng, noise)


def negated(heatmaps: np.ndarray) -> np.ndarray:
    """(1, K, H, W) heatmaps in which everything but the maxima of 5 x 5 cells has its sign turned."""
    return np.where(heatmaps == pooled(heatmaps, 2), heatmaps, -np.abs(heatmaps))


def pooled(maps: np.ndarray, radius: int) -> np.ndarray:
    """(1, K, H, W): the maximum of the square around every cell."""
    across, highest = maps.copy(), maps.copy()
    for step in range(1, radius + 1):
        np.maximum(across[..., step:], maps[..., :-step], out=across[..., step:])
        np.maximum(across[..., :-step], maps[..., step:], out=across[..., :-step])
    highest[:] = across
    for step in range(1, radius + 1):
        np.maximum(highest[..., step:, :], across[..., :-step, :], out=highest[..., step:, :])
        np.maximum(highest[..., :-step, :], across[..., step:, :], out=highest[..., :-step, :])
    return highest


@cache
def _noise_pool() -> np.ndarray:
    """Gaussian noise of standard deviation 1 to cut pieces from: drawing it anew takes longer than all the rest."""
    return np.random.default_rng(5).standard_normal(4_000_037, np.float32)


def _noisy(maps: np.ndarray, rng: Random, noise: float) -> np.ndarray:
    start = int(rng.integers(len(_noise_pool()) - maps.size))
    piece = _noise_pool()[start : start + maps.size].reshape(maps.shape)
    return (maps + np.float32(noise) * piece)[None]


def _gaussians(
    joints: np.ndarray, there: np.ndarray, shape: tuple[int, int], stride: float, sigma: float
) -> np.ndarray:
    maps = np.zeros((joints.shape[1], *shape))
    for one, seen in zip(joints, there, strict=True):
        for joint in np.flatnonzero(seen):
            drawn, window = _gaussian(one[joint], shape, stride, sigma)
            np.maximum(maps[joint][window], drawn, out=maps[joint][window])
    return maps


def _gaussian(
    joint: np.ndarray, shape: tuple[int, int], stride: float, sigma: float
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A hill of height 1 and the part of the map that it reaches."""
    low = np.maximum(np.floor((joint - 4.5 * sigma) / stride), 0).astype(int)
    high = np.minimum(np.ceil((joint + 4.5 * sigma) / stride), shape[::-1]).astype(int)
    x = np.exp(-(((np.arange(low[0], high[0]) + 0.5) * stride - joint[0]) ** 2) / (2 * sigma**2))
    y = np.exp(-(((np.arange(low[1], high[1]) + 0.5) * stride - joint[1]) ** 2) / (2 * sigma**2))
    return y[:, None] * x, (slice(low[1], high[1]), slice(low[0], high[0]))


def _field(
    starts: np.ndarray,
    ends: np.ndarray,
    there: np.ndarray,
    shape: tuple[int, int],
    stride: float,
    thick: float,
) -> np.ndarray:
    """(2, H, W): unit vectors along each limb, in the cells not further than ``thick`` pixels from it."""
    total, count = np.zeros((2, *shape)), np.zeros(shape)
    rows, columns = ((np.arange(length) + 0.5) * stride for length in shape)
    for start, end in zip(starts[there], ends[there], strict=True):
        along = (end - start) / max(np.hypot(*(end - start)), 1e-9)
        low, high = np.minimum(start, end) - thick, np.maximum(start, end) + thick
        x = (columns >= low[0]) & (columns <= high[0])
        y = (rows >= low[1]) & (rows <= high[1])
        across = np.abs(along[0] * (rows[:, None] - start[1]) - along[1] * (columns - start[0]))
        cells = y[:, None] & x & (across <= thick)
        total[:, cells] += along[:, None]
        count[cells] += 1
    return total / np.maximum(count, 1)
