"""posezoo mirror: fill a folder for machines without network access, or check one.

With ``--format json``, ``create`` prints ``models`` (name, files) and ``failed`` (name, reason,
hint); ``check`` prints ``files``: model, file, path, state (good, missing, changed, extra,
symlinked, special).

The exit code is 1 if a model cannot be added, or if the state of a file is not good.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.model_jobs import Answer
from posezoo.cli.report import print_result
from posezoo.cli.selection import read_list_file, select_models
from posezoo.console import Console
from posezoo.errors import DownloadError, OutputError, UnknownModelError

if TYPE_CHECKING:
    from posezoo.cli.model_jobs import JobReport
    from posezoo.download.context import ConnectionPool
    from posezoo.download.model_download import PlannedFile
    from posezoo.download.options import DownloadOptions
    from posezoo.events import Listener
    from posezoo.mirror import Mirror, MirroredFile
    from posezoo.pipeline.zoo_context import Context
    from posezoo.registry import Selection
    from posezoo.settings import Settings
    from posezoo.spec.model import ModelSpec

EXAMPLES = """
posezoo mirror create /mnt/mirror --name 'blazepose-*' --samples
posezoo mirror create /mnt/mirror --list models.lst --dry_run
posezoo mirror create /mnt/mirror --all
posezoo mirror create /mnt/mirror --registry omz --name resnet-50-tf
posezoo mirror check /mnt/mirror
posezoo get blazepose-full --mirror /mnt/mirror --models_dir /mnt/mirror/models
"""

FLAGS = (
    Flag(
        "what",
        "create: add the files of the selected models to the mirror; check: verify all its files",
        choices=("create", "check"),
    ),
    Flag("folder DIR", "the folder of the mirror", flags.folder_or_store),
    flags.MODELS,
    Flag("--name PAT[,PAT...]", "like MODEL, but with commas between the names or globs"),
    Flag("--list FILE.LST", "a file with a name or glob on each line; # begins a comment", Path),
    Flag("--samples", "also add the two sample photos that posezoo run uses"),
    f"{flags.CACHE} {flags.DOWNLOAD} {flags.REGISTRY} dry_run {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Fill a mirror, or check one."""
    from posezoo.download.context import ConnectionPool
    from posezoo.mirror import Mirror

    mirror = Mirror(args.folder)
    names = args.name.split(",") if args.name is not None else []
    listed = read_list_file(args.list) if args.list is not None else []
    patterns = [*args.models, *names, *listed]
    with Console(quiet=args.quiet) as console:
        if args.what == "check":
            files = _check(mirror, patterns, flags.settings_from_args(args), console)
            return _print_states(mirror, files, args.format)
        _refuse_invalid_selection(args, patterns)
        if args.folder.exists() and not args.folder.is_dir():
            raise OutputError(
                f"{args.folder}: is not a folder", hint="name a folder; a missing one is created"
            )
        context = flags.context_from_args(args)
        with ConnectionPool(context.download_options) as pool:
            creation = _Creation(mirror, context, pool, console, is_dry_run=args.dry_run)
            report = creation.add_models(patterns, skip_unpinned=args.all)
            creation.add_extras(report, has_samples=args.samples)
        if not args.dry_run and mirror.open_lock().entries:
            mirror.write_notice(context.download_options.limits)
    return report.print(args.format)


def _refuse_invalid_selection(args: argparse.Namespace, patterns: list[str]) -> None:
    if args.all and patterns:
        args.parser.error("either name models or use --all")
    if args.all or patterns:
        return
    if args.list is not None:
        args.parser.error(f"{args.list} names no model")
    args.parser.error(
        "name models (as MODEL, or by --name or --list), or use --all; posezoo list shows all"
        " models"
    )


@dataclass(frozen=True, slots=True)
class _Creation:
    """Adds models, registries and photos to a mirror, or plans that."""

    mirror: Mirror
    context: Context
    pool: ConnectionPool
    console: Console
    is_dry_run: bool

    def add_models(self, patterns: Sequence[str], *, skip_unpinned: bool) -> JobReport:
        """Add the models that the patterns select, and those that they require."""
        from posezoo.pipeline.for_each import Executor

        context = self.context
        selection = select_models(context.registry, patterns or None, self.console)
        return model_jobs.run_for_each(
            _with_required_models(context, selection, self.console),
            self._add_model,
            self.console,
            skip_unpinned=skip_unpinned,
            executor=Executor(1 if self.is_dry_run else context.settings.jobs),
        )

    def add_extras(self, report: JobReport, *, has_samples: bool) -> None:
        """Add what is no model: the registries in use, and the sample photos."""
        from posezoo.registry import WHEEL_REGISTRIES

        mirror = self.mirror
        for name in self.context.settings.registries:
            if name in WHEEL_REGISTRIES:
                plan = partial(mirror.plan_registry, name)
                self._add_extra(name, plan, partial(mirror.add_registry, name), report)
        if has_samples:
            self._add_extra("samples", mirror.plan_samples, mirror.add_samples, report)

    def _add_model(self, spec: ModelSpec, listener: Listener) -> Answer:
        options = self.context.download_options
        lock = self.context.lock
        if self.is_dry_run:
            return _planned(self.mirror.plan(lock.with_pins(spec), options))
        return Answer(files=self.mirror.add_model(spec, options, lock, listener, self.pool))

    def _add_extra(
        self,
        name: str,
        plan: Callable[[DownloadOptions], Sequence[PlannedFile]],
        add: Callable[[DownloadOptions, Listener], Sequence[Path]],
        report: JobReport,
    ) -> None:
        options = self.context.download_options
        if self.is_dry_run:
            report.answers.append((name, _planned(plan(options))))
            return
        try:
            paths = add(options, self.console)
        except DownloadError as error:
            self.console.print_error(error)
            report.add_failure(name, error)
            return
        report.answers.append((name, Answer(files=paths)))


def _planned(files: Sequence[PlannedFile]) -> Answer:
    return Answer(plan=[model_jobs.format_planned_file(file) for file in files])


def _with_required_models(context: Context, selection: Selection, console: Console) -> Selection:
    """The models and the models that they require: other parts of a composite, and a detector."""
    from posezoo.pipeline.load import select_detector

    models: dict[str, ModelSpec] = {}
    for spec in selection.models:
        whole = context.registry.composite_of(spec)
        parts = [spec, *(context.registry.parts(whole) if spec.composite else ())]
        try:
            detector = select_detector(context, whole)
            parts += context.registry.parts(detector) if detector is not None else ()
        except UnknownModelError as error:
            console.warn(f"{error.problem}; it is skipped")
        for part in parts:
            models.setdefault(part.full_name, part)
    return replace(selection, models=tuple(models.values()))


def _check(
    mirror: Mirror, patterns: Sequence[str], settings: Settings, console: Console
) -> list[MirroredFile]:
    """The states of all files, or of those of the models that the patterns select."""
    from posezoo.files import stores
    from posezoo.pipeline.zoo_context import download_options
    from posezoo.registry import open_registry

    stores.pull(mirror.root, download_options(settings).limits, afresh=True)
    mirror.specs()  # raises an error if the folder is not a mirror
    names: list[str] = []
    if patterns:
        selection = select_models(open_registry([mirror.models_dir]), patterns, console)
        names += [spec.full_name for spec in selection.models]
        names += [composite.name for composite in selection.composites]
    return list(mirror.check(names))


def _print_states(mirror: Mirror, files: Sequence[MirroredFile], style: str) -> int:
    failed = [file for file in files if file.state != "good"]
    summary = f"{mirror.root}: all {len(files)} files are good"
    if failed:
        repair = _describe_repair(mirror, {file.state for file in failed})
        summary = f"{len(failed)} of {len(files)} are not good; {repair}"
    lines = []
    for file in failed:
        model = f"{file.model}: " if file.model else ""
        lines.append(f"{file.state:9} {model}{file.file} ({file.path})")
    print_result(style, {"files": [asdict(file) for file in files]}, *lines, summary)
    return 1 if failed else 0


def _describe_repair(mirror: Mirror, states: set[str]) -> str:
    repairs = []
    if states & {"changed", "missing"}:
        repairs.append(f"posezoo mirror create {mirror.root} MODEL downloads them again")
    if states - {"changed", "missing"}:  # posezoo does not remove files that are not the mirror's
        repairs.append("remove extra, symlinked and special files by hand")
    return "; ".join(repairs)
