"""Runs a model on images and videos, and writes them with the poses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from posezoo.errors import DiskError, ImageError, OutputError, PosezooError
from posezoo.files.staging import staging_dir
from posezoo.images import read_image, write_image
from posezoo.pose.drawing import draw
from posezoo.resolve.people import ITSELF
from posezoo.runtime.estimator import Estimator
from posezoo.spec.model import TRACKING
from posezoo.spec.skeleton import Skeleton
from posezoo.video.frame_outputs import JsonListWriter, frame_to_json, open_output
from posezoo.video.frame_publishers import FramePublisher
from posezoo.video.frame_rate import StepTimer
from posezoo.video.run_inputs import ImageInput, OutputNames, RunInputs, VideoInput
from posezoo.video.video_options import VideoOptions
from posezoo.workers.signals import SignalExit

#: Gets the kind and the name of an input, and why it failed.
ReportFailure = Callable[[str, str, PosezooError], None]


@dataclass
class InputRunner:
    """Runs a model on all inputs, and collects the results as JSON values.

    Args:
        results: the folder of the annotated images and videos.
        min_score: of keypoints that are drawn.
        limit: the number of frames of a video; None for all.
        video: how the people in videos are followed.
        publish: receives the source, each frame of a video, and its poses.
        report_failure: receives ``image``, its name, and why it could not be read or written.
    """

    estimator: Estimator
    inputs: RunInputs
    results: Path
    _: KW_ONLY
    min_score: float
    limit: int | None
    video: VideoOptions
    publish: FramePublisher
    timer: StepTimer
    report_failure: ReportFailure

    def __post_init__(self) -> None:
        videos = (Path(video.source.name) for video in self.inputs.videos)
        paths = [*(image.path for image in self.inputs.images), *videos]
        self._names = OutputNames(self.results, paths)
        self.images: list[dict[str, Any]] = []
        self.videos: list[dict[str, Any]] = []
        self.skeletons: set[Skeleton] = set()  # of the poses
        self.ended_by: BaseException | None = None  # ^C, which ends a camera

    @property
    def people_from(self) -> list[str]:
        """Where people come from in the images, and in the videos."""
        origins = [video["people_from"] for video in self.videos]
        if self.images or not self.videos:
            origins.insert(0, self.estimator.people_from)
        return list(dict.fromkeys(origins))

    @property
    def has_results(self) -> bool:
        """Whether an input could be read."""
        return bool(self.images or self.videos)

    @property
    def has_empty_result(self) -> bool:
        """Whether an image, or all frames of a video, have no person."""
        has_empty_image = any(not image["poses"] for image in self.images)
        return has_empty_image or any(not video["people"] for video in self.videos)

    def run_all(self) -> None:
        """Run the model on the images, then on the videos."""
        # A folder that cannot be written is one error, not one for each image.
        with staging_dir(self.results):
            pass
        for image in self.inputs.images:
            try:
                self._run_on_image(image)
            except DiskError:
                raise
            except (ImageError, OutputError) as error:
                self.report_failure("image", image.name, error)
        for video in self.inputs.videos:
            if self.ended_by is None:
                self._run_on_video(video)

    def _run_on_image(self, image: ImageInput) -> None:
        with self.timer.time_step("read images"):
            pixels = read_image(image.path)
        with self.timer.time_step("find poses"):
            poses = self.estimator(pixels)
        self.skeletons |= {pose.layout for pose in poses}
        target = self._names.output_path(image.path)
        with self.timer.time_step("draw and write"):
            write_image(target, draw(pixels, poses, min_score=self.min_score, in_place=True))
        self.images.append(
            {
                "image": image.name,
                "picture": str(target),
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "poses": [pose.to_json() for pose in poses],
            }
        )

    def _run_on_video(self, video: VideoInput) -> None:
        """Write the annotated video and the keypoints of each frame; ^C ends it, and keeps what is
        done.
        """
        source = video.source
        target = self._names.path_for(video.stem, ".mp4")
        keypoints = self._names.path_for(video.stem, ".json")
        frames = people = 0
        with (
            closing(source.frames()) as read,
            closing(open_output(target, source, may_drop=video.is_live)) as output,
            JsonListWriter(keypoints, "frames") as written,
            self.timer.time_step("videos"),
        ):
            try:
                results = self.estimator.stream(
                    islice(read, self.limit),
                    attrgetter("image"),
                    is_video=True,
                    track=self.video.track,
                    smooth=self.video.smooth,
                    detect_every=self.video.detect_every,
                    time_s=source.time_s,
                )
                with closing(results):
                    for frame, poses in results:
                        self.skeletons |= {pose.layout for pose in poses}
                        self.publish(source, frame, poses)
                        written.append(frame_to_json(frame, poses))
                        output.write(
                            frame,
                            draw(frame.image, poses, min_score=self.min_score, in_place=True),
                        )
                        frames += 1
                        people = max(people, len(poses))
            except (KeyboardInterrupt, SignalExit) as signal:
                self.ended_by = signal
        if not frames:
            return
        people_from = self.estimator.people_from
        if self.estimator.can_track and people_from != ITSELF:
            people_from = TRACKING
        width, height = source.size
        self.videos.append(
            {
                "video": source.name,
                "picture": str(target),
                "keypoints": str(keypoints),
                "frames": frames,
                "people": people,
                "people_from": people_from,
                "width": width,
                "height": height,
            }
        )
