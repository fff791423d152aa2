"""Read a file from a store with its own protocol (s3, gs, az, sftp)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.download.stored_file import open_stored_file
from posezoo.errors import SourceError
from posezoo.spec.model import SourceFile
from posezoo.spec.sources import StorageSource


@contextmanager
def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file of a store; errors are those of ``open_stored_file``."""
    if (
        source.url.lower().startswith("sftp:")
        and file.checksum is None
        and not context.options.allow_http
    ):
        raise SourceError(
            "uses sftp without a SHA-256 or SHA-384 checksum, so another host could pose as"
            " this one",
            hint="--allow_http allows it anyway",
        )
    with open_stored_file(source.url, file, context, resume) as stream:
        yield stream


SOURCE_TYPE = SourceType(StorageSource, open_storage)
