"""Where the published files of models can be read from here: from disk, or from a source that
answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.download.digest_store import entry_path
from posezoo.download.model_download import NONE_STORED, FileOrigin, PlannedFile, plan_download
from posezoo.download.options import DownloadOptions
from posezoo.errors import LicenseError
from posezoo.layout import ModelLayout
from posezoo.spec.model import Digest, ModelSpec, Source
from posezoo.spec.sources import PackageSource

#: What is on a disk of this machine, or in a folder that counts as one.
LOCAL = frozenset({FileOrigin.HERE.value, FileOrigin.CACHE.value, FileOrigin.MIRROR.value})

#: Indexes that are reachable if packages can be installed.
PACKAGE_INDEXES = frozenset({"npm index", "pip index"})

#: Of a model whose license the settings do not allow.
REFUSED = "license not allowed"

# For --available, a host that does not answer at once counts as one that does not answer.
_TIMEOUT_S = 10.0
_JOBS = 16


@dataclass(frozen=True, slots=True)
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


def find_availability(
    spec: ModelSpec,
    layout: ModelLayout,
    options: DownloadOptions,
    stored: Mapping[Path, int] = NONE_STORED,
) -> Availability:
    """Where the files of a model come from, as far as no server has to be asked.

    ``stored`` is as for ``plan_download``.
    """
    by_precision = {}
    for precision in spec.precisions if spec.is_ir else ("",):
        try:
            precisions = [precision] if precision else None
            plan = plan_download(spec, layout, options, precisions, stored=stored)
            names = [_place(planned, options) for planned in plan]
        except LicenseError:
            names = [REFUSED]
        by_precision[str(precision)] = tuple(dict.fromkeys(names))
    return Availability(spec, by_precision)


def find_available(models: Sequence[Availability], options: DownloadOptions) -> set[str]:
    """The full names of the models whose files are available: on a disk, or at a source that
    answers.

    Each source is asked once, with a time limit of 10 seconds; nothing is downloaded.
    """
    from posezoo.download.source_check import check_sources  # imports requests

    available = {each.spec.full_name for each in models if each.is_local}
    asked = [each for each in models if not each.is_local and REFUSED not in each.best_places]
    options = replace(options, jobs=_JOBS, attempts=1, timeout_s=min(options.timeout_s, _TIMEOUT_S))
    answers = check_sources([each.spec for each in asked], options)
    good = {(answer.model, answer.file) for answer in answers if answer.state == "good"}
    for each in asked:
        if any(_has_answers(each.spec, precision, good) for precision in each.places):
            available.add(each.spec.full_name)
    return available


def _has_answers(spec: ModelSpec, precision: str, good: Collection[tuple[str, str]]) -> bool:
    """Whether a source of each file of a precision answered; the empty precision has all files."""
    folder = f"{precision}/" if precision else ""
    files = [file.name for file in spec.files if file.name.startswith(folder)]
    return bool(files) and all((spec.full_name, file) in good for file in files)


def _place(planned: PlannedFile, options: DownloadOptions) -> str:
    if planned.origin is not FileOrigin.SOURCE:
        return str(planned.origin.value)
    sources = planned.file.sources
    digest = package_digest(sources[0]) if sources else None
    if digest is None or options.cache_dir is None:
        return name_source(sources)
    is_cached = (options.cache_dir / entry_path(digest)).is_file()
    return str(FileOrigin.CACHE.value) if is_cached else name_source(sources)


def package_digest(source: Source) -> Digest | None:
    """The digest of the package that contains a file; the cache keeps it for its other files."""
    if isinstance(source, PackageSource):
        return source.package_file.checksum
    return None


def name_source(sources: Iterable[Source]) -> str:
    """The name of the first source: of a package index, or of a host."""
    source = next(iter(sources), None)
    if source is None:
        return "nowhere"
    if isinstance(source, PackageSource):
        return source.index
    host: str | None = urlsplit(str(source)).hostname
    return host or type(source).__name__.removesuffix("Source").lower()
