"""Read a file from a store with its own protocol (s3, gs, az, sftp), by fsspec.

fsspec reads credentials and options from the same places as each store's own tools, and from its own
configuration (such as FSSPEC_S3_ANON=true). We set the time limit, because each library has a different one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from posezoo.download.candidates import ByteStream, NotFoundError, TransientSourceError
from posezoo.download.context import DownloadContext
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.errors import (
    DownloadError,
    MissingPackageError,
    SizeError,
    SourceError,
    import_optional,
    redact_secrets,
)
from posezoo.spec.model import SourceFile, StorageSource
from posezoo.workers.threads import ThreadPool

Result = TypeVar("Result")

# The size of a request: at 100 kB/s it takes 10 s.
_BLOCK = 1 << 20
_PIECE = 1 << 16

# With wrong credentials or a wrong address, more attempts do not help.
_ATTEMPTS = 3

_EXTRA = "storage"


@contextmanager
def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file of a store after the bytes downloaded before; the digest shows whether both fit together.

    Raises:
        NotFoundError: the store does not have the file.
        TransientSourceError: the store did not answer in time, or failed; reading pieces can raise it too.
        SourceError: the package for the store's protocol is not installed, or the store refuses access.
        SizeError: the store announces another size.
    """
    # fsspec accepts any host key of an sftp server, so only a digest protects the user.
    is_sftp = source.url.lower().startswith("sftp:")
    if is_sftp and file.checksum is None and not context.options.allow_http:
        raise SourceError(
            "uses sftp without a SHA-256 or SHA-384 checksum, so another host could pose as this one",
            hint="--allow_http allows it anyway",
        )
    timeout_s = context.options.timeout_s
    thread_pool = ThreadPool(1)  # a read cannot be interrupted, but its thread can be abandoned

    def timed(work: Callable[[], Result], when: str = "") -> Result:
        with _translated(source, f"no answer within {timeout_s:g} s{when}"):
            return thread_pool.submit(work).result(timeout_s)

    def open_file() -> Any:
        fsspec = import_optional("fsspec", extra=_EXTRA)
        files, path = fsspec.core.url_to_fs(source.url)
        return files.open(path, "rb", block_size=_BLOCK)

    def read_pieces(stream: Any) -> Iterator[bytes]:
        size = resume.size
        while piece := timed(lambda: stream.read(_PIECE), f" after {size} bytes"):
            size += len(piece)
            yield piece

    stream = None
    try:
        stream = timed(open_file)
        size = getattr(stream, "size", None)
        if isinstance(size, int) and file.size not in (None, size):
            raise SizeError(f"announces {size} bytes, {file.size} are declared")
        if resume.size:
            timed(lambda: stream.seek(resume.size))
        stated = size if isinstance(size, int) else None
        yield ByteStream(read_pieces(stream), resume.size, is_resumable=True, size=stated)
    finally:
        if stream is not None:
            with suppress(DownloadError):
                timed(stream.close)
        thread_pool.shutdown()


@contextmanager
def _translated(source: StorageSource, silence: str) -> Iterator[None]:
    """Replace the errors of the store libraries by ours; ``silence`` is the problem if there is no answer."""
    try:
        yield
    except DownloadError:
        raise
    except (TimeoutError, futures.TimeoutError) as error:  # two classes until Python 3.10
        raise TransientSourceError(silence, at_most=_ATTEMPTS) from error
    except FileNotFoundError as error:
        raise NotFoundError("does not have it") from error
    except PermissionError as error:
        raise SourceError(
            "refuses access", hint="fsspec takes credentials from where the store's own tools do"
        ) from error
    except MissingPackageError as error:
        raise SourceError(error.problem, hint=error.hint) from error
    except ImportError as error:
        scheme = source.url.partition(":")[0]
        missing = MissingPackageError(f"the package for {scheme}", extra=_EXTRA)
        raise SourceError(missing.problem, hint=missing.hint) from error
    except Exception as error:
        problem = " ".join(redact_secrets(str(error) or type(error).__name__).split())[:200]
        raise TransientSourceError(f"cannot be read: {problem}", at_most=_ATTEMPTS) from error


SOURCE_TYPE = SourceType(StorageSource, open_storage)
