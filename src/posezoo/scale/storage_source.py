"""Read a published file from a store with its own protocol (s3, gs, az, sftp)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import StorageSource
from posezoo.core.download.candidates import ByteStream, NotFoundError, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import SizeError, SourceError
from posezoo.scale import stores


@contextmanager
def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file after the bytes downloaded before; the digest shows whether both fit together.

    fsspec reads credentials and options from the same places as each store's own tools, and from
    its own configuration (such as FSSPEC_S3_ANON=true).

    Raises:
        NotFoundError: the store does not have the file.
        TransientSourceError: the store did not answer in time, or failed; reading pieces can raise
            it too.
        SourceError: the package for the store's protocol is not installed, the store refuses
            access, or its host cannot be told from another one.
        SizeError: the store announces another size.
    """
    address = source.url
    is_sftp = address.lower().startswith("sftp:")
    if is_sftp and file.checksum is None and not context.options.allow_http:
        raise SourceError(
            "uses sftp without a SHA-256 or SHA-384 checksum, so another host could pose as"
            " this one",
            hint="--allow_http allows it anyway",
        )
    timeout_s = context.options.timeout_s
    size = stores.file_size(address, timeout_s)
    if size is None:
        raise NotFoundError("does not have the file")
    if file.size not in (None, size):
        raise SizeError(f"announces {size} bytes, {file.size} are declared")

    def read_pieces() -> Iterator[bytes]:
        for start in range(resume.size, size, stores.PIECE):
            stop = min(start + stores.PIECE, size)
            yield stores.read_range(address, start, stop, timeout_s) or b""

    yield ByteStream(read_pieces(), resume.size, is_resumable=True, size=size)


STORAGE_TYPE = SourceType(StorageSource, open_storage)
