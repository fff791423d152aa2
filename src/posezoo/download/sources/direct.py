"""Read a file from an http or https URL, or from a path on this machine or a mounted share."""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.download.candidates import ByteStream, open_local_file
from posezoo.download.context import DownloadContext
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.spec.model import SourceFile
from posezoo.spec.sources import FileSource, HttpSource


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
