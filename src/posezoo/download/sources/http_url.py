"""Read a file from an http or https URL."""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.spec.model import HttpSource, SourceFile


def open_http(
    source: HttpSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read the file at the URL; raises the same errors as ``http.open_response``."""
    return open_url(source.url, file, context, resume)


SOURCE_TYPE = SourceType(HttpSource, open_http)
