"""Are the files and IR on disk the ones that were declared and made? Every byte is read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo import provenance
from posezoo.files import is_good, is_good_file
from posezoo.layout import Layout
from posezoo.spec.model import Digest, ModelSpec, Precision, SourceFile


@dataclass(frozen=True, slots=True)
class Checked:
    """One artifact and its state: ``good``, ``missing``, ``changed``, or ``unknown`` (no record, no pin)."""

    model: str
    artifact: str
    path: Path
    state: str
    converted: bool  # whether it was made here, or published
    expected: str = ""


def check_artifacts(spec: ModelSpec, layout: Layout) -> Iterator[Checked]:
    """Every published file of a model against model.yml, and every IR against its provenance.json.

    An IR that was not made is no finding; a published file that is not there is ``missing``. Of a model that
    is published as IR, precisions of which nothing is here were not asked for, if another is here.
    """
    for file in _asked_for(spec, layout):
        path = layout.file(spec, file)
        expected = f"{file.pin}, weak" if file.is_pinned and file.is_weak else file.pin
        yield Checked(spec.full_name, file.name, path, _state_of_file(path, file), False, expected)
    for precision in Precision:
        xml = layout.made(spec, precision)
        record = provenance.read(layout.provenance(spec, precision))
        for suffix in provenance.SUFFIXES:
            path = xml.with_suffix(suffix)
            artifact = f"{precision}/{path.name}"
            if record is not None:
                content = record.contents[suffix]
                state = _state(path, content.size, content.digest)
                yield Checked(spec.full_name, artifact, path, state, True, str(content.digest))
            elif path.exists() and not spec.is_ir:  # else it may be the published one
                yield Checked(spec.full_name, artifact, path, "unknown", True)


def _asked_for(spec: ModelSpec, layout: Layout) -> tuple[SourceFile, ...]:
    """The published files that somebody wanted, as far as that can be seen from what is here."""
    if not spec.is_ir:
        return spec.files
    here = {_folder(file) for file in spec.files if layout.file(spec, file).exists()}
    return tuple(file for file in spec.files if not here or _folder(file) in here)


def _folder(file: SourceFile) -> str:
    return file.name.partition("/")[0]


def _state_of_file(path: Path, file: SourceFile) -> str:
    if not path.exists():
        return "missing"
    if not file.is_pinned:
        return "unknown"
    return "good" if is_good_file(path, file, rehash=True) else "changed"


def _state(path: Path, size: int, digest: Digest) -> str:
    if not path.exists():
        return "missing"
    return "good" if is_good(path, size, digest, rehash=True) else "changed"
