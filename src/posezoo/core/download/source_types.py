"""The types of sources that model.yml can name: one record each, built in or added by a plug-in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from posezoo.core.declarations.field_types import FieldType
from posezoo.core.declarations.model import Source, SourceFile
from posezoo.core.download.candidates import ByteStream, Candidate, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.errors import SourceError
from posezoo.core.plugins import LazyTable
from posezoo.core.values import frozen


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
    #: Its ``$type`` and its keys in model.yml; None if they are in ``core.declarations.sources``,
    #: which reads model.yml without the modules that download.
    field_type: FieldType[Any] | None = None


#: By the ``$type`` in model.yml.
SOURCE_TYPES = LazyTable(
    "posezoo.source_types",
    SourceType,
    {
        "http": "posezoo.core.download.sources.direct:HTTP_TYPE",
        "google_drive": "posezoo.core.download.sources.google_drive:SOURCE_TYPE",
        "huggingface": "posezoo.core.download.sources.hugging_face:SOURCE_TYPE",
        "file": "posezoo.core.download.sources.direct:FILE_TYPE",
    },
)


def type_name(source: object) -> str:
    """The ``$type`` of a source, which built-in ones name; a SourceError if nothing supports it."""
    if isinstance(source, Source) and source.type in SOURCE_TYPES.builtin:
        return source.type
    for name in SOURCE_TYPES.added_names():
        added = SOURCE_TYPES.find(name)
        if added and isinstance(source, added.source_class):
            return name
    raise SourceError(f"no type of source fits {type(source).__name__}")


def find_source_type(source: object) -> SourceType:
    """The type of a source; a SourceError if no built-in type and no plug-in supports it."""
    source_type = SOURCE_TYPES.find(type_name(source))
    assert source_type
    return source_type
