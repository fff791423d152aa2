"""The keypoints of photos and videos in one file: .csv, .json or .jsonl; and as rows for pandas.

A file has its final name only if it is complete. While a model runs, the results are written to a
temporary file, so that many of them need no memory.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, Protocol, TextIO

from posezoo.console.console import show_progress
from posezoo.console.json_projection import Json
from posezoo.core.declarations.model import Model
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import OutputError, PosezooError, escape_control_characters
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.file_lock import discard
from posezoo.core.files.result_files import writing_result
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import is_device, open_device, write_error, writing
from posezoo.media.frame_outputs import pose_to_json
from posezoo.media.frames import Frame
from posezoo.poses.keypoints import Pose, Poses

#: The columns before those of the keypoints.
COLUMNS = (
    *("file", "frame", "seconds", "person", "track", "score"),
    *("box_left", "box_top", "box_right", "box_bottom"),
)

#: Endings of tables, texts, documents and arrays that are not written.
_UNWRITTEN = frozenset(
    {
        *(".bvh", ".c3d", ".doc", ".docx", ".feather", ".h5", ".hdf5", ".html", ".mat"),
        *(".md", ".ndjson", ".npy", ".npz", ".ods", ".orc", ".parquet", ".pdf", ".pickle", ".pkl"),
        *(".sqlite", ".toml", ".trc", ".tsv", ".txt", ".xls", ".xlsm", ".xlsx", ".xml", ".yaml"),
        *(".yml",),
    }
)


def is_keypoint_file(path: Path) -> bool:
    """Whether a path for results is that of a file of keypoints, and not of a folder."""
    return path.suffix.lower() in _FORMATS and not path.is_dir()


def require_written_ending(path: Path) -> None:
    """Raise an OutputError for the name of a table, text or document that is not written."""
    ending = path.suffix.lower()
    if ending in _UNWRITTEN and not path.is_dir():
        raise OutputError(
            f"{path}: files with suffix {ending} cannot be written",
            hint=f"name a folder, or a file of keypoints: {' '.join(_FORMATS)}",
        )


def to_rows(results: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Poses as rows, one for each person and frame, such as for ``pandas.DataFrame``.

    A row has ``file``; ``frame``, from 0, and ``seconds``, both None of a photo; ``person``, from 0
    in each frame, highest score first; ``track``, the number with ``track=True``, else None;
    ``score``, 0..1, None if nothing gave one; ``box_left``, ``box_top``, ``box_right`` and
    ``box_bottom``, in pixels; of an object ``label``; and ``NAME_x``, ``NAME_y`` and ``NAME_score``
    of each keypoint, with the names that the model gives them, and the other values of
    ``Pose.to_json``, such as ``NAME_x_m``. Poses that ``posezoo.draw`` leaves out have no row.

    Args:
        results: what ``model.stream`` returns; or pairs of a path and its poses, such as
            ``zip(paths, model(paths))``; or the poses of one photo.

    Raises:
        PosezooError: they are the poses of several photos without paths.
    """
    for described in _describe_results(results):
        yield from _rows_of(described)


def to_csv(
    results: Iterable[Any],
    path: str | os.PathLike[str],
    *,
    listener: Listener | None = show_progress,
) -> None:
    """Write the rows of ``to_rows`` as CSV: UTF-8, with a line of column names.

    Args:
        results: as for ``to_rows``; a stream is read while the file is written.
        path: of the file. One that posezoo did not write is kept as NAME.bak1.
        listener: receives a warning about that; None shows nothing.

    Raises:
        OutputError: the file cannot be written; an earlier file is unchanged.
        PosezooError: the poses have different keypoints, or are those of several photos without
            paths.
    """
    with _open_file(Path(path), _CsvFormat(), listener or ignore_event) as file:
        for described in _describe_results(results):
            file.add(described)
        file.finish({})


def _describe_results(results: Iterable[Any]) -> Iterator[Json]:
    pairs = [("", results)] if isinstance(results, Poses) else results
    for place, pair in enumerate(pairs):
        if isinstance(pair, Pose | Poses):
            raise PosezooError(
                "poses of several photos need the paths of the photos",
                hint="zip(paths, model(paths))",
            )
        item, poses = pair
        described = [pose_to_json(pose, pose.seen_from) for pose in poses]
        yield {**_describe_item(item, place), "poses": described}


def _describe_item(item: object, place: int) -> Json:
    """The file, frame and seconds of what a pair has before its poses: a frame, a path, or an
    image of the caller.
    """
    if isinstance(item, Frame):
        if item.shown_s is None:
            return {"image": item.name}
        return {"name": item.name, "frame": item.index, "seconds": round(item.shown_s, 3)}
    if isinstance(item, (str, os.PathLike)):
        return {"image": os.fspath(item)}
    return {"name": "", "frame": place}


def _rows_of(described: Json) -> Iterator[dict[str, Any]]:
    """The rows of a photo, as in poses.json, or of a frame, as ``frame_to_json`` describes it."""
    drawn = [pose for pose in described["poses"] if pose["drawn"]]
    for person, pose in enumerate(drawn):
        left, top, right, bottom = pose["box"]
        label = {"label": pose["label"]} if "label" in pose else {}
        keypoints = {
            f"{keypoint['name']}_{key}": value
            for keypoint in pose["keypoints"]
            for key, value in keypoint.items()
            if key != "name"
        }
        yield {
            "file": described.get("image", described.get("name")),
            "frame": described.get("frame"),
            "seconds": described.get("seconds"),
            "person": person,
            "track": pose["track_id"],
            "score": pose["score"],
            "box_left": left,
            "box_top": top,
            "box_right": right,
            "box_bottom": bottom,
            **label,
            **keypoints,
        }


class _Format(Protocol):
    def add(self, stream: TextIO, described: Json) -> None:
        """Write the poses of one photo or frame."""

    def finish(self, stream: TextIO, summary: Json) -> None:
        """Write what comes after all of them."""


@dataclass
class _CsvFormat:
    keypoints: Sequence[str] = ()  # the names, if nobody is found
    columns: Sequence[str] = ()
    is_printed: bool = False  # then no name may control the terminal

    def add(self, stream: TextIO, described: Json) -> None:
        for row in _rows_of(described):
            if not self.columns:
                self._begin(stream, list(row))
            if row.keys() != set(self.columns):
                raise PosezooError(
                    f"{row['file']}: its poses have other keypoints than those before, and a table"
                    " has the same columns for all",
                    hint="write a file for each model",
                )
            self._write(stream, map(_format_cell, row.values()))

    def finish(self, stream: TextIO, summary: Json) -> None:  # noqa: ARG002 only rows are written
        if not self.columns:
            values = [f"{name}_{key}" for name in self.keypoints for key in ("x", "y", "score")]
            self._begin(stream, [*COLUMNS, *values])

    def _begin(self, stream: TextIO, columns: Sequence[str]) -> None:
        self.columns = columns
        self._write(stream, columns)

    def _write(self, stream: TextIO, cells: Iterable[object]) -> None:
        if self.is_printed:
            cells = map(_escape_text, cells)
        csv.writer(stream, lineterminator="\n").writerow(cells)


def _escape_text(cell: object) -> object:
    return escape_control_characters(cell) if isinstance(cell, str) else cell


def _format_cell(value: object) -> object:
    # Nine digits say exactly which number of 32 bits it is.
    return f"{value:.9g}" if isinstance(value, float) else value


@dataclass
class _JsonLinesFormat:
    first: Mapping[str, Any]  # the keys that only the first line has

    def add(self, stream: TextIO, described: Json) -> None:
        stream.write(json.dumps({**described, **self.first}) + "\n")
        self.first = {}

    def finish(self, stream: TextIO, summary: Json) -> None:
        """Its first line has what ran."""


@dataclass
class _JsonFormat:
    """An object with the list ``images``, then the list ``frames``, then the summary."""

    lists: list[str] = field(default_factory=lambda: ["images", "frames"])
    before: str = ""  # the next item

    def add(self, stream: TextIO, described: Json) -> None:
        key = "images" if "image" in described else "frames"
        while not self.before or self.lists[0] != key:
            self._begin_next_list(stream)
        stream.write(self.before + json.dumps(described))
        self.before = ",\n"

    def _begin_next_list(self, stream: TextIO) -> None:
        if not self.before:
            stream.write(f'{{"{self.lists[0]}": [')
        else:
            del self.lists[0]
            stream.write(f'\n],\n"{self.lists[0]}": [')
        self.before = "\n"

    def finish(self, stream: TextIO, summary: Json) -> None:
        while not self.before or len(self.lists) > 1:
            self._begin_next_list(stream)
        rest = (f",\n{json.dumps(key)}: {json.dumps(value)}" for key, value in summary.items())
        stream.write("\n]" + "".join(rest) + "}\n")


#: By ending: what makes the format from the names of keypoints and the first line's own keys.
_FORMATS: dict[str, Callable[[Sequence[str], Mapping[str, Any]], _Format]] = {
    ".csv": lambda keypoints, _first: _CsvFormat(keypoints),
    ".json": lambda _keypoints, _first: _JsonFormat(),
    ".jsonl": lambda _keypoints, first: _JsonLinesFormat(first),
}


@dataclass
class KeypointFile:
    """A file of keypoints that is being written; or the standard output, with ``path`` ``-``."""

    path: Path
    stream: TextIO
    _format: _Format
    is_read_at_once: bool = False
    is_complete: bool = False

    def add(self, described: Json) -> None:
        """Write the poses of a photo, as in poses.json, or of a frame, as ``frame_to_json``.

        Raises:
            OutputError: it cannot be written.
            PosezooError: a table gets poses with different keypoints.
        """
        with self._writing():
            self._format.add(self.stream, described)
            if self.is_read_at_once:
                self.stream.flush()

    def finish(self, summary: Json) -> None:
        """Write what poses.json has beside the images; the file is complete then.

        Raises:
            OutputError: it cannot be written.
        """
        with self._writing():
            self._format.finish(self.stream, summary)
            self.stream.flush()
        self.is_complete = True

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # as for any command whose reader ends
            raise
        except OSError as error:
            # The user does not know the name of the part.
            raise write_error(self.path, OSError(error.errno, error.strerror)) from error


def open_keypoint_file(
    path: Path, keypoints: Sequence[str], first: Mapping[str, Any], listener: Listener
) -> AbstractContextManager[KeypointFile]:
    """A context with the ``KeypointFile`` of a path for which ``is_keypoint_file`` is true: if it
    is complete at the end, it gets its name, and else it is removed.

    Args:
        keypoints: their names, for a table in which nobody is found.
        first: what the first line of .jsonl has besides the keys of the others.
    """
    made = _FORMATS[path.suffix.lower()](keypoints, first)
    return _open_file(path, made, listener)


def print_rows(keypoints: Sequence[str], stream: TextIO) -> KeypointFile:
    """What prints the rows of ``to_rows`` as CSV, at once and without control characters;
    ``keypoints`` as above.
    """
    printed = _CsvFormat(keypoints, is_printed=True)
    return KeypointFile(Path("-"), stream, printed, is_read_at_once=True)


def keypoints_of(model: Model) -> Sequence[str]:
    """The names of a model's keypoints; empty if it declares none."""
    skeleton = model.own_skeleton or SKELETONS.get(model.skeleton)
    return skeleton.keypoints if skeleton else ()


@contextmanager
def _open_file(path: Path, made: _Format, listener: Listener) -> Iterator[KeypointFile]:
    with ExitStack() as stack:
        part = None
        with writing(path):
            if is_device(path):  # it must not be replaced by a file
                raw = BufferedWriter(open_device(path))
            else:
                create_parent(path)
                part = stack.enter_context(writing_result(path, listener))
                raw = BufferedWriter(FileIO(part, "w"))
        file = KeypointFile(path, TextIOWrapper(raw, "utf-8", newline=""), made)
        try:
            yield file
        finally:
            _close(file, part)


def _close(file: KeypointFile, part: Path | None) -> None:
    try:
        with writing(file.path):
            file.stream.close()
    finally:
        if part and not file.is_complete:
            discard(part)
