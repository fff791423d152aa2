"""Read a published file from a store with its own protocol (s3, gs, az, sftp), by fsspec."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import STORES, StorageSource
from posezoo.core.download.candidates import ByteStream, NotFoundError, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import (
    MissingPackageError,
    PosezooError,
    SizeError,
    SourceError,
    import_optional,
    redact_secrets,
)
from posezoo.core.workers.retries import TransientSourceError
from posezoo.core.workers.threads import ThreadPool

Result = TypeVar("Result")

# Each library repeats its own requests, so more attempts of ours do not help.
_MOST_ATTEMPTS = 3

#: The size of a request in bytes: at 100 kB/s it takes 10 s.
PIECE = 1 << 20

_HINTS = {
    "s3": "credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws",
    "gs": "credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "credentials: AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and a key",
    "sftp": (
        "credentials: your SSH keys or FSSPEC_SFTP_PASSWORD; ~/.ssh/known_hosts must have the host"
    ),
}


def file_size(address: str, timeout_s: float) -> int | None:
    """The size in bytes of a file in a store; None if the store does not have it.

    Raises:
        TransientSourceError: the store did not answer in time, or failed.
        SourceError: the store cannot be read.
    """
    return _ask(address, timeout_s, lambda files, name: int(files.info(name)["size"]))


def read_range(address: str, start: int, stop: int, timeout_s: float) -> bytes | None:
    """Bytes of a file; None and errors as for ``file_size``."""
    return _ask(address, timeout_s, lambda files, name: files.cat_file(name, start=start, end=stop))


def _ask(address: str, timeout_s: float, work: Callable[[Any, str], Result]) -> Result | None:
    """Do a piece of work with a store in a thread; a thread that falls silent is abandoned.

    Args:
        work: receives the file system, and the path in it.
    """
    from concurrent import futures  # slow import, only needed with stores

    def run() -> Result:
        files = _connect(re.sub("(?<=[^:/]/).*", "", f"{address}/"), os.getpid())
        files.invalidate_cache()
        return work(files, files._strip_protocol(address))

    thread_pool = ThreadPool(1)
    future = thread_pool.submit(run)
    try:
        return future.result(timeout_s)
    except FileNotFoundError:
        return None
    except Exception as error:
        refusal = _explain(error, address)
        # Two classes until Python 3.10.
        if isinstance(error, (TimeoutError, futures.TimeoutError)):
            refusal.problem = f"no answer within {timeout_s:g} s"  # libraries give it no text
        if refusal.temporary:
            _connect.cache_clear()  # a connection may be dead
        raise refusal from error
    finally:
        thread_pool.shutdown()


@lru_cache(maxsize=16)
def _connect(root: str, _process: int) -> Any:
    fsspec = import_optional("fsspec", extra="")
    for library in ("adlfs", "asyncio", "azure", "botocore", "gcsfs", "google", "paramiko", "s3fs"):
        # Without a handler, Python prints their warnings and tracebacks; we report errors
        # ourselves.
        logging.getLogger(library).addHandler(logging.NullHandler())
    if not root.startswith("sftp:"):
        return fsspec.core.url_to_fs(root, skip_instance_cache=True)[0]
    paramiko = import_optional("paramiko", extra="")

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, name-defined]
        """Accepts only the keys in ~/.ssh/known_hosts; fsspec would accept every key."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002
            path = Path("~/.ssh/known_hosts").expanduser()
            if not path.is_file() or not paramiko.HostKeys(str(path)).check(hostname, key):
                raise PermissionError(f"{hostname} is not in {path}, or has another key there")

    sftp = import_optional("fsspec.implementations.sftp", extra="").SFTPFileSystem
    options = sftp._get_kwargs_from_urls(root)
    return sftp(**options, host_key_policy=KnownHosts(), skip_instance_cache=True)


def _explain(error: Exception, address: str) -> SourceError:
    """The error for one of a store's package; a TransientSourceError if another attempt may
    help.
    """
    scheme = address.partition(":")[0].lower()
    if isinstance(error, ImportError):
        error = MissingPackageError(STORES[scheme], extra="")
    if isinstance(error, PosezooError):
        return SourceError(error.problem, hint=error.hint)
    text = " ".join(redact_secrets(str(error) or type(error).__name__).split())[:200]
    status = str(
        getattr(error, "status", getattr(error, "status_code", getattr(error, "code", "")))
    )
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    signs = ("PermissionError", "ValueError", "Credential", "Authentication", "SSHException")
    if status in ("401", "403") or any(sign in names for sign in signs):
        return SourceError(f"the store refuses access: {text}", hint=_HINTS.get(scheme, ""))
    return TransientSourceError(
        f"the store fails: {text}",
        hint="check the network and the address, and run the command again",
        at_most=_MOST_ATTEMPTS,
    )


@contextmanager
def open_storage(
    source: StorageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a file after the bytes downloaded before; the digest shows whether both fit together.

    fsspec reads credentials and options where each store's own tools do, and from its own
    configuration (such as FSSPEC_S3_ANON=true).

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
    size = file_size(address, timeout_s)
    if size is None:
        raise NotFoundError("does not have the file")
    if file.size not in (None, size):
        raise SizeError(f"announces {size} bytes, {file.size} are declared")

    def read_pieces() -> Iterator[bytes]:
        for start in range(resume.size, size, PIECE):
            stop = min(start + PIECE, size)
            yield read_range(address, start, stop, timeout_s) or b""

    yield ByteStream(read_pieces(), resume.size, is_resumable=True, size=size)


STORAGE_TYPE = SourceType(StorageSource, open_storage)
