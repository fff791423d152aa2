"""A file with the results of images, with which a run that ended early continues: a heading with
everything that the results depend on, and a line of JSON for each image.

A line that is not whole is no result: its image is done again. A whole line is believed, whoever
wrote it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from posezoo import poses
from posezoo.core.declarations.model_files import ULTRALYTICS_FILE
from posezoo.core.errors import import_cv2
from posezoo.core.files.file_lock import discard, exclusive
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import compute_digest, write_atomically, writing
from posezoo.core.regular_files import open_regular
from posezoo.core.values import frozen
from posezoo.run import runtime
from posezoo.run.machine import Machine
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig

# In bytes; one of many inputs that the shell listed has a few hundred thousand.
_MAX_HEADING = 16 << 20

#: What names an image among the others.
ImageKey = str | int


@frozen
class _Line:
    about: list[object]  # the digest of the image, and facts
    start: int
    size: int


class ResultJournal:
    """The results by the key of their image; ``open_journal`` opens it."""

    def __init__(
        self, path: Path | None, stream: BinaryIO, lines: Mapping[ImageKey, _Line]
    ) -> None:
        self._path = path
        self._stream = stream
        self._lines = dict(lines)

    def __contains__(self, key: ImageKey) -> bool:
        return key in self._lines

    def has(self, key: ImageKey, image: Path, *facts: object) -> bool:
        """Whether there is a result of an image with these bytes, which are read, and these facts,
        JSON values.
        """
        line = self._lines.get(key)
        return line is not None and line.about == _describe_image(image, facts)

    def read(self, key: ImageKey) -> Any:
        """The result of an image."""
        line = self._lines[key]
        self._stream.seek(line.start)
        return json.loads(self._stream.read(line.size))["result"]

    def add(self, key: ImageKey, result: object, image: Path, *facts: object) -> None:
        """Append the result of an image, a JSON value; ``image`` and ``facts`` as for ``has``.

        Raises:
            OutputError: the file cannot be written.
        """
        about = _describe_image(image, facts) if self._path else []
        line = json.dumps({"id": key, "file": about, "result": result}).encode()
        end = self._stream.seek(0, os.SEEK_END)
        # The line feed comes first: the line before may be incomplete.
        rest = memoryview(b"\n" + line)
        with writing(self._path or Path()):
            while rest:
                rest = rest[self._stream.write(rest) :]
        self._lines[key] = _Line(about, end + 1, len(line))

    def remove(self) -> None:
        """Remove the file; the results are elsewhere now."""
        self._stream.close()
        if self._path:
            discard(self._path)


@contextmanager
def open_journal(path: Path | None, heading: Mapping[str, Any]) -> Iterator[ResultJournal]:
    """Open a file of results; only one run may use it at a time.

    Args:
        path: None keeps the results only in memory.

    Raises:
        OutputError: the file cannot be written, or another run uses it.
    """
    if path is None:
        yield ResultJournal(None, io.BytesIO(), {})
        return
    first = json.dumps(heading)
    with ExitStack() as stack:
        with writing(path):
            create_parent(path)
            stack.enter_context(exclusive(path, wait_s=0.5))
            if read_heading(path) != json.loads(first):
                write_atomically(path, first.encode())
            lines = _find_lines(path)
            # Without a buffer, a line is in the file at once.
            stream = stack.enter_context(open(path, "a+b", buffering=0))
        yield ResultJournal(path, stream, lines)


def _find_lines(path: Path) -> dict[ImageKey, _Line]:
    lines = {}
    start = 0
    with open_regular(path) as stream:
        for line in stream:
            with suppress(ValueError, LookupError, TypeError, RecursionError):
                entry = json.loads(line)
                if "result" in entry:
                    lines[entry["id"]] = _Line(entry["file"], start, len(line))
            start += len(line)
    return lines


def _describe_image(path: Path, facts: Sequence[object]) -> list[object]:
    try:
        digest = compute_digest(path).value
    except OSError:
        digest = ""
    return [digest, *facts]


def read_heading(path: Path) -> dict[str, Any]:
    """The heading of a file of results; an empty one of another file."""
    with suppress(OSError, ValueError, TypeError, RecursionError), open_regular(path) as stream:
        return dict(json.loads(stream.readline(_MAX_HEADING)))
    return {}


def journal_path(folder: Path, kind: str, heading: Mapping[str, Any]) -> Path:
    """The file in a folder for results under a heading, such as ``poses-0123456789ab.jsonl``."""
    digest = hashlib.sha256(json.dumps(heading, sort_keys=True).encode()).hexdigest()
    return folder / f"{kind}-{digest[:12]}.jsonl"


def describe_estimator(
    estimator: Estimator, options: LoadOptions, *others: Path, on_machines: bool = False
) -> dict[str, Any]:
    """Everything that the poses in an image depend on: a heading for ``open_journal``.

    Args:
        others: other files than its IR, such as a file of boxes.
        on_machines: whether it may run elsewhere.
    """
    model = estimator.model
    inputs = getattr(model, "inputs", "")  # a composite has none
    beside = {network.path.with_name(ULTRALYTICS_FILE) for network in estimator.networks}
    others = (*others, *filter(Path.is_file, beside))
    provenance = estimator.provenance()
    del provenance["date"]
    # The code that turns images into poses is included: in a checkout it may change without a new
    # version.
    code = hashlib.sha256()
    for package in (runtime, poses):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.glob("*.py")):
            code.update(path.read_bytes())
    return {
        **provenance,
        "others": sorted(compute_digest(file).value for file in others),
        "options": str(replace(options, runtime=RuntimeConfig())),
        "decoder": f"{estimator.decoder} {model.decoder} {model.own_skeleton}",
        "input": f"{estimator.input_size} {model.target_size} {inputs}",
        "people": f"{estimator.people_from} {model.people}",
        # INT8 differs between processors; those of a cluster may change.
        "machine": "" if on_machines else Machine.here().describe(estimator.device),
        # OpenCV 5 warps crops a little differently from OpenCV 4.
        "opencv": import_cv2().__version__,
        "code": code.hexdigest(),
    }
