"""posezoo seed: write verified files where another package looks for its own.

With ``--format json``, it prints ``models`` (name, and files or plan) and ``failed`` (name, reason,
hint). The exit code is 1 if a file cannot be written.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.model_jobs import Answer
from posezoo.cli.selection import select_models
from posezoo.core.errors import LockError, UnknownModelError
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posezoo.core.declarations.model import ModelSpec
    from posezoo.core.download.context import ConnectionPool
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.events import Listener
    from posezoo.core.registry import Selection
    from posezoo.core.resolve.stage_context import Context
    from posezoo.scale.seed import FindSeeds

EXAMPLES = """
posezoo seed rtmlib ~/.cache/rtmlib rtmo-m
posezoo seed mediapipe venv/lib/python3.11/site-packages --all
posezoo seed openvino-dev omz-cache human-pose-estimation-0001 --dry_run
"""

FLAGS = (
    Flag(
        "package",
        "the package that looks for the files: rtmlib 0.0.16, mediapipe 0.10.21, or openvino-dev"
        " 2022.1 to 2024.6",
        choices=("rtmlib", "mediapipe", "openvino-dev"),
    ),
    Flag(
        "folder DIR",
        "rtmlib: ~/.cache/rtmlib, or the value of TORCH_HOME; mediapipe: the folder that has its"
        " folder mediapipe, usually site-packages; openvino-dev: the value of omz_downloader"
        " --cache_dir",
    ),
    flags.MODELS,
    f"{flags.CACHE} {flags.DOWNLOAD} {flags.REGISTRY} dry_run {flags.FORMAT}",
)


class _SeedArgs(flags.ModelsArgs, flags.FormatArgs):
    package: str
    folder: Path


def run(args: _SeedArgs) -> int:
    """Write the files, and print their paths."""
    from posezoo.core.download.context import ConnectionPool
    from posezoo.core.pipeline.for_each import Executor
    from posezoo.scale.seed import PACKAGES, removing_empty_folders, require_folder

    patterns = flags.patterns_from_args(args)
    require_folder(args.package, args.folder)
    context = flags.context_from_args(args)
    find_seeds = PACKAGES[args.package]
    with (
        flags.console_from_args(args) as console,
        ConnectionPool(context.download_options) as pool,
    ):
        selection = select_models(context.registry, patterns, console)
        selection = _require_seeds(selection, find_seeds, args.package)
        task = _SeedTask(context, find_seeds, args.folder, pool, is_dry_run=args.dry_run)
        with removing_empty_folders(task.find_places(selection)):
            report = model_jobs.run_for_each(
                selection,
                task,
                console,
                skip_unpinned=args.all,
                executor=Executor(1 if args.dry_run else context.settings.jobs),
            )
    return report.print(args.format)


def _require_seeds(selection: Selection, find_seeds: FindSeeds, name: str) -> Selection:
    """The models that the package has a use for; an UnknownModelError if there is none."""
    models = tuple(spec for spec in selection.models if any(find_seeds(spec)))
    if selection.models and not models:
        names = ", ".join(spec.full_name for spec in selection.models[:3])
        raise UnknownModelError(
            f"{name} looks for no file of these models: {names}",
            hint="--all --dry_run lists the files that it looks for",
        )
    return replace(selection, models=models)


@frozen
class _SeedTask:
    """Writes the files of a model that a package looks for, or plans that."""

    context: Context
    find_seeds: FindSeeds
    folder: Path
    pool: ConnectionPool
    is_dry_run: bool

    def find_places(self, selection: Selection) -> Iterator[Path]:
        """Where the package looks for the files of models."""
        for spec in selection.models:
            with suppress(LockError):  # the job of the model reports it
                for seed in self.find_seeds(self.context.lock.with_pins(spec)):
                    yield self.folder / seed.place

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.core.download.context import DownloadContext
        from posezoo.core.download.model_download import require_allowed
        from posezoo.scale.seed import plan_seed, plant

        options = self.context.download_options
        spec = self.context.lock.with_pins(spec)
        seeds = list(self.find_seeds(spec))
        with DownloadContext(spec, options, listener, pool=self.pool, links_files=False) as context:
            if self.is_dry_run:
                return Answer(
                    plan=[_format(plan_seed(seed, self.folder, context)) for seed in seeds]
                )
            require_allowed(spec, [seed.file for seed in seeds], options)
            return Answer(files=[plant(seed, self.folder, context) for seed in seeds])


def _format(planned: PlannedFile) -> str:
    line = model_jobs.format_planned_file(planned)
    return f"{line}, and write {planned.target}" if planned.candidate_names else line
