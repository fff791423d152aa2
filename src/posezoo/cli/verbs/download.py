"""posezoo download: download a model's published files, and verify them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.console import job_report
from posezoo.console.job_report import Answer
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.events import Listener
from posezoo.core.pipeline.for_each import Executor
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.download.context import ConnectionPool

EXAMPLES = """
posezoo download blazepose-full
posezoo download 'pose-*' --weights_dir models
posezoo download --all --jobs 8
posezoo download --all --mirror /mnt/models --dry_run
"""

FLAGS = (
    f"{flags.MODELS} weights_dir {flags.CACHE} {flags.DOWNLOAD}",
    f"{flags.REGISTRY} {flags.CLUSTER} dry_run {flags.FORMAT}",
)


class _DownloadArgs(flags.ModelsArgs, flags.FormatArgs):
    pass


def run(args: _DownloadArgs) -> int:
    """Download, and print the paths of the files."""
    from posezoo.core.download.context import ConnectionPool

    context = flags.context_from_args(args)
    executor = flags.executor_from_args(args, context)
    if executor == Executor() and not args.dry_run:
        executor = Executor(context.settings.jobs)
    with ConnectionPool(context.download_options) as pool:
        shared_pool = None if executor.in_processes else pool
        work = _DownloadTask(context, shared_pool, is_dry_run=args.dry_run)
        report = model_jobs.run_selected(args, context, work, executor=executor)
    return report.print(args.format)


@frozen
class _DownloadTask:
    """Downloads the files of a model; it is pickled for other processes, which share no
    connections.
    """

    context: Context
    pool: ConnectionPool | None
    is_dry_run: bool

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        from posezoo.core.download.model_download import download_model, plan_download

        layout = self.context.layout
        options = self.context.download_options
        spec = self.context.lock.with_pins(spec)
        if self.is_dry_run:
            files = plan_download(spec, layout, options)
            return Answer(plan=[job_report.format_planned_file(file) for file in files])
        paths = download_model(spec, layout, options, listener=listener, pool=self.pool)
        return Answer(files=paths)
