"""Read a file of a store by its address, in pieces that can be resumed.

fsspec reads credentials and options from the same places as each store's own tools, and from its
own configuration (such as FSSPEC_S3_ANON=true).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from posezoo.download.candidates import ByteStream, NotFoundError, ResumeState
from posezoo.download.context import DownloadContext
from posezoo.errors import SizeError, SourceError
from posezoo.files import stores
from posezoo.spec.model import SourceFile
from posezoo.workers.retries import RequestLimits


@contextmanager
def open_stored_file(
    address: str, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file of a store after the bytes downloaded before; the digest shows whether both fit
    together.

    Raises:
        NotFoundError: the store does not have the file.
        TransientSourceError: the store did not answer in time, or failed; reading pieces can raise
            it too.
        SourceError: the package for the store's protocol is not installed, or the store refuses
            access.
        SizeError: the store announces another size.
    """
    limits = RequestLimits(1, context.options.timeout_s)  # the caller repeats requests

    @contextmanager
    def reading() -> Iterator[None]:
        try:
            yield
        except SourceError as error:
            error.problem = error.problem.removeprefix(f"{address}: ")
            raise

    with reading():
        size = stores.file_size(address, limits)
    if size is None:
        raise NotFoundError("does not have it")
    if file.size not in (None, size):
        raise SizeError(f"announces {size} bytes, {file.size} are declared")

    def read_pieces() -> Iterator[bytes]:
        for start in range(resume.size, size, stores.PIECE):
            with reading():
                yield (
                    stores.read_range(address, start, min(start + stores.PIECE, size), limits)
                    or b""
                )

    yield ByteStream(read_pieces(), resume.size, is_resumable=True, size=size)
