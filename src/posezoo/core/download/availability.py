"""Where the published files of models can be read from: from a disk, or from which source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.core.declarations.model import Digest, ModelSpec, Source, SourceFile
from posezoo.core.declarations.sources import (
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
    PackageSource,
    StorageSource,
)
from posezoo.core.download.options import DownloadOptions, refuse_license
from posezoo.core.download.origins import (
    FileOrigin,
    entry_path,
    hub_cache_path,
    mirror_folder,
    select_files,
)
from posezoo.core.errors import LicenseError
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen

# Of these types of sources, no other program has copies on this machine.
_WITHOUT_COPIES = (FileSource, GoogleDriveSource, HttpSource, PackageSource, StorageSource)

# Where a copy of a file is: which place, and its path there.
_Copy = tuple[FileOrigin, Path]

#: What is on a disk of this machine.
LOCAL = frozenset({FileOrigin.HERE.value, FileOrigin.CACHE.value, FileOrigin.MIRROR.value})

#: Indexes that are reachable if packages can be installed.
PACKAGE_INDEXES = frozenset({"npm index", "pip index"})

#: Of a model whose license the settings do not allow.
REFUSED = "license not allowed"


@frozen
class Availability:
    """Where the files of a model's precisions come from.

    A model that is published as IR has files for each precision; of another model all files are
    needed.
    """

    spec: ModelSpec
    #: The names of the places by precision; the precision is empty if all files are needed.
    places: dict[str, tuple[str, ...]]

    @property
    def local_precisions(self) -> tuple[str, ...]:
        """The precisions whose files are all on a disk."""
        return tuple(
            precision for precision, origins in self.places.items() if LOCAL.issuperset(origins)
        )

    @property
    def is_local(self) -> bool:
        """Whether the files of a precision are all on a disk."""
        return bool(self.local_precisions)

    @property
    def best_places(self) -> tuple[str, ...]:
        """The places of the files of the first precision on a disk, else of the first precision."""
        precision = next(iter(self.local_precisions or self.places), "")
        return self.places.get(precision, ())


class LocalNames:
    """The names in folders of this machine; each folder is read once, at its first use."""

    def __init__(self, options: DownloadOptions) -> None:
        self._cache = [(FileOrigin.CACHE, str(options.cache_dir))] if options.cache_dir else []
        mirrors = filter(None, map(mirror_folder, options.mirrors))
        self._stores = [*self._cache, *((FileOrigin.MIRROR, str(root)) for root in mirrors)]
        self._names: dict[str, frozenset[str]] = {}

    def has(self, folder: str, name: str) -> bool:
        """Whether a folder has a file or a folder of this name."""
        names = self._names.get(folder)
        if names is None:
            names = frozenset()
            with suppress(OSError):
                names = frozenset(entry.name for entry in os.scandir(folder))
            self._names[folder] = names
        return name in names

    def find_entries(self, digest: Digest) -> Iterator[_Copy]:
        """The entries of the cache and of mirrors with this digest."""
        for origin, root in self._stores:
            if self._has_entry(root, digest):
                yield origin, Path(root, entry_path(digest))

    def has_cached(self, digest: Digest) -> bool:
        """Whether the cache has an entry with this digest."""
        return any(self._has_entry(root, digest) for _, root in self._cache)

    def _has_entry(self, root: str, digest: Digest) -> bool:
        version, group, name = entry_path(digest).split("/")
        entries = f"{root}{os.sep}{version}"
        # Most groups of a small cache do not exist.
        return self.has(entries, group) and self.has(f"{entries}{os.sep}{group}", name)


def find_availability(
    spec: ModelSpec,
    layout: ModelLayout,
    options: DownloadOptions,
    local: LocalNames | None = None,
) -> Availability:
    """Where the files of a model come from, as far as no server has to be asked.

    They are the places of ``plan_download``, without the names of all candidates. Calls for several
    models share ``local``.
    """
    local = local or LocalNames(options)
    precisions = spec.precisions if spec.is_ir else ("",)
    try:
        refuse_license(spec, options.allow_licenses)
    except LicenseError:
        return Availability(spec, {str(precision): (REFUSED,) for precision in precisions})
    # Most models were never downloaded.
    folder = layout.model_download_dir(spec)
    has_folder = layout.checkpoint is not None or local.has(str(folder.parent), folder.name)
    place_by_file = {}
    for file in spec.files:
        origin = None
        if file.is_pinned or options.first_use is not None:
            is_here = has_folder and _is_here(file, spec, layout, options)
            origin = FileOrigin.HERE if is_here else _find_copy(file, local)
        place_by_file[file.name] = _name_place(file, origin, local)
    by_precision = {}
    for precision in precisions:
        files = select_files(spec, [precision] if precision else None)
        names = dict.fromkeys(place_by_file[file.name] for file in files)
        by_precision[str(precision)] = tuple(names)
    return Availability(spec, by_precision)


def _is_here(
    file: SourceFile, spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
) -> bool:
    from posezoo.core.files.postprocess_state import is_unpacked
    from posezoo.core.files.verified_files import is_verified_file

    if file.is_pinned and is_unpacked(file, spec, layout, rehash=options.verify):
        return True
    return is_verified_file(layout.file_path(spec, file), file, remember=False)


def _find_copy(file: SourceFile, local: LocalNames) -> FileOrigin | None:
    """Which place on a disk has a copy of a file: the cache, or a mirror."""
    for origin, path in _list_copies(file, local):
        if os.path.lexists(path):  # else nothing has to be imported
            from posezoo.core.files.verified_files import has_size

            if has_size(path, file.size):
                return origin
    return None


def _list_copies(file: SourceFile, local: LocalNames) -> Iterator[_Copy]:
    if file.checksum:
        yield from local.find_entries(file.checksum)
    for source in file.sources:
        if isinstance(source, HuggingFaceSource):
            yield FileOrigin.MIRROR, hub_cache_path(source)
        elif not isinstance(source, _WITHOUT_COPIES):
            from posezoo.core.download.source_types import find_source_type

            copy = find_source_type(source).find_local_copy(source)
            if copy and copy.path is not None:
                yield FileOrigin(copy.kind.value), copy.path


def _name_place(file: SourceFile, origin: FileOrigin | None, local: LocalNames) -> str:
    if origin is not None:
        return str(origin.value)
    source = next(iter(file.sources), None)
    if isinstance(source, PackageSource):
        digest = source.package_file.checksum
        if digest and local.has_cached(digest):  # the cache keeps a package for its other files
            return str(FileOrigin.CACHE.value)
    return name_source(file.sources)


def name_source(sources: Iterable[Source]) -> str:
    """The name of the first source: of a package index, or of a host."""
    source = next(iter(sources), None)
    if source is None:
        return "nowhere"
    if isinstance(source, PackageSource):
        return source.index
    # The text of a source has no secrets, and neither has its host.
    address = source.url if isinstance(source, (HttpSource, StorageSource)) else str(source)
    host: str | None = urlsplit(address).hostname
    return host or type(source).__name__.removesuffix("Source").lower()
