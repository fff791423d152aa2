"""Read a file by its address: an http or https URL, a path on this machine or a share, or in
a store with its own protocol (s3, gs, az, sftp).
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import FileSource, HttpSource, StorageSource
from posezoo.core.download.candidates import (
    ByteStream,
    ResumeState,
    open_local_file,
    open_stored_file,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import SourceError


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


def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read a file of a store; errors are those of ``open_stored_file``."""
    is_sftp = source.url.lower().startswith("sftp:")
    if is_sftp and file.checksum is None and not context.options.allow_http:
        raise SourceError(
            "uses sftp without a SHA-256 or SHA-384 checksum, so another host could pose as"
            " this one",
            hint="--allow_http allows it anyway",
        )
    return open_stored_file(source.url, file, context.options.timeout_s, resume)


HTTP_TYPE = SourceType(HttpSource, open_http)
FILE_TYPE = SourceType(FileSource, open_file)
STORAGE_TYPE = SourceType(StorageSource, open_storage)
