"""A file of predictions, with which an interrupted evaluation can continue.

The first line is a heading with everything that the predictions depend on: a file with another heading is not
used. Then follows one line of JSON for each image. An incomplete line is skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from posezoo.coco import DatasetImage
from posezoo.evaluation.image_predictions import ImagePredictions, predictions_from_json
from posezoo.files.file_lock import exclusive
from posezoo.files.verified_files import write_atomically, write_error


class PredictionCache:
    """The predictions in one file, by image id; created by ``open_prediction_cache``."""

    def __init__(self, path: Path, entries: Mapping[int, tuple[list[int], ImagePredictions]]) -> None:
        self._path, self._entries = path, entries

    def get(self, image: DatasetImage) -> ImagePredictions | None:
        """The predictions for an image; None if there are none, or the image file has changed."""
        fingerprint, predictions = self._entries.get(image.id, ([], None))
        return predictions if predictions is not None and fingerprint == _fingerprint(image) else None

    def add(self, image: DatasetImage, predictions: ImagePredictions) -> None:
        """Append the predictions for an image.

        Raises:
            OutputError: the file cannot be written.
        """
        line = {"id": image.id, "file": _fingerprint(image), **predictions.to_json()}
        try:
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise write_error(self._path, error) from error


@contextmanager
def open_prediction_cache(
    path: Path, heading: Mapping[str, Any], num_keypoints: int
) -> Iterator[PredictionCache]:
    """Open a file of predictions; only one run may use it at a time.

    Args:
        path: the file; created if it does not exist.
        heading: everything that the predictions depend on, as JSON values.
        num_keypoints: the number of keypoints of each person.

    Raises:
        OutputError: the file cannot be written, or another run uses it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path, wait_s=0.5):
            entries = _read(path, heading, num_keypoints)
            if entries is None:
                write_atomically(path, (json.dumps(heading) + "\n").encode())
            else:
                # If the previous run was killed while it wrote, the last line has no line break.
                with open(path, "rb+") as stream:
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":
                        stream.write(b"\n")
            yield PredictionCache(path, entries or {})
    except OSError as error:
        raise write_error(path, error) from error


def _read(
    path: Path, heading: Mapping[str, Any], num_keypoints: int
) -> dict[int, tuple[list[int], ImagePredictions]] | None:
    """The entries below this heading; None if the file has another heading, or none."""
    entries = {}
    try:
        with open(path, "rb") as stream:
            if json.loads(stream.readline()) != json.loads(json.dumps(heading)):
                return None
            for line in stream:
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    entry = json.loads(line)
                    predictions = predictions_from_json(entry, num_keypoints)
                    entries[int(entry["id"])] = (list(entry["file"]), predictions)
    except (OSError, ValueError, RecursionError):
        return None
    return entries


def _fingerprint(image: DatasetImage) -> list[int]:
    """The image file's size and modification time, which show if the file has changed."""
    try:
        status = image.path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
