"""Where the published files of models can be read from, and what the user can do if a model cannot
be downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from posezoo.core.declarations.model import ModelSpec, Precision, Source
from posezoo.core.declarations.sources import HttpSource, PackageSource, StorageSource
from posezoo.core.download.model_download import PlannedFile, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin, entry_path, select_files
from posezoo.core.errors import DownloadError, LicenseError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import format_command
from posezoo.core.values import frozen

if TYPE_CHECKING:  # lists do not need them
    from posezoo.core.resolve.resolved import Resolved
    from posezoo.core.resolve.stage_context import Context

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
    source = next(iter(planned.file.sources), None)
    if isinstance(source, PackageSource) and options.cache_dir:
        digest = source.package_file.checksum
        # The cache keeps a package for its other files.
        if digest and (options.cache_dir / entry_path(digest)).exists():
            return str(FileOrigin.CACHE.value)
    return name_source(source)


def name_source(source: Source | None) -> str:
    """The name of a source: of a package index, or of a host."""
    if source is None:
        return "nowhere"
    if isinstance(source, PackageSource):
        return source.index
    # The text of a source has no secrets, and neither has its host.
    address = source.url if isinstance(source, (HttpSource, StorageSource)) else str(source)
    host: str | None = urlsplit(address).hostname
    return host or type(source).__name__.removesuffix("Source").lower()


def advise_after_failure(error: DownloadError, resolved: Resolved, context: Context) -> None:
    """Put into the hint of a failed download which precision, own weights or other models can be
    run.
    """
    spec = resolved.spec
    others: Sequence[str] = ()
    if spec.is_ir:
        weights = find_availability(spec, resolved.layout, context.download_options)
        others = weights.local_precisions
    if others:
        available = f"its files in {' and '.join(others)} are available"
        error.hint = f"{available}: choose the precision {others[0]}"
        return
    if not error.is_gone:
        return
    advice = [error.hint]
    if spec.network:
        advice.append(f"{format_command('run', spec)} --checkpoint FILE runs weights of your own")
    models = _find_models_instead(spec, context)
    if models:
        advice.append(f"models with the same task that are available: {', '.join(models)}")
    error.hint = "; ".join(advice)


def _find_models_instead(spec: ModelSpec, context: Context) -> list[str]:
    from posezoo.core.pipeline.needs import NeedsFinder

    needs = NeedsFinder(context)
    local = []
    indexed = []
    for model in context.registry.select().all:
        if model.task != spec.task or model.full_name == spec.full_name or model.composite:
            continue
        origins: set[str] = set()
        parts = context.registry.parts(model)
        for part in parts:
            weights = find_availability(part, context.layout, context.download_options)
            origins.update(weights.best_places)
        if needs.find((part, Precision.FP16) for part in parts):
            continue
        if origins <= LOCAL:
            local.append(model.full_name)
        elif origins <= LOCAL | PACKAGE_INDEXES:
            indexed.append(model.full_name)
    return [*local, *indexed][:3]
