"""A file in a store that is asked in its own protocol, by fsspec: s3, gs, az or sftp.

fsspec takes credentials and options from where each store's own tools do, and from its configuration
(FSSPEC_S3_ANON=true, say). What is ours: the end of patience, since each of them has its own idea of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import NotFoundError, TransientSourceError
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

# So much is asked for at once: at 100 kB/s it takes 10 s.
_BLOCK = 1 << 20
_PIECE = 1 << 16

# What says who we are, or where a store is, does not get better by asking again and again.
_ATTEMPTS = 3

_EXTRA = "storage"


@contextmanager
def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file of a store, from behind the held bytes on; whether they fit, the digest tells.

    Raises:
        MissingError: the store does not hold it.
        TemporaryError: the store did not answer in time, or failed; the pieces raise it too.
        SourceError: what speaks the store's protocol is not installed, or the store does not let us in.
        SizeError: the store says that it has another size.
    """
    _refuse_stranger(source, file, context)
    patience_s = context.means.timeout_s
    thread_pool = ThreadPool(1)  # reading cannot be interrupted, but left behind

    def timed(work: Callable[[], Result], when: str = "") -> Result:
        try:
            with _translated(source):
                return thread_pool.submit(work).result(patience_s)
        except TimeoutError as error:
            raise TransientSourceError(
                f"no answer within {patience_s:g} s{when}", at_most=_ATTEMPTS
            ) from error

    stream = None
    try:
        stream = timed(lambda: _opened(source.url))
        size = getattr(stream, "size", None)
        if isinstance(size, int) and file.size not in (None, size):
            raise SizeError(f"announces {size} bytes, {file.size} are declared")
        if resume.size:
            timed(lambda: stream.seek(resume.size))
        yield ByteStream(_pieces(stream, timed, resume.size), resume.size, is_resumable=True)
    finally:
        if stream is not None:
            with suppress(DownloadError):
                timed(stream.close)
        thread_pool.shutdown()


def _refuse_stranger(source: StorageSource, file: SourceFile, context: DownloadContext) -> None:
    """fsspec takes any host for the one that an sftp address names: a digest has to tell."""
    is_sftp = source.url.lower().startswith("sftp:")
    if is_sftp and file.checksum is None and not context.means.allow_http:
        raise SourceError(
            "is sftp, by which anybody may pose as the host, and no SHA-256 or SHA-384 would tell",
            hint="--allow_http takes it all the same",
        )


def _opened(url: str) -> Any:
    fsspec = import_optional("fsspec", extra=_EXTRA)
    files, path = fsspec.core.url_to_fs(url)
    return files.open(path, "rb", block_size=_BLOCK)


def _pieces(stream: Any, timed: Callable[[Callable[[], bytes], str], bytes], size: int) -> Iterator[bytes]:
    while piece := timed(lambda: stream.read(_PIECE), f" after {size} bytes"):
        size += len(piece)
        yield piece


@contextmanager
def _translated(source: StorageSource) -> Iterator[None]:
    """What a dozen libraries raise, in our words."""
    try:
        yield
    except (DownloadError, TimeoutError):
        raise
    except FileNotFoundError as error:
        raise NotFoundError("does not hold it") from error
    except PermissionError as error:
        raise SourceError(
            "does not let us in", hint="fsspec takes credentials from where the store's own tools do"
        ) from error
    except MissingPackageError as error:
        raise SourceError(error.problem, hint=error.hint) from error
    except ImportError as error:
        scheme = source.url.partition(":")[0]
        missing = MissingPackageError(f"what speaks {scheme}", extra=_EXTRA)
        raise SourceError(missing.problem, hint=missing.hint) from error
    except Exception as error:
        said = " ".join(redact_secrets(str(error) or type(error).__name__).split())[:200]
        raise TransientSourceError(f"cannot be read: {said}", at_most=_ATTEMPTS) from error
