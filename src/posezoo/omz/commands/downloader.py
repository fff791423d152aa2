"""downloader.py, omz_downloader: download published files, with Open Model Zoo's flags and
output.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.run_main import RESUMES
from posezoo.core import events
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import PosezooError, UnpinnedFileError
from posezoo.core.events import Listener
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import MOST_JOBS, to_settings
from posezoo.core.values import frozen
from posezoo.omz.commands import conventions
from posezoo.omz.commands.conventions import LineBuffer, PrecisionsArgs
from posezoo.omz.commands.event_output import JsonReporter, TextReporter

if TYPE_CHECKING:
    from posezoo.core.download.context import ConnectionPool

FLAGS = (
    Flag(
        "--precisions PREC[,PREC...]",
        "precisions to download of models that are published as IR (default: all): "
        f"{', '.join(conventions.PRECISIONS)}",
    ),
    conventions.output_dir_flag("where files go", "the working folder"),
    Flag("--cache_dir DIR", "folder that keeps a copy of each file, named by its digest"),
    f"mirror {flags.TRUST}",
    Flag(
        "--num_attempts N",
        "number of attempts for a source that fails temporarily (default: 5)",
        conventions.parse_positive,
    ),
    flags.HTTP,
    conventions.PROGRESS_FORMAT,
    Flag(
        "-j, --jobs N",
        "number of files to download at the same time, of one or several models (default: 1)",
        conventions.parse_positive,
    ),
    "connections",
)


class _DownloaderArgs(PrecisionsArgs):
    output_dir: Path | None
    num_attempts: int | None
    progress_format: str
    jobs: int | None


def _run(args: _DownloaderArgs) -> int:
    output_dir = args.output_dir or Path.cwd()
    jobs = min(args.jobs, MOST_JOBS) if args.jobs else None
    said = conventions.omz_settings_from_args(args, {"attempts": args.num_attempts, "jobs": jobs})
    settings = to_settings(said)
    settings, selection = conventions.select_omz_models(args, settings)
    # As in Open Model Zoo, no cache is used unless a flag or setting names one.
    is_cached = said["cache_dir"].origin != "default"
    from posezoo.core.download.context import ConnectionPool
    from posezoo.core.pipeline.for_each import Executor, for_each

    context = open_context(
        settings,
        download_dir=output_dir,
        trust_on_first_use=args.trust_on_first_use,
    )
    if not is_cached:
        options = replace(context.download_options, cache_dir=None)
        context = replace(context, download_options=options)
    failed = conventions.names_of_unreadable(selection)
    skipped = list[str]()
    with ConnectionPool(context.download_options) as pool:
        task = _ReportedDownload(
            context,
            conventions.precisions_from_args(args),
            args.progress_format,
            is_buffered=min(settings.jobs, len(selection.models)) > 1,
            pool=pool,
        )
        for outcome in for_each(selection.models, task, executor=Executor(settings.jobs)):
            paper, error = outcome.result or (None, outcome.error)
            if paper:
                paper.flush()
            if error:
                is_skipped = args.all and isinstance(error, UnpinnedFileError)
                (skipped if is_skipped else failed).append(outcome.item.full_name)
    return conventions.print_failures(failed, skipped=skipped, text=args.progress_format == "text")


@frozen
class _ReportedDownload:
    context: Context
    precisions: frozenset[str]
    progress_format: str
    is_buffered: bool  # whether the lines of a model are printed only at its end
    pool: ConnectionPool

    def __call__(
        self, spec: ModelSpec, listener: Listener
    ) -> tuple[LineBuffer, PosezooError | None]:
        from posezoo.core.download.model_download import download_model

        paper = LineBuffer(buffered=self.is_buffered)
        layout = self.context.layout
        options = self.context.download_options
        lines: TextReporter | JsonReporter
        if self.progress_format == "json":
            lines = JsonReporter(paper, spec)
        else:
            lines = TextReporter(paper, layout.model_download_dir(spec), options.cache_dir)
            group = conventions.GROUP
            paper.write_out(f"{group} Downloading {spec.full_name} {group[::-1]}\n")
        if self.precisions.isdisjoint(
            conventions.available_precisions(spec) | conventions.convertible_precisions(spec)
        ):
            if isinstance(lines, TextReporter):
                names = " or ".join(sorted(self.precisions))
                lines.start_step(f"Skipping {spec.full_name} (there is none in {names})\n")
            return paper, None
        try:
            spec = self.context.lock.with_pins(spec)
            download_model(
                spec,
                layout,
                options,
                precisions=self.precisions,
                listener=events.both(listener, lines),
                pool=self.pool,
            )
        except PosezooError as error:
            paper.print_error(error)
            return paper, error
        return paper, None


COMMAND = conventions.OmzCommand(
    "downloader.py",
    "Download models and verify them by their checksums.",
    "download",
    _run,
    own_flags=FLAGS,
    after_interrupt=RESUMES,
)
main = COMMAND.main
