"""Read a file by its address: an http or https URL, or a path on this machine or a share."""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import FileSource, HttpSource
from posezoo.core.download.candidates import ByteStream, ResumeState, open_local_file
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType


def open_http(
    source: HttpSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read the URL."""
    return open_url(source.url, file, context, resume)


def open_file(
    source: FileSource, _file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read the path, which may be relative to the folder of model.yml."""
    return open_local_file(context.base / source.path, resume)


HTTP_TYPE = SourceType(HttpSource, open_http)
FILE_TYPE = SourceType(FileSource, open_file)
