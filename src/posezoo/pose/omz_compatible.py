"""Decoders with exactly the results of Open Model Zoo's decoders for the same maps.

They are for users who compare with its demo or have tuned thresholds for it: ``open_pose.py`` and
``hpe_associative_embedding.py`` of its model_api. Peculiarities are kept and noted here, except one: there,
people of low scores are removed without their tags, so that missing joints of the next person are searched
by the tags of another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import import_optional
from posezoo.pose.grouping import CELL, GroupingOptions, nms_radius
from posezoo.pose.keypoints import Floats, Pose, create_poses
from posezoo.pose.letterbox import Size
from posezoo.pose.limbs import ENOUGH, JOINTS, LIMBS, SAMPLES
from posezoo.pose.peaks import Peaks, quarter_offset, select_highest, upsample
from posezoo.pose.tag_grouping import JOINT_ORDER, AssociativeEmbeddingOptions, match_by_tags
from posezoo.pose.tag_grouping import JOINTS as COCO_JOINTS

SKELETON = "coco-17"

# The distance of tags that are not finite: larger than any other.
_FAR = 1e6

# The indices of OpenPose's keypoints among COCO's, which have no neck.
_TO_COCO = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)


def decode_openpose_omz(heatmaps: Floats, pafs: Floats, size: Size, options: GroupingOptions) -> list[Pose]:
    """The people that ``OpenPoseDecoder`` finds in OpenPose's maps, in its order.

    Keypoints are COCO's; missing ones are all 0. A pose's score is the sum of its keypoints' and limbs'
    scores times the number of keypoints less one: far above 1.

    Args:
        heatmaps: (19, H, W) float32.
        pafs: (38, H, W) float32.
        size: of the input.
        options: of OpenPose's own decoder.
    """
    heatmaps, pafs = (np.nan_to_num(maps, posinf=0, neginf=0) for maps in (heatmaps, pafs))
    if options.upsample > 1:
        heatmaps, pafs = upsample(heatmaps, options.upsample), upsample(pafs, options.upsample)
    stride = size[1] / heatmaps.shape[1]
    # Cells as high as the highest around them: all cells of a plateau.
    cv2 = import_optional("cv2", extra="run")
    side = 2 * nms_radius(stride / CELL) + 1
    pooled = np.stack([cv2.dilate(one, np.ones((side, side), np.uint8)) for one in heatmaps[:JOINTS]])
    is_peak = (heatmaps[:JOINTS] == pooled) & (heatmaps[:JOINTS] > options.min_keypoint_score)
    peaks = select_highest(heatmaps[:JOINTS], np.flatnonzero(is_peak), options.max_peaks)
    points = _offset_points(heatmaps, peaks)
    entries: list[_PersonCandidate] = []
    for limb, (joints, channel) in enumerate(LIMBS):
        first, second = (np.flatnonzero(peaks.maps == joint) for joint in joints)
        if len(first) and len(second):
            connections = _connections(first, second, points, pafs[channel : channel + 2], options)
            _update(entries, connections, limb, points)
    entries = [entry for entry in entries if entry.count >= options.min_keypoints]
    keypoints: Floats = np.zeros((len(entries), COCO_JOINTS, 3), np.float32)
    for number, entry in enumerate(entries):
        for joint, peak in enumerate(entry.peaks):
            if peak >= 0 and _TO_COCO[joint] >= 0:
                keypoints[number, _TO_COCO[joint]] = points[peak]
    keypoints[:, :, :2] *= np.float32(stride)
    scores = np.array([entry.score * max(0, entry.count - 1) for entry in entries], np.float32)
    return create_poses(keypoints, scores, SKELETON, size)


def _offset_points(heatmaps: Floats, peaks: Peaks) -> Floats:
    """(N, 3) x, y in cells and score: a quarter towards the higher neighbor, plus a half, inside the map."""
    height, width = heatmaps.shape[1:]
    x, y = peaks.columns, peaks.rows
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    points = np.stack([x, y, peaks.scores], axis=1, dtype=np.float32)
    kind, x, y = peaks.maps[inside], x[inside], y[inside]
    points[inside, 0] += np.sign(heatmaps[kind, y, x + 1] - heatmaps[kind, y, x - 1]) * np.float32(0.25)
    points[inside, 1] += np.sign(heatmaps[kind, y + 1, x] - heatmaps[kind, y - 1, x]) * np.float32(0.25)
    points[:, :2] = (points[:, :2] + np.float32(0.5)).clip(0, (width - 1, height - 1))
    return points


def _connections(
    first: NDArray[Any], second: NDArray[Any], points: Floats, field: Floats, options: GroupingOptions
) -> list[tuple[int, int, float]]:
    """(start, end, score) of one limb, greedily: the best pair first, each peak used once."""
    start, end = points[first, :2], points[second, :2]
    vector = (end[:, None] - start).reshape(-1, 1, 2)
    grid = np.arange(SAMPLES, dtype=np.float32).reshape(1, -1, 1)
    along = np.broadcast_to(start, (len(end), *start.shape)).reshape(-1, 1, 2)
    places = (1 / (SAMPLES - 1) * vector * grid + along).round().astype(np.int32)
    vectors = field[:, places[..., 1], places[..., 0]]
    unit = vector / (np.linalg.norm(vector, axis=2, keepdims=True) + 1e-6)
    affinity = vectors[0] * unit[..., 0] + vectors[1] * unit[..., 1]
    agreeing = affinity > options.min_affinity
    count = agreeing.sum(axis=1)
    scores = (affinity * agreeing).sum(axis=1) / (count + 1e-6)
    valid = np.flatnonzero((scores > 0) & (count >= ENOUGH))
    valid = valid[scores[valid].argsort()[::-1]]
    ends, starts = np.divmod(valid, len(first))
    taken_starts: set[int] = set()
    taken_ends: set[int] = set()
    connections = []
    for one, other, score in zip(starts.tolist(), ends.tolist(), scores[valid].tolist(), strict=True):
        if one not in taken_starts and other not in taken_ends:
            taken_starts.add(one)
            taken_ends.add(other)
            connections.append((int(first[one]), int(second[other]), score))
    return connections


class _PersonCandidate:
    """An incomplete person: the peak of each joint or -1, the count of limb ends, and the score."""

    def __init__(self) -> None:
        self.peaks = [-1] * JOINTS
        self.count = 2
        self.score = 0.0

    def is_disjoint(self, other: _PersonCandidate) -> bool:
        return all(a < 0 or b < 0 for a, b in zip(self.peaks, other.peaks, strict=True))

    def extend(self, joint: int, peak: int, score: float, connection: float) -> None:
        """Set a joint. An existing one is replaced, but counted again, and its score stays."""
        if self.peaks[joint] < 0:
            self.score += score
        self.peaks[joint] = peak
        self.score += connection
        self.count += 1


def _update(
    entries: list[_PersonCandidate], connections: list[tuple[int, int, float]], limb: int, points: Floats
) -> None:
    """Add the connections of one limb to the people."""
    (a, b), _ = LIMBS[limb]
    for start, end, score in connections:
        one = next((entry for entry in reversed(entries) if entry.peaks[a] == start), None)
        other = next((entry for entry in reversed(entries) if entry.peaks[b] == end), None)
        if one is None and other is None:
            entry = _PersonCandidate()
            entry.peaks[a], entry.peaks[b] = start, end
            entry.score = float(points[start, 2] + points[end, 2]) + score
            entries.append(entry)
        elif one is not None and other is not None:
            if one is other:
                one.score += score
            elif one.is_disjoint(other):
                one.peaks = [max(pair) for pair in zip(one.peaks, other.peaks, strict=True)]
                one.count += other.count
                one.score += other.score + score
                entries.remove(other)
        elif one is not None:
            one.extend(b, end, float(points[end, 2]), score)
        elif other is not None:
            other.extend(a, start, float(points[start, 2]), score)


def decode_associative_embedding_omz(
    heatmaps: Floats,
    nms_heatmaps: Floats,
    tags: Floats,
    size: Size,
    options: AssociativeEmbeddingOptions,
) -> list[Pose]:
    """The people that ``AssociativeEmbeddingDecoder`` finds in the maps, in its order.

    ``delta`` is also added to missing joints, and not to those that refinement finds.

    Args:
        heatmaps: (17, H, W) float32; the signs of non-peaks may be turned.
        nms_heatmaps: (17, H, W) float32: the same, in which non-peaks are not above 0.
        tags: (17, H, W) float32, or (17, H, W, T).
        size: of the input.
        options: of associative embedding's own decoder.
    """
    tags = tags.reshape(*tags.shape[:3], -1)
    peaks = select_highest(
        nms_heatmaps, np.flatnonzero(nms_heatmaps > options.min_keypoint_score), options.max_people
    ).with_finite_tags(tags)
    heat = np.abs(heatmaps)
    points = np.stack([peaks.columns, peaks.rows, peaks.scores], axis=1, dtype=np.float32)
    peak_tags = tags[peaks.maps, peaks.rows, peaks.columns]
    owners = match_by_tags(peaks.maps, points, peak_tags, options.max_tag_distance)
    count = int(owners.max(initial=-1)) + 1
    if options.adjust:
        points[:, :2] += quarter_offset(heat, peaks.maps, peaks.columns, peaks.rows)
    keypoints: Floats = np.zeros((count, COCO_JOINTS, 3), np.float32)
    keypoints[owners, peaks.maps] = points
    keypoints[:, :, :2] += np.float32(options.delta)
    scores = keypoints[:, :, 2].mean(axis=1)
    kept = np.flatnonzero(scores > options.min_score)
    if options.refine:
        for person in kept.tolist():
            # The mean of the tags in the order in which peaks were assigned, rounded at each step as in the
            # original.
            own = np.flatnonzero(owners == person)
            own = own[np.argsort(np.argsort(JOINT_ORDER)[peaks.maps[own]])]
            mean: Floats = np.zeros_like(peak_tags[0])
            for number, tag in enumerate(peak_tags[own]):
                mean = (mean * number + tag) / np.float32(number + 1)
            _refine(keypoints[person], mean, heat, tags)
    keypoints = keypoints[kept]
    keypoints[:, :, :2] *= np.float32(size[0] / heatmaps.shape[2])
    return create_poses(keypoints, scores[kept], SKELETON, size)


def _refine(keypoints: Floats, mean: Floats, heat: Floats, tags: Floats) -> None:
    """Place each missing joint where the rounded distance of tags minus the heatmap is least."""
    for joint in np.flatnonzero(keypoints[:, 2] <= 0).tolist():
        # Truncated after adding a half, as in the original.
        distances = np.nan_to_num(np.abs(tags[joint, :, :, 0] - mean[0]), nan=_FAR, posinf=_FAR)
        cost = (distances + np.float32(0.5)).astype(np.int32).astype(np.float32)
        cost -= heat[joint]
        y, x = np.divmod(int(cost.argmin()), cost.shape[1])
        if heat[joint, y, x] > 0:
            offset = quarter_offset(heat, *(np.array([index]) for index in (joint, x, y)))[0]
            keypoints[joint] = x + offset[0], y + offset[1], heat[joint, y, x]
