"""The postprocessing steps of model.yml: unpack archives and replace text.

The published files are kept: an archive beside its members, a text as ``<file>.orig`` beside the changed one.
So they can be verified at any time, and a second run downloads nothing. The file's record lists the files
that were made from it; a step is repeated only if they no longer match the record.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from posezoo.errors import DownloadError, PosezooError
from posezoo.events import (
    FilePostprocessingStarted,
    Listener,
    PostprocessingFinished,
    PostprocessingStarted,
    ignore_event,
)
from posezoo.files.postprocess_state import archive_record, text_record
from posezoo.files.verified_files import write_atomically
from posezoo.layout import ModelLayout
from posezoo.spec.model import ModelSpec, RegexReplace, UnpackArchive


def postprocess(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    left_out: Collection[str] = (),
    rehash: bool = False,
    listener: Listener = ignore_event,
) -> None:
    """Run the postprocessing steps of a downloaded model, except steps that are up to date.

    Args:
        left_out: the names of files that were not downloaded; their steps are skipped.
        rehash: hash the files of earlier runs again; do not trust the records.

    Raises:
        ArchiveError: an archive cannot be read, or has members that must not be unpacked.
        DownloadError: a text does not match a pattern.
        OutputError: a file cannot be written.
    """
    steps = [step for step in spec.postprocessing if step.file not in left_out]
    if not steps:
        return
    listener(PostprocessingStarted(spec.full_name))
    try:
        for step in steps:
            if isinstance(step, UnpackArchive):
                _unpack(step, spec, layout, rehash, listener)
        replacements = [step for step in steps if isinstance(step, RegexReplace)]
        for file in dict.fromkeys(step.file for step in replacements):
            of_file = [step for step in replacements if step.file == file]
            _replace(file, of_file, spec, layout, rehash, listener)
    except PosezooError as error:
        listener(PostprocessingFinished(spec.full_name, False, error.problem))
        raise
    listener(PostprocessingFinished(spec.full_name, True))


def _unpack(
    step: UnpackArchive, spec: ModelSpec, layout: ModelLayout, rehash: bool, listener: Listener
) -> None:
    """Unpack an archive into its folder; a text that a later step changes is written as .orig."""
    from posezoo.download.archive import unpack_archive

    archive = layout.model_download_dir(spec) / step.file
    above = step.file.rpartition("/")[0]
    record = archive_record(step, spec, layout)
    if record.is_up_to_date(rehash=rehash):
        return
    listener(FilePostprocessingStarted(spec.full_name, step.file, "unpack"))
    expected = {layout.file_path(spec, file) for file in spec.files}

    def place(member: str) -> Path:
        path = layout.published_path(spec, f"{above}/{member}" if above else member)
        if path in expected:
            raise DownloadError(
                f"{step.file}: contains {member}, which model.yml declares as a file of its own"
            )
        return path

    record.write([archive, *unpack_archive(archive, step.format, place)])


def _replace(
    file: str,
    steps: list[RegexReplace],
    spec: ModelSpec,
    layout: ModelLayout,
    rehash: bool,
    listener: Listener,
) -> None:
    """Write the changed text beside the published one."""
    from posezoo.download.text_replacement import replace_text

    published, target = layout.published_path(spec, file), layout.model_download_dir(spec) / file
    record = text_record(file, steps, spec, layout)
    if record.is_up_to_date(rehash=rehash):
        return
    listener(FilePostprocessingStarted(spec.full_name, file, "replace_text"))
    write_atomically(target, replace_text(file, published, steps).encode())
    record.write([published, target])
