"""People from associative embeddings: joints are peaks of heatmaps, and like tags are one person's.

A. Newell et al., Associative Embedding: End-to-End Learning for Joint Detection and Grouping, 2017,
arXiv:1611.05424; thresholds, order of joints, flip and multi-scale merging from B. Cheng et al., HigherHRNet,
2020, arXiv:1908.10357 (``lib/core/group.py``, ``inference.py`` and ``match.py`` in spirit; written anew).
What differs from it, and why:

- peaks are placed between the cells by a parabola instead of a quarter cell;
- tags further apart than the threshold never meet, so that groups of tags are matched each for itself;
- a joint that is looked for afterwards must stand on a hill, where the original takes the highest noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError, import_optional
from posezoo.pose.assignment import solve_assignment
from posezoo.pose.keypoints import SKELETONS, Floats, Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.peaks import Peaks, find_peaks, refine_subpixel

SKELETON = "coco-17"
JOINTS = 17

#: From the head over the trunk to the limbs: whose tags are surest comes first.
JOINT_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)

#: HigherHRNet's NMS takes 5 x 5 cells.
NMS_RADIUS = 2


@dataclass(frozen=True, slots=True)
class AssociativeEmbeddingOptions:
    """What may be said about the decoding.

    Attributes:
        compatible: return what Open Model Zoo's decoder does, in its order and with its scores.
        min_keypoint_score: heatmaps count above, 0..1.
        max_tag_distance: a joint belongs to a person whose mean tag is nearer.
        max_people: how many keypoints of a kind there may be, the highest.
        min_score: people whose keypoints' mean over all 17 is not above are left out.
        adjust: place keypoints between the cells.
        refine: look for the joints that are still missing where the tags are the person's.
        offset: where in its cell a joint lies that the network drew there, in cells from the top left
            corner: 0.5 is the middle.
        delta: what Open Model Zoo's decoder adds instead: 0 as it runs the 000x models with embeddings,
            0.5 for HigherHRNet.
    """

    compatible: bool = False
    min_keypoint_score: float = 0.1
    max_tag_distance: float = 1.0
    max_people: int = 30
    min_score: float = 0.1
    adjust: bool = True
    refine: bool = True
    offset: float = 0.5
    delta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_keypoint_score <= 1:
            raise InferenceError(
                f"decoder option min_keypoint_score: expected above 0 to 1, got {self.min_keypoint_score}"
            )
        if not self.max_tag_distance > 0:
            raise InferenceError(
                f"decoder option max_tag_distance: expected above 0, got {self.max_tag_distance}"
            )
        if self.max_people < 1:
            raise InferenceError(f"decoder option max_people: expected 1 or more, got {self.max_people}")


def decode_associative_embedding(
    heatmaps: Floats, tags: Floats, size: Size, options: AssociativeEmbeddingOptions
) -> list[Pose]:
    """The people in the maps, surest first, in input pixels; a pose's score is the mean of all 17 keypoints'.

    Args:
        heatmaps: (17, H, W) float32, about 0..1; with NMS in the graph, non-peaks have their sign turned.
        tags: (17, H, W) or (17, H, W, T) float32: T is 2 where the mirrored image was seen, too.
        size: width and height of the input, in pixels.
        options: see there; ``compatible`` is another decoder's affair.
    """
    tags = tags.reshape(*tags.shape[:3], -1)
    height, width = heatmaps.shape[1:]
    found = find_peaks(
        heatmaps,
        threshold=options.min_keypoint_score,
        radius=NMS_RADIUS,
        limit=options.max_people,
        negated=True,
    ).with_finite_tags(tags)
    x, y = refine_subpixel(heatmaps, found) if options.adjust else (found.columns, found.rows)
    points = np.stack([x, y, found.scores], axis=1, dtype=np.float32)
    peak_tags = tags[found.maps, found.rows, found.columns]
    owners = group_by_tags(found, points, peak_tags, options.max_tag_distance)
    count = int(owners.max(initial=-1)) + 1
    keypoints: Floats = np.zeros((count, JOINTS, 3), np.float32)
    keypoints[owners, found.maps] = points
    scores = keypoints[:, :, 2].mean(axis=1)
    kept = np.flatnonzero(scores > options.min_score)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    keypoints, scores = keypoints[kept], scores[kept]
    if options.refine and not keypoints[:, :, 2].all():
        means = _means(owners, peak_tags, count)[kept]
        _refine(keypoints, means, heatmaps, tags, adjust=options.adjust)
    seen = keypoints[:, :, 2] > 0
    stride = np.array((size[0] / width, size[1] / height), np.float32)
    keypoints[:, :, :2] = np.where(seen[:, :, None], (keypoints[:, :, :2] + options.offset) * stride, 0)
    return create_poses(keypoints, scores.clip(0, 1), SKELETON, size)


def _means(owners: NDArray[Any], tags: Floats, count: int) -> Floats:
    """(N, T): each person's mean tag."""
    sums = np.stack([np.bincount(owners, each, minlength=count) for each in tags.T], axis=1)
    means: Floats = (sums / np.bincount(owners, minlength=count)[:, None]).astype(np.float32)
    return means


def group_by_tags(found: Peaks, points: Floats, tags: Floats, max_distance: float) -> NDArray[np.int64]:
    """(N,) whose each peak is, people numbered from 0.

    Args:
        found: N peaks.
        points: (N, 3) x, y in cells and score.
        tags: (N, T).
        max_distance: between a joint's tag and the mean tag of the person that it goes to.
    """
    owners: NDArray[np.int64] = np.full(len(found), -1)
    if not len(found):
        return owners
    order = np.argsort(tags[:, 0], kind="stable")
    sorted_tags = tags[order]
    cluster = np.empty(len(order), np.int64)
    cluster[order] = np.cumsum(np.diff(sorted_tags[:, 0], prepend=sorted_tags[0, 0]) > max_distance)
    clusters = int(cluster.max()) + 1
    counts = np.bincount(cluster * JOINTS + found.maps, minlength=clusters * JOINTS).reshape(clusters, JOINTS)
    low, high = np.full((2, clusters, tags.shape[1]), np.inf, np.float32)
    np.minimum.at(low, cluster, tags)
    np.minimum.at(high, cluster, -tags)
    # Nobody has two joints of a kind, and all are within half the threshold: one person.
    clear = (counts.max(axis=1) <= 1) & (np.abs(low + high).sum(axis=1) < max_distance / 2)
    numbers = np.cumsum(clear) - 1
    owners[:] = np.where(clear[cluster], numbers[cluster], -1)
    next_number = int(numbers[-1]) + 1
    for unclear in np.flatnonzero(~clear):
        members = np.flatnonzero(cluster == unclear)
        own = match_by_tags(found.maps[members], points[members], tags[members], max_distance)
        owners[members] = own + next_number
        next_number += int(own.max()) + 1
    return owners


def match_by_tags(
    kinds: NDArray[Any], points: Floats, tags: Floats, max_distance: float
) -> NDArray[np.int64]:
    """(N,) whose each peak is, joint by joint, by the least sum of costs; people are numbered as they come.

    The cost is HigherHRNet's, 100 times the rounded distance of tags less the score; where tags leave a
    choice, the distance from the middle of a person decides. Both as Open Model Zoo's decoder has them
    (``hpe_associative_embedding.py``), to the last bit: rounding makes jumps of small differences.
    """
    owners: NDArray[np.int64] = np.full(len(kinds), -1)
    means: list[Floats] = []
    centres: list[NDArray[Any]] = []
    sizes: list[int] = []
    for joint in JOINT_ORDER:
        new = np.flatnonzero(kinds == joint)
        if not len(new):
            continue
        apart, chosen = _chosen(tags[new], points[new], means, centres, max_distance)
        for row, peak in enumerate(new.tolist()):
            person = chosen[row]
            if person >= apart.shape[1] or not apart[row, person] < max_distance:
                person = len(means)
                means.append(np.zeros_like(tags[peak]))
                centres.append(np.zeros(2))
                sizes.append(0)
            owners[peak] = person
            size = sizes[person]
            means[person] = (means[person] * size + tags[peak]) / np.float32(size + 1)
            centres[person] = (centres[person] * size + points[peak, :2]) / (size + 1)
            sizes[person] += 1
    return owners


def _chosen(
    tags: Floats,
    points: Floats,
    means: list[Floats],
    centres: list[NDArray[Any]],
    max_distance: float,
) -> tuple[Floats, list[int]]:
    """(R, P) distances of tags, and for each of R joints the person, or a number from P on for a new one."""
    if not means:
        return np.empty((len(tags), 0), np.float32), [0] * len(tags)
    apart: Floats = np.linalg.norm(tags[:, None] - np.stack(means), axis=2)
    far = np.linalg.norm(points[:, None, :2].astype(np.float64) - np.stack(centres), axis=2)
    far /= far.min(axis=0) + 1e-10
    weighted = np.where(apart < max_distance, (apart * far).astype(np.float32), apart)
    costs = np.round(weighted) * 100 - points[:, 2:].astype(np.float64)
    lacking = max(0, costs.shape[0] - costs.shape[1])
    return apart, solve_assignment(np.pad(costs, ((0, 0), (0, lacking)), constant_values=1e10))


def _refine(keypoints: Floats, means: Floats, heatmaps: Floats, tags: Floats, *, adjust: bool) -> None:
    """Put the missing joints where the heatmap is highest among the cells with the person's tag."""
    for joint in range(JOINTS):
        missing = np.flatnonzero(keypoints[:, joint, 2] <= 0)
        if not len(missing):
            continue
        heat = np.abs(heatmaps[joint])
        cells = np.flatnonzero(heat.reshape(-1) > _LEAST_HILL)
        values, own_tags = heat.reshape(-1)[cells], tags[joint].reshape(-1, tags.shape[3])[cells]
        for person in missing.tolist():
            # The published cost is the rounded distance less the heat, which is below 1.
            near = np.flatnonzero(np.abs(own_tags - means[person]).max(axis=1) < _SAME_TAG)
            if not len(near):
                continue
            best = near[values[near].argmax()]
            row, column = np.divmod(cells[best], heat.shape[1])
            if not _is_hill(heat, int(row), int(column)):
                continue
            place = Peaks(np.array([0]), np.array([column]), np.array([row]), values[best : best + 1])
            x, y = refine_subpixel(heat[None], place) if adjust else (place.columns, place.rows)
            keypoints[person, joint] = x[0], y[0], values[best]


# Rounded, a distance of tags below it is none.
_SAME_TAG = 0.5
# Lower hills are not looked at: noise of a standard deviation of 0.01 stays below in most cells.
_LEAST_HILL = 0.02


def _is_hill(heat: Floats, row: int, column: int) -> bool:
    """Whether the cells around a high one are high, too; those around a spike of noise are not."""
    around = heat[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    peak = float(heat[row, column])
    return float(around.sum()) - peak >= 0.5 * peak * (around.size - 1)


@dataclass(frozen=True, eq=False, slots=True)
class EmbeddingMaps:
    """What the network put out for one image: once, mirrored or at another scale.

    Attributes:
        heatmaps: (17, h, w) of each stage, of any size: HigherHRNet has two.
        tags: (17, h, w).
        mirrored: the network saw the image mirrored.
        scale: of the image, relative to the usual one.
    """

    heatmaps: Sequence[Floats]
    tags: Floats
    mirrored: bool = False
    scale: float = 1.0


def merge_augmented_maps(passes: Sequence[EmbeddingMaps], size: Size) -> tuple[Floats, Floats]:
    """(17, H, W) heatmaps and (17, H, W, T) tags of several passes over one image.

    As HigherHRNet merges them (``aggregate_results``): heatmaps are averaged over stages and mirror images,
    then over scales; tags are kept side by side, of the usual scale alone where there are others.

    Args:
        passes: at least one, of the usual scale.
        size: W and H of the maps to be made.
    """
    scales = {each.scale for each in passes}
    means = [
        _mean([_decode_single_pass(each, size) for each in passes if each.scale == scale])
        for scale in sorted(scales)
    ]
    default = [each for each in passes if each.scale == 1 or len(scales) == 1]
    if not default:
        raise InferenceError("merging passes: none is of scale 1, whose tags count")
    tags = [resize_maps(_upright(each.tags, each.mirrored), size) for each in default]
    return _mean(means), np.stack(tags, axis=3)


def _decode_single_pass(each: EmbeddingMaps, size: Size) -> Floats:
    return _mean([resize_maps(_upright(stage, each.mirrored), size) for stage in each.heatmaps])


def _upright(maps: Floats, mirrored: bool) -> Floats:
    """The maps of a mirrored image turned back: left and right change places, too."""
    if not mirrored:
        return maps
    order = list(range(len(maps)))
    for left, right in SKELETONS[SKELETON].flip_pairs:
        order[left], order[right] = right, left
    return maps[order][:, :, ::-1]


def resize_maps(maps: Floats, size: Size) -> Floats:
    """(N, H, W): maps (N, h, w) of another size, W and H, between the cells linear."""
    if maps.shape[:0:-1] == size:
        return maps
    cv2 = import_optional("cv2", extra="run")
    return np.stack([cv2.resize(np.ascontiguousarray(one), size) for one in maps])


def _mean(maps: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(maps, axis=0, dtype=np.float32)
    return mean
