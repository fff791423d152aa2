"""The error of a file that no candidate sent, and what the user can do."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.candidates import (
    MIRROR_HINT,
    Candidate,
    CandidateKind,
    LocalSettingsError,
    NotFoundError,
)
from posezoo.core.errors import (
    ArchiveError,
    DigestError,
    DownloadError,
    SizeError,
    SourceError,
    shorten_digests,
)
from posezoo.core.workers.retries import TransientSourceError

#: A candidate that did not send the file, and its error.
Failure = tuple[Candidate, DownloadError]


def combine_failures(
    file: SourceFile, failures: Sequence[Failure], resume_size: int
) -> DownloadError:
    """Combine the errors of all candidates into one; ``resume_size`` bytes are kept."""
    hint = _find_hint(file, failures, resume_size)
    if not failures:
        return SourceError(f"{file.name}: there is no source to download it from", hint=hint)
    if len(failures) > 1:
        reasons = _describe_failures(failures)
        combined = DownloadError(f"{file.name}: every source failed: {reasons}", hint=hint)
    else:
        ((candidate, error),) = failures
        error_type = type(error)
        is_public = error_type in (SizeError, DigestError, ArchiveError)
        public_type = error_type if is_public else SourceError
        name = shown_name(candidate)
        combined = public_type(f"{file.name}: {name}: {error.problem}", hint=hint)
    asked = [failure for failure in failures if not isinstance(failure[1], LocalSettingsError)]
    combined.hosts = tuple(filter(None, (candidate.host for candidate, _ in asked)))
    combined.is_silent = bool(asked) and all(
        isinstance(error, TransientSourceError) for _, error in asked
    )
    combined.is_gone = _is_missing(failures)
    combined.is_changed = any(isinstance(error, DigestError) for _, error in failures)
    return combined


def _describe_failures(failures: Sequence[Failure]) -> str:
    problems = {error.problem for _, error in failures}
    if len(problems) > 1:
        return "; ".join(f"{shown_name(each)}: {error.problem}" for each, error in failures)
    names = (urlsplit(candidate.name).netloc or candidate.name for candidate, _ in failures)
    return f"{', '.join(dict.fromkeys(names))}: {problems.pop()}"


def shown_name(candidate: Candidate) -> str:
    """A candidate as people read it: a path, or an address with the first digits of a commit or
    digest in it.
    """
    return shorten_digests(candidate.name) if candidate.host else candidate.name


def _is_missing(failures: Sequence[Failure]) -> bool:
    return bool(failures) and all(isinstance(error, NotFoundError) for _, error in failures)


def resume_hint(size: int) -> str:
    """What to do if some bytes are kept; empty for none."""
    if not size:
        return ""
    return f"run the same command again: it resumes after the {size} bytes already downloaded"


def _find_hint(file: SourceFile, failures: Sequence[Failure], resume_size: int) -> str:
    is_temporary = any(isinstance(error, TransientSourceError) for _, error in failures)
    if is_temporary and resume_size:
        return resume_hint(resume_size)
    hint = next((error.hint for _, error in failures if error.hint), "")
    hint = hint or _find_size_hint(file, failures) or _find_network_hint(file, failures)
    mirrors = [
        candidate.name
        for candidate, error in failures
        if candidate.kind is CandidateKind.MIRROR and not error.hint
    ]
    if mirrors and "mirror create" not in hint:
        hint = f"fill {' and '.join(mirrors)} again with posezoo mirror create, or {hint}"
    return hint


def _find_size_hint(file: SourceFile, failures: Sequence[Failure]) -> str:
    is_other = any(
        candidate.kind is CandidateKind.SOURCE and isinstance(error, SizeError)
        for candidate, error in failures
    )
    if file.size is None or not is_other:
        return ""
    hint = f"the file changed at its source, or its size in {file.pin_record} is wrong: check it"
    if file.pin_record == "model.yml":
        hint += "; posezoo lint --fix corrects it for a file that is here"
    return hint


def _find_network_hint(file: SourceFile, failures: Sequence[Failure]) -> str:
    hint = "check the network connection and the proxy settings"
    if _is_missing(failures):
        hint = "check the address"
    if file.checksum:  # a mirror finds a file by the digest of the file itself
        hint += f", or {MIRROR_HINT}"
    return hint
