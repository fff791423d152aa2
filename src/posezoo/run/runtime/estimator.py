"""A loaded model that finds poses in images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import ITSELF, WHOLE_IMAGE, Decoder, Model
from posezoo.core.errors import ImageError, InferenceError
from posezoo.core.events import Listener
from posezoo.core.layout import precision_of
from posezoo.core.values import frozen
from posezoo.media.images import Image, PillowImage, is_image_shape, open_image, to_bgr
from posezoo.poses import decoders
from posezoo.poses.decoders import find_decoder, named_task, require_top_down
from posezoo.poses.keypoints import OWN_SCORES, Pose, Poses
from posezoo.poses.letterbox import Size
from posezoo.poses.ssd_detection import Box, parse_boxes
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs, describe_run
from posezoo.run.runtime.frame_changes import SceneTracker
from posezoo.run.runtime.frame_times import RisingTimes
from posezoo.run.runtime.inference_pipeline import (
    FrameSteps,
    InferenceRequest,
    InferFunction,
    ParallelSteps,
    Pipeline,
    Result,
    Steps,
    VideoPipeline,
    restart_at_each_scene,
)
from posezoo.run.runtime.result_stream import Arrivals, Item, ResultStream
from posezoo.run.runtime.runtime_config import choose_requests
from posezoo.run.runtime.top_down_pipeline import TopDownPipeline

if TYPE_CHECKING:
    from posezoo.media.frames import Frame
    from posezoo.media.live_source import OnLost, SourceGroup
    from posezoo.media.source_opener import OnState, SourceOpener


class Estimator:
    """A model that finds poses in images; ``posezoo.load`` returns one.

    Attributes:
        model: its declaration; for an IR without a model.yml, it is derived from the IR's metadata
            and outputs.
        decoder: the decoder of its outputs: a name of ``poses.decoders.DECODERS``.
        networks: all networks that it uses, in the order in which they run.
        device: where it runs, as OpenVINO names it.
        executed_precision: the actual precision of the computation: f32, bf16, ...
        requests: how many images may be processed at the same time; in a call, and in a video whose
            frames depend on each other, how many people of an image. In ``stream``, there are more
            if the options leave their number open.
        streams: how many inferences the device actually runs in parallel; 0 if it does not report
            this.
        input_size: width and height in pixels of the input of the network that finds the keypoints;
            None if it varies.
        seen_from: keypoints with a lower score are guesses and should not be drawn.
        can_track: whether ``stream`` follows people through a video: BlazePose does, and MoveNet
            without a detector.
        follows_one_person: whether it follows one person only: MoveNet without a detector.
        finds_people: whether it finds people; False for objects of several classes, and for the
            classes of an image.
        labels: the names of the classes, by their numbers; empty if they are unknown.
        min_person_score: the least score of a person that it finds, 0..1.
        people_from: where the people in a photo come from: the name of the detector, the whole
            image, or the model itself.
        detector_precision: of the detector's IR, as the name of its folder says; empty if no
            detector runs, or if it is unknown.
    """

    def __init__(
        self,
        model: Model,
        decoder: str,
        pipeline: Pipeline,
        *,
        detector: Estimator | None = None,
        again: Callable[[], Estimator],
    ) -> None:
        networks = pipeline.networks
        self.networks = networks
        self.model = model
        self.decoder = decoder
        self.device = ",".join(dict.fromkeys(network.device for network in networks))
        self.executed_precision = ",".join(
            dict.fromkeys(network.executed_precision for network in networks)
        )
        self.requests = networks[0].requests
        self.streams = networks[0].streams
        self.input_size = pipeline.input_size
        self.seen_from = find_decoder(decoder).visible_score
        self.can_track = isinstance(pipeline, VideoPipeline) and pipeline.can_track
        self.follows_one_person = (
            isinstance(pipeline, TopDownPipeline) and pipeline.follows_one_person
        )
        takes_whole_image = isinstance(pipeline, TopDownPipeline) and not detector
        self.people_from = WHOLE_IMAGE if takes_whole_image else ITSELF
        self.detector_precision = ""
        if detector:
            self.people_from = detector.model.full_name
            self.detector_precision = precision_of(detector.networks[0].path) or ""
        self.finds_people = not named_task(model.decoder or Decoder(decoder))
        self.labels: Sequence[str] = getattr(pipeline, "labels", ())
        self.min_person_score: float = getattr(pipeline, "min_person_score", 0.0)
        self._pipeline = pipeline
        self._again = again

    def __repr__(self) -> str:
        precision = precision_of(self.networks[-1].path) or "an IR"
        return (
            f"<posezoo model {self.model.full_name}, {precision} on {self.device}"
            f" ({self.executed_precision}), people from {self.people_from}>"
        )

    def __reduce__(self) -> tuple[Callable[[], Estimator], tuple[()]]:
        """A copy in another process of this machine compiles the same IR with the same options."""
        return self._again, ()

    @overload
    def __call__(
        self,
        image: list[Any] | tuple[Any, ...],
        color: str = ...,
        boxes: None = ...,
    ) -> list[Poses]: ...

    @overload
    def __call__(
        self,
        image: Array | PillowImage | str | os.PathLike[str] | bytes | bytearray | memoryview | None,
        color: str = ...,
        boxes: Iterable[Sequence[float] | Box] | None = ...,
    ) -> Poses: ...

    def __call__(
        self,
        image: object,
        color: str = "BGR",
        boxes: Iterable[Sequence[float] | Box] | None = None,
    ) -> Poses | list[Poses]:
        """The people in an image, highest score first; an empty list if there are none. For a list
        of images, a list of their results, in the same order.

        Args:
            image: uint8 of shape (H, W, 3), (H, W) or (H, W, 4), any size; or the path of an image;
                or the bytes of an image file, such as a JPEG that a server receives; or an image of
                Pillow, whose poses are in pixels of the upright image; or a list or tuple of these,
                which is processed as by ``batch``. An address is not downloaded.
            color: the order of the channels of arrays, BGR (as ``images.read_image`` and OpenCV
                return it) or RGB.
            boxes: the boxes of the people, for a top-down model: x0, y0, x1, y1 in image pixels,
                and optionally a score; None: the detector finds them, or without a detector the
                whole image is treated as one person.

        Raises:
            ImageError: the image has another type or shape, or cannot be read.
            InferenceError: the device fails, a box is invalid, or the model finds people itself;
                or there are boxes for a list of images.
        """
        if isinstance(image, (list, tuple)):
            if boxes is not None:
                raise InferenceError("boxes are for one image, not for a list of them")
            return self.batch(image, color)
        bgr = open_image(image, color)
        if boxes is None:
            steps = self._pipeline(bgr)
        else:
            steps = self._require_top_down().steps_for_boxes(bgr, parse_boxes(boxes))
        return self._poses(_Runner(self.requests).run(steps))

    def with_detector(
        self,
        detector: Estimator,
        *,
        tracks_videos: bool = False,
        whole_image: float | None = None,
        min_person_score: float | None = None,
        min_pose_score: float = 0.0,
    ) -> Estimator:
        """An estimator of the same model that runs on the boxes of the people that another model
        finds.

        Args:
            tracks_videos: whether ``stream`` still follows one person through a video, without the
                detector.
            whole_image: if the other model finds no person, the whole image is taken as one person,
                who is kept with this score or more, 0..1, and 5/6 of it in a second look at the
                part with the keypoints; None: no person is found then.
            min_person_score: people whose boxes have lower scores are left out, 0..1. The whole
                image is taken only if the other model finds no box at all.
            min_pose_score: people in these boxes with a lower score are left out, 0..1.

        Raises:
            InferenceError: this model finds people itself.
        """
        pipeline = self._require_top_down().with_detector(
            detector._pipeline,
            tracks_videos=tracks_videos,
            whole_image=whole_image,
            min_person_score=min_person_score or 0.0,
            min_pose_score=min_pose_score,
        )
        again = partial(
            self.with_detector,
            detector,
            tracks_videos=tracks_videos,
            whole_image=whole_image,
            min_person_score=min_person_score,
            min_pose_score=min_pose_score,
        )
        return Estimator(self.model, self.decoder, pipeline, detector=detector, again=again)

    def provenance(self) -> dict[str, Any]:
        """What runs, for the results: the keys of ``describe_run``; its files are read for it.

        Raises:
            InferenceError: a file of a network is missing now.
        """
        revision = getattr(self.model, "revision", 0)  # a composite has none
        name = self.model.full_name
        return describe_run(name, revision, self.networks, self.device, self.executed_precision)

    def _require_top_down(self) -> TopDownPipeline:
        require_top_down(self.decoder, self.model.full_name)
        assert isinstance(self._pipeline, TopDownPipeline)
        return self._pipeline

    def batch(self, images: Iterable[object], color: str = "BGR") -> list[Poses]:
        """The people in each of several images, in one inference if the network takes batches.

        Args:
            images: each an array, a path or bytes, as for ``__call__``.
            color: the order of the channels of arrays.

        Raises:
            ImageError: an image has another type or shape, or cannot be read; it names its index.
            InferenceError: the device fails.
        """
        _require_images(images)
        numbered = enumerate(images)
        # A list is read ahead.
        items = list(numbered) if isinstance(images, Sequence) else numbered

        def open_item(item: tuple[int, object]) -> Image:
            index, image = item
            try:
                return open_image(image, color)
            except ImageError as error:
                raise error.within(f"images[{index}]") from error

        if any(network.supports_batching for network in self._pipeline.networks):
            steps = [self._pipeline(open_item(item)) for item in items]
            return list(map(self._poses, _BatchRunner().run(steps)))
        with self.stream(items, open_item) as stream:
            return [poses for _, poses in stream]

    @overload
    def stream(
        self,
        items: str | os.PathLike[str] | int,
        *,
        is_video: bool | None = ...,
        track: bool = ...,
        smooth: bool = ...,
        detect_every: int | None = ...,
        reconnect_s: float | None = ...,
        live: bool | None = ...,
        newest: bool | None = ...,
        camera_size: Size = ...,
        camera_fps: float = ...,
        camera_format: str = ...,
        on_lost: OnLost | None = ...,
        on_state: OnState | None = ...,
        listener: Listener | None = ...,
    ) -> ResultStream[Frame, Poses]: ...

    @overload
    def stream(
        self,
        items: Iterable[Item],
        image: Callable[[Item], object] = ...,
        *,
        color: str = ...,
        is_video: bool | None = ...,
        track: bool = ...,
        smooth: bool = ...,
        detect_every: int | None = ...,
        time_s: Callable[[Item], float] | None = ...,
        time_lapse: bool = ...,
        live: bool = ...,
    ) -> ResultStream[Item, Poses]: ...

    def stream(
        self,
        items: Iterable[Any] | os.PathLike[str] | int,
        image: Callable[[Any], object] = lambda item: item,
        *,
        color: str = "BGR",
        is_video: bool | None = None,
        track: bool = False,
        smooth: bool = False,
        detect_every: int | None = None,
        time_s: Callable[[Any], float] | None = None,
        time_lapse: bool = False,
        reconnect_s: float | None = None,
        live: bool | None = None,
        newest: bool | None = None,
        camera_size: Size = (1280, 720),
        camera_fps: float = 30.0,
        camera_format: str = "MJPG",
        on_lost: OnLost | None = None,
        on_state: OnState | None = None,
        listener: Listener | None = None,
    ) -> ResultStream[Any, Poses]:
        """Items with the people in their images, in order. As many are processed at the same time
        as ``Options.requests`` says. If that is None, there are as many as the device processes
        best, which takes less time for each; the networks are compiled for this when the first
        such stream begins. One item after the other is processed if each depends on the one before
        (``is_video``, ``detect_every``), if they are ``live``, and of a list of fewer than 8.

        The next item is read when a slot is free and the caller asks for the next result; more than
        one only until the first result is there. A list or another sequence is read ahead, which
        delays none of its items: if several requests run, one item more is processed, so that the
        device has work while one is read or decoded; and as many as there are requests wait to be
        processed or returned. If an item fails, its error is raised instead of its result; the
        caller may then ask for the next result. A caller that stops early must close the stream,
        which is also a context manager. ``close`` returns when no work is running any more.

        OpenCV's threads spin for a while after each resized image, which takes up to 0.8 ms of CPU
        time. Programs that do not need them should call ``cv2.setNumThreads(1)``, as posezoo's
        commands do.

        Args:
            items: any objects, which are read in the caller's thread. Or the path of a video, a
                folder or a glob of images, the number of a camera, or the address of a stream; its
                items are ``Frame``, whose ``image`` is BGR. What cannot be read is left out, with
                an ImageWarning.
            image: returns the image of an item, as for ``__call__``; it is called in other threads,
                and if people are numbered, once more in the caller's.
            color: as for ``__call__``.
            is_video: whether the items are the frames of one video; None: those of a path, a camera
                or an address, unless they are images. If ``can_track`` is true,
                people are expected where they were in the frame before: BlazePose's detector looks
                for new ones on each frame; without a detector, MoveNet sees only a square around
                one person. Frames are processed one after the other,
                whatever ``requests`` is, and the results do not depend on it.
            track: number the people, who keep their ``Pose.track_id`` through the video, until a
                cut; a person is numbered when they are seen for the second time.
            smooth: also smooth keypoints and boxes over time; it implies ``track``.
            detect_every: the detector runs on every Nth frame, and if nobody is followed. In
                between, people are expected around their last keypoints, and new ones are not
                found. If it is above 1, frames are processed one after the other. None: as
                ``is_video`` says; otherwise 1.
            time_s: returns the time of an item in the video, in seconds, as for ``VideoTracker``;
                None: as the video says, otherwise there are 30 frames a second.
            time_lapse: whether ``time_s`` may rise by more than 5 s while less than 1 s passes.
            reconnect_s: for how many seconds a camera or stream that disconnected is opened again
                and again; ``math.inf``: endlessly. None: 60 for an address, 0 for a camera. If it
                is endless, or with ``on_lost``, the camera may be off at the start.
            live: whether the source is live, so that its frames must be processed in time; None: an
                address, a camera, a device and a pipe are, but no file at an http address, and no
                other items.
            newest: whether only the newest frame of the source is kept, and those before it are
                dropped, while the model or the caller works; None: if it is live.
            camera_size, camera_fps, camera_format: what a camera of this machine is asked for, as
                ``CameraMode``; its driver takes the nearest that it has.
            on_lost: receives the name and the error of a camera or stream that disconnected, and
                was not back in time; the results then end. None: the error is raised.
            on_state: receives the name of a camera or stream, its state as in ``SourceChanged``,
                and since when, in seconds since 1970. It is called while the caller waits for a
                result.
            listener: receives each ``SourceChanged``, and a ``WarningIssued`` for other problems,
                instead of an ImageWarning.

        Raises:
            ImageError: the path, camera or address cannot be opened.
            LostCameraError: a camera or stream disconnected, and was not back in time.
            InferenceError: ``detect_every`` is below 1; or it is given for a video, or above 1, and
                no detector runs.
        """
        if isinstance(items, (str, os.PathLike, int)):
            mode = camera_size, camera_fps, camera_format
            opener = _source_opener(listener, on_state, reconnect_s, live, newest, mode)
            if on_lost and opener.is_live(items):
                group = opener.open_group([items], on_lost)
                return self._stream_group(group, track, smooth, detect_every)
            source = opener.open(items)
            if is_video is None:
                is_video = not source.image_paths
            people = _PeopleOfVideos(track, smooth, source.time_s)
            steps = partial(self._steps_of_video, bool(is_video), detect_every)
            return self._stream(
                source.frames(),
                attrgetter("image"),
                "BGR",
                steps,
                people,
                source,
                is_live=source.is_live,
            )
        _require_images(items)
        times = RisingTimes(time_lapse=time_lapse)
        seconds = time_s  # which the type checker knows to be a function below
        checked = seconds and (lambda item: times.check(seconds(item)))
        people = _PeopleOfVideos(track, smooth, checked)
        steps = partial(self._steps_of_video, bool(is_video), detect_every)
        return self._stream(items, image, color, steps, people, is_live=bool(live))

    def stream_all(
        self,
        names: Sequence[str | os.PathLike[str] | int],
        *,
        track: bool = False,
        smooth: bool = False,
        detect_every: int | None = None,
        reconnect_s: float | None = None,
        live: bool | None = None,
        newest: bool | None = None,
        camera_size: Size = (1280, 720),
        camera_fps: float = 30.0,
        camera_format: str = "MJPG",
        on_lost: OnLost | None = None,
        on_state: OnState | None = None,
        listener: Listener | None = None,
    ) -> ResultStream[Frame, Poses]:
        """The people in the frames of several cameras or streams, in turn: the next frame is of the
        source that waits longest. People are tracked in each of them alone; ``Frame.name`` says
        which it is. A camera that is off is opened again for ``reconnect_s`` seconds, also at the
        start; the others go on.

        Args:
            names: paths, numbers of cameras, or addresses, as for ``stream``.
            track, smooth, detect_every, reconnect_s, live, newest: as for ``stream``.
            camera_size, camera_fps, camera_format, on_state, listener: as for ``stream``.
            on_lost: receives the name and the error of a source that is lost; None: the error is
                raised, and the caller may still ask for the next result of the others.

        Raises:
            ImageError, LostCameraError, InferenceError: as for ``stream``.
        """
        mode = camera_size, camera_fps, camera_format
        opener = _source_opener(listener, on_state, reconnect_s, live, newest, mode)
        group = opener.open_group(names, on_lost)
        return self._stream_group(group, track, smooth, detect_every)

    def _stream_group(
        self, group: SourceGroup, track: bool, smooth: bool, detect_every: int | None
    ) -> ResultStream[Frame, Poses]:
        people = _PeopleOfVideos(track, smooth, group.time_s)
        steps = partial(self._steps_of_video, True, detect_every)
        image, video_of = attrgetter("image"), attrgetter("name")
        return self._stream(group, image, "BGR", steps, people, group, video_of, is_live=True)

    def _stream(
        self,
        items: Iterable[Any],
        image: Callable[[Any], object],
        color: str,
        steps_of_video: Callable[[], FrameSteps | None],
        people: _PeopleOfVideos,
        arrivals: Arrivals | None = None,
        video_of: Callable[[Any], str] = lambda _item: "",
        *,
        is_live: bool = False,
    ) -> ResultStream[Any, Poses]:
        is_in_turn = steps_of_video() is not None
        steps: dict[str, FrameSteps | None] = {}
        is_listed = isinstance(items, Sequence)
        images = len(items) if isinstance(items, Sequence) else None
        requests = self.requests
        # If images are processed at the same time, their requests are in use.
        runner = _Runner(requests if is_in_turn else 1)
        if choose_requests(images, in_turn=is_in_turn or is_live) != 1:
            networks = {network: network.for_stream() for network in self.networks}
            requests = networks[self.networks[0]].requests
            runner = _Runner(networks=networks)
        slots = requests + (is_listed and requests > 1)
        if is_in_turn and arrivals:
            slots = 1  # a frame that waits for the one before gets old

        def find(item: object) -> Poses:
            video = video_of(item)
            if video not in steps:
                steps[video] = steps_of_video()
            pixels = open_image(image(item), color)
            return self._poses(runner.run((steps[video] or self._pipeline)(pixels)))

        return ResultStream(
            items,
            find,
            slots,
            ahead=requests if is_listed else 0,
            in_turn=is_in_turn,
            finish=lambda item, poses: people.number(
                item, video_of(item), lambda: open_image(image(item), color), poses
            ),
            arrivals=arrivals or (items if isinstance(items, Arrivals) else None),
        )

    def tracker(
        self,
        *,
        smooth: bool = False,
        detect_every: int | None = None,
        color: str = "BGR",
        time_lapse: bool = False,
    ) -> VideoTracker:
        """What finds and numbers the people in the frames of one video, as each frame comes: for
        programs that are called with a frame. The poses are those of ``stream`` with ``is_video``
        and ``track``.

        Args:
            smooth, detect_every, color, time_lapse: as for ``stream``.

        Raises:
            InferenceError: as for ``stream``.
        """
        steps = self._steps_of_video(True, detect_every) or self._pipeline
        runner = _Runner(self.requests)
        return VideoTracker(
            lambda image: self._poses(runner.run(steps(image))),
            SceneTracker(smooth=smooth),
            RisingTimes(time_lapse=time_lapse),
            color,
        )

    def _poses(self, poses: Iterable[Pose]) -> Poses:
        return Poses(map(self._show, poses))

    def _show(self, pose: Pose) -> Pose:
        # Keypoints that have no scores of their own are drawn with their pose.
        has_own = pose.keypoint_scores == OWN_SCORES
        return replace(pose, seen_from=self.seen_from if has_own else 0.0)

    def _steps_of_video(self, is_video: bool, detect_every: int | None) -> FrameSteps | None:
        is_followed = is_video and self.can_track
        if detect_every is None and is_followed:
            assert isinstance(self._pipeline, VideoPipeline)
            return restart_at_each_scene(self._pipeline.track)
        if detect_every is None or (detect_every == 1 and not is_followed):
            return None
        pipeline = require_detector(self, "detect_every")
        if detect_every < 1:
            raise InferenceError(f"detect_every: expected 1 or more, got {detect_every}")
        return restart_at_each_scene(partial(pipeline.detect_every, detect_every))


def require_detector(estimator: Estimator, argument: str) -> VideoPipeline:
    """The pipeline of an estimator, in which a detector can run on some frames only.

    Args:
        argument: the argument or flag that the user gave for it, which an error names.

    Raises:
        InferenceError: no detector runs.
    """
    is_whole = estimator.people_from == WHOLE_IMAGE
    name = estimator.model.full_name
    decoders.require_detector(argument, estimator.decoder, name, is_whole=is_whole)
    assert isinstance(estimator._pipeline, VideoPipeline)
    return estimator._pipeline


def override_network(
    estimator: Estimator, infer: InferFunction, place: int
) -> Callable[[object], Poses]:
    """The same model with one of its networks replaced, for example by another precision of it.

    Args:
        infer: returns the network's outputs for its input, uint8 (1, height, width, 3), BGR.
        place: the index of the network, in the order in which the model's networks run.
    """
    pipeline = estimator._pipeline
    runner = _Runner(network=pipeline.networks[place], infer=infer)
    return lambda image: estimator._poses(runner.run(pipeline(to_bgr(image))))


def collect_network_inputs(estimator: Estimator, image: object, place: int) -> list[NamedArrays]:
    """The inputs of one of the networks for an image, for example to calibrate it.

    Args:
        image: as for ``Estimator.__call__``, in BGR.
        place: the index of the network, in the order in which the model's networks run.

    Returns:
        Arrays by input name for each of its inferences: uint8 (1, height, width, 3), BGR.

    Raises:
        ImageError: the image has another type or shape.
        InferenceError: the device fails.
    """
    pipeline = estimator._pipeline
    steps = pipeline(to_bgr(image))
    network = pipeline.networks[place]
    # The outputs lead to no further inputs: no inference is needed.
    if len(pipeline.networks) == 1:
        request = next(steps)
        while isinstance(request, ParallelSteps):
            request = next(request.steps[0])
        return [request.inputs]
    collected = []

    def infer(inputs: NamedArrays) -> Outputs:
        collected.append(inputs)
        return network(inputs)

    _Runner(network=network, infer=infer).run(steps)
    return collected


def count_crops(estimator: Estimator, image: object) -> int:
    """How many crops of an image the network of keypoints sees; 0 if it sees the whole image.

    Raises:
        ImageError, InferenceError: as for ``collect_network_inputs``.
    """
    pipeline = estimator._pipeline
    if len(pipeline.networks) == 1:
        return 0
    inputs = collect_network_inputs(estimator, image, -1)
    is_mirrored = isinstance(pipeline, TopDownPipeline) and pipeline.runs_mirrored
    return len(inputs) // (1 + is_mirrored)


@frozen
class VideoTracker:
    """Finds and numbers the people in the frames of one video; ``Estimator.tracker`` returns it.
    Only one thread at a time may call it.
    """

    _find: Callable[[Image], Poses]
    _people: SceneTracker
    _times: RisingTimes
    _color: str

    def __call__(
        self, frame: object, time_s: float | None = None, *, timestamp_ms: float | None = None
    ) -> Poses:
        """The people in the next frame, with ``Pose.track_id``.

        Args:
            frame: an image, as for ``Estimator.__call__``.
            time_s: its time in the video, in seconds; None: there are 30 frames a second. Times
                rise; a frame that is up to 1 s late counts as of the same time as the one before,
                with an ImageWarning.
            timestamp_ms: the same in milliseconds, as MediaPipe's Tasks take it.

        Raises:
            ImageError, InferenceError: as for ``Estimator.__call__``.
            UsageError: the time is no finite number, is more than 1 s earlier than the one before,
                or seems to be in another unit.
        """
        if timestamp_ms is not None:
            time_s = self._times.check_ms(timestamp_ms)
        elif time_s is not None:
            time_s = self._times.check(time_s)
        image = open_image(frame, self._color)
        return Poses(self._people.track(image, self._find(image), time_s))


@dataclass
class _PeopleOfVideos:
    track: bool
    smooth: bool
    time_s: Callable[[Any], float] | None
    trackers: dict[str, SceneTracker] = field(default_factory=dict)

    def number(self, item: object, video: str, pixels: Callable[[], Image], poses: Poses) -> Poses:
        if not (self.track or self.smooth):
            return poses
        if video not in self.trackers:
            self.trackers[video] = SceneTracker(smooth=self.smooth)
        seconds = self.time_s(item) if self.time_s else None
        return Poses(self.trackers[video].track(pixels(), poses, seconds))


def _source_opener(
    listener: Listener | None,
    on_state: OnState | None,
    reconnect_s: float | None,
    live: bool | None,
    newest: bool | None,
    mode: tuple[Size, float, str],
) -> SourceOpener:
    # Only videos need OpenCV's part for them.
    from posezoo.media.captures import CameraMode
    from posezoo.media.source_opener import SourceOpener

    return SourceOpener(listener, on_state, reconnect_s, live, newest, CameraMode(*mode))


def _require_images(images: object) -> None:
    is_image = False
    if isinstance(images, np.ndarray):
        is_one = images.ndim == 1 or is_image_shape(images.shape)  # else a batch
        is_image = images.dtype == np.uint8 and is_one
    if is_image or isinstance(images, (str, bytes, bytearray, os.PathLike)):
        raise ImageError(
            f"several images are expected, and this is one {type(images).__name__}",
            hint="model(image) takes one image or path; or put it in a list",
        )
    if not isinstance(images, Iterable):
        raise ImageError(
            f"several images are expected, not {type(images).__name__}",
            hint="a list of frames, or a generator; model.stream takes the path of a video, too",
        )


@frozen
class _Runner:
    """Runs the steps of one image.

    Attributes:
        requests: how many of its inferences may run at the same time.
        networks: those that run instead of the pipeline's.
        network: one of the pipeline's networks, which ``infer`` replaces.
        infer: computes the outputs of ``network``.
    """

    requests: int = 1
    networks: Mapping[CompiledNetwork, CompiledNetwork] = field(default_factory=dict)
    network: CompiledNetwork | None = None
    infer: InferFunction | None = None

    def run(self, steps: Steps[Result]) -> Result:
        """The result of the steps.

        Raises:
            InferenceError: a device fails.
        """
        try:
            request = next(steps)
            while True:
                if isinstance(request, ParallelSteps):
                    request = steps.send(self._run_parallel(request.steps))
                elif self.infer and request.network is self.network:
                    request = steps.send(self.infer(request.inputs))
                else:
                    network = self.networks.get(request.network, request.network)
                    with network.infer(request.inputs) as outputs:
                        request = steps.send(outputs)
        except StopIteration as done:
            result: Result = done.value
            return result

    def _run_parallel(self, steps: Sequence[Steps[Result]]) -> list[Result]:
        at_once = min(self.requests, len(steps))
        if at_once == 1:
            return list(map(self.run, steps))
        with ThreadPoolExecutor(at_once, thread_name_prefix="posezoo-person") as pool:
            return list(pool.map(self.run, steps))


@dataclass(eq=False)
class _BatchedSteps:
    steps: Steps[Any]
    finish: Callable[[Any], None]


class _BatchRunner:
    def __init__(self) -> None:
        self._requests: dict[_BatchedSteps, InferenceRequest] = {}

    def run(self, steps: Sequence[Steps[Result]]) -> list[Result]:
        """The results of the steps; requests to the same network become a batch if possible.

        Raises:
            InferenceError: a device fails.
        """
        results: list[Result] = []
        self._begin(steps, results.extend)
        while self._requests:
            self._infer()
        return results

    def _begin(self, steps: Sequence[Steps[Any]], finish: Callable[[list[Any]], None]) -> None:
        results: dict[int, Any] = {}

        def add(place: int, result: object) -> None:
            results[place] = result
            if len(results) == len(steps):
                finish([results[place] for place in range(len(steps))])

        for place, each in enumerate(steps):
            self._advance(_BatchedSteps(each, partial(add, place)), None)

    def _advance(self, batched: _BatchedSteps, answer: object) -> None:
        try:
            request = batched.steps.send(answer)
        except StopIteration as done:
            batched.finish(done.value)
            return
        if isinstance(request, ParallelSteps):
            self._begin(request.steps, partial(self._advance, batched))
        else:
            self._requests[batched] = request

    def _infer(self) -> None:
        first = next(iter(self._requests.values()))
        alike = [each for each, request in self._requests.items() if _is_alike(request, first)]
        if not first.network.supports_batching:
            del alike[1:]
        batch = [self._requests.pop(each) for each in alike]
        inputs = {
            name: np.concatenate([request.inputs[name] for request in batch])
            for name in first.inputs
        }
        with first.network.infer(inputs) as outputs:
            for row, each in enumerate(alike):
                rows = {name: output[row : row + 1] for name, output in outputs.items()}
                self._advance(each, rows)


def _is_alike(request: InferenceRequest, other: InferenceRequest) -> bool:
    return request.network is other.network and all(
        request.inputs[name].shape == array.shape for name, array in other.inputs.items()
    )
