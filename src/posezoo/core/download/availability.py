"""Where the published files of models can be read from: from a disk, or from which source."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from posezoo.core.declarations.model import ModelSpec, Source
from posezoo.core.declarations.sources import HttpSource, PackageSource, StorageSource
from posezoo.core.download.model_download import PlannedFile, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin, entry_path, select_files
from posezoo.core.errors import LicenseError
from posezoo.core.layout import ModelLayout
from posezoo.core.values import frozen

#: What is on a disk of this machine.
LOCAL = frozenset({FileOrigin.HERE.value, FileOrigin.CACHE.value, FileOrigin.MIRROR.value})
#: Indexes that are reachable if packages can be installed.
PACKAGE_INDEXES = frozenset({"npm index", "pip index"})
#: Of a model whose license the settings do not allow.
REFUSED = "license not allowed"


@frozen
class Availability:
    """Where the files of a model's precisions come from.

    The places are ``here``, ``cache`` and ``mirror``, which are on a disk; otherwise the host or
    the package index of the first source, ``nowhere`` without a source, or ``REFUSED``.
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


def find_availability(
    spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
) -> Availability:
    """Where the files of a model come from, as far as no server has to be asked."""
    precisions = spec.precisions if spec.is_ir else ("",)
    try:
        plan = plan_download(spec, layout, options)
    except LicenseError:
        return Availability(spec, {str(precision): (REFUSED,) for precision in precisions})
    place_by_file = {planned.file.name: _name_place(planned, options) for planned in plan}
    by_precision = {}
    for precision in precisions:
        files = select_files(spec, [precision] if precision else None)
        names = dict.fromkeys(place_by_file[file.name] for file in files)
        by_precision[str(precision)] = tuple(names)
    return Availability(spec, by_precision)


def _name_place(planned: PlannedFile, options: DownloadOptions) -> str:
    if planned.origin is not FileOrigin.SOURCE:
        return str(planned.origin.value)
    sources = planned.file.sources
    source = next(iter(sources), None)
    if isinstance(source, PackageSource) and options.cache_dir:
        digest = source.package_file.checksum
        # The cache keeps a package for its other files.
        if digest and (options.cache_dir / entry_path(digest)).exists():
            return str(FileOrigin.CACHE.value)
    return name_source(sources)


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
