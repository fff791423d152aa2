"""People in space from one picture: 2D poses by part affinity fields, and maps of where their joints lie.

D. Mehta et al., Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB, 2018, arXiv:1712.03453: each
cell of a joint's three location maps says where that joint of the person in the cell lies, from the person's
root. They are read at the neck, which tells the whole pose roughly, and once more for each limb at its
outermost joint in sight, which tells the limb better.

Which joint is which: the location maps are in CMU Panoptic's order (left eye, left ear, right eye, right ear
at 15 to 18: Open Model Zoo's demo reads and draws them so), the heatmaps in OpenPose's (right eye, left eye,
right ear, left ear at 14 to 17). The demo's table between the two, ``map_id_to_panoptic``, ends in 15, 16,
17, 18: it takes the right eye in the image for the left one in space, the left eye for the left ear, the
right ear for the right eye, and the left ear for the right one. Here joints go by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posezoo.errors import InferenceError
from posezoo.pose.decoder_type import PEAK_IS_VISIBLE, DecoderType, Maps, are_maps
from posezoo.pose.grouping import GroupingOptions
from posezoo.pose.keypoints import SKELETONS, Floats, Pose, Pose3D, bounding_box
from posezoo.pose.letterbox import ImageTransform, InputSizing, Size, identity_transform
from posezoo.pose.openpose import decode_openpose
from posezoo.spec.model import Output

SKELETON = "panoptic-19"
JOINTS = 19

_NAMES = SKELETONS[SKELETON].keypoints
_NECK, _PELVIS = _NAMES.index("neck"), _NAMES.index("pelvis")
_HIPS = [_NAMES.index("left_hip"), _NAMES.index("right_hip")]
# Where each of OpenPose's joints stands among Panoptic's, which have a pelvis besides.
_FROM_OPENPOSE = [_NAMES.index(name) for name in SKELETONS["openpose-18"].keypoints]

#: The limbs that are read apart, from the outermost joint inwards.
LIMBS = tuple(
    tuple(_NAMES.index(f"{side}_{joint}" if joint != "nose" else joint) for joint in limb)
    for side in ("right", "left")
    for limb in (("ear", "eye", "nose"), ("wrist", "elbow", "shoulder"), ("ankle", "knee", "hip"))
)

# The focal length of a camera that nobody knows, over the image's width: Open Model Zoo's demo's guess, 64
# degrees from left to right.
_USUAL_FOCAL_LENGTH = 0.8


@dataclass(frozen=True, slots=True)
class LiftingOptions(GroupingOptions):
    """What may be said about the decoding, beside ``GroupingOptions`` for the poses in the image.

    Attributes:
        focal_length: of the camera, in image pixels; 0 for 0.8 of the image's width.
        person_height_cm: what the location maps count as 1.
        weak_perspective: put people where they would be if all their joints were equally far away, as Open
            Model Zoo's demo does, instead of where their joints are seen best.
    """

    focal_length: float = 0.0
    person_height_cm: float = 180.0
    weak_perspective: bool = False

    def __post_init__(self) -> None:
        GroupingOptions.__post_init__(self)
        if not 0 <= self.focal_length < 1e6:
            raise InferenceError(
                f"decoder option focal_length: expected 0 or more pixels, got {self.focal_length}"
            )
        if not 0 < self.person_height_cm < 1e6:
            raise InferenceError(
                f"decoder option person_height_cm: expected above 0, got {self.person_height_cm}"
            )


def decode_lifting(maps: Maps, size: Size, options: LiftingOptions) -> list[Pose]:
    """As ``lift_poses``, of an image that is the network's input."""
    return lift_poses(maps, identity_transform(size), size, options)


def lift_poses(maps: Maps, transform: ImageTransform, image: Size, options: LiftingOptions) -> list[Pose]:
    """The people whose neck is in sight, surest first, as ``Pose3D`` in pixels of the image and in space.

    The pelvis, of which there is no heatmap, is drawn from space into the image where both hips are in sight.

    Args:
        maps: ``coordinates`` (57, H, W) float32: x, y and z of each of 19 joints; ``heatmaps`` (19, H, W)
            float32: of OpenPose's 18 keypoints, about 0..1, and of the background; ``pafs`` (38, H, W)
            float32: x and y of each limb's direction, -1..1.
        transform: what the network saw.
        image: width and height of the image, in pixels; the camera looks at its middle.
        options: see there.
    """
    seen = [_in_panoptic(pose) for pose in decode_openpose(maps, transform.size, options)]
    lifted = [
        _lifted(keypoints, score, maps["coordinates"], transform, image, options)
        for keypoints, score in seen
        if keypoints[_NECK, 2] > 0
    ]
    return [pose for pose in lifted if pose is not None]


def _in_panoptic(pose: Pose) -> tuple[Floats, float]:
    keypoints: Floats = np.zeros((JOINTS, 3), np.float32)
    keypoints[_FROM_OPENPOSE] = pose.keypoints
    return keypoints, pose.score


def _lifted(
    keypoints: Floats,
    score: float,
    locations: Floats,
    transform: ImageTransform,
    image: Size,
    options: LiftingOptions,
) -> Pose3D | None:
    """A person of keypoints in input pixels; None where the maps or the camera say nothing of use."""
    there = keypoints[:, 2] > 0
    relative = options.person_height_cm * read_locations(locations, keypoints, transform.size)
    if not np.isfinite(relative).all():
        return None
    keypoints[there, :2] = transform.to_image(keypoints[there, :2])
    focal_length = options.focal_length or _USUAL_FOCAL_LENGTH * image[0]
    middle = np.array(image) / 2
    place = solve_weak_perspective if options.weak_perspective else solve_perspective
    translation = place(relative[there], keypoints[there, :2] - middle, focal_length)
    if translation is None or not (relative[there, 2] + translation[2]).min() > 0:
        return None
    x, y, z = relative[_PELVIS] + translation
    if there[_HIPS].all() and z > 0:
        keypoints[_PELVIS, :2] = focal_length * np.array([x, y]) / z + middle
        keypoints[_PELVIS, 2] = keypoints[_HIPS, 2].min()
    root = relative[_NECK]
    return Pose3D(
        keypoints,
        SKELETON,
        score,
        bounding_box(keypoints, image),
        root_relative=(relative - root).astype(np.float32),
        translation=(translation + root).astype(np.float32),
    )


def read_locations(locations: Floats, keypoints: Floats, size: Size) -> NDArray[np.float64]:
    """(19, 3): where the joints of one person lie, relative to the root, in the maps' unit.

    Args:
        locations: (57, H, W).
        keypoints: (19, 3) x and y in input pixels and score, 0 for what is not in sight; the neck is.
        size: width and height of the input, in pixels.
    """
    height, width = locations.shape[1:]
    cells = (keypoints[:, :2] * (width / size[0], height / size[1])).astype(int)
    x, y = cells.clip(0, (width - 1, height - 1)).T
    maps = locations.reshape(JOINTS, 3, height, width)
    found = maps[:, :, y[_NECK], x[_NECK]].astype(np.float64)
    for limb in LIMBS:
        in_sight = [joint for joint in limb if keypoints[joint, 2] > 0]
        if in_sight:
            outermost = in_sight[0]
            found[list(limb)] = maps[list(limb), :, y[outermost], x[outermost]]
    return found


def solve_perspective(
    joints: NDArray[Any], seen: NDArray[Any], focal_length: float
) -> NDArray[np.float64] | None:
    """(3,): how far joints have to be moved to be seen where they are, by least squares; None if unknown.

    A pinhole camera sees (x, y, z) at f x / z and f y / z: for each joint two equations, linear in the shift.

    Args:
        joints: (N, 3), in any unit.
        seen: (N, 2), in pixels from the middle of the image.
        focal_length: in pixels.
    """
    count = len(joints)
    matrix = np.zeros((2 * count, 3))
    matrix[:count, 0] = matrix[count:, 1] = focal_length
    matrix[:, 2] = -seen.T.ravel()
    rest = (seen * joints[:, 2:] - focal_length * joints[:, :2]).T.ravel()
    shift, _, rank, _ = np.linalg.lstsq(matrix, rest, rcond=None)
    return shift if rank == 3 else None


def solve_weak_perspective(
    joints: NDArray[Any], seen: NDArray[Any], focal_length: float
) -> NDArray[np.float64] | None:
    """(3,): the same where depths differ little: how far away a person of this size is to look so large.

    D. Mehta et al., Monocular 3D Human Pose Estimation In The Wild, 2017, arXiv:1611.09813; ``parse_poses``
    of Open Model Zoo's demo.
    """
    middle, middle_seen = joints.mean(axis=0), seen.mean(axis=0)
    large = np.linalg.norm(joints[:, :2] - middle[:2])
    looks = np.linalg.norm(seen - middle_seen)
    if not looks > 0:
        return None
    shift: NDArray[np.float64] = large / looks * np.array([*middle_seen, focal_length])
    shift[:2] -= middle[:2]
    return shift


DECODER = DecoderType(
    networks=(
        (
            Output("", (1, 57, -1, -1), role="coordinates"),
            Output("", (1, 19, -1, -1), role="heatmaps"),
            Output("", (1, 38, -1, -1), role="pafs"),
        ),
    ),
    options=LiftingOptions,
    decode=decode_lifting,
    pipeline="posezoo.runtime.lifting_pipeline:LiftingPipeline",
    needs="57 location maps, 19 heatmaps and 38 PAFs",
    rules=({"coordinates": are_maps(57), "heatmaps": are_maps(19), "pafs": are_maps(38)},),
    visible_score=PEAK_IS_VISIBLE,
    # Its demo cuts the image to a multiple of the stride; grey is zero to the network.
    input_sizing=InputSizing(stride=8, default_target=256, padding=128),
    approach="bottom-up",
    printed=("pose.camera", "x to the right, y down, z away from the camera, in cm"),
)
