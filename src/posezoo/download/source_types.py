"""The types of sources that model.yml can name: one record each, built in or added by a plug-in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from posezoo.download.candidates import ByteStream, Candidate, CandidateKind, ResumeState
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import store_candidates
from posezoo.errors import SourceError, redact_secrets
from posezoo.plugins import LazyTable
from posezoo.spec.model import Source, SourceFile
from posezoo.values import frozen

if TYPE_CHECKING:
    from posezoo.spec.field_types import FieldType


@frozen
class SourceType:
    """A type of source."""

    source_class: type  # the class of its sources; users see ``str(source)`` as the name
    #: Starts to read a source, given the file, the context and the bytes downloaded before; raises
    #: DownloadError if it cannot.
    open: Callable[
        [Any, SourceFile, DownloadContext, ResumeState], AbstractContextManager[ByteStream]
    ]
    #: Returns a copy on this machine to ask before the source; None if there is none.
    find_local_copy: Callable[[Any], Candidate | None] = lambda _source: None
    #: Returns what was compared (size, digest) with the source's own metadata, without downloading
    #: the file; raises DownloadError if they differ, or the source does not have it. If it is None,
    #: the source is opened and its first byte is read.
    check: Callable[[Any, SourceFile, DownloadContext], tuple[str, ...]] | None = None
    #: Its ``$type`` and its keys in model.yml. Only plug-ins set it; those of the built-in types
    #: are in ``spec.sources``, which reads model.yml without this package.
    field_type: FieldType[Any] | None = None


#: By the ``$type`` in model.yml; ``storage`` is for URLs of stores (s3, gs, az, sftp).
SOURCE_TYPES = LazyTable(
    "posezoo.source_types",
    SourceType,
    {
        "http": "posezoo.download.sources.direct:HTTP_TYPE",
        "google_drive": "posezoo.download.sources.google_drive:SOURCE_TYPE",
        "huggingface": "posezoo.download.sources.hugging_face:SOURCE_TYPE",
        "storage": "posezoo.download.sources.direct:STORAGE_TYPE",
        "file": "posezoo.download.sources.direct:FILE_TYPE",
        "python_package": "posezoo.download.sources.python_package:SOURCE_TYPE",
        "npm_package": "posezoo.download.sources.npm_package:SOURCE_TYPE",
    },
)


def type_name(source: object) -> str:
    """The ``$type`` of a source; a SourceError if no built-in type and no plug-in supports it.

    A built-in source names its type, so that the modules of other types are not imported.
    """
    if isinstance(source, Source) and source.type in SOURCE_TYPES.builtin:
        return source.type
    for name in SOURCE_TYPES.names()[len(SOURCE_TYPES.builtin) :]:
        added = SOURCE_TYPES.find(name)
        if added and isinstance(source, added.source_class):
            return name
    raise SourceError(f"no type of source fits {type(source).__name__}")


def find_source_type(source: object) -> SourceType:
    """The type of a source; a SourceError if no built-in type and no plug-in supports it."""
    source_type = SOURCE_TYPES.find(type_name(source))
    assert source_type
    return source_type


def list_candidates(file: SourceFile, context: DownloadContext) -> tuple[Candidate, ...]:
    """All candidates for a file, in the order to ask them: the cache, the mirrors, its sources."""
    candidates = [*store_candidates(file, context)]
    for source in file.sources:
        source_type = find_source_type(source)
        copy = source_type.find_local_copy(source)
        if copy:
            candidates.append(copy)
        start_reading = partial(source_type.open, source, file, context)
        candidates.append(
            Candidate(redact_secrets(str(source)), CandidateKind.SOURCE, start_reading)
        )
    return tuple(candidates)
