"""Who was found, kept picture by picture in a file: a run that was ended goes on where it stopped.

A line of JSON for each picture, below one that says what everything depends on: under another heading,
nothing is taken from the file. A line that was cut short counts for nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from posezoo.coco import DatasetImage
from posezoo.evaluation.image_predictions import ImagePredictions, from_json
from posezoo.files.file_lock import exclusive
from posezoo.files.verified_files import write_atomically, write_error


class PredictionCache:
    """The file's pictures; opened by ``kept``."""

    def __init__(self, path: Path, known: Mapping[int, tuple[list[int], ImagePredictions]]) -> None:
        self._path, self._known = path, known

    def get(self, image: DatasetImage) -> ImagePredictions | None:
        """Who was found in a picture; None where nobody looked, or its file is another now."""
        print_, found = self._known.get(image.id, ([], None))
        return found if found is not None and print_ == _fingerprint(image) else None

    def add(self, image: DatasetImage, found: ImagePredictions) -> None:
        """Keep who was found in a picture.

        Raises:
            OutputError: it cannot be written.
        """
        line = {"id": image.id, "file": _fingerprint(image), **found.to_json()}
        try:
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise write_error(self._path, error) from error


@contextmanager
def open_prediction_cache(path: Path, heading: Mapping[str, Any], joints: int) -> Iterator[PredictionCache]:
    """A file of pictures that are done; one run at a time.

    Args:
        path: the file; made where it is not there.
        heading: all that who is found depends on, as JSON has it.
        joints: how many keypoints somebody has.

    Raises:
        OutputError: it cannot be written, or another run works with it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path, wait_s=0.5):
            known = _read(path, heading, joints)
            if known is None:
                write_atomically(path, (json.dumps(heading) + "\n").encode())
            else:
                _end_line(path)
            yield PredictionCache(path, known or {})
    except OSError as error:
        raise write_error(path, error) from error


def _read(
    path: Path, heading: Mapping[str, Any], joints: int
) -> dict[int, tuple[list[int], ImagePredictions]] | None:
    """What stands below this heading; None where another one stands there, or none."""
    known = {}
    try:
        with open(path, "rb") as stream:
            if json.loads(stream.readline()) != json.loads(json.dumps(heading)):
                return None
            for line in stream:
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    content = json.loads(line)
                    known[int(content["id"])] = (list(content["file"]), from_json(content, joints))
    except (OSError, ValueError, RecursionError):
        return None
    return known


def _end_line(path: Path) -> None:
    """Let the next line begin as one where the run before was killed within its last."""
    with open(path, "rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":
            stream.write(b"\n")


def _fingerprint(image: DatasetImage) -> list[int]:
    """What tells that a file is still the same: its size and when it was changed."""
    try:
        status = image.path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
