"""Whether a model can run here now: its packages, its files, and the hosts that they need.

No server is asked. The default model, ``recommend``, ``list``, ``doctor``, hints and dry runs use
the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from posezoo.core.declarations.model import ModelSpec, Precision, Source
from posezoo.core.declarations.routes import PRECISION
from posezoo.core.declarations.sources import HttpSource, PackageSource, StorageSource
from posezoo.core.download.candidates import refused_a_moment_ago
from posezoo.core.download.model_download import PlannedFile, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin, entry_path, mirror_folder, select_files
from posezoo.core.errors import (
    DownloadError,
    LicenseError,
    PosezooError,
    find_missing_packages,
)
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen

#: What is on a disk of this machine.
LOCAL = frozenset({FileOrigin.HERE.value, FileOrigin.CACHE.value, FileOrigin.MIRROR.value})
#: Indexes that are reachable if packages can be installed.
PACKAGE_INDEXES = {"npm index": "npm's registry", "pip index": "Python's package index"}
#: Of a model whose license the settings do not allow.
REFUSED = "license not allowed"

#: The packages with which any model runs, by the extra that installs them.
_RUNTIME = {"openvino": "run", "cv2": "run"}


@frozen
class Availability:
    """Whether ``posezoo run`` can run some networks here now.

    Attributes:
        places: where their files are: ``here``, ``cache``, ``mirror``, a package index or a host.
        needs: what is missing besides a download, each as the end of a sentence that begins with
            the model's name.
        closed: the indexes and hosts among the places that did not answer a moment ago, or whose
            files a mirror in a folder is to replace and does not have.
    """

    places: tuple[str, ...]
    needs: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether all files are on a disk."""
        return LOCAL.issuperset(self.places)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Who is asked for the files that are not on a disk."""
        return tuple(place for place in self.places if place not in LOCAL)

    @property
    def rank(self) -> int:
        """0 if it runs with what is on a disk or in a package index, 1 if it needs another host, or
        one that is closed, 2 if it needs more than a download.
        """
        if self.needs:
            return 2
        is_near = PACKAGE_INDEXES.keys() >= set(self.hosts)
        return 0 if is_near and not self.closed else 1

    @property
    def described_hosts(self) -> str:
        """``hosts`` in words; empty if no host is needed."""
        return " and ".join(PACKAGE_INDEXES.get(host, host) for host in self.hosts)


class AvailabilityFinder:
    """Plans each network once, however many models it belongs to."""

    def __init__(self, context: Context) -> None:
        self._context = context
        missing = find_missing_packages(_RUNTIME)
        self._runtime = {missing.extra} if missing else set()
        self._has_mirror = any(map(mirror_folder, context.settings.mirror))
        self._found: dict[tuple[str, Precision], _Network] = {}

    def find(self, networks: Iterable[tuple[ModelSpec, Precision]]) -> Availability:
        """Whether these networks can run in these precisions."""
        found = [self._find_network(*each) for each in networks]
        places = dict.fromkeys(place for network in found for place in network.places)
        extras = self._runtime.union(*(network.extras for network in found))
        reasons = dict.fromkeys(reason for network in found for reason in network.reasons)
        closed = [place for place in places if self._is_closed(place)]
        return Availability(tuple(places), (*_describe_extras(extras), *reasons), tuple(closed))

    def _is_closed(self, place: str) -> bool:
        return place not in LOCAL and (self._has_mirror or refused_a_moment_ago(place))

    def _find_network(self, part: ModelSpec, precision: Precision) -> _Network:
        key = (part.full_name, precision)
        if key not in self._found:
            self._found[key] = self._plan(part, precision)
        return self._found[key]

    def _plan(self, part: ModelSpec, precision: Precision) -> _Network:
        try:
            resolved = resolve_model(part, (precision,), self._context)
            plan = make_plan(resolved, self._context, is_dry_run=True)
        except LicenseError:
            reason = f"has a license that the settings do not allow: {part.full_name}"
            return _Network((), reasons=(reason,))
        except PosezooError as error:
            return _Network((), reasons=(f"cannot run here: {error.problem}",))
        options = self._context.download_options
        places = [_name_place(planned, options) for planned in plan.files]
        if not plan.files and not plan.obstacle:  # its IR is complete
            places = [FileOrigin.HERE.value]
        extras = plan.missing_package.extra.split(",") if plan.missing_package else ()
        return _Network(tuple(places), tuple(extras), tuple(_list_reasons(plan)))


@frozen
class _Network:
    """What is known of one network: where its files are, and what it needs."""

    places: tuple[str, ...]
    extras: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def _describe_extras(extras: set[str]) -> Iterator[str]:
    if extras:
        yield f"needs the extra{'s' * (len(extras) > 1)} {' and '.join(sorted(extras))}"


def _list_reasons(plan: Plan) -> Iterator[str]:
    if plan.obstacle:
        reason = plan.obstacle.why if plan.obstacle.reason == PRECISION else plan.obstacle.reason
        yield f"is not converted here ({reason})"
    if any(not planned.file.sources for planned in plan.missing_files):
        yield "needs a file of yours: model.yml names no source of it"
    if any(planned.is_unpinned for planned in plan.files):
        yield "needs --trust_on_first_use: a digest is not known"


@frozen
class FilePlaces:
    """Where the published files of a model's precisions come from.

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


def find_file_places(spec: ModelSpec, layout: ModelLayout, options: DownloadOptions) -> FilePlaces:
    """Where the files of a model come from, as far as no server has to be asked."""
    precisions = spec.precisions if spec.is_ir else ("",)
    try:
        plan = plan_download(spec, layout, options)
    except LicenseError:
        return FilePlaces(spec, {str(precision): (REFUSED,) for precision in precisions})
    place_by_file = {planned.file.name: _name_place(planned, options) for planned in plan}
    by_precision = {}
    for precision in precisions:
        files = select_files(spec, [precision] if precision else None)
        names = dict.fromkeys(place_by_file[file.name] for file in files)
        by_precision[str(precision)] = tuple(names)
    return FilePlaces(spec, by_precision)


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
        weights = find_file_places(spec, resolved.layout, context.download_options)
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
    """The first models of the same task that run with what is on a disk or in a package index."""
    finder = AvailabilityFinder(context)
    local = []
    indexed = []
    for model in context.registry.select().all:
        if model.task != spec.task or model.full_name == spec.full_name or model.composite:
            continue
        parts = context.registry.parts(model)
        availability = finder.find((part, Precision.FP16) for part in parts)
        if availability.rank:
            continue
        if availability.is_local:
            local.append(model.full_name)
        else:
            indexed.append(model.full_name)
    return [*local, *indexed][:3]
