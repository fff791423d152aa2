"""posezoo download: download a model's published files, and verify them."""

from __future__ import annotations

import argparse

from posezoo.cli import flags, model_jobs
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.workers.threads import CancelCheck, cancellable

SUMMARY = "download the published files of models and verify them"

EXAMPLES = """
posezoo download blazepose-full
posezoo download 'pose-*' --output_dir models
posezoo download --all --jobs 8
posezoo download --all --mirror /mnt/models --dry_run
"""

FLAGS = (
    f"{flags.MODELS} output_dir {flags.CACHE} verify {flags.DOWNLOAD}",
    f"{flags.REGISTRY} dry_run {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Download, and print the paths of the files."""
    from posezoo.download.context import ConnectionPool
    from posezoo.download.model_download import download_model, plan_download
    from posezoo.spec.model import ModelSpec

    patterns, context = flags.patterns_from_args(args), flags.context_from_args(args)
    settings = context.settings

    with Console(quiet=args.quiet) as console, ConnectionPool(context.download_options) as pool:

        def work(spec: ModelSpec, check: CancelCheck) -> dict[str, object]:
            spec = context.lock.with_pins(spec)
            if args.dry_run:
                files = plan_download(spec, context.layout, context.download_options)
                return {"plan": [model_jobs.format_planned_file(file) for file in files]}
            downloaded = download_model(
                spec,
                context.layout,
                context.download_options,
                listener=cancellable(console, check),
                pool=pool,
            )
            return {"files": [str(path) for path in downloaded.files]}

        selection = select_models(context.registry, patterns, console)
        report = model_jobs.run_for_each(
            selection, work, console, skip_unpinned=args.all, jobs=1 if args.dry_run else settings.jobs
        )
    return report.print(args.format)
