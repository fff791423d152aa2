"""The inputs of ``posezoo run``, how a model runs on them, and the names of its results."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from posezoo.console.json_projection import Json
from posezoo.core.declarations.model import TRACKING
from posezoo.core.errors import (
    DiskError,
    DownloadError,
    ImageError,
    InferenceError,
    OutputError,
    PosezooError,
    explain_windows_path,
    redact_secrets,
    suggest,
)
from posezoo.core.events import InferenceProgress, Listener, SourceChanged, ignore_event
from posezoo.core.files.staging import staging_dir
from posezoo.core.regular_files import explain_link
from posezoo.core.values import frozen
from posezoo.core.workers.signals import SignalExit
from posezoo.media.captures import CameraMode
from posezoo.media.frame_outputs import (
    FrameOutput,
    JsonListWriter,
    OutputNames,
    frame_to_json,
    is_picture_or_video,
    open_output,
    pose_to_json,
    unwritten_format,
)
from posezoo.media.frame_publishers import FramePublisher
from posezoo.media.frame_rate import StepTimer
from posezoo.media.frame_sources import (
    ANNOTATED,
    is_live_name,
    list_images,
    open_source,
)
from posezoo.media.images import (
    SUFFIXES,
    UNREAD_SUFFIXES,
    VIDEO_SUFFIXES,
    WRITTEN_SUFFIXES,
    is_still,
    read_image,
    require_image,
    write_image,
)
from posezoo.media.video_encoders import CODECS
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Image
from posezoo.run.keypoint_files import (
    KeypointFile,
    is_keypoint_file,
    require_written_ending,
)
from posezoo.run.result_journal import ResultJournal
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.runtime_config import VideoOptions

if TYPE_CHECKING:
    from posezoo.core.download.options import DownloadOptions
    from posezoo.media.frames import FrameSource


@frozen
class ImageInput:
    """An image file, and the name that the user gave; they differ for an address."""

    path: Path
    name: str


@frozen
class VideoInput:
    """A video, a camera or a stream, and a name for its results."""

    source: FrameSource
    stem: str


@frozen
class RunInputs:
    """All inputs of a run."""

    images: tuple[ImageInput, ...]
    videos: tuple[VideoInput, ...] = ()


@dataclass
class InputOpener:
    """Opens the inputs that the user names, with downloads to a temporary folder. ``warn`` is for
    names without images, ``report_state`` for cameras and streams, ``report_failure`` for an
    ``image`` or ``video`` that fails; the others are opened.
    """

    folder: Path
    options: DownloadOptions
    _: KW_ONLY
    listener: Listener
    warn: Callable[[str], None]
    report_failure: ReportFailure
    report_state: Callable[[SourceChanged], object] = ignore_event
    reconnect_s: float | None = None
    fps: float | None = None
    mode: CameraMode = field(default_factory=CameraMode)
    _images: list[ImageInput] = field(default_factory=list)
    _videos: list[VideoInput] = field(default_factory=list)
    _failures: list[tuple[str, str, PosezooError]] = field(default_factory=list)

    def open(self, names: Sequence[str]) -> RunInputs:
        """The inputs in the order of their names: images, folders, globs, videos, numbers of
        cameras, and addresses; images come first.

        Raises:
            ImageError: no input can be opened, or no file is an image.
            SourceError: the first file cannot be downloaded, and no other input can be opened.
        """
        plain = [name for name in names if not self._add(name)]
        if plain:
            for path in expand_image_paths(plain, self.warn, with_videos=True):
                if not self._add(str(path)):
                    self._images.append(ImageInput(path, str(path)))
        if not self._images and not self._videos:
            raise self._failures[0][2]
        for failure in self._failures:
            self.report_failure(*failure)
        if not self._videos:
            _require_one_image(self._images)
        return RunInputs(tuple(self._images), tuple(self._videos))

    def _add(self, name: str) -> bool:
        is_file_address = _is_file_address(name)
        is_live = not is_file_address and is_live_name(name)
        if not (is_file_address or is_live or (os.path.isfile(name) and is_video_file(Path(name)))):
            return False
        try:
            if is_file_address:
                path = _download(name, self.folder, self.options, self.listener)
                if is_video_file(path):
                    self._add_video(str(path), path.stem, shown=redact_secrets(name))
                else:
                    self._images.append(ImageInput(path, redact_secrets(name)))
            elif is_live:
                self._add_video(name, _stem_of_live(name))
            else:
                self._add_video(name, Path(name).stem)
        except (ImageError, DownloadError) as error:
            place = urlsplit(name).path if is_file_address else name
            kind = "image" if is_still(Path(place)) else "video"
            is_camera = is_live and name.isdecimal()
            shown = f"camera {name}" if is_camera else redact_secrets(name)
            self._failures.append((kind, shown, error))
        return True

    def _add_video(self, name: str, stem: str, *, shown: str = "") -> None:
        source = open_source(
            name,
            report_error=lambda error: self.report_failure("video", source.name, error),
            reconnect_s=self.reconnect_s,
            fps=self.fps,
            warn=self.warn,
            report=self.report_state,
            mode=self.mode,
        )
        source.name = shown or source.name
        self._videos.append(VideoInput(source, stem))


def _require_one_image(images: Sequence[ImageInput]) -> None:
    errors = []
    for image in images:
        try:
            return require_image(image.path)
        except ImageError as error:
            errors.append(error)
    raise errors[0]


def _is_file_address(name: str) -> bool:
    if not name.lower().startswith(("http://", "https://")):
        return False
    return Path(urlsplit(name).path).suffix.lower() in SUFFIXES | VIDEO_SUFFIXES


def is_video_file(path: Path) -> bool:
    """Whether a file is played rather than read as an image, which may also have no suffix."""
    return bool(path.suffix) and not is_still(path)


def _stem_of_live(name: str) -> str:
    """A plain name for the results of a camera, which tells those of one network apart."""
    if name.isdecimal():
        return f"camera_{name}"
    if "://" not in name:
        return Path(name).stem
    address = urlsplit(name)
    place = f"{address.hostname or ''}_{address.port or ''}_{unquote(address.path)}"
    return re.sub(r"[^\w.-]+", "_", re.sub("_*/+|_+", "_", place)).strip("_.")[-100:] or "stream"


def _download(url: str, folder: Path, options: DownloadOptions, listener: Listener) -> Path:
    """Download a file to a folder of its own, since several addresses may end with the same
    name.
    """
    from posezoo.run.user_file import download_user_file

    subfolder = folder / str(len(list(folder.iterdir())))
    subfolder.mkdir()
    return download_user_file(url, subfolder, options, listener=listener)


def expand_image_paths(
    names: Sequence[str], warn: Callable[[str], None], *, with_videos: bool = False
) -> list[Path]:
    """The images that files, folders (in alphabetical order) and globs name, which may also match
    videos; ``with_videos``: also the videos of folders.

    Annotated images of an earlier run in folders and globs are left out; a name without images
    causes a warning, no images at all an ImageError.
    """
    images = []
    for name in names:
        listed = list_images(name, with_videos=with_videos)
        if listed is None:
            images.append(Path(name))
            continue
        if listed.left_out:
            warn(f"{name}: {listed.describe_left_out()}")
        matches = [file for file in listed.images if not ANNOTATED.fullmatch(file.stem)]
        if not matches:
            kind = "no images but annotated ones" if listed.images else "no images"
            warn(f"{name}: {kind} there ({listed.hint})")
        images += matches
    # A name without a suffix is probably that of a model, which stands before --input.
    unknown = [path for path in images if not path.suffix and not os.path.exists(path)]
    if unknown:
        raise ImageError(
            f"no image to work on: {unknown[0]}", hint=_explain_missing(str(unknown[0]))
        )
    if not any(map(os.path.exists, images)):
        missing = ", ".join(map(str, images)) or ", ".join(names)
        raise ImageError(f"no image to work on: {missing}", hint=_explain_missing(names[0]))
    return images


def _explain_missing(name: str) -> str:
    if name == "-":
        return "the standard input is not read: save it to a file, and name that"
    if name.startswith("~"):
        return f"a shell replaces ~ only outside of quotes: {Path(name).expanduser()}"
    if explanation := explain_windows_path(name):
        return explanation
    path = Path(name)
    if problem := explain_link(path):
        return f"it {problem}"
    if path.is_dir():
        return "name images, folders or quoted globs"
    neighbours = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    if similar := suggest(path.name, neighbours):
        return f"there is no such file: {similar}"
    is_bare_word = path.name == name and not path.suffix
    if is_bare_word:
        return (
            f"there is no such file; a model stands before --input: posezoo run {name} --input FILE"
        )
    return "there is no such file: name images, folders or quoted globs"


def require_written_format(output: Path) -> None:
    """Raise an OutputError if a path for results is that of a file that is not written."""
    require_written_ending(output)
    unwritten = (SUFFIXES | UNREAD_SUFFIXES | VIDEO_SUFFIXES) - {*WRITTEN_SUFFIXES, *CODECS}
    if output.suffix.lower() in unwritten and not output.is_dir():
        raise unwritten_format(output)


def require_fitting_output(output: Path, inputs: RunInputs) -> None:
    """Check that a picture or video, if it is one, fits the input.

    Raises:
        OutputError: there are several inputs, or the only one is of the other kind.
    """
    if not is_picture_or_video(output):
        return
    is_video = output.suffix.lower() in CODECS
    kind, count = ("video", len(inputs.videos)) if is_video else ("picture", len(inputs.images))
    if count != 1 or len(inputs.videos) + len(inputs.images) != 1:
        raise OutputError(
            f"{output}: is the name of one {kind}, and the input is not one {kind}",
            hint="name a folder",
        )


#: Gets the kind and the name of an input, and why it failed.
ReportFailure = Callable[[str, str, PosezooError], None]


@dataclass
class _LoadedImage:
    """An image whose pixels are in memory from when it is read until it is drawn."""

    input: ImageInput
    target: Path | None  # the picture; None if none is drawn
    timer: StepTimer
    openpose: Path | None
    pixels: Image | None = None
    is_done: bool = False  # by an earlier run

    @property
    def key(self) -> str:
        return str(self.target or self.input.name)

    @property
    def picture(self) -> str | None:
        return str(self.target) if self.target else None

    def read(self) -> Image:
        with self.timer.time_step("read"):
            self.pixels = read_image(self.input.path)
        return self.pixels

    def take(self) -> Image:
        pixels = self.pixels
        assert pixels is not None
        self.pixels = None
        return pixels


def _is_row(row: Any) -> bool:
    """Whether a value is a result of an image, as ``InputRunner`` makes it."""
    try:
        return {"image", "picture", "width", "height"} <= row.keys() and all(
            {"drawn", "score"} <= pose.keys() and isinstance(pose["keypoints"], list)
            for pose in row["poses"]
        )
    except (LookupError, TypeError, AttributeError):
        return False


@dataclass
class InputRunner:
    """Runs a model on all inputs, and collects the results as JSON values.

    Args:
        results: the folder of the annotated images and videos; or the picture or video itself, and
            nothing else is written; or a file of keypoints, and nothing is drawn.
        min_score: the minimum score of keypoints that are drawn.
        limit: the number of frames of a video; None for all.
        publish: receives the source, each frame of a video, and its poses.
        journal: results by picture; an earlier run's stay if the photo has the same bytes, and the
            picture is there.
        report_failure: receives ``image``, its name, and why it could not be read or written.
        openpose: the keypoints of OpenPose's files, which are written, too; empty: none are.
        keypoint_files: they receive the poses of each photo and frame.
    """

    estimator: Estimator
    inputs: RunInputs
    results: Path
    _: KW_ONLY
    min_score: float
    draw: partial[Image]
    limit: int | None
    video: VideoOptions
    publish: FramePublisher
    journal: ResultJournal
    timer: StepTimer
    report_failure: ReportFailure
    openpose: Sequence[str] = ()
    keypoint_files: Sequence[KeypointFile] = ()
    listener: Listener = ignore_event

    def __post_init__(self) -> None:
        videos = (Path(video.source.name) for video in self.inputs.videos)
        paths = [*(image.path for image in self.inputs.images), *videos]
        self._names = OutputNames(self.results, paths)
        self.draws = not is_keypoint_file(self.results)
        self.is_file = is_picture_or_video(self.results) or not self.draws
        self._loaded = [
            _LoadedImage(
                image,
                self._names.output_path(image.path) if self.draws else None,
                self.timer,
                self._name_openpose(image.path),
            )
            for image in self.inputs.images
        ]
        for image in self._loaded:
            image.is_done = self._has_result(image)
        #: Each image with its results, but without their keypoints, which the journal has by its
        #: key.
        self.images: list[Json] = []
        self._keys: list[str] = []
        self.videos: list[Json] = []
        #: How many keypoints the skeletons of the poses have, by their names.
        self.skeletons: dict[str, int] = {}
        #: Whether poses were left out of drawings: of too few visible keypoints.
        self.has_hidden_poses = False
        #: The name of each video that has no result so far, and was not reported.
        self.missing = [video.source.name for video in self.inputs.videos]
        #: What ended the videos early, and is raised once the results are written: ^C, which ends
        #: a camera, or a disk that is full.
        self.ended_by: BaseException | None = None

    def _has_result(self, image: _LoadedImage) -> bool:
        """Whether an earlier run wrote the picture of an image, and its whole line."""
        source = image.input
        is_known = self.journal.has(image.key, source.path, source.name)
        is_complete = is_known and (image.target is None or image.target.is_file())
        return is_complete and _is_row(self.journal.read(image.key))

    def _name_openpose(self, image: Path) -> Path | None:
        if not self.openpose:
            return None
        from posezoo.run.openpose_files import ENDING

        return self._names.path_for(image.stem, ENDING)

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
        """Whether an image, or all frames of a video, have no person who is drawn."""
        has_empty_image = any(not count_drawn(image["poses"]) for image in self.images)
        return has_empty_image or any(not video["people"] for video in self.videos)

    def describe_done(self) -> str:
        """How many photos an earlier run did, in one line; empty if it did none."""
        done = sum(image.is_done for image in self._loaded)
        changed = sum(image.key in self.journal for image in self._loaded) - done
        if not done and not changed:
            return ""
        again = f"; {changed:,} changed since, and are done again" if changed else ""
        return f"continues: {done:,} of {len(self._loaded):,} photos are done{again}"

    def read_images(self) -> Iterator[Json]:
        """``images`` with the keypoints."""
        return map(self.journal.read, self._keys)

    def run_all(self) -> None:
        """Run the model on the images, then on the videos.

        What ends the images early is raised, and the next run continues; what ends the videos early
        is raised without results, and else kept in ``ended_by``.
        """
        # A folder that cannot be written is one error, not one for each image.
        with staging_dir(self.results.parent if self.is_file else self.results):
            pass
        self._run_on_images()
        try:
            for video in self.inputs.videos:
                if self.ended_by is None:
                    self._run_on_video(video)
        except (PosezooError, OSError, KeyboardInterrupt, SignalExit) as error:
            if not self.has_results:
                raise
            self.ended_by = error

    def _run_on_images(self) -> None:
        rest = [image for image in self._loaded if not image.is_done]
        with self.estimator.stream(rest, _LoadedImage.read) as stream:
            for number, image in enumerate(self._loaded, 1):
                if image.is_done:
                    self._keep(image, self.journal.read(image.key))
                    continue
                people = self._run_on_image(image, stream)
                self._report("images", "", number, len(self._loaded), people)

    def _run_on_image(
        self, image: _LoadedImage, stream: Iterator[tuple[_LoadedImage, Sequence[Pose]]]
    ) -> int:
        """Returns the number of people who are drawn; reports why an image has no poses."""
        with self._reporting_failure("image", image.input.name):
            with self.timer.time_step("poses"):
                _, poses = next(stream)
            pixels = image.take()
            if image.target:
                with self.timer.time_step("draw"):
                    write_image(image.target, self.draw(pixels, poses), self.listener)
            row = {
                "image": image.input.name,
                "picture": image.picture,
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "poses": [pose_to_json(pose, self.min_score) for pose in poses],
            }
            self.journal.add(image.key, row, image.input.path, image.input.name)
            return self._keep(image, row)
        return 0

    @contextmanager
    def _reporting_failure(self, kind: str, name: str) -> Iterator[None]:
        """Report why an input could not be read or written, and go on; a full disk is raised."""
        try:
            yield
        except DiskError:
            raise
        except InferenceError as error:
            self.report_failure(kind, name, error.within(name))
        except (ImageError, OutputError) as error:
            self.report_failure(kind, name, error)

    def _report(self, unit: str, source: str, done: int, total: int, people: int) -> None:
        model = self.estimator.model.full_name
        self.listener(InferenceProgress(model, unit, source, done, total, people))

    def _keep(self, image: _LoadedImage, row: Json) -> int:
        """Returns the number of people who are drawn."""
        if image.openpose:
            from posezoo.run.openpose_files import write_openpose

            write_openpose(image.openpose, row["poses"], self.openpose, self.listener)
        for file in self.keypoint_files:
            file.add(row)
        people = self._count_drawn(row["poses"])
        for pose in row["poses"]:
            del pose["keypoints"]
        self.images.append(row)
        self._keys.append(image.key)
        return people

    def _run_on_video(self, video: VideoInput) -> None:
        """Write the annotated video and the keypoints of each frame; what ends it early, such as
        ^C, keeps what is done.
        """
        source = video.source
        target: Path | None = self.results
        keypoints = None
        if not self.draws:
            target = None
        elif not self.is_file:  # clip becomes clip_poses.mp4
            stem = f"{video.stem}_poses"
            target = self._names.path_for(stem, ".mp4")
            keypoints = self._names.path_for(stem, ".json")
        people_from = self.estimator.people_from
        if self.estimator.follows_one_person:
            people_from = TRACKING
        width, height = source.size
        row: Json = {
            "video": source.name,
            "picture": None,
            "keypoints": str(keypoints) if keypoints else None,
            "frames": 0,
            "people": 0,
            "people_from": people_from,
            "width": width,
            "height": height,
        }
        try:
            with self._reporting_failure("video", source.name):
                self._write_video(video, target, keypoints, row)
        except (KeyboardInterrupt, SignalExit) as signal:
            if not row["frames"]:
                raise
            self.ended_by = signal
        finally:
            if source.is_live:
                row["state"] = source.state
            if row["frames"]:
                self.videos.append(row)
        self.missing.pop(0)

    def _write_video(
        self, video: VideoInput, target: Path | None, keypoints: Path | None, row: Json
    ) -> None:
        """Write the annotated video, if it has a file, and the keypoints, if they have one; ``row``
        counts the frames, and the most people drawn in one, and names the video once it is there.
        """
        source = video.source
        frames = self._names.path_for(video.stem, "_json")
        if self.openpose:
            from posezoo.run.openpose_files import remove_own_frames

            remove_own_frames(frames)
        total = source.frame_count
        if self.limit is not None:
            total = min(total, self.limit)
        draw = partial(self.draw, recent={})
        if not ("color" in draw.keywords or self.video.track or self.video.smooth):
            # Without numbers, people would change their colors from frame to frame.
            draw = partial(draw, color="side")
        with ExitStack() as stack:
            stack.enter_context(self.timer.time_step("videos"))
            written = None
            if keypoints:
                written = JsonListWriter(keypoints, "frames", listener=self.listener)
                stack.enter_context(written)
            output = None
            if target:
                output = open_output(target, source, listener=self.listener)
                stack.callback(_finish_video, output, target, row)
            stack.callback(source.close)
            read = stack.enter_context(closing(source.frames()))
            results = self.estimator.stream(
                islice(read, self.limit),
                attrgetter("image"),
                is_video=True,
                track=self.video.track,
                smooth=self.video.smooth,
                detect_every=self.video.detect_every,
                time_s=source.time_s,
            )
            stack.enter_context(closing(results))
            for frame, poses in results:
                self.publish(source, frame, poses, self.min_score)
                described = frame_to_json(frame, poses, self.min_score)
                if output:
                    output.write(frame, draw(frame.image, poses))
                if written:
                    written.append(described)
                for file in self.keypoint_files:
                    file.add(described)
                if self.openpose:
                    from posezoo.run.openpose_files import ENDING, write_openpose

                    path = frames / f"{video.stem}_{frame.index:012}{ENDING}"
                    write_openpose(path, described["poses"], self.openpose, self.listener)
                row["frames"] += 1
                if source.is_live:
                    row["dropped"] = source.dropped
                people = self._count_drawn(described["poses"])
                row["people"] = max(row["people"], people)
                self._report("frames", source.name, row["frames"], total, people)

    def _count_drawn(self, poses: Sequence[Json]) -> int:
        drawn = count_drawn(poses)
        self.skeletons |= {pose["skeleton"]: len(pose["keypoints"]) for pose in poses}
        self.has_hidden_poses |= drawn < len(poses)
        return drawn


def count_drawn(poses: Sequence[Json]) -> int:
    """How many of these poses, as ``pose_to_json`` describes them, drawings show."""
    return sum(pose["drawn"] for pose in poses)


def _finish_video(output: FrameOutput, target: Path, row: Json) -> None:
    output.close()
    row["picture"] = str(target)
