"""posezoo mirror: fill a folder for machines without network access, or check one.

With ``--format json``, ``create`` prints ``models`` (name, files) and ``failed`` (name, reason,
hint); ``check`` prints ``files`` (model, file, path, state: good, missing, changed, extra,
symlinked, special) and ``needs_posezoo`` (the models that an earlier posezoo cannot read, by the
least version that can).

The exit code is 1 if a model cannot be added, or if the state of a file is not good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models, with_required_models
from posezoo.console import job_report
from posezoo.console.console import Console
from posezoo.console.job_report import Answer, JobReport
from posezoo.console.labels import name_first
from posezoo.console.report import print_result
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import DownloadError, OutputError
from posezoo.core.events import Listener
from posezoo.core.pipeline.for_each import Executor
from posezoo.core.registry import Selection, open_registry
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import WHEEL_REGISTRIES
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.scale.mirror import Mirror, MirroredFile

EXAMPLES = """
posezoo mirror create /mnt/mirror 'blazepose-*' --dry_run
posezoo mirror create /mnt/mirror --all
posezoo mirror create /mnt/mirror resnet-50-tf --registry omz
posezoo mirror check /mnt/mirror
posezoo get blazepose-full --mirror /mnt/mirror --models_dir /mnt/mirror/models
"""

FLAGS = (
    Flag(
        "what",
        "create: add the files of the selected models to the mirror; check: verify all its files",
        choices=("create", "check"),
    ),
    Flag("folder DIR", "the folder of the mirror"),
    flags.MODELS,
    Flag("--prune", "also remove models from the mirror that the registry no longer has"),
    f"{flags.CACHE} {flags.DOWNLOAD} {flags.REGISTRY} dry_run {flags.FORMAT}",
)


class _MirrorArgs(flags.ModelsArgs, flags.FormatArgs):
    what: str
    folder: Path
    prune: bool


def run(args: _MirrorArgs) -> int:
    """Fill a mirror, or check one."""
    from posezoo.scale.mirror import Mirror

    mirror = Mirror(args.folder)
    with Console(quiet=args.quiet) as console:
        if args.what == "check":
            names = _select_mirrored(mirror, args.models, console)
            files = list(mirror.check(names))
            return _print_states(mirror, files, mirror.list_needed_versions(names), args.format)
        patterns = flags.patterns_from_args(args)
        if args.folder.exists() and not args.folder.is_dir():
            raise OutputError(
                f"{args.folder}: is not a folder",
                hint="name a folder; posezoo creates a missing one",
            )
        context = flags.context_from_args(args)
        selection = select_models(context.registry, patterns, console)
        creation = _Creation(
            mirror,
            context,
            with_required_models(selection, context.registry, context.settings.detector, console),
            [name for name in context.settings.registries if name in WHEEL_REGISTRIES],
            console=console,
            skips_unpinned=args.all,
        )
        report = creation.plan() if args.dry_run else creation.make()
        if args.prune and not args.dry_run:
            for path in mirror.prune(context.registry.with_builtin()):
                console.print_line(f"removed {path}")
            mirror.write_notice(console)
    return report.print(args.format)


@frozen
class _Creation:
    mirror: Mirror
    context: Context
    selection: Selection
    registries: Sequence[str]  # of WHEEL_REGISTRIES
    console: Console
    skips_unpinned: bool

    def plan(self) -> JobReport:
        mirror = self.mirror
        options = self.context.download_options

        def plan(spec: ModelSpec, _listener: Listener) -> Answer:
            return _planned(mirror.plan(self.context.lock.with_pins(spec), options))

        report = self._run(plan, jobs=1)
        for name in self.registries:
            report.answers.append((name, _planned(mirror.plan_registry(name, options))))
        return report

    def make(self) -> JobReport:
        from posezoo.core.download.context import ConnectionPool

        mirror = self.mirror
        lock = self.context.lock
        options = self.context.download_options
        with ConnectionPool(options) as pool, mirror.recording() as record:

            def add(spec: ModelSpec, listener: Listener) -> Answer:
                paths = mirror.add_model(spec, options, lock, record, listener, pool=pool)
                return Answer(files=paths)

            report = self._run(add, jobs=self.context.settings.jobs)
        for name in self.registries:
            try:
                paths = mirror.add_registry(name, options, self.console)
            except DownloadError as error:
                self.console.print_error(error)
                report.add_failure(name, error)
                continue
            report.answers.append((name, Answer(files=paths)))
        if mirror.open_lock().entries:
            mirror.write_notice(self.console)
        self._warn_of_models_without_ir()
        return report

    def _warn_of_models_without_ir(self) -> None:
        """Say of which models --locked will refuse the IR, where the mirror is used."""
        from posezoo.cli.lock_entries import list_without_ir

        lacking = list_without_ir(self.mirror.open_lock(), self.selection.models)
        if lacking:
            names = name_first([spec.full_name for spec in lacking])
            self.console.warn(
                f"{names}: the mirror's lock lists no IR, so --locked refuses conversions there;"
                " to add the IR, run posezoo get, posezoo lock and posezoo mirror create again"
            )

    def _run(self, work: Callable[[ModelSpec, Listener], Answer], jobs: int) -> JobReport:
        return model_jobs.run_for_each(
            self.selection,
            work,
            self.console,
            skip_unpinned=self.skips_unpinned,
            executor=Executor(jobs),
        )


def _planned(files: Sequence[PlannedFile]) -> Answer:
    return Answer(plan=[job_report.format_planned_file(file) for file in files])


def _select_mirrored(mirror: Mirror, patterns: Sequence[str], console: Console) -> list[str]:
    mirror.specs()  # raises an error if the folder is not a mirror
    names = []
    if patterns:
        selection = select_models(open_registry([mirror.models_dir]), patterns, console)
        names += [spec.full_name for spec in selection.models]
        names += [composite.name for composite in selection.composites]
    return names


def _print_states(
    mirror: Mirror,
    files: Sequence[MirroredFile],
    needed_versions: Mapping[str, Sequence[str]],
    style: str,
) -> int:
    failed = [file for file in files if file.state != "good"]
    summary = f"{mirror.root}: all {len(files)} files are good"
    if failed:
        states = {file.state for file in failed}
        summary = f"{len(failed)} of {len(files)} are not good"
        if states & {"changed", "missing"}:
            summary += f"; posezoo mirror create {mirror.root} MODEL downloads them again"
        if states - {"changed", "missing"}:  # posezoo does not remove what is not the mirror's
            summary += "; remove extra, symlinked and special files by hand"
    lines = []
    for file in failed:
        model = f"{file.model}: " if file.model else ""
        lines.append(f"{file.state:9} {model}{file.file} ({file.path})")
    for version, names in needed_versions.items():
        lines.append(f"needs posezoo {version} or newer: {name_first(names)}")
    answer = {"files": [asdict(file) for file in files], "needs_posezoo": needed_versions}
    print_result(style, answer, *lines, summary)
    return 1 if failed else 0
