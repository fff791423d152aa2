"""Decoder of part affinity fields: keypoints are peaks of heatmaps, limbs are found along vector
fields.

Z. Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, 2017,
arXiv:1611.08050; thresholds from D. Osokin, Lightweight OpenPose, 2018, arXiv:1811.12004.
Differences from both, and reasons:

- Peaks are refined to subpixel positions, so the maps need no upsampling.
- The joints of a limb are matched optimally instead of greedily. If the field is ambiguous, the
  size of the person decides. Otherwise two people in line, or one in front of the other, would swap
  halves.
- If a crossing limb separates a part of a body, weak candidates join it again. If two forearms
  cancel in the field, each gets its own wrist back.

Some cases cannot be resolved: other limbs of the same kind that overlap in opposite directions
cancel in the field, and a joint whose neighbors are all hidden belongs to no person.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.augmentation_merge import merge_openpose
from posezoo.poses.decoder_type import (
    PEAK_IS_VISIBLE,
    BottomUpDecoder,
    Maps,
    are_maps,
    declare_outputs,
)
from posezoo.poses.grouping import CELL, GroupingOptions, assemble_people, nms_radius
from posezoo.poses.keypoints import Pose, create_poses, require_count, sort_descending
from posezoo.poses.letterbox import InputSizing, Size
from posezoo.poses.limbs import (
    find_limb_candidates,
    find_weak_limb_candidates,
    limb_table,
    require_channels,
)
from posezoo.poses.peaks import find_peaks, locate_peaks, upsample

SKELETON = "openpose-18"


@frozen
class OpenPoseOptions(GroupingOptions):
    """Options of the decoder openpose.

    With ``single_pass`` all conflicts between limbs are resolved at once, as in an IR
    (``--decode``), and parts that a crossing limb separates are not joined.
    """

    single_pass: bool = False
    skeleton: Skeleton | None = None


def decode_openpose(
    maps: Maps,
    size: Size,
    options: GroupingOptions,
    skeleton: Skeleton | None = None,
    *,
    single_pass: bool = False,
) -> list[Pose]:
    """The people in the maps, highest score first, in input pixels.

    A pose's score is the mean of the scores of all K keypoints.

    Args:
        maps: ``heatmaps`` (K + 1, H, W) float32: of the K keypoints, about 0..1, and of the
            background; and ``pafs`` (2 L, H, W) float32: x and y of the direction of each of L
            limbs, -1..1.
        size: width and height of the input, in pixels.
        skeleton: of the K keypoints; None: OpenPose's 18, with 19 limbs.
        options, single_pass: as in ``OpenPoseOptions``.

    Raises:
        InferenceError: the maps are not those of the skeleton.
    """
    heatmaps = maps["heatmaps"]
    pafs = maps["pafs"]
    skeleton = skeleton or SKELETONS[SKELETON]
    require_count(skeleton, len(heatmaps) - 1)
    table = limb_table(skeleton)
    require_channels(table, len(pafs))
    if options.upsample > 1:
        heatmaps = upsample(heatmaps[: table.joints], options.upsample)
        pafs = upsample(pafs, options.upsample)
    height, width = heatmaps.shape[1:]
    cell = size[0] / width / CELL
    joints = heatmaps[: table.joints]
    peaks = find_peaks(
        joints,
        threshold=options.min_keypoint_score,
        radius=nms_radius(cell),
        limit=options.max_peaks,
    )
    points = locate_peaks(joints, peaks, subpixel=options.subpixel)
    limbs = find_limb_candidates(points, peaks, pafs, options.min_affinity, table=table)
    find_weak = partial(
        find_weak_limb_candidates,
        points,
        pafs=pafs,
        min_affinity=options.min_affinity,
        table=table,
    )
    groups, totals = assemble_people(
        points,
        peaks.maps.tolist(),
        limbs,
        cell,
        find_weak=find_weak,
        table=table,
        single_pass=single_pass,
    )
    counts = np.bincount(groups, minlength=len(totals))
    is_large = counts >= max(2, options.min_keypoints)
    is_kept = is_large & (totals >= options.min_score * counts)
    kept_peaks = is_kept[groups].nonzero()[0]
    person_of = is_kept.cumsum() - 1  # by group
    keypoints = np.zeros((np.count_nonzero(is_kept), table.joints, 3), np.float32)
    in_pixels = points[kept_peaks]
    in_pixels[:, :2] += np.float32(0.5)
    in_pixels[:, :2] *= np.array((size[0] / width, size[1] / height), np.float32)
    people = person_of[groups[kept_peaks]]
    keypoints[people, peaks.maps[kept_peaks]] = in_pixels
    means = keypoints[:, :, 2].sum(axis=1) / np.float32(table.joints)
    scores = np.minimum(means, 1)
    order = sort_descending(scores)
    return create_poses(keypoints[order], scores[order], skeleton, size)


_HEATMAPS = 19
_PAFS = 38
_BOTH = 57


def _split_heatmaps_and_pafs(outputs: Maps) -> Maps:
    """Split one output of 57 channels, such as the original network's, into heatmaps and fields.

    If there are two outputs with channels last, they are transposed.
    """
    last = {role: output.shape[3:] for role, output in outputs.items()}
    # Two outputs with channels first have the same width, so these are numbers of channels.
    if last == {"heatmaps": (_HEATMAPS,), "pafs": (_PAFS,)}:
        return {role: output.transpose(0, 3, 1, 2) for role, output in outputs.items()}
    if len(outputs) == 1:  # if there are two, a side of 57 is not a number of channels
        (both,) = outputs.values()
        if both.ndim == 4 and _BOTH in (both.shape[1], both.shape[3]):
            if both.shape[1] != _BOTH:  # channels last
                both = both.transpose(0, 3, 1, 2)
            return {"heatmaps": both[:, :_HEATMAPS], "pafs": both[:, _HEATMAPS:]}
        sizes = "x".join(map(str, both.shape))
        raise InferenceError(
            f"openpose needs {_HEATMAPS} heatmaps and {_PAFS} part affinity fields, or one output"
            f" with all {_BOTH} maps; given is one of {sizes}"
        )
    return outputs


DECODER = BottomUpDecoder(
    networks=(declare_outputs(heatmaps=(1, _HEATMAPS, -1, -1), pafs=(1, _PAFS, -1, -1)),),
    options=OpenPoseOptions,
    decode=lambda maps, size, options: decode_openpose(
        maps, size, options, options.skeleton, single_pass=options.single_pass
    ),
    sizes=lambda facts, _options: {
        "heatmaps": facts.maps(facts.keypoints + 1),  # and the background
        "pafs": facts.maps(2 * facts.limb_fields),
        "heatmaps_and_pafs": facts.maps(facts.keypoints + 1 + 2 * facts.limb_fields),
    },
    skeleton=SKELETON,
    needs="19 heatmaps and 38 part affinity fields",
    rules=(
        {"heatmaps": are_maps(_HEATMAPS), "pafs": are_maps(_PAFS)},
        # are_maps(57) would fail if a side is 17, 19 or 38 cells.
        {"heatmaps_and_pafs": lambda _name, shape: len(shape) == 4 and _BOTH in shape[1::2]},
    ),
    omz_model_types=("openpose",),
    convert_outputs=_split_heatmaps_and_pafs,
    visible_score=PEAK_IS_VISIBLE,
    # The height is from Lightweight OpenPose's evaluation, the padding from its training
    # (transformations.py).
    input_sizing=InputSizing(stride=8, default_target=368, padding=128),
    merge_passes=merge_openpose,
    # No score option: min_score is compared with another sum.
    model_info=lambda _options: {"model_type": "keypoints_openpose"},
    reader_names={"heatmaps": "Mconv7_stage2_L2", "pafs": "Mconv7_stage2_L1"},
    architectures=("openpose",),
)
