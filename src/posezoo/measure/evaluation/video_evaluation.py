"""Evaluate a model on annotated videos, by COCO's object keypoint similarity: in a folder of
frames, or in a video.

The annotations are in COCO's format with the keys of PoseTrack: ``vid_id`` and ``frame_id`` of an
image, ``track_id`` of a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from posezoo.console.labels import format_count
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import DatasetError, EvaluationError, PosezooError, import_optional
from posezoo.core.events import EvaluationProgress, Listener, WarningIssued
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.measure.coco import CocoDataset, DatasetImage, ImageId
from posezoo.measure.evaluation.coco_matching import ImageSimilarities, compare_images
from posezoo.measure.evaluation.coco_metrics import require_people
from posezoo.measure.evaluation.image_predictions import keypoint_indices, predictions_from_poses
from posezoo.measure.evaluation.run_evaluation import (
    read_dataset_image,
    require_readable,
    require_stated_size,
)
from posezoo.measure.evaluation.track_metrics import (
    FOUND_AT,
    ComparedFrame,
    FrameCounts,
    compute_hota,
    count_found,
)
from posezoo.poses.keypoints import Pose
from posezoo.run.images import Image
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.frame_changes import USUAL_FPS
from posezoo.run.runtime.runtime_config import VideoOptions
from posezoo.run.video.frame_sources import open_source
from posezoo.run.video.frames import FrameSource

# The number of a frame at the end of the name of its file, as CVAT and ffmpeg write it.
_NUMBER = re.compile(r"\d+$")


@frozen_with_arrays
class VideoFrame:
    """A frame of a video.

    Attributes:
        pixels: (H, W, 3) uint8, BGR.
        time_s: in the video.
        image: the frame in the annotations; None if they do not name it.
    """

    pixels: Image
    time_s: float
    image: DatasetImage | None


@frozen
class AnnotatedVideo:
    """A video of a data set.

    Attributes:
        name: empty if the annotations do not name it.
        images: its frames in the annotations, in their order.
        read: returns all frames, one by one.
    """

    name: str
    images: Sequence[DatasetImage]
    read: Callable[[], Iterator[VideoFrame]]


@frozen
class VideoScore:
    """How well a model did on one video, or on all.

    Attributes:
        name: empty for all.
        frames: number of annotated frames.
        hota: HOTA, DetA and AssA, 0..1, by name; empty without annotated tracks.
    """

    name: str
    frames: int
    counts: FrameCounts
    hota: Mapping[str, float]


@frozen
class VideoResult:
    """How well a model did on videos.

    Attributes:
        dataset: with the keypoints that were compared.
        left_out: the annotated keypoints that the model does not find.
        frames: processed ones.
        has_tracks: whether the people have numbers in the annotations.
        results: the poses in annotated frames as COCO's results with ``track_id``.
    """

    dataset: CocoDataset
    left_out: tuple[str, ...]
    frames: int
    total: VideoScore
    videos: tuple[VideoScore, ...]
    has_tracks: bool
    results: Sequence[Mapping[str, Any]]


def open_videos(dataset: CocoDataset, listener: Listener) -> list[AnnotatedVideo]:
    """The videos of a data set; its folder may also be a video.

    Raises:
        EvaluationError: images are missing.
        ImageError: the video cannot be opened.
        DatasetError: a frame has no number, or the video does not have it.
    """
    if dataset.folder.is_file():
        return [_open_file(dataset, listener)]
    require_readable(dataset)
    frames: dict[str, list[DatasetImage]] = {}
    for image in dataset.images:
        frames.setdefault(image.video, []).append(image)
    videos = []
    for name, images in frames.items():
        if all(image.frame is not None for image in images):  # else as in the annotations
            images.sort(key=lambda image: image.frame or 0)
        videos.append(AnnotatedVideo(name, images, partial(_read_images, images)))
    return videos


def _read_images(images: Sequence[DatasetImage]) -> Iterator[VideoFrame]:
    for index, image in enumerate(images):
        yield VideoFrame(read_dataset_image(image), index / USUAL_FPS, image)


def _open_file(dataset: CocoDataset, listener: Listener) -> AnnotatedVideo:
    names = {image.video for image in dataset.images}
    if len(names) > 1:
        raise DatasetError(
            f"{dataset.annotations}: annotates {len(names)} videos, and {dataset.folder} is one",
            hint="--images names the folder of their frames",
        )
    images: dict[int, DatasetImage] = {}
    for image in dataset.images:
        number = _frame_number(dataset, image)
        if images.setdefault(number, image) is not image:
            raise DatasetError(f"{dataset.annotations}: frame {number} is listed twice")

    def warn(error: PosezooError) -> None:
        listener(WarningIssued(error.problem))

    source = open_source(str(dataset.folder), report_error=warn)
    ordered = [image for _, image in sorted(images.items())]
    return AnnotatedVideo(names.pop(), ordered, partial(_read_source, dataset, source, images))


def _frame_number(dataset: CocoDataset, image: DatasetImage) -> int:
    if image.frame is not None:
        return image.frame
    number = _NUMBER.search(Path(image.file_name).stem)
    if number is None:
        raise DatasetError(
            f"{dataset.annotations}: {image.file_name} has no frame_id",
            hint="write the number of each frame in the video, counted from 0",
        )
    return int(number[0])


def _read_source(
    dataset: CocoDataset, source: FrameSource, images: Mapping[int, DatasetImage]
) -> Iterator[VideoFrame]:
    last = max(images)
    read = 0
    with closing(source.frames()) as frames:
        for frame in frames:
            read += 1
            image = images.get(frame.index)
            if image is not None:
                require_stated_size(source.name, frame.image, image)
            yield VideoFrame(frame.image, source.time_s(frame), image)
            if frame.index == last:
                return
    raise DatasetError(
        f"{dataset.annotations}: frame {last} is annotated, and {dataset.folder} has"
        f" {format_count(read, 'frame')}",
        hint="frame_id is the number of the frame in the video, counted from 0",
    )


def evaluate_videos(
    estimator: Estimator,
    dataset: CocoDataset,
    videos: Sequence[AnnotatedVideo],
    options: VideoOptions,
    *,
    listener: Listener,
) -> VideoResult:
    """Follow people through each video, and compare the poses with the annotated people.

    Frames that are not annotated are processed, too, and do not count.

    Args:
        options: how people, who are always numbered, are followed.

    Raises:
        DatasetError: a video and its annotations do not fit, or only some people have a track.
        EvaluationError: no person counts, or the model finds none of the annotated keypoints.
        ImageError: a frame cannot be read.
        MissingPackageError: faster-coco-eval is not installed.
        PosezooError: the model fails.
    """
    import_optional("faster_coco_eval", extra="evaluate")
    require_people(dataset)
    has_tracks = _has_tracks(dataset)
    compared = _with_found_keypoints(estimator, dataset)
    name = estimator.model.full_name
    poses: dict[ImageId, Sequence[Pose]] = {}
    count = 0
    for video in videos:
        for frame, frame_poses in _follow(estimator, video, options):
            count += 1
            listener(EvaluationProgress(name, count, max(count, len(dataset.images))))
            if frame.image is not None and frame.image.is_labeled:
                poses[frame.image.id] = frame_poses
    compared = compared.excluding({image.id for image in dataset.images if image.id not in poses})
    predictions = {
        number: predictions_from_poses(each, compared.keypoints) for number, each in poses.items()
    }
    frames = {
        each.image.id: _compare_frame(each, poses[each.image.id], has_tracks=has_tracks)
        for each in compare_images(compared, predictions)
    }
    results = []
    for number, predicted in predictions.items():
        rows = predicted.to_coco_results(number)
        for row, pose in zip(rows, poses[number], strict=True):
            results.append({**row, "track_id": pose.track_id})
    of_videos = [_frames_of(video, frames) for video in videos]
    scores = [
        _score(video.name, each, has_tracks=has_tracks)
        for video, each in zip(videos, of_videos, strict=True)
    ]
    return VideoResult(
        compared,
        tuple(each for each in dataset.keypoints if each not in compared.keypoints),
        count,
        _score("", list(chain.from_iterable(of_videos)), has_tracks=has_tracks),
        tuple(scores),
        has_tracks,
        results,
    )


def _has_tracks(dataset: CocoDataset) -> bool:
    people = [
        person
        for image in dataset.images
        for person in image.people
        if person.num_keypoints and not person.is_crowd
    ]
    without = [person for person in people if person.track is None]
    if without and len(without) < len(people):
        raise DatasetError(
            f"{dataset.annotations}: {len(without)} of {len(people)} people have no track_id, such"
            f" as annotation {without[0].id}",
            hint="write the track_id of all people, or of none",
        )
    return not without


def _with_found_keypoints(estimator: Estimator, dataset: CocoDataset) -> CocoDataset:
    skeleton = estimator.model.own_skeleton or SKELETONS.get(estimator.model.skeleton)
    if skeleton is None:
        return dataset
    shared = tuple(name for name in dataset.keypoints if name in skeleton.keypoints)
    if not shared:
        keypoint_indices(skeleton, dataset.keypoints)  # explains it
    compared = dataset.with_keypoints(shared)
    if dataset.person_count() and not compared.person_count():
        raise EvaluationError(
            f"{dataset.annotations}: no person has a labelled keypoint that"
            f" {estimator.model.full_name} finds"
        )
    return compared


def _follow(
    estimator: Estimator, video: AnnotatedVideo, options: VideoOptions
) -> Iterator[tuple[VideoFrame, list[Pose]]]:
    stream = estimator.stream(
        video.read(),
        lambda frame: frame.pixels,
        is_video=True,
        track=True,
        smooth=options.smooth,
        detect_every=options.detect_every,
        time_s=lambda frame: frame.time_s,
    )
    with stream as frames:
        yield from frames


def _compare_frame(
    compared: ImageSimilarities, poses: Sequence[Pose], *, has_tracks: bool
) -> ComparedFrame:
    """The people that count in a frame, and the poses; without poses of crowds and of people
    without keypoints.
    """
    counted = ~compared.ignored
    of_counted = compared.similarities[:, counted]
    is_of_counted = (of_counted >= FOUND_AT).any(axis=1)
    is_of_others = (compared.similarities[:, compared.ignored] >= FOUND_AT).any(axis=1)
    kept = is_of_counted | ~is_of_others
    people = [
        person.track if has_tracks else person.id
        for person, is_counted in zip(compared.image.people, counted, strict=True)
        if is_counted
    ]
    # A pose without a number is a track of its own.
    numbers = [
        poses[index].track_id or (compared.image.id, index) for index in compared.order[kept]
    ]
    return ComparedFrame(people, numbers, of_counted[kept].T)


def _frames_of(
    video: AnnotatedVideo, frames: Mapping[ImageId, ComparedFrame]
) -> list[ComparedFrame]:
    """The frames of a video, with numbers that no other video has."""
    named = []
    for image in video.images:
        frame = frames.get(image.id)
        if frame is None:
            continue
        people = [(video.name, person) for person in frame.people]
        numbers = [(video.name, number) for number in frame.numbers]
        named.append(ComparedFrame(people, numbers, frame.similarities))
    return named


def _score(name: str, frames: Sequence[ComparedFrame], *, has_tracks: bool) -> VideoScore:
    hota = compute_hota(frames) if has_tracks else {}
    return VideoScore(name, len(frames), count_found(frames), hota)
