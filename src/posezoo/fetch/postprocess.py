"""What model.yml has done to downloaded files: archives are unpacked, text is replaced.

What was published stays: an archive beside what it held, a text as ``<file>.orig`` beside the changed
one. So the bytes that model.yml promises can be checked at any time, and a second run has nothing to
fetch. A record in ``.posezoo/`` remembers what was made from what; while it holds, nothing is redone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from posezoo.errors import FetchError, PosezooError
from posezoo.events import (
    Listener,
    ModelFilePostprocessing,
    ModelPostprocessingBegin,
    ModelPostprocessingEnd,
    ignore,
)
from posezoo.files import STAMPS, remember, write_whole
from posezoo.layout import Layout
from posezoo.spec.model import ModelSpec, RegexReplace, SourceFile, UnpackArchive


def postprocess(
    spec: ModelSpec, layout: Layout, *, left_out: Collection[str] = (), listener: Listener = ignore
) -> None:
    """Carry out the steps of a model whose files are here, but for those that were carried out before.

    Args:
        spec: the model.
        layout: where its files lie.
        left_out: the names of files that were not downloaded; their steps are left out too.
        listener: whom to tell what happens.

    Raises:
        ArchiveError: an archive cannot be read, or holds what must not be unpacked.
        FetchError: a text does not hold what was to be replaced.
        OutputError: a file cannot be written.
    """
    steps = [step for step in spec.postprocessing if step.file not in left_out]
    if not steps:
        return
    listener(ModelPostprocessingBegin(spec.full_name))
    try:
        for step in steps:
            if isinstance(step, UnpackArchive):
                _unpack(step, spec, layout, listener)
        for file, replacements in _by_file(step for step in steps if isinstance(step, RegexReplace)):
            _replace(file, replacements, spec, layout, listener)
    except PosezooError as error:
        listener(ModelPostprocessingEnd(spec.full_name, False, error.problem))
        raise
    listener(ModelPostprocessingEnd(spec.full_name, True))


def _by_file(steps: Iterable[RegexReplace]) -> Iterable[tuple[str, list[RegexReplace]]]:
    found: dict[str, list[RegexReplace]] = {}
    for step in steps:
        found.setdefault(step.file, []).append(step)
    return found.items()


def is_unpacked(spec: ModelSpec, layout: Layout, file: SourceFile) -> bool:
    """Whether an archive that is gone was unpacked before, and all that it held is here: it need not come."""
    steps = [
        step for step in spec.postprocessing if isinstance(step, UnpackArchive) and step.file == file.name
    ]
    return (
        bool(steps)
        and not os.path.lexists(layout.file(spec, file))
        and all(_unpacking(step, spec, layout).holds() for step in steps)
    )


def _unpacking(step: UnpackArchive, spec: ModelSpec, layout: Layout) -> _Record:
    # The places depend on which texts are replaced: another model.yml unpacks again.
    rewritten = sorted(each.file for each in spec.postprocessing if isinstance(each, RegexReplace))
    pins = [_pin(file) for file in spec.files if file.name == step.file]
    recipe: dict[str, object] = {"unpack": step.format, "rewritten": rewritten, "archive": pins}
    return _Record(layout.downloads(spec) / step.file, recipe, may_be_gone=True)


def _pin(file: SourceFile) -> list[str]:
    contained = (f"{member} {digest.value}" for member, digest in file.contains.items())
    return [file.checksum.value] if file.checksum is not None else sorted(contained)


def _unpack(step: UnpackArchive, spec: ModelSpec, layout: Layout, listener: Listener) -> None:
    """Unpack an archive into its own folder; a text that is to be changed keeps its bytes as .orig."""
    from posezoo.fetch.archives import unpack

    archive = layout.downloads(spec) / step.file
    above = step.file.rpartition("/")[0]
    record = _unpacking(step, spec, layout)
    if record.holds():
        return
    listener(ModelFilePostprocessing(spec.full_name, step.file, "unpack"))
    promised = {layout.file(spec, file) for file in spec.files}

    def place(member: str) -> Path:
        path = layout.published(spec, f"{above}/{member}" if above else member)
        if path in promised:
            raise FetchError(f"{step.file}: holds {member}, which model.yml promises as a file of its own")
        return path

    record.write([archive, *unpack(archive, step.format, place)])


def _replace(
    file: str, steps: list[RegexReplace], spec: ModelSpec, layout: Layout, listener: Listener
) -> None:
    """Write the changed text beside the published one."""
    from posezoo.fetch.texts import replaced

    published, target = layout.published(spec, file), layout.downloads(spec) / file
    record = _Record(target, {"replace": [[each.pattern, each.replacement, each.count] for each in steps]})
    if record.holds():
        return
    listener(ModelFilePostprocessing(spec.full_name, file, "replace_text"))
    write_whole(target, replaced(file, published, steps).encode())
    record.write([published, target])


class _Record:
    """What was made by which recipe: the size, time of change and inode of each file that took part.

    Args:
        subject: what was unpacked or changed.
        recipe: how.
        may_be_gone: whether the subject may have been removed since.
    """

    def __init__(self, subject: Path, recipe: dict[str, object], *, may_be_gone: bool = False) -> None:
        self._subject, self._folder = subject, subject.parent
        self._path = self._folder / STAMPS / f"{subject.name}.made"
        self._recipe, self._may_be_gone = recipe, may_be_gone

    def holds(self) -> bool:
        """Whether the same recipe was carried out and no file has changed since."""
        try:
            found: Any = json.loads(self._path.read_bytes())
            return bool(found["recipe"] == self._recipe) and all(
                self._is_as_seen(self._folder / name, seen) for name, seen in found["files"].items()
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False

    def _is_as_seen(self, path: Path, seen: object) -> bool:
        if self._may_be_gone and path == self._subject and not os.path.lexists(path):
            return True
        return _fingerprint(path) == seen

    def write(self, files: Iterable[Path]) -> None:
        """Remember; where that cannot be written, the work is simply done again next time."""
        seen = {os.path.relpath(path, self._folder): _fingerprint(path) for path in files}
        remember(self._path, json.dumps({"recipe": self._recipe, "files": seen}).encode())


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
