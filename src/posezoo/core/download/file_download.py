"""Download one file from the first candidate that sends the expected bytes, which are verified in a
part beside the target, and only then renamed.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.core.declarations.model import Digest, Source, SourceFile
from posezoo.core.declarations.sources import FileSource, PackageSource
from posezoo.core.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    RangeMismatchError,
    ResumeState,
    network_host,
    remember_answer,
    remember_refusal,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import cache_entry_lock, is_cached, store, store_candidates
from posezoo.core.download.origins import entry_path
from posezoo.core.download.partial import PartialFile, remove_partial
from posezoo.core.download.several_hosts import DownloadReport, HostParts
from posezoo.core.download.source_failures import (
    Failure,
    combine_failures,
    resume_hint,
    shown_name,
)
from posezoo.core.download.source_types import find_source_type, type_name
from posezoo.core.errors import (
    DigestError,
    DownloadError,
    OutputError,
    PosezooError,
    SizeError,
    UnpinnedFileError,
    redact_secrets,
)
from posezoo.core.events import (
    FileDownloadFinished,
    FileDownloadProgress,
    FileDownloadStarted,
    FileUpToDate,
)
from posezoo.core.files.manifest import describe
from posezoo.core.files.verified_files import (
    Hasher,
    compute_digests,
    explain_wrong_members,
    is_verified_file,
    set_aside,
    writing,
)
from posezoo.core.layout import require_inside
from posezoo.core.workers.hedging import ask_with_head_start, current_request
from posezoo.core.workers.retries import TransientSourceError, ask_again

_CHANGED = "the file changed at its source, or was damaged during the download"

# Ten progress events per second are enough.
_PROGRESS_EVERY_S = 0.1


def list_candidates(file: SourceFile, context: DownloadContext) -> tuple[Candidate, ...]:
    """All candidates for a file, in the order to ask them: the cache, the mirrors, its sources."""
    candidates = [*store_candidates(file, context)]
    for source in file.sources:
        source_type = find_source_type(source)
        copy = source_type.find_local_copy(source)
        if copy:
            candidates.append(copy)
        name = redact_secrets(str(source))
        start_reading = functools.partial(source_type.open, source, file, context)
        candidates.append(
            Candidate(name, CandidateKind.SOURCE, start_reading, host=_host_of(source))
        )
    return tuple(candidates)


def _host_of(source: Source) -> str:
    if isinstance(source, FileSource):
        return ""
    if isinstance(source, PackageSource):
        return source.index
    return network_host(str(source)) or type_name(source)


def download_file(
    file: SourceFile,
    target: Path,
    context: DownloadContext,
    candidates: Sequence[Candidate] | None = None,
) -> None:
    """Download a file to its target, and add it to the cache, where it is missing.

    ``candidates`` are asked in order; by default ``list_candidates``.

    Raises:
        DownloadError: no candidate sent the file; SourceError, SizeError, DigestError or
            ArchiveError if only one candidate was asked.
        UnpinnedFileError: the file has no checksum, and its first use is not trusted.
        OutputError: the file cannot be written, or a link leads out of the context's roots; an
            earlier file of that name is unchanged.
    """
    if not file.is_pinned and context.first_use is None:
        raise unpinned_error([file])
    if _is_downloaded(file, target, context):
        if file.also:
            _require_digests(file, compute_digests(target, [each.algorithm for each in file.also]))
        remove_partial(target)
        _add_to_cache(file, target, context)
        return
    require_inside(target, context.roots)
    if context.manifest:
        context.manifest.stage()
    algorithms = [file.checksum.algorithm if file.checksum else "sha384"]
    algorithms += [digest.algorithm for digest in file.also]
    with PartialFile(target, _waiting(file, context), algorithms) as partial:
        if _is_downloaded(file, target, context):  # by the process that we waited for
            return
        with cache_entry_lock(file, context):
            sources = candidates if candidates is not None else list_candidates(file, context)
            candidate = _fill(file, sources, partial, context)
            try:
                _require_digests(file, partial.digests)
                if not file.is_pinned:
                    _compare_with_another_source(file, partial, candidate, sources, context=context)
            except DigestError:
                partial.truncate()
                raise
            _finish(file, partial, context, candidate)


@contextmanager
def download_part(
    part: SourceFile, target: Path, context: DownloadContext, candidate: Candidate, package: Digest
) -> Iterator[Path]:
    """Download a part of a package, which has no digest of its own, for the time of a ``with``, in
    which the caller verifies what it reads.

    If the download is interrupted, the bytes stay beside the target for the next attempt or run.

    Raises:
        DownloadError: the candidate did not send the part; it was asked once.
        OutputError: the part cannot be written.
    """

    def show_progress(size: int) -> None:
        context.emit(FileDownloadProgress(context.model, part.name, size))

    with (
        PartialFile(target, _waiting(part, context), identity=package) as partial,
        _reporting(candidate, part, context),
    ):
        try:
            _receive(candidate, part, partial, show_progress)
        except RangeMismatchError:
            partial.truncate()
            raise
        except TransientSourceError as error:
            error.hint = resume_hint(partial.load_resume_state(part).size) or error.hint
            raise
        try:
            yield partial.path
        finally:
            partial.truncate()


@contextmanager
def _reporting(candidate: Candidate, file: SourceFile, context: DownloadContext) -> Iterator[None]:
    context.emit(FileDownloadStarted(context.model, file.name, file.size or 0, candidate.name))
    try:
        yield
    except PosezooError as error:
        context.emit(FileDownloadFinished(context.model, file.name, False, error.problem))
        raise
    context.emit(FileDownloadFinished(context.model, file.name, True))


def _waiting(file: SourceFile, context: DownloadContext) -> Callable[[], None]:
    message = f"{file.name}: waiting for another process that is downloading it"
    return lambda: context.warn(message)


def _add_to_cache(file: SourceFile, target: Path, context: DownloadContext) -> None:
    if not is_cached(file, context):
        with cache_entry_lock(file, context):
            if is_verified_file(target, file):  # it may have changed while this process waited
                store(target, file, context, replace=False)


def _compare_with_another_source(
    file: SourceFile,
    partial: PartialFile,
    used: Candidate,
    candidates: Sequence[Candidate],
    context: DownloadContext,
) -> None:
    """Compare a file without a pin with what another source sends; the first that sends it counts.

    Raises:
        DigestError: the other source sends another file.
    """
    digest = partial.digests[0]
    for other in candidates:
        if other is used or other.kind is not CandidateKind.SOURCE:
            continue
        try:
            with _reporting(other, file, context):
                sent = _hash_stream(other, file, digest.algorithm, context)
        except DownloadError as error:
            context.warn(f"{file.name}: not compared with {other.name}: {error.problem}")
            continue
        if sent != digest:
            raise DigestError(
                f"{file.name}: {used.name} sends {digest}, and {other.name} sends {sent}",
                hint="one of them was changed: ask the publisher which; nothing was kept",
            )
        return


def _hash_stream(
    candidate: Candidate, file: SourceFile, algorithm: str, context: DownloadContext
) -> Digest:
    def receive() -> Digest:
        hasher = Hasher([algorithm])
        size = 0
        with candidate.open(ResumeState()) as stream:
            for piece in stream.pieces:
                size += len(piece)
                if size > file.read_limit:
                    raise SizeError(f"sends more than the {file.read_limit} bytes of the limit")
                hasher.update(piece)
        return hasher.digests[0]

    return ask_again(receive, context.options.limits)


def _finish(
    file: SourceFile, partial: PartialFile, context: DownloadContext, candidate: Candidate
) -> None:
    """Rename a part to its target, after every step that can fail: only verified files are
    renamed.
    """
    target = partial.target
    size = partial.path.stat().st_size
    digest = partial.digests[0]
    if not file.is_pinned and context.first_use is not None:
        context.first_use(file, size, digest)
        context.warn(f"{file.name}: trusted on first use: {size} bytes of {digest}")
        file = replace(file, size=size, checksum=digest, first_use=True)
    accepted = [digest]
    if context.manifest:
        accepted += context.manifest.digests(target)
    # A path in a mirror names its bytes: others there are damaged, and not a file of the user.
    if file.checksum is None or not target.as_posix().endswith(f"/{entry_path(file.checksum)}"):
        with writing(target):
            set_aside(target, context.emit, accepted)
    partial.replace_target()
    if context.manifest:
        context.manifest.add(target, describe(size, digest, url=candidate.name))
    context.sync_at_exit(target.parent)
    # If a killed run left a complete part, no candidate is asked, and the one returned may not be
    # the one that sent the bytes.
    store(target, file, context, replace=candidate.kind is not CandidateKind.CACHE)


def unpinned_error(files: Sequence[SourceFile]) -> UnpinnedFileError:
    """The error that files without a pin are not downloaded."""
    names = ", ".join(file.name for file in files)
    accepts = "accepts the present file"
    if all(len(file.sources) > 1 for file in files):
        accepts = "accepts the present file if two sources send the same"
    return UnpinnedFileError(
        f"{names}: no checksum: the publisher states none, so the download cannot be verified",
        hint=f"--trust_on_first_use {accepts}; posezoo.lock then records its checksum",
    )


def _is_downloaded(file: SourceFile, target: Path, context: DownloadContext) -> bool:
    if not is_verified_file(target, file):
        return False
    context.emit(FileUpToDate(context.model, file.name))
    return True


def _fill(
    file: SourceFile,
    candidates: Sequence[Candidate],
    partial: PartialFile,
    context: DownloadContext,
) -> Candidate:
    """The first ones, on this machine, are asked one after the other; from the first host on, each
    has a head start.
    """
    resume = partial.load_resume_state(file)
    if resume.size and resume.size == file.size:  # complete: put the candidate that sent it first
        in_turn = sorted(candidates, key=lambda candidate: candidate.name != resume.source)
    else:
        in_turn = list(itertools.takewhile(lambda candidate: not candidate.host, candidates))
    hosts = candidates[len(in_turn) :]
    report = DownloadReport(file, context)
    failures: list[Failure] = []
    used = _fill_in_turn(in_turn, file, partial, report, failures)
    used = used or _fill_from_hosts(hosts, file, partial, report, failures)
    # A host that fails for one file is asked last for the others.
    late = {
        candidate.host
        for candidate, error in failures
        if isinstance(error, TransientSourceError) and context.pool.postpone(candidate.host)
    }
    if used is None:
        raise combine_failures(file, failures, partial.load_resume_state(file).size)
    report.succeed(used)
    for candidate, error in failures:
        if isinstance(error, TransientSourceError):
            if candidate.host in late:
                is_source = candidate.kind is CandidateKind.SOURCE
                name = candidate.host if is_source else shown_name(candidate)
                context.warn(f"{name}: {error.problem}; it is asked last for the rest of the run")
        elif candidate.kind is CandidateKind.SOURCE or not isinstance(error, NotFoundError):
            context.warn(f"{file.name}: {shown_name(candidate)}: {error.problem}")
    return used


def _fill_in_turn(
    candidates: Sequence[Candidate],
    file: SourceFile,
    partial: PartialFile,
    report: DownloadReport,
    failures: list[Failure],
) -> Candidate | None:
    """None if all failed; ``failures`` gets the candidates that did."""
    for candidate in candidates:
        try:
            _ask(candidate, file, partial, report)
        except DownloadError as error:
            if candidate.kind is not CandidateKind.CACHE or not isinstance(error, NotFoundError):
                failures.append((candidate, error))
        else:
            return candidate
    return None


def _fill_from_hosts(
    candidates: Sequence[Candidate],
    file: SourceFile,
    partial: PartialFile,
    report: DownloadReport,
    failures: list[Failure],
) -> Candidate | None:
    """None if all failed; ``failures`` gets those that failed or were overtaken. A further host is
    asked at the same time if others are slow.
    """
    context = report.context
    pool = context.pool
    ordered = sorted(candidates, key=lambda candidate: pool.is_late(candidate.host))

    def prepare(number: int, is_alone: bool) -> Callable[[], PartialFile]:
        part = parts.choose(is_alone=is_alone)
        return functools.partial(_ask, ordered[number], file, part, report)

    with HostParts(partial) as parts:
        answer = ask_with_head_start(
            [candidate.host or candidate.name for candidate in ordered],
            prepare,
            context.options.head_start_s,
            DownloadError,
            pool.raise_if_cancelled,
        )
        if answer.result:
            parts.keep(answer.result)
    problems: dict[int, DownloadError] = {
        number: TransientSourceError(f"{reason}, another source was faster")
        for number, reason in answer.overtaken.items()
    }
    problems.update(answer.failures)
    for number, error in sorted(problems.items()):
        candidate = ordered[number]
        failures.append((candidate, error))
        if number in answer.failures and isinstance(error, TransientSourceError):
            remember_refusal(candidate.host)
    if not answer.result:
        return None
    winner = ordered[answer.winner]
    remember_answer(winner.host)
    return winner


def _ask(
    candidate: Candidate, file: SourceFile, part: PartialFile, report: DownloadReport
) -> PartialFile:
    context = report.context
    name = candidate.name
    with suppress(ValueError):  # an invalid address; the error at the end has all of it
        name = urlsplit(candidate.name).hostname or candidate.name

    def warn(problem: str) -> None:
        context.warn(f"{file.name}: {name}: {problem}")

    def show_progress(size: int) -> None:
        report.show_progress(candidate, size)

    def receive() -> None:
        try:
            _receive(candidate, file, part, show_progress)
        except RangeMismatchError as error:
            warn(f"{error.problem}; starting again from the beginning")
            part.truncate()
            _receive(candidate, file, part, show_progress)

    report.start(candidate)
    try:
        ask_again(receive, context.options.limits, warn)
    except PosezooError as error:
        report.fail(candidate, error.problem)
        raise
    return part


def _receive(
    candidate: Candidate,
    file: SourceFile,
    partial: PartialFile,
    show_progress: Callable[[int], None],
) -> None:
    """Request the missing bytes once; wrong bytes are not kept for another run."""
    with _open_rest(candidate, file, partial.load_resume_state(file)) as stream:
        start = ResumeState(stream.start, candidate.name, stream.etag)
        partial.start_at(file, start, resumable=stream.is_resumable)
        current_request().expect((file.size or stream.size or 0) - stream.start)
        try:
            for size in _write_pieces(stream, file, partial):
                show_progress(size)
            partial.finish()
            _require_expected(file, partial)
        except (SizeError, DigestError) as error:
            partial.truncate()
            if not stream.start:
                raise
            raise RangeMismatchError(
                "the partial file and the rest of the download do not fit together:"
                f" {error.problem}"
            ) from error
        except OutputError:
            partial.truncate()  # frees space on a full disk
            raise


def _open_rest(
    candidate: Candidate, file: SourceFile, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    if resume.size and resume.size == file.size:  # nothing is missing, so no candidate is asked
        return nullcontext(ByteStream(iter(()), resume.size, resume.etag, is_resumable=True))
    if resume.source != candidate.name:
        # Another source may use another ETag for the same bytes; the digest shows whether they are
        # the same.
        resume = replace(resume, etag="")
    return candidate.open(resume)


def _write_pieces(stream: ByteStream, file: SourceFile, partial: PartialFile) -> Iterator[int]:
    size = stream.start
    reported_at = float("-inf")  # the first piece is reported at once
    for piece in stream.pieces:
        if not stream.url:  # bytes over HTTP are counted when they arrive
            current_request().note_data(len(piece))
        size += len(piece)
        if size > file.read_limit:
            limit = "expected" if file.size is None else "declared"
            raise SizeError(f"sends more than the {limit} {file.read_limit} bytes")
        partial.write(piece)
        now = time.monotonic()
        if now - reported_at >= _PROGRESS_EVERY_S or size == file.size:
            yield size
            reported_at = now


def _require_expected(file: SourceFile, partial: PartialFile) -> None:
    size = partial.size
    actual = partial.digests[0]
    if file.size is not None and size < file.size:
        raise SizeError(f"sends {size} bytes, {file.size} are declared")
    if file.checksum not in (None, actual):
        pin = f"{file.checksum} is declared"
        advice = "try again, or give a folder with a copy: --mirror DIR"
        if file.pin_record == "posezoo.lock":
            pin = f"posezoo.lock has {file.checksum}"
            advice = "check it, then update posezoo.lock"
        raise DigestError(
            f"the digest of the download is {actual}, but {pin}", hint=f"{_CHANGED}: {advice}"
        )
    reason = explain_wrong_members(partial.path, file)
    if reason:
        raise DigestError(reason, hint=_CHANGED)


def _require_digests(file: SourceFile, digests: Sequence[Digest]) -> None:
    for expected in file.also:
        for actual in digests:
            if actual.algorithm == expected.algorithm and actual != expected:
                problem = f"{file.name}: its digest is {actual}, but {expected} is stated"
                raise DigestError(problem)
