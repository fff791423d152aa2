"""Poses and skeletons: keypoints in pixels of an image.

Coordinates are continuous, in pixels: (0, 0) is the top left corner of an image, and (width,
height) its bottom right corner. The center of the top left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, replace
from functools import cache
from typing import Any, NamedTuple, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array, Bools, Floats
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS, skeleton_of
from posezoo.core.errors import InferenceError, PosezooError, UnknownKeypointError, suggest
from posezoo.core.values import frozen_with_arrays
from posezoo.poses.limb_drawing import FEWEST, find_visible
from posezoo.poses.mask_encoding import encode_mask

#: Our coordinates minus COCO's, which are indices of pixels.
HALF_PIXEL = 0.5

#: The default threshold: keypoints with this score or more count.
MIN_SCORE = 0.5

#: What the values of ``Pose.to_json`` mean; a number for each meaning.
RESULT_FORMAT = 2

#: Whose scores the keypoints of a pose have.
OWN_SCORES, SCORES_OF_THE_POSE = "own", "of the pose"

#: Of a pose that is a box, a mask or a class.
NO_KEYPOINTS = np.zeros((0, 3), np.float32)


@cache
def coco_order(skeleton: Skeleton) -> list[int] | None:
    """The index of each of COCO's 17 keypoints in a skeleton; None if some are missing."""
    wanted = SKELETONS["coco-17"].keypoints
    if not set(wanted) <= set(skeleton.keypoints):
        return None
    return list(map(skeleton.keypoints.index, wanted))


@cache
def _coco_sigmas() -> dict[str, float]:
    """COCO's sigmas by joint, relative to the person's size, and those of the neck and the pelvis,
    which COCO does not have.
    """
    skeleton = SKELETONS["panoptic-19"]
    joints = (keypoint.split("_")[-1] for keypoint in skeleton.keypoints)
    return dict(zip(joints, skeleton.sigmas, strict=True))


#: A person usually covers this share of the box around the keypoints.
BODY_SHARE = 0.53

#: For keypoints whose sigma COCO does not state, such as fingers, and for the corners of boxes.
USUAL_SIGMA = 0.079


#: The skeleton of COCO-WholeBody's annotations.
WHOLE_BODY = "coco-wholebody-133"


def sigmas_of(keypoints: Sequence[str], declared: Skeleton | None = None) -> list[float | None]:
    """The sigmas of keypoints by their names: those that a skeleton declares, else those of the
    package's skeleton with as many, else COCO's by the joints; None if one is unknown.
    """
    sigmas: dict[str, float] = {}
    for skeleton in (SKELETONS[skeleton_of(len(keypoints))], declared):
        if skeleton and skeleton.sigmas:
            sigmas |= zip(skeleton.keypoints, skeleton.sigmas, strict=True)
    coco = _coco_sigmas()
    return [sigmas.get(name) or coco.get(name.split("_")[-1]) for name in keypoints]


@cache
def usual_sigmas(skeleton: Skeleton) -> list[float]:
    """The sigma of each keypoint; ``USUAL_SIGMA`` if it is unknown."""
    return [sigma or USUAL_SIGMA for sigma in sigmas_of(skeleton.keypoints, skeleton)]


def flip_order_of(count: int, skeleton: Skeleton | None) -> list[int]:
    """``Skeleton.flip_order``; if no skeleton is declared, of the package's skeleton with this
    number of keypoints.

    Raises:
        InferenceError: left and right are not known.
    """
    skeleton = skeleton or SKELETONS[skeleton_of(count)]
    if not skeleton.flip_pairs:
        raise InferenceError(
            f"left and right are not known for {count} keypoints",
            hint="run it without flip, or declare a skeleton with flips",
        )
    return list(skeleton.flip_order)


def to_pixel_indices(keypoints: Floats) -> Floats:
    """Keypoints in the coordinates of COCO's files, which are indices of pixels: (0, 0) is the
    middle of the first pixel, where ours are (0.5, 0.5).

    Args:
        keypoints: (..., K, 3): x, y and score; a missing one, all 0, stays so.
    """
    is_found = keypoints.any(axis=-1)
    indices: Floats = keypoints.copy()
    indices[is_found, :2] -= HALF_PIXEL
    return indices


def from_pixel_indices(keypoints: Floats) -> Floats:
    """Keypoints (..., K, 3) of a COCO file in our coordinates; one whose third number is 0 is
    missing, and stays as it is.
    """
    is_found = keypoints[..., 2] > 0
    continuous: Floats = keypoints.copy()
    continuous[is_found, :2] += HALF_PIXEL
    return continuous


class Keypoint(NamedTuple):
    """One keypoint: its place in image pixels, and its score, 0..1."""

    x: float
    y: float
    score: float


@frozen_with_arrays
class Pose(Mapping[str, Keypoint]):
    """One person: keypoints in image pixels.

    It is a mapping from the names of the keypoints, in the order of the rows of ``keypoints``, to
    each ``Keypoint``: ``pose["nose"].x``, ``"nose" in pose``, ``dict(pose)``. An object without
    keypoints is true, too. Poses with the same numbers are equal; NumPy takes one as its
    ``keypoints``.

    Attributes:
        keypoints: (K, 3) float32: x, y in pixels (a keypoint may lie outside the image), and the
            score, 0..1; all three are 0 if the keypoint is missing.
        skeleton: its name; that of one of ``SKELETONS``, unless ``own_skeleton`` is given.
        score: of the person, 0..1: ``detector_score`` times ``pose_score``, of those that are
            known; 1 if neither is.
        box: x0, y0, x1, y1 in pixels, inside the image, in which the person was found: that of the
            person detector or the user, or the network's own; of a network that finds keypoints
            only, the part of ``keypoint_box`` inside the image.
        track_id: the number of the person in a video, from 1; None if people are not tracked, or
            this person is not numbered yet.
        z: (K,) float32: the order of the keypoints in depth, from the middle of the hips, the wrist
            of a hand or the middle of a face: a larger one is farther from the camera. It is no
            length: those are in ``world``. None if the network does not estimate it.
        world: (K, 3) float32: x to the right, y down and z away from the camera, in meters from the
            middle of the hips or of the hand; None if the network does not estimate it.
        depths: (K,) float32: how far each keypoint is behind the middle of the hips, in meters;
            missing ones are 0; None if the network does not estimate it.
        mask: (H, W) float32: the probability that each pixel of the image shows the person, 0..1;
            None without BlazePose's option ``segmentation``.
        people_from: "the whole image" if a detector found no person, and the image was taken as one
            person; else empty.
        own_skeleton: the skeleton of the K keypoints; None: that of ``SKELETONS``.
        class_id: the number of the class, of an object that a detector of several classes found,
            or of a whole image; None for a person.
        label: the name of that class; empty if it is unknown. Of a hand or an eye ``left`` or
            ``right``: the person's own side, in an image that is not mirrored.
        label_score: the probability of the label of a hand, 0..1; None for all others.
        seen_from: keypoints with a lower score, 0..1, are guesses of the model, and not drawn.
        detector_score: of the box in which the person was found, 0..1; None of a person for whom
            the whole image was taken, and if no detector ran: BlazePose finds people itself.
        pose_score: of the person, by the network that finds the keypoints, 0..1; None if it gives
            no score.
        keypoint_scores: ``own`` if each keypoint has a score of its own; ``of the pose`` if all
            keypoints have that of their person.
    """

    keypoints: Floats
    skeleton: str
    score: float
    box: tuple[float, float, float, float]
    _: KW_ONLY
    track_id: int | None = None
    z: Floats | None = None
    world: Floats | None = None
    depths: Floats | None = None
    mask: Floats | None = None
    people_from: str = ""
    own_skeleton: Skeleton | None = None
    class_id: int | None = None
    label: str = ""
    label_score: float | None = None
    seen_from: float = MIN_SCORE
    detector_score: float | None = None
    pose_score: float | None = None
    keypoint_scores: str = OWN_SCORES

    @property
    def keypoint_box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels: the box around the keypoints that are drawn, those with a score
        of ``seen_from`` or more; of all that were found, if there are none. It may extend outside
        the image, as keypoints may. Of a pose without keypoints, ``box``.
        """
        return bounds_of(self.keypoints, self.seen_from) if len(self.keypoints) else self.box

    @property
    def layout(self) -> Skeleton:
        """The names of the K keypoints, and the limbs between them."""
        return self.own_skeleton or SKELETONS[self.skeleton]

    def __getitem__(self, name: str) -> Keypoint:
        """The keypoint of this name, such as ``left_knee``.

        Raises:
            UnknownKeypointError: the skeleton has none; it is also a KeyError.
        """
        names = tuple(self)
        if name in names:
            return Keypoint(*self.keypoints[names.index(name)].tolist())
        hint = f"it has {', '.join(names) or 'none'}"
        if isinstance(name, str):
            hint = suggest(name, names) or hint
        elif names:
            hint = f"by number: pose.keypoints[0]; by name: pose[{names[0]!r}]"
        raise UnknownKeypointError(
            f"the skeleton {self.skeleton} has no keypoint {name!r}", hint=hint
        )

    def __iter__(self) -> Iterator[str]:
        # A box or a mask may have the skeleton of its model, without its keypoints.
        return iter(self.layout.keypoints if len(self) else ())

    def __len__(self) -> int:
        return len(self.keypoints)

    def __bool__(self) -> bool:
        return True

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = np.asarray(self.keypoints, dtype)
        return array.copy() if copy else array

    def __repr__(self) -> str:
        seen = int(find_visible(self.keypoints, self.seen_from).sum())
        shown = [f"{seen} of {len(self)} keypoints of {_shorten(self.skeleton)}"]
        if not len(self):
            shown = [_shorten(self.skeleton)]
        if self.label:
            shown.append(_shorten(self.label))
        shown.append(f"score {self.score:.3g}")
        shown.append(f"box {' '.join(f'{side:.5g}' for side in self.box)}")
        if self.track_id is not None:
            shown.append(f"track_id {self.track_id}")
        known = [
            name for name in ("z", "world", "depths", "mask") if getattr(self, name) is not None
        ]
        if known:
            shown.append(f"with {' '.join(known)}")
        if self.people_from:
            shown.append(f"from {_shorten(self.people_from)}")
        return f"<{type(self).__name__}: {', '.join(shown)}>"

    def coco_keypoints(self) -> Floats:
        """(17, 3) float32: x, y in pixels and score of COCO's keypoints, in COCO's order.

        Raises:
            PosezooError: the skeleton lacks some of them.
        """
        order = coco_order(self.layout)
        if order is None:
            raise PosezooError(
                f"a pose of skeleton {self.skeleton} cannot be written in COCO's format: it lacks"
                " some of COCO's keypoints",
                hint="to_json() writes any skeleton",
            )
        return self.keypoints[order]

    def to_coco(self, image_id: int | None = None, category_id: int = 1) -> dict[str, Any]:
        """An entry of a COCO file of results.

        It has ``category_id``, ``keypoints`` (a flat list of 17 times x, y, score; x and y are
        indices of pixels, half a pixel less than ours), ``score``, ``track_id`` if the person has
        one, and ``image_id`` if it is given. If the skeleton lacks some of COCO's keypoints, the
        list has all of its own, in their order. An object has ``bbox`` instead of ``keypoints``:
        left, top, width and height in pixels.
        """
        x0, y0, x1, y1 = map(float, self.box)
        points = self.keypoints if coco_order(self.layout) is None else self.coco_keypoints()
        return _drop_unknown(
            image_id=image_id,
            category_id=category_id,
            keypoints=to_pixel_indices(points).ravel().tolist() or None,
            bbox=None if len(points) else [x0, y0, x1 - x0, y1 - y0],
            score=float(self.score),
            track_id=self.track_id,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain Python values: ``skeleton``, ``score``, of a person also ``detector_score`` and
        ``pose_score``, ``box``, of a person also ``keypoint_box`` and ``keypoint_scores``, and
        ``keypoints`` (name, x, y, score each, and if they are known ``z``, ``x_m``, ``y_m`` and
        ``z_m`` of ``world``, or ``z_m`` of ``depths``). A score that nothing gave is None. Before
        them ``track_id``, None if the person has no number, ``people_from``, if
        it is not empty, ``class_id`` and ``label`` of an object, and ``label`` and ``label_score``
        of a hand or an eye; after them ``mask``, the pixels above 0.5, in COCO's run-length
        encoding, if it is known.
        """
        described = _drop_unknown(
            people_from=self.people_from or None,
            class_id=self.class_id,
            label=None if self.class_id is None and not self.label else self.label,
            label_score=self.label_score,
            skeleton=self.skeleton,
        )
        mask = {} if self.mask is None else {"mask": encode_mask(self.mask > 0.5)}
        return {
            "track_id": self.track_id,
            **described,
            **(self._describe_person() if len(self) else self._describe_box()),
            **mask,
        }

    def _describe_box(self) -> dict[str, Any]:
        """Of a box, a mask or a class, whose score is its own."""
        return {"score": float(self.score), "box": [*map(float, self.box)], "keypoints": []}

    def _describe_person(self) -> dict[str, Any]:
        is_scored = not (self.detector_score is None and self.pose_score is None)
        keypoints = self._describe_keypoints()
        if not is_scored and self.keypoint_scores == SCORES_OF_THE_POSE:
            for keypoint in keypoints:
                keypoint["score"] = None
        return {
            "score": float(self.score) if is_scored else None,
            "detector_score": self.detector_score,
            "pose_score": self.pose_score,
            "box": [*map(float, self.box)],
            "keypoint_box": [*map(float, self.keypoint_box)],
            "keypoint_scores": self.keypoint_scores,
            "keypoints": keypoints,
        }

    def _describe_keypoints(self) -> list[dict[str, Any]]:
        columns = dict(zip(("x", "y", "score"), self.keypoints.T, strict=True))
        if self.z is not None:
            columns["z"] = self.z
        if self.depths is not None:
            columns["z_m"] = self.depths
        if self.world is not None:
            columns |= zip(("x_m", "y_m", "z_m"), self.world.T, strict=True)
        rows = np.stack([*columns.values()], axis=1).tolist()
        return [
            {"name": name, **dict(zip(columns, row, strict=True))}
            for name, row in zip(self.layout.keypoints, rows, strict=True)
        ]


def _shorten(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 24 else f"{shown[:23]}…"


def _drop_unknown(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@frozen_with_arrays
class Pose3D(Pose):
    """One person, in image pixels and in space.

    Space is the camera's: x to the right, y down, z away from it, in cm.

    Attributes:
        root_relative: (K, 3) float32: the position of each keypoint relative to the neck, visible
            or not.
        translation: (3,) float32: the position of the neck relative to the camera.
    """

    root_relative: Floats
    translation: Floats

    __repr__ = Pose.__repr__

    @property
    def camera(self) -> Floats:
        """(K, 3) float32: each keypoint relative to the camera, in cm."""
        return self.root_relative + self.translation

    def to_json(self) -> dict[str, Any]:
        """As ``Pose``; each keypoint also has ``x_cm``, ``y_cm`` and ``z_cm`` from the camera."""
        result = Pose.to_json(self)
        for keypoint, (x, y, z) in zip(result["keypoints"], self.camera.tolist(), strict=True):
            keypoint.update(x_cm=x, y_cm=y, z_cm=z)
        return result


class Poses(list[Pose]):
    """The people or objects in one image, highest score first: a list of ``Pose``; so are its
    slices.
    """

    @overload
    def __getitem__(self, place: SupportsIndex) -> Pose: ...

    @overload
    def __getitem__(self, place: slice) -> Poses: ...

    def __getitem__(self, place: SupportsIndex | slice) -> Pose | Poses:
        if isinstance(place, slice):
            return Poses(super().__getitem__(place))
        return super().__getitem__(place)

    def to_supervision(self) -> Any:
        """``supervision.KeyPoints`` for the package supervision: the place (N, K, 2) and the score
        (N, K) of each keypoint, which is 0 if it is missing, and the class (N,), 0 for people.
        Its version 0.31 also gets the score (N,) of each person, whether a keypoint is seen or a
        guess (N, K), and ``data["tracker_id"]`` (N,), -1 for a person without a number.

        Raises:
            PosezooError: supervision is not installed, or the poses do not have the same keypoints.
        """
        try:
            from supervision import KeyPoints
        except ImportError as error:
            raise PosezooError(
                f"the package supervision cannot be imported: {error}",
                hint="pip install supervision",
            ) from error
        if not self:
            return KeyPoints.empty()
        counts = {len(pose.keypoints) for pose in self}
        if len(counts) > 1 or 0 in counts:
            raise PosezooError(
                "supervision.KeyPoints needs the same keypoints of all people; the poses have"
                f" {', '.join(map(str, sorted(counts)))}",
                hint="a detector finds boxes without keypoints",
            )
        keypoints = np.stack([pose.keypoints for pose in self])
        numbers = [-1 if pose.track_id is None else pose.track_id for pose in self]
        fields = {
            "keypoint_confidence": keypoints[..., 2],
            "confidence": keypoints[..., 2],  # its name before version 0.29
            "detection_confidence": np.array([pose.score for pose in self], np.float32),
            "visible": np.stack([find_visible(p.keypoints, p.seen_from) for p in self]),
            "data": {"tracker_id": np.array(numbers)},
        }
        known = getattr(KeyPoints, "__annotations__", {})
        return KeyPoints(
            xy=keypoints[..., :2],
            class_id=np.array([pose.class_id or 0 for pose in self]),
            **{name: value for name, value in fields.items() if name in known},
        )


def is_sparse(pose: Pose, min_score: float) -> bool:
    """Whether a pose shows too little of a person to be drawn: fewer than ``FEWEST`` keypoints
    have this score or more. A box without keypoints is not sparse, nor is a pose with a mask.
    """
    if pose.mask is not None:
        return False
    number = len(pose.keypoints)
    return int(find_visible(pose.keypoints, min_score).sum()) < min(FEWEST, number)


def sort_descending(scores: Array) -> NDArray[np.intp]:
    """The order of the scores, the highest first; equal ones stay in their order."""
    return np.argsort(-scores, kind="stable")


def best_first(scores: Array, is_chosen: Bools) -> NDArray[np.intp]:
    """The places of the chosen scores, in the order of ``sort_descending``."""
    chosen = np.flatnonzero(is_chosen)
    return chosen[sort_descending(scores[chosen])]


def best_people(scores: Array, min_score: float, *values: Array) -> NDArray[np.intp]:
    """The places of the people, highest score first: of finite scores above 0, and this or more,
    with values, (N, ...) each, that are all finite.
    """
    is_person = (scores >= min_score) & (scores > 0) & np.isfinite(scores)
    for each in values:
        is_person &= np.isfinite(each).reshape(len(each), -1).all(axis=1)
    return best_first(scores, is_person)


def blank_unsound(maps: Floats) -> Floats:
    """The maps or bins of keypoints, (K, ...), with 0 in each that has a value that is not finite:
    such a keypoint is missing.
    """
    is_sound = np.isfinite(maps).reshape(len(maps), -1).all(axis=1)
    if is_sound.all():
        return maps
    blank: Floats = maps.copy()
    blank[~is_sound] = 0
    return blank


def bounds_of(keypoints: Floats, min_score: float) -> tuple[float, float, float, float]:
    """The box around the keypoints (K, 3) with this score or more; if there are none, around all
    that were found.
    """
    found = keypoints[(keypoints[:, 2] > 0) & np.isfinite(keypoints).all(axis=1)]
    groups = (found[found[:, 2] >= min_score], found, keypoints)
    points = next(group for group in groups if len(group))[:, :2]
    x0, y0 = points.min(axis=0).tolist()
    x1, y1 = points.max(axis=0).tolist()
    return x0, y0, x1, y1


def bounding_box(
    keypoints: Floats, size: tuple[int, int], min_score: float = MIN_SCORE
) -> tuple[float, float, float, float]:
    """As ``bounds_of``, clipped to an image of this size."""
    corners = np.reshape(bounds_of(keypoints, min_score), (2, 2)).clip(0, size)
    return tuple(corners.ravel().tolist())


#: The least and the most of x, y and score.
_SCORES_ARE_SHARES = ((-np.inf, -np.inf, 0), (np.inf, np.inf, 1))


def create_poses(
    keypoints: Floats,
    scores: Array,
    skeleton: Skeleton | str | None,
    size: tuple[int, int],
) -> list[Pose]:
    """Create poses from arrays, in the same order; each box contains all keypoints that were found.

    Args:
        keypoints: (N, K, 3): x, y in image pixels, and scores, 0 for missing keypoints.
        scores: (N,), of the poses. Networks also return scores below 0 or above 1: these become 0
            and 1.
        skeleton: with K keypoints; or a name of ``SKELETONS``; None: the package's with K
            keypoints.
        size: width and height of the image, in pixels.

    Raises:
        InferenceError: the skeleton has another number of keypoints.
    """
    count = keypoints.shape[1]
    if not isinstance(skeleton, Skeleton):
        skeleton = SKELETONS[skeleton or skeleton_of(count)]
    require_count(skeleton, count)
    keypoints = np.clip(keypoints, *_SCORES_ARE_SHARES, dtype=np.float32)
    scores = np.clip(scores, 0, 1)
    points = keypoints[:, :, :2]
    missing = keypoints[:, :, 2:] <= 0
    corner = np.array(size, np.float32)
    low = np.where(missing, corner, points).min(axis=1)
    high = np.where(missing, np.float32(0), points).max(axis=1)
    boxes = np.concatenate([np.maximum(low, 0), np.minimum(high, corner)], axis=1).tolist()
    return [
        Pose(rows, skeleton.name, score, tuple(box), own_skeleton=skeleton, pose_score=score)
        for rows, score, box in zip(keypoints, scores.tolist(), boxes, strict=True)
    ]


def require_count(skeleton: Skeleton, count: int) -> None:
    """Raise an InferenceError if a skeleton does not have the network's number of keypoints."""
    if len(skeleton.keypoints) != count:
        raise InferenceError(
            f"the network finds {count} keypoints, and the skeleton {skeleton.name} has"
            f" {len(skeleton.keypoints)}",
            hint="declare one name for each keypoint, in the order of the network's outputs",
        )


def with_detector_score(pose: Pose, score: float) -> Pose:
    """The pose of a person whose box has this score, 0..1."""
    pose_score = 1.0 if pose.pose_score is None else pose.pose_score
    return replace(pose, score=score * pose_score, detector_score=score)


def read_people(
    values: Floats, scores: Floats, skeleton: Skeleton, size: tuple[int, int]
) -> list[Pose]:
    """The people in the outputs of an IR that contains its decoder (``posezoo convert --decode``).

    Args:
        values: (N, K, 3) keypoints, or (N, 4) boxes; rows of zeros are not people.
        scores: (N,), of the people.
        skeleton: with K keypoints.
        size: width and height of the image, in pixels.
    """
    rows = np.flatnonzero((values.reshape(len(values), -1) != 0).any(axis=1))
    if values.ndim == 3:
        return create_poses(values[rows], scores[rows], skeleton, size)
    name = skeleton.name
    return [
        Pose(NO_KEYPOINTS, name, float(scores[row]), tuple(values[row].tolist())) for row in rows
    ]


def pose_similarity(one: Pose, other: Pose, area: float | None = None) -> float:
    """COCO's object keypoint similarity, 0..1, of two poses in pixels of the same image.

    All of COCO's 17 keypoints are compared, independent of their scores; of two poses of one
    skeleton that lacks some of them, all keypoints.

    Args:
        one, other: the poses.
        area: of the person, in square pixels; None: that of the larger pose, estimated from its
            keypoints.

    Raises:
        PosezooError: the skeletons differ, and one lacks some of COCO's keypoints.
    """
    skeleton = one.layout
    if coco_order(skeleton) is None and skeleton.keypoints and other.skeleton == one.skeleton:
        first = one.keypoints[:, :2]
        second = other.keypoints[:, :2]
    else:
        first = one.coco_keypoints()[:, :2]
        second = other.coco_keypoints()[:, :2]
        skeleton = SKELETONS["coco-17"]
    if area is None:
        area = BODY_SHARE * max(float(np.ptp(points, axis=0).prod()) for points in (first, second))
    squared = ((first - second) ** 2).sum(axis=1)
    sigmas = 2 * np.array(usual_sigmas(skeleton), np.float32)
    return float(np.exp(-squared / (2 * max(area, 1.0) * sigmas**2)).mean())
