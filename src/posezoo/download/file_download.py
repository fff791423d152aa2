"""One file from the first of its origins that gives the promised bytes.

Bytes are counted and hashed while they are written to a part beside the target; the rename is the
last step, so a wrong byte never has a final name, and a good file is never lost to a bad one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.download.candidates import ByteStream, Candidate, CandidateKind
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import cache_entry_lock, is_cached, store
from posezoo.download.journal import DownloadRecord, redact_url, remember_origin
from posezoo.download.partial import NOTHING, PartialFile, ResumeState, open_partial, remove_partial
from posezoo.download.source_errors import (
    NotFoundError,
    RangeMismatchError,
    RateLimitedError,
    TransientSourceError,
)
from posezoo.errors import (
    ArchiveError,
    DigestError,
    DownloadError,
    OutputError,
    PosezooError,
    SizeError,
    SourceError,
    UnpinnedFileError,
)
from posezoo.events import (
    CachedFileUsed,
    FileDownloadFinished,
    FileDownloadProgress,
    FileDownloadStarted,
    FileUpToDate,
)
from posezoo.files.verified_files import (
    compute_digest,
    explain_wrong_members,
    is_verified_file,
    remember_verified,
)
from posezoo.spec.model import Digest, SourceFile

# The first pause and the longest; a pause that the server asks for may be longer than ours.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0

# Ten lines a second are enough for any eye and any log.
_PROGRESS_EVERY_S = 0.1

if TYPE_CHECKING:
    from hashlib import _Hash

FailedCandidates = list[tuple[Candidate, DownloadError]]


def download_file(
    file: SourceFile, target: Path, candidates: Iterable[Candidate], context: DownloadContext
) -> None:
    """Bring a file to its place, unless it is there; the cache gets what it does not hold yet.

    Args:
        file: what is promised.
        target: its final name.
        candidates: where to ask, in this order.
        context: the means, and whom to tell.

    Raises:
        FetchError: no origin gave it; SourceError, SizeError, DigestError or ArchiveError where
            one origin alone was asked.
        NoPinError: nothing says what its bytes must be, and its first use is not to be trusted.
        OutputError: it cannot be written; an earlier file of that name is untouched.
    """
    if not file.is_pinned and context.first_use is None:
        raise unpinned_error([file])
    if _is_downloaded(file, target, context):
        remove_partial(target)
        if not is_cached(file, context):
            with cache_entry_lock(file, context):
                store(target, file, context, replace=False)
        return
    with open_partial(
        target, lambda: context.warn(f"{file.name}: waiting for another run that fetches it")
    ) as partial:
        if _is_downloaded(file, target, context):  # by the run that we waited for
            return
        with cache_entry_lock(file, context):
            candidate = _try_candidates(file, tuple(candidates), partial, context)
            # Before it has its name: a file that nobody vouches for gets none.
            file = _pinned(file, partial, context)
            if context.writes_journal:
                remember_origin(_arrival(file, target, candidate, partial))
            partial.replace_target()
            if file.checksum is not None:
                remember_verified(target, file.checksum)
            # A part that a killed run left whole asks nobody, not even the cache that comes first.
            store(target, file, context, replace=candidate.kind is not CandidateKind.CACHE)


def _arrival(file: SourceFile, target: Path, candidate: Candidate, partial: PartialFile) -> DownloadRecord:
    final = redact_url(partial.came_from) if partial.came_from else ""
    return DownloadRecord(
        file.name,
        target,
        candidate.name,
        "" if final == candidate.name else final,
        candidate.kind.value,
        partial.path.stat().st_size,
        file.checksum or compute_digest(partial.path),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _is_downloaded(file: SourceFile, target: Path, context: DownloadContext) -> bool:
    if not is_verified_file(target, file, trust_record=not context.means.verify):
        return False
    context.emit(FileUpToDate(context.model, file.name))
    return True


def unpinned_error(files: Sequence[SourceFile]) -> UnpinnedFileError:
    """Why files are not fetched."""
    names = ", ".join(file.name for file in files)
    return UnpinnedFileError(
        f"{names}: no pin: its publisher states no checksum",
        hint="--trust_on_first_use takes what comes now; posezoo.lock holds it from then on",
    )


def _pinned(file: SourceFile, partial: PartialFile, context: DownloadContext) -> SourceFile:
    """The file, pinned from now on by what came where nothing did so before."""
    if file.is_pinned or context.first_use is None:
        return file
    size, digest = partial.path.stat().st_size, compute_digest(partial.path)
    context.first_use(file, size, digest)
    context.warn(f"{file.name}: trusted on first use: {size} bytes of {digest}")
    return replace(file, size=size, checksum=digest, first_use=True)


def _try_candidates(
    file: SourceFile, candidates: tuple[Candidate, ...], partial: PartialFile, context: DownloadContext
) -> Candidate:
    """The origin that filled the part with the promised bytes."""
    failures: FailedCandidates = []
    resume = partial.load_resume_state(file)
    if resume.size and resume.size == file.size:  # nobody is asked: who gave it is to be named for it
        candidates = tuple(sorted(candidates, key=lambda origin: origin.name != resume.source))
    for candidate in candidates:
        fetch = _download_from if candidate.kind is CandidateKind.SOURCE else _copy_from_cache
        try:
            fetch(file, candidate, partial, context)
        except DownloadError as error:
            failures.append((candidate, error))
            missing = isinstance(error, NotFoundError) and candidate.kind is not CandidateKind.SOURCE
            if not missing and candidate is not candidates[-1]:
                context.warn(f"{file.name}: {candidate.name}: {error.problem}")
        else:
            return candidate
    raise _failure(file, failures, partial.load_resume_state(file).size)


def _download_from(
    file: SourceFile, candidate: Candidate, partial: PartialFile, context: DownloadContext
) -> None:
    context.emit(FileDownloadStarted(context.model, file.name, file.size or 0, candidate.name))
    try:
        _try_candidate(file, candidate, partial, context, _ThrottledProgress(file, context))
    except PosezooError as error:
        context.emit(FileDownloadFinished(context.model, file.name, False, error.problem))
        raise
    context.emit(FileDownloadFinished(context.model, file.name, True))


def _copy_from_cache(
    file: SourceFile, candidate: Candidate, partial: PartialFile, context: DownloadContext
) -> None:
    if not _is_shared(file, candidate, partial):
        _try_candidate(file, candidate, partial, context, _offline_hint)
    context.emit(CachedFileUsed(context.model, file.name, candidate.name))


def _is_shared(file: SourceFile, candidate: Candidate, partial: PartialFile) -> bool:
    """Whether the part holds the cache's own bytes now; a mirror is somebody else's."""
    if candidate.kind is not CandidateKind.CACHE or candidate.path is None:
        return False
    try:
        return partial.clone_from(candidate.path, file)
    except OSError:  # told where it is read
        return False


def _try_candidate(
    file: SourceFile,
    candidate: Candidate,
    partial: PartialFile,
    context: DownloadContext,
    progress: Callable[[int], None],
) -> None:
    """Fill the part from one origin, asked again where that may help."""
    attempt = 1
    while True:
        try:
            _try_once(file, candidate, partial, context, progress)
            return
        except RateLimitedError as error:
            if error.new_limit is None:
                attempt = _wait_for_retry(file, candidate, attempt, error, context)
                continue
            fewer = f"at most {error.new_limit} at once now"
            context.warn(f"{file.name}: {candidate.name}: {error.problem}; {fewer}")
            context.sleep(_backoff_seconds(1, error.retry_after_s, context.means.timeout_s))
        except TransientSourceError as error:
            attempt = _wait_for_retry(file, candidate, attempt, error, context)


def _wait_for_retry(
    file: SourceFile,
    candidate: Candidate,
    attempt: int,
    error: TransientSourceError,
    context: DownloadContext,
) -> int:
    """Wait before the next attempt, and return its number; raises a SourceError where there is to be none."""
    allowed = min(context.means.attempts, error.at_most or context.means.attempts)
    if attempt >= allowed:
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        hint = error.hint or _requested_pause(error, context.means.timeout_s)
        raise SourceError(f"{error.problem}{tries}", hint=hint, temporary=True) from error
    pause_s = _backoff_seconds(attempt, error.retry_after_s, context.means.timeout_s)
    context.warn(
        f"{file.name}: {candidate.name}: {error.problem}; "
        f"attempt {attempt + 1} of {allowed} in {pause_s:.1f} s"
    )
    context.sleep(pause_s)
    return attempt + 1


def _try_once(
    file: SourceFile,
    candidate: Candidate,
    partial: PartialFile,
    context: DownloadContext,
    progress: Callable[[int], None],
) -> None:
    """Ask once: for the rest of what an earlier attempt or run left; where that does not fit, for all."""
    try:
        _receive(file, candidate, partial.load_resume_state(file), partial, progress)
    except RangeMismatchError as error:
        context.warn(f"{file.name}: {candidate.name}: {error.problem}; starting anew")
        partial.truncate()
        _receive(file, candidate, NOTHING, partial, progress)


def _receive(
    file: SourceFile,
    candidate: Candidate,
    resume: ResumeState,
    partial: PartialFile,
    progress: Callable[[int], None],
) -> None:
    """Fill the part with what comes; bytes that prove wrong are not kept for another run."""
    with _open_remaining(file, candidate, resume) as stream:
        hasher = partial.start_at(
            file, ResumeState(stream.start, candidate.name, stream.etag), resumable=stream.is_resumable
        )
        try:
            _write_chunks(partial, stream, file, hasher, progress)
            partial.came_from = stream.url
        except (SizeError, DigestError) as error:
            partial.truncate()
            if not stream.start:
                raise
            raise RangeMismatchError(
                f"what was here of it and what came after do not fit: {error.problem}"
            ) from error
        except OutputError:
            partial.truncate()  # gives back what a full disk lacks
            raise


def _open_remaining(
    file: SourceFile, candidate: Candidate, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """What is missing of a file; a part that holds all of it asks nobody."""
    if resume.size and resume.size == file.size:
        return nullcontext(ByteStream(iter(()), resume.size, resume.etag, is_resumable=True))
    # Another source may name the same bytes otherwise; whether they are the same, their digest tells.
    return candidate.open(resume if resume.source == candidate.name else replace(resume, etag=""))


def _backoff_seconds(attempt: int, asked_s: float | None, patience_s: float) -> float:
    """Seconds before the next attempt; a server is granted no longer pause than it may be silent."""
    if asked_s is not None:
        return min(asked_s, patience_s)
    longest = min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)  # so that many clients do not come back at one moment


def _requested_pause(error: TransientSourceError, patience_s: float) -> str:
    """The pause that a server asked for, where it is longer than we wait."""
    if error.retry_after_s is None or error.retry_after_s <= patience_s:
        return ""
    return (
        f"the server asks to be left alone for {error.retry_after_s:.0f} s: run the command again after that"
    )


def _write_chunks(
    partial: PartialFile, stream: ByteStream, file: SourceFile, hasher: _Hash, progress: Callable[[int], None]
) -> None:
    """Write the pieces, never more than the declared size."""
    expected, size = file.checksum, stream.start
    for piece in stream.pieces:
        size += len(piece)
        if size > file.read_limit:
            allowed = "expected" if file.size is None else "declared"
            raise SizeError(f"gives more than the {allowed} {file.read_limit} bytes")
        partial.write(piece)
        hasher.update(piece)
        progress(size)
    if file.size is not None and size < file.size:
        raise SizeError(f"gives {size} bytes, {file.size} are declared")
    if expected is not None and (actual := Digest(expected.algorithm, hasher.hexdigest())) != expected:
        is_locked = file.first_use or file.by_lock
        pin = "posezoo.lock has" if is_locked else "declared is"
        record = "posezoo.lock" if is_locked else "model.yml"
        raise DigestError(
            f"gives bytes of {actual}, {pin} {expected}",
            hint=f"the file changed there, or was damaged on its way: check it, then update {record}",
        )
    if reason := explain_wrong_members(partial.path, file):
        raise DigestError(reason, hint="the file changed there, or was damaged on its way")


class _ThrottledProgress:
    """Tells how far a file has come, now and then and at its end."""

    def __init__(self, file: SourceFile, context: DownloadContext) -> None:
        self._file, self._errand = file, context
        self._told = time.monotonic()

    def __call__(self, size: int) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_EVERY_S or size == self._file.size:
            self._told = now
            self._errand.emit(FileDownloadProgress(self._errand.model, self._file.name, size))


def _offline_hint(size: int) -> None:
    pass


def _failure(file: SourceFile, failures: FailedCandidates, resume: int) -> DownloadError:
    """One error for all; a cache that simply does not hold the file is no news."""
    told = [
        (o, e) for o, e in failures if not (o.kind is CandidateKind.CACHE and isinstance(e, NotFoundError))
    ]
    if not told:
        return SourceError(f"{file.name}: no source to ask", hint=_hint(file, told))
    reasons = "; ".join(f"{candidate.name}: {error.problem}" for candidate, error in told)
    hint = next((error.hint for _, error in told if error.hint), _hint(file, told))
    if resume:
        hint = f"the same command goes on behind the {resume} bytes that are here"
    if len(told) > 1:
        return DownloadError(f"{file.name}: no source gave it: {reasons}", hint=hint)
    kind = type(told[0][1])
    known = kind if kind in (SizeError, DigestError, ArchiveError) else SourceError
    return known(f"{file.name}: {reasons}", hint=hint)


def _hint(file: SourceFile, told: FailedCandidates) -> str:
    answered = bool(told) and all(isinstance(error, NotFoundError) for _, error in told)
    first = "check the address" if answered else "check the network and any proxy"
    if file.checksum is None:  # a mirror is asked by the digest of the file itself
        return first
    return f"{first}, or name a folder that holds a copy: --mirror DIR"
