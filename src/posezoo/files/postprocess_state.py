"""What was made of published files after they came: remembered beside them in ``.posezoo/``, by digest.

While such a record holds nothing is made again, and of an archive nobody needs more than what it held: one
that was removed after it was unpacked counts as here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from posezoo.files.verified_files import STAMPS, compute_digest, write_if_possible
from posezoo.layout import ModelLayout
from posezoo.spec.model import ModelSpec, RegexReplace, SourceFile, UnpackArchive


class PostprocessRecord:
    """What was made by which recipe: size, time of change, inode and SHA-384 of each file that took part.

    Args:
        subject: the file that it is about.
        recipe: in JSON's types; another one is carried out anew.
        removable: whether the subject itself may be gone.
    """

    def __init__(self, subject: Path, recipe: Mapping[str, object], *, removable: bool = False) -> None:
        self._subject, self._removable = subject, removable
        self._folder = subject.parent
        self._path = self._folder / STAMPS / f"{subject.name}.made"
        self._recipe = recipe

    def is_up_to_date(self, *, rehash: bool = False) -> bool:
        """Whether the same recipe was carried out and no file has changed since.

        Args:
            rehash: read the bytes, and do not believe what the folder says of them.
        """
        try:
            found = self._read()
            return bool(found["recipe"] == self._recipe) and all(
                (rehash and compute_digest(path).value == found["sha384"][name])
                or (not rehash and _fingerprint(path) == seen)
                for name, seen in found["files"].items()
                if (path := self._folder / name) != self._subject or not self._is_removed()
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return False

    def outputs(self) -> dict[Path, str]:
        """What was made, with its SHA-384; nothing where no record of this recipe is there."""
        try:
            found = self._read()
            digests = {self._folder / name: str(value) for name, value in found["sha384"].items()}
            return {
                path: value
                for path, value in digests.items()
                if found["recipe"] == self._recipe and path != self._subject
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return {}

    def write(self, files: Iterable[Path]) -> None:
        """Remember; where that cannot be written, the work is simply done again next time."""
        paths = {os.path.relpath(path, self._folder): path for path in files}
        said = {
            "recipe": self._recipe,
            "files": {name: _fingerprint(path) for name, path in paths.items()},
            "sha384": {name: compute_digest(path).value for name, path in paths.items()},
        }
        write_if_possible(self._path, json.dumps(said).encode())

    def _is_removed(self) -> bool:
        return self._removable and not os.path.lexists(self._subject)

    def _read(self) -> Any:
        return json.loads(self._path.read_bytes())


def archive_record(step: UnpackArchive, spec: ModelSpec, layout: ModelLayout) -> PostprocessRecord:
    """The record of an archive of a model that was unpacked."""
    # The places depend on which texts are replaced: another model.yml unpacks again.
    rewritten = sorted(each.file for each in spec.postprocessing if isinstance(each, RegexReplace))
    expected = {
        name: str(value.value) for file in spec.files for name, value in file.declared_digests.items()
    }
    recipe = {"unpack": step.format, "rewritten": rewritten, "promised": expected}
    return PostprocessRecord(layout.model_download_dir(spec) / step.file, recipe, removable=True)


def text_record(
    file: str, steps: Iterable[RegexReplace], spec: ModelSpec, layout: ModelLayout
) -> PostprocessRecord:
    """The record of a text of a model that was changed."""
    recipe = {"replace": [[step.pattern, step.replacement, step.count] for step in steps]}
    return PostprocessRecord(layout.model_download_dir(spec) / file, recipe)


def is_unpacked(file: SourceFile, spec: ModelSpec, layout: ModelLayout, *, rehash: bool = False) -> bool:
    """Whether a file is an archive that was removed since everything in it is here."""
    steps = [
        each for each in spec.postprocessing if isinstance(each, UnpackArchive) and each.file == file.name
    ]
    if not steps or os.path.lexists(layout.model_download_dir(spec) / file.name):
        return False
    return all(archive_record(step, spec, layout).is_up_to_date(rehash=rehash) for step in steps)


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
