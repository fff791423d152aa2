"""Read a file on this machine or on a mounted share."""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.download.candidates import ByteStream, open_local_file
from posezoo.download.context import DownloadContext
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.spec.model import FileSource, SourceFile


def open_path(
    source: FileSource, _file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read the file; a relative path is relative to the folder of model.yml."""
    return open_local_file(context.base / source.path, resume)


SOURCE_TYPE = SourceType(FileSource, open_path)
