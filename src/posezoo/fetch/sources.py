"""What a model.yml can name as a source, and how each kind is opened: a new kind is a new line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import Any

from posezoo.errors import without_secrets
from posezoo.fetch.errand import Errand
from posezoo.fetch.google_drive import open_shared
from posezoo.fetch.hugging_face import local_copy, open_repository
from posezoo.fetch.origins import Body, Kind, Origin, open_path
from posezoo.fetch.part import Held
from posezoo.fetch.ranges import open_url
from posezoo.fetch.storage import open_stored
from posezoo.fetch.store import stored_origins
from posezoo.fetch.wheels import open_member
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
SourceOpener = Callable[[Any, SourceFile, Errand, Held], AbstractContextManager[Body]]


def _open_http(
    source: HttpSource, file: SourceFile, errand: Errand, held: Held
) -> AbstractContextManager[Body]:
    return open_url(source.url, file, errand, held)


def _open_file(
    source: FileSource, _file: SourceFile, errand: Errand, held: Held
) -> AbstractContextManager[Body]:
    return open_path(errand.base / source.path, held)


SOURCES: dict[type, SourceOpener] = {
    HttpSource: _open_http,
    GoogleDriveSource: open_shared,
    HuggingFaceSource: open_repository,
    StorageSource: open_stored,
    FileSource: _open_file,
    PythonPackageSource: open_member,
}


def origins_of(file: SourceFile, errand: Errand) -> tuple[Origin, ...]:
    """All places to ask for a file, in their order: the cache, the mirrors, its sources."""
    sources = chain.from_iterable(_origins(source, file, errand) for source in file.sources)
    return (*stored_origins(file, errand), *sources)


def _origins(source: Source, file: SourceFile, errand: Errand) -> Iterator[Origin]:
    if isinstance(source, HuggingFaceSource) and (copy := local_copy(source)) is not None:
        yield copy
    opener = partial(SOURCES[type(source)], source, file, errand)
    yield Origin(without_secrets(str(source)), Kind.SOURCE, opener)
