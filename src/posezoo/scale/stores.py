"""Folders in stores, by fsspec: bring files to a working copy, and publish files from there.

A reader never accepts half a model. Files are uploaded under a staging name and then moved to their
final names, the manifest last, and the reader compares their digests with it. If two writers
publish different files at the same time, the one that wrote the manifest last finds the other's
files, and publishes again.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.errors import (
    MissingPackageError,
    OutputError,
    PosezooError,
    SourceError,
    import_optional,
    redact_secrets,
)
from posezoo.core.files.file_record import fingerprint, read_record, update_record
from posezoo.core.files.staging import PREFIX, create_parent
from posezoo.core.files.verified_files import replace_atomically, writing
from posezoo.core.user_folders import StorePath
from posezoo.core.workers.retries import RequestLimits, TransientSourceError, ask_again
from posezoo.core.workers.threads import ThreadPool

Result = TypeVar("Result")
Info = dict[str, Any]  # what a store says about a file

# Each library repeats its own requests, so more attempts of ours do not help.
_MOST_ATTEMPTS = 3

#: The size of a request in bytes: at 100 kB/s it takes 10 s.
PIECE = 1 << 20

# The slowest upload in bytes per second; libraries report no progress, so its time limit depends on
# the size.
_SLOWEST_UPLOAD = 200_000

# A staging folder of this age was left by a killed run; the next run that publishes beside it
# removes it.
_ABANDONED_AFTER_S = 86400

# What tells two versions of a file apart, as the different libraries name it.
_VERSION_KEYS = (
    "size",
    "ETag",
    "etag",
    "md5Hash",
    "generation",
    "mtime",
    "created",
    "last_modified",
)

_HINTS = {
    "s3": "credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws",
    "gs": "credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "credentials: AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and a key",
    "sftp": (
        "credentials: your SSH keys or FSSPEC_SFTP_PASSWORD; ~/.ssh/known_hosts must have the host"
    ),
}


def file_size(address: str, limits: RequestLimits) -> int | None:
    """The size in bytes of a file in a store; None if the store does not have it.

    Raises:
        SourceError: the store cannot be read.
    """
    return _ask(address, limits, lambda files, name: int(files.info(name)["size"]))


def has_file(path: Path, size: int | None, limits: RequestLimits) -> bool:
    """Whether a path is in a store, and the store has a file of this size there; None for any
    size.
    """
    stored = StorePath.of(path)
    if stored is None:
        return False
    actual = file_size(stored.address, limits)
    return actual is not None and size in (None, actual)


def read_range(address: str, start: int, stop: int, limits: RequestLimits) -> bytes | None:
    """Bytes of a file; None if the store does not have it.

    Raises:
        SourceError: the store cannot be read.
    """
    return _ask(address, limits, lambda files, name: files.cat_file(name, start=start, end=stop))


def pull(
    folder: Path,
    limits: RequestLimits,
    wanted: Callable[[str], bool] = lambda _name: True,
    *,
    afresh: bool = False,
) -> dict[Path, Info]:
    """Make a working copy equal to its folder in the store; a folder that is not in a store is not
    changed.

    Args:
        wanted: whether a file is transferred, by its path relative to the folder.
        afresh: transfer unchanged files again, and remove files that were not published yet, too.

    Returns:
        What the store says about each file, also about those that are not wanted.

    Raises:
        SourceError: the store cannot be read.
        OutputError: the working copy cannot be written.
    """
    if StorePath.of(folder) is None:
        return {}
    infos = {
        name: info
        for name, info in _list(folder, limits).items()
        if not explain_unsafe_file_name(name)
    }
    with writing(folder):
        for name, info in infos.items():
            path = folder / name
            if wanted(name) and (afresh or not is_current(path, info)):
                _download(path, info, limits)
        for path in list(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if name not in infos and wanted(name) and not explain_unsafe_file_name(name):
                _remove_copy(path, even_if_new=afresh)
    return {folder / name: info for name, info in infos.items()}


def _download(path: Path, info: Info, limits: RequestLimits) -> None:
    part = path.with_name(f".{path.name}.part")
    create_parent(path)
    with open(part, "wb") as copy:
        for start in range(0, info["size"], PIECE):
            piece = read_range(_address(path), start, min(start + PIECE, info["size"]), limits)
            copy.write(piece or b"")
    replace_atomically(part, path)
    update_record(path, stored={"version": _version(info), **fingerprint(path)})


def _remove_copy(path: Path, *, even_if_new: bool) -> None:
    """Remove a file that the store no longer has; one that was not published yet, only if
    ``even_if_new``.
    """
    if path.name.startswith(".") or not path.is_file():
        return
    if even_if_new or read_record(path).stored:
        path.unlink()
        update_record(path, stored={})


def publish(paths: Sequence[Path], limits: RequestLimits) -> None:
    """Upload the files that differ from those in the store; a path that is not in a store needs
    nothing.

    Args:
        paths: files in the order in which they appear in the store; the last is the manifest. Files
            that do not exist are left out.

    Raises:
        SourceError: the store cannot be read.
        OutputError: the store cannot be written, or another writer replaces the files each time.
    """
    stored = [path for path in paths if StorePath.of(path) and path.is_file()]
    if not stored:
        return
    folder = stored[-1].parent
    present = _list(folder, limits)
    _remove_abandoned(folder, present, limits)
    changed = [path for path in stored if not is_current(path, present.get(path.name))]
    if not changed:
        return
    for _ in range(limits.attempts):
        versions = _replace(changed, folder, limits)
        present = _list(folder, limits) if len(changed) > 1 else {}
        if all(_version(present.get(path.name, {})) == versions[path] for path in changed[:-1]):
            for path in changed:
                update_record(path, stored={"version": versions[path], **fingerprint(path)})
            return
    raise OutputError(f"{folder}: another run replaces its files", hint="run the command again")


def _replace(
    changed: Sequence[Path], folder: Path, limits: RequestLimits
) -> dict[Path, str | None]:
    """Upload files and give them their final names; returns the version of each."""
    staged = folder / f"{PREFIX}{time.time():.0f}-{secrets.token_hex(8)}"
    try:
        for path in changed:
            _upload(path, staged / path.name, limits)
        for path in reversed(changed[1:]):  # else a reader could see files of two versions
            _remove(path, limits)
        return {path: _move(staged / path.name, path, limits) for path in changed}
    finally:
        with suppress(PosezooError):
            _remove(staged, limits)


def _remove_abandoned(folder: Path, present: Iterable[str], limits: RequestLimits) -> None:
    """Remove the staging folders of killed runs."""
    for staging in {name.partition("/")[0] for name in present if name.startswith(PREFIX)}:
        created = staging.removeprefix(PREFIX).partition("-")[0]
        if created.isdigit() and time.time() - int(created) > _ABANDONED_AFTER_S:
            _remove(folder / staging, limits)


def is_changed(path: Path) -> bool:
    """Whether a file was never equal to one in the store, or was changed here since then."""
    stored = dict(read_record(path).stored)
    stored.pop("version", None)
    return stored != fingerprint(path)


def is_current(path: Path, info: Info | None) -> bool:
    """Whether a file is unchanged since it was equal to this version in the store."""
    with suppress(OSError):
        return info is not None and read_record(path).stored == {
            "version": _version(info),
            **fingerprint(path),
        }
    return False


def _version(info: Info) -> str:
    facts = [(key, info[key]) for key in _VERSION_KEYS if key in info]
    # The same library gives a time now as a number, now as a datetime.
    plain = [
        (key, str(getattr(value, "timestamp", lambda value=value: value)())) for key, value in facts
    ]
    return sha256(repr(plain).encode()).hexdigest()


# --- Requests


def _list(folder: Path, limits: RequestLimits) -> dict[str, Info]:
    """What the store says about each object below a folder, by its path relative to the folder."""
    answer = _ask(
        _address(folder), limits, lambda files, name: (name, files.find(name, detail=True))
    )
    root, infos = answer or ("", {})
    return {name[len(root) :].strip("/"): info for name, info in infos.items()}


def _upload(source: Path, target: Path, limits: RequestLimits) -> None:
    address = _address(target)

    def upload(files: Any, name: str) -> None:
        if address.startswith("sftp:"):  # object stores have no folders
            files.makedirs(files._parent(name), exist_ok=True)
        files.put_file(str(source), name)

    _ask(address, limits, upload, writes=True, size=source.stat().st_size)


def _move(staged: Path, path: Path, limits: RequestLimits) -> str | None:
    """Give a staged file its final name, and return the version that the store then has."""

    address = _address(staged)

    def move(files: Any, name: str) -> str:
        source = files._strip_protocol(address)
        if not address.startswith("sftp:"):
            files.cp_file(source, name)
        elif files.exists(source):
            # Else an earlier attempt was successful, but its answer was lost.
            files.mv(source, name)
        files.invalidate_cache()
        return _version(files.info(name))

    return _ask(_address(path), limits, move, writes=True)


def _remove(path: Path, limits: RequestLimits) -> None:
    """Remove a file, or a folder with all its files."""
    _ask(_address(path), limits, lambda files, name: files.rm(name, recursive=True))


def _address(path: Path) -> str:
    stored = StorePath.of(path)
    assert stored, path
    return stored.address


def _ask(
    address: str,
    limits: RequestLimits,
    work: Callable[[Any, str], Result],
    *,
    writes: bool = False,
    size: int = 0,
) -> Result | None:
    """Do a piece of work with a store in a thread; a thread that falls silent is abandoned.

    Args:
        address: of a file or folder.
        work: receives the file system, and the path in it.
        writes: whether a failure is an OutputError; otherwise it is a SourceError, and the result
            is None if the store does not have the file.
        size: how many bytes are uploaded.
    """
    limit_s = limits.timeout_s + size / _SLOWEST_UPLOAD
    try:
        return ask_again(lambda: _ask_once(address, work, limit_s), limits)
    except FileNotFoundError as error:
        if not writes:
            return None
        refusal = _explain(error, address)
    except SourceError as error:
        refusal = error
    problem = f"{re.sub(f'/{PREFIX}[^/]*', '', address)}: {refusal.problem}"
    attempts = getattr(refusal, "attempts", 1)
    if attempts > 1:
        problem += f" ({attempts} attempts)"
    hint = refusal.hint
    if writes:
        raise OutputError(problem, hint=hint) from refusal.__cause__
    if refusal.temporary:
        raise TransientSourceError(
            problem, hint=hint, at_most=_MOST_ATTEMPTS
        ) from refusal.__cause__
    raise SourceError(problem, hint=hint) from refusal.__cause__


def _ask_once(address: str, work: Callable[[Any, str], Result], limit_s: float) -> Result:
    from concurrent import futures  # slow import, only needed with stores

    def run() -> Result:
        files = _connect(re.sub("(?<=[^:/]/).*", "", f"{address}/"), os.getpid())
        files.invalidate_cache()
        return work(files, files._strip_protocol(address))

    thread_pool = ThreadPool(1)
    future = thread_pool.submit(run)
    try:
        return future.result(limit_s)
    except FileNotFoundError:
        raise
    except Exception as error:
        refusal = _explain(error, address)
        # Two classes until Python 3.10.
        if isinstance(error, (TimeoutError, futures.TimeoutError)):
            refusal.problem = f"no answer within {limit_s:g} s"  # libraries give it no text
        if refusal.temporary:
            _connect.cache_clear()  # a connection may be dead
        raise refusal from error
    finally:
        thread_pool.shutdown()


@lru_cache(maxsize=16)
def _connect(root: str, _process: int) -> Any:
    fsspec = import_optional("fsspec", extra="storage")
    for library in ("adlfs", "asyncio", "azure", "botocore", "gcsfs", "google", "paramiko", "s3fs"):
        # Without a handler, Python prints their warnings and tracebacks; we report errors
        # ourselves.
        logging.getLogger(library).addHandler(logging.NullHandler())
    if not root.startswith("sftp:"):
        return fsspec.core.url_to_fs(root, skip_instance_cache=True)[0]
    paramiko = import_optional("paramiko", extra="storage")

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, name-defined]
        """Accepts only the keys in ~/.ssh/known_hosts; fsspec would accept every key."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002
            path = Path("~/.ssh/known_hosts").expanduser()
            if not path.is_file() or not paramiko.HostKeys(str(path)).check(hostname, key):
                raise PermissionError(f"{hostname} is not in {path}, or has another key there")

    sftp = import_optional("fsspec.implementations.sftp", extra="storage").SFTPFileSystem
    options = sftp._get_kwargs_from_urls(root)
    return sftp(**options, host_key_policy=KnownHosts(), skip_instance_cache=True)


def _explain(error: Exception, address: str) -> SourceError:
    """The error for one of a store's package; a TransientSourceError if another attempt may
    help.
    """
    scheme = address.partition(":")[0].lower()
    if isinstance(error, ImportError):
        error = MissingPackageError(f"the package for {scheme}", extra="storage")
    if isinstance(error, PosezooError):
        return SourceError(error.problem, hint=error.hint)
    if isinstance(error, FileNotFoundError):
        hint = "check the address; posezoo creates no bucket"
        return SourceError("does not exist in the store", hint=hint)
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
