"""Check the files and IR of a model on disk against model.yml and their records; every byte is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo.files.postprocess_state import archive_record, is_unpacked
from posezoo.files.verified_files import is_verified, is_verified_file
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.spec.model import CompositeSpec, Digest, ModelSpec, Precision, UnpackArchive
from posezoo.verify.untracked import find_untracked, find_untracked_of_composite, unusual_file_type


@dataclass(frozen=True, slots=True)
class ArtifactState:
    """One artifact and its state.

    Attributes:
        model: the full name of the model, or the name of the composite.
        artifact: the path of the file relative to the model's folder.
        path: the path of the file.
        state: ``good``, ``missing``, ``changed``, ``unknown`` (no record and no pin), ``extra`` (neither
            declared nor made by posezoo), ``symlinked`` (any symbolic link) or ``special`` (a folder instead
            of a file, a pipe, a socket or a device).
        converted: whether the file was made by a conversion, not downloaded.
        expected: the expected checksum.
        flags: the conversion flags that change the input images, with a space before each.
    """

    model: str
    artifact: str
    path: Path
    state: str
    converted: bool
    expected: str = ""
    flags: str = ""


def check_artifacts(spec: ModelSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The state of each published file of a model, each converted IR, and each other file in its folders.

    A published file that does not exist is ``missing``. Three kinds of files are not reported if they do not
    exist: an archive that was unpacked, an IR that was not converted yet, and, for a model that is published
    as IR, a precision without any file if another precision exists, because it was not requested.
    """
    name, downloads = spec.full_name, layout.model_download_dir(spec)
    # For a published IR: check only the precisions that have any file, if one has.
    existing = {file.name.partition("/")[0] for file in spec.files if layout.file_path(spec, file).exists()}
    for file in spec.files:
        if spec.is_ir and existing and file.name.partition("/")[0] not in existing:
            continue
        if not is_unpacked(file, spec, layout, rehash=True):
            path = layout.file_path(spec, file)
            expected = f"{file.pin_text}, weak" if file.is_pinned and file.is_weakly_pinned else file.pin_text
            if not (state := _unusual_state(path)) and file.is_pinned:
                state = "good" if is_verified_file(path, file, trust_record=False) else "changed"
            yield ArtifactState(name, file.name, path, state or "unknown", False, expected)
    for step in spec.postprocessing:
        if isinstance(step, UnpackArchive):
            for path, sha384 in archive_record(step, spec, layout).outputs().items():
                digest, artifact = Digest("sha384", sha384), path.relative_to(downloads).as_posix()
                state, expected = file_state(path, None, digest), f"{digest}, of {step.file}"
                yield ArtifactState(name, artifact, path, state, False, expected)
    for precision in Precision:
        record = provenance.read_provenance(layout.provenance_path(spec, precision))
        for suffix in provenance.SUFFIXES:
            path = layout.converted_ir_path(spec, precision).with_suffix(suffix)
            artifact = f"{precision}/{path.name}"
            if record is not None:
                content = record.contents[suffix]
                state = file_state(path, content.size, content.digest)
                flags = provenance.camera_input_flags(record, spec)
                yield ArtifactState(name, artifact, path, state, True, str(content.digest), flags)
            elif path.exists() and not spec.is_ir:  # the IR of a model published as IR was downloaded
                yield ArtifactState(name, artifact, path, "unknown", True)
    for path, state in find_untracked(spec, layout):
        root = layout.model_dir(spec) if path.is_relative_to(layout.model_dir(spec)) else downloads
        yield ArtifactState(name, path.relative_to(root).as_posix(), path, state, False)


def check_composite(composite: CompositeSpec, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The files in a composite's folder that are neither a part nor written by posezoo."""
    for path, state in find_untracked_of_composite(composite, layout):
        yield ArtifactState(composite.name, path.name, path, state, False)


def file_state(path: Path, size: int | None, digest: Digest) -> str:
    """``good``, ``missing``, ``changed``, ``symlinked`` or ``special``; every byte is read."""
    if state := _unusual_state(path):
        return state
    return "good" if is_verified(path, size, digest, trust_record=False) else "changed"


def _unusual_state(path: Path) -> str:
    return unusual_file_type(path) or ("" if path.exists() else "missing")
