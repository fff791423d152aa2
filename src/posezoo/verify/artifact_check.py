"""Are the files and IR on disk the ones that were declared and made? Every byte is read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo.files.postprocess_state import archive_record, is_unpacked
from posezoo.files.verified_files import is_verified, is_verified_file
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.spec.model import CompositeSpec, Digest, ModelSpec, Precision, SourceFile, UnpackArchive
from posezoo.verify.untracked import find_untracked, find_untracked_of_composite, unusual_file_type


@dataclass(frozen=True, slots=True)
class ArtifactState:
    """One artifact and its state.

    The state is ``good``, ``missing``, ``changed``, ``unknown`` (no record, no pin), ``extra`` (nobody
    declared or made it), ``symlinked`` (a link, whether a file should be there or nothing) or ``special``
    (a folder in a file's place, a pipe, a socket or a device).
    """

    model: str
    artifact: str
    path: Path
    state: str
    converted: bool  # whether it was made here, or published
    expected: str = ""
    flags: str = ""  # what its conversion was asked for besides


def check_artifacts(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """Every published file of a model against model.yml, and every IR against its provenance.json.

    An IR that was not made is no finding; a published file that is not there is ``missing``, but for an
    archive that was removed since all that it held is here. Of a model that is published as IR, precisions of
    which nothing is here were not asked for, if another is here. Then what else lies in the model's folders.
    """
    for file in _asked_for(spec, layout):
        path = layout.file_path(spec, file)
        expected = f"{file.pin_text}, weak" if file.is_pinned and file.is_weakly_pinned else file.pin_text
        if not is_unpacked(file, spec, layout, rehash=True):
            yield ArtifactState(spec.full_name, file.name, path, _state_of_file(path, file), False, expected)
    yield from _check_unpacked(spec, layout)
    for precision in Precision:
        xml = layout.converted_ir_path(spec, precision)
        record = provenance.read_provenance(layout.provenance_path(spec, precision))
        for suffix in provenance.SUFFIXES:
            path = xml.with_suffix(suffix)
            artifact = f"{precision}/{path.name}"
            if record is not None:
                content = record.contents[suffix]
                state = _state(path, content.size, content.digest)
                flags = provenance.camera_input_flags(record, spec)
                yield ArtifactState(spec.full_name, artifact, path, state, True, str(content.digest), flags)
            elif path.exists() and not spec.is_ir:  # else it may be the published one
                yield ArtifactState(spec.full_name, artifact, path, "unknown", True)
    for path, state in find_untracked(spec, layout):
        root = (
            layout.model_dir(spec)
            if path.is_relative_to(layout.model_dir(spec))
            else layout.model_download_dir(spec)
        )
        yield ArtifactState(spec.full_name, path.relative_to(root).as_posix(), path, state, False)


def check_composite(composite: CompositeSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """What lies beside the parts of a composite, and is neither a part nor ours."""
    for path, state in find_untracked_of_composite(composite, layout):
        yield ArtifactState(composite.name, path.name, path, state, False)


def _asked_for(spec: ModelSpec, layout: ModelLayout) -> tuple[SourceFile, ...]:
    """The published files that somebody wanted, as far as that can be seen from what is here."""
    if not spec.is_ir:
        return spec.files
    here = {_folder(file) for file in spec.files if layout.file_path(spec, file).exists()}
    return tuple(file for file in spec.files if not here or _folder(file) in here)


def _folder(file: SourceFile) -> str:
    return file.name.partition("/")[0]


def _check_unpacked(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """What was unpacked, against what it was then."""
    for step in spec.postprocessing:
        if not isinstance(step, UnpackArchive):
            continue
        for path, sha384 in archive_record(step, spec, layout).outputs().items():
            digest = Digest("sha384", sha384)
            artifact = path.relative_to(layout.model_download_dir(spec)).as_posix()
            state = _state(path, None, digest)
            yield ArtifactState(spec.full_name, artifact, path, state, False, f"{digest}, of {step.file}")


def _state_of_file(path: Path, file: SourceFile) -> str:
    if kind := unusual_file_type(path):
        return kind
    if not path.exists():
        return "missing"
    if not file.is_pinned:
        return "unknown"
    return "good" if is_verified_file(path, file, trust_record=False) else "changed"


def _state(path: Path, size: int | None, digest: Digest) -> str:
    if kind := unusual_file_type(path):
        return kind
    if not path.exists():
        return "missing"
    return "good" if is_verified(path, size, digest, trust_record=False) else "changed"
