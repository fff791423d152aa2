"""Decoder of 3D poses from one image: 2D poses from part affinity fields, and maps of joint
locations.

D. Mehta et al., Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB, 2018,
arXiv:1712.03453: each joint has three location maps. A cell of these maps contains the position of
that joint, for the person in the cell, relative to the person's root. The maps are first read at
the neck, for a rough pose of the whole body. Then they are read again for each limb at its
outermost visible joint, which is more accurate for the limb.

The location maps use CMU Panoptic's order of joints (left eye, left ear, right eye, right ear at 15
to 18), the heatmaps OpenPose's (right eye, left eye, right ear, left ear at 14 to 17). The table
between the two in Open Model Zoo's demo, ``map_id_to_panoptic``, ends in 15, 16, 17, 18, which
confuses eyes and ears. Here joints are matched by their names.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from posezoo.core.arrays import Array, Doubles, Floats
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    PEAK_IS_VISIBLE,
    BottomUpDecoder,
    Maps,
    Range,
    are_maps,
    declare_outputs,
)
from posezoo.poses.grouping import GroupingOptions
from posezoo.poses.keypoints import Pose, Pose3D, bounding_box
from posezoo.poses.letterbox import ImageTransform, InputSizing, Size
from posezoo.poses.openpose import decode_openpose

SKELETON = "panoptic-19"
JOINTS = 19

_NAMES = SKELETONS[SKELETON].keypoints
_NECK = _NAMES.index("neck")
_PELVIS = _NAMES.index("pelvis")
_HIPS = [_NAMES.index("left_hip"), _NAMES.index("right_hip")]
# The Panoptic index of each of OpenPose's joints. Panoptic also has a pelvis.
_FROM_OPENPOSE = [_NAMES.index(name) for name in SKELETONS["openpose-18"].keypoints]

#: The limbs that are read separately; the outermost joint comes first.
LIMBS = [
    [_NAMES.index(joint) for joint in limb.split()]
    for limb in (
        "right_ear right_eye nose",
        "right_wrist right_elbow right_shoulder",
        "right_ankle right_knee right_hip",
        "left_ear left_eye nose",
        "left_wrist left_elbow left_shoulder",
        "left_ankle left_knee left_hip",
    )
]

# The focal length of an unknown camera, relative to the image's width, as in Open Model Zoo's demo.
# It is a horizontal field of view of 64 degrees.
_DEFAULT_FOCAL_LENGTH = 0.8


@frozen
class LiftingOptions(GroupingOptions):
    """Options of the decoder lifting_3d.

    Attributes:
        focal_length: of the camera, in image pixels; 0: 0.8 times the image's width.
        person_height_cm: the length that has the value 1 in the location maps.
        weak_perspective: compute people's positions as if all their joints had the same distance
            from the camera, as in Open Model Zoo's demo, instead of by least squares over the
            joints.
    """

    focal_length: Annotated[float, Range("0 or more pixels", lambda value: 0 <= value < 1e6)] = 0.0
    person_height_cm: Annotated[float, Range("above 0", lambda value: 0 < value < 1e6)] = 180.0
    weak_perspective: bool = False


def lift_poses(
    maps: Maps, transform: ImageTransform, image: Size, options: LiftingOptions
) -> list[Pose]:
    """The people whose neck is visible, highest score first, as ``Pose3D`` in image pixels and in
    space.

    The pelvis, which has no heatmap, is projected from space into the image if both hips are
    visible.

    Args:
        maps: ``coordinates`` (57, H, W) float32: x, y and z of each of 19 joints; ``heatmaps`` (19,
            H, W) float32: of OpenPose's 18 keypoints, about 0..1, and of the background; ``pafs``
            (38, H, W) float32: x and y of each limb's direction, -1..1.
        transform: from the image to the network's input.
        image: width and height of the image, in pixels; the camera looks at its middle.
    """
    focal_length = options.focal_length or _DEFAULT_FOCAL_LENGTH * image[0]
    middle = np.array(image) / 2
    solve = solve_weak_perspective if options.weak_perspective else solve_perspective
    lifted: list[Pose] = []
    for pose in decode_openpose(maps, transform.size, options):
        keypoints = np.zeros((JOINTS, 3), np.float32)
        keypoints[_FROM_OPENPOSE] = pose.keypoints
        is_found = keypoints[:, 2] > 0
        if not is_found[_NECK]:
            continue
        locations = read_locations(maps["coordinates"], keypoints, transform.size)
        relative = options.person_height_cm * locations
        if not np.isfinite(relative).all():
            continue
        seen = transform.to_image(keypoints[is_found, :2])
        keypoints[is_found, :2] = seen
        translation = solve(relative[is_found], seen - middle, focal_length)
        if translation is None:
            continue
        depths = relative[is_found, 2] + translation[2]
        if not depths.min() > 0:
            continue
        x, y, z = relative[_PELVIS] + translation
        if is_found[_HIPS].all() and z > 0:
            keypoints[_PELVIS, :2] = focal_length * np.array([x, y]) / z + middle
            keypoints[_PELVIS, 2] = keypoints[_HIPS, 2].min()
        root = relative[_NECK]
        box = bounding_box(keypoints, image, PEAK_IS_VISIBLE)
        root_relative = (relative - root).astype(np.float32)
        neck = (translation + root).astype(np.float32)
        lifted.append(
            Pose3D(
                keypoints,
                SKELETON,
                pose.score,
                box,
                pose_score=pose.score,
                root_relative=root_relative,
                translation=neck,
            )
        )
    return lifted


def read_locations(locations: Floats, keypoints: Floats, size: Size) -> Doubles:
    """(19, 3): the positions of the joints of one person, relative to the root, in the unit of the
    maps.

    Args:
        locations: (57, H, W).
        keypoints: (19, 3): x and y in input pixels, and score, 0 if missing; the neck must be
            visible.
        size: width and height of the input, in pixels.
    """
    height, width = locations.shape[1:]
    cells = (keypoints[:, :2] * (width / size[0], height / size[1])).astype(int)
    x, y = cells.clip(0, (width - 1, height - 1)).T
    maps = locations.reshape(JOINTS, 3, height, width)
    positions = maps[:, :, y[_NECK], x[_NECK]].astype(np.float64)
    for limb in LIMBS:
        visible = [joint for joint in limb if keypoints[joint, 2] > 0]
        if visible:
            outermost = visible[0]
            positions[limb] = maps[limb, :, y[outermost], x[outermost]]
    return positions


def solve_perspective(joints: Array, seen: Array, focal_length: float) -> Array | None:
    """The translation (3,) that projects the joints to their image points, by least squares.

    A pinhole camera projects (x, y, z) to f x / z and f y / z, which gives two linear equations per
    joint. If they have no unique solution, the result is None.

    Args:
        joints: (N, 3), in any unit.
        seen: (N, 2), in pixels from the middle of the image, as the focal length.
    """
    count = len(joints)
    matrix = np.zeros((2 * count, 3))
    matrix[:count, 0] = matrix[count:, 1] = focal_length
    matrix[:, 2] = -seen.T.ravel()
    rest = seen * joints[:, 2:] - focal_length * joints[:, :2]
    translation, _, rank, _ = np.linalg.lstsq(matrix, rest.T.ravel(), rcond=None)
    return translation if rank == 3 else None


def solve_weak_perspective(joints: Array, seen: Array, focal_length: float) -> Array | None:
    """The same for small differences in depth: the distance follows from the size in space and in
    the image.

    D. Mehta et al., Monocular 3D Human Pose Estimation In The Wild, 2017, arXiv:1611.09813;
    ``parse_poses`` of Open Model Zoo's demo.
    """
    middle = joints.mean(axis=0)
    middle_seen = seen.mean(axis=0)
    size = np.linalg.norm(joints[:, :2] - middle[:2])
    projected_size = np.linalg.norm(seen - middle_seen)
    if not projected_size > 0:
        return None
    direction = np.array([*middle_seen, focal_length])
    shift: Doubles = size / projected_size * direction
    shift[:2] -= middle[:2]
    return shift


DECODER = BottomUpDecoder(
    networks=(
        declare_outputs(
            coordinates=(1, 57, -1, -1), heatmaps=(1, 19, -1, -1), pafs=(1, 38, -1, -1)
        ),
    ),
    options=LiftingOptions,
    # For an image that is the network's input itself.
    decode=lambda maps, size, options: lift_poses(
        maps, ImageTransform(np.eye(2, 3), size), size, options
    ),
    pipeline="lifting",
    sizes=lambda facts, _options: {
        "coordinates": facts.maps(3 * facts.keypoints),
        "heatmaps": facts.maps(facts.keypoints),
        "pafs": facts.maps(2 * facts.keypoints),
    },
    skeleton=SKELETON,
    needs="57 location maps, 19 heatmaps and 38 part affinity fields",
    rules=({"coordinates": are_maps(57), "heatmaps": are_maps(19), "pafs": are_maps(38)},),
    visible_score=PEAK_IS_VISIBLE,
    # The model's demo crops the image to a multiple of the stride. The network sees grey as zero.
    input_sizing=InputSizing(stride=8, default_target=256, padding=128),
    printed=("pose.camera", "x to the right, y down, z away from the camera, in cm"),
)
