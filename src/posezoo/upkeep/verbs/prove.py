"""posezoo prove: hold what a registry declares against its sources, and complete it.

``posezoo prove --format json``::

    models     list   name; sources (number); bad_sources (list of str); completed (the files whose
                      size or checksum was written into model.yml); irs (list of precisions);
                      made_from; if it finds people: model (it, or its composite), found (people in
                      each sample photo), and if images are named AP and notes (why it differs from
                      the published one)
    failed     list   the models that failed: name, reason, hint

The exit code is 1 if a model or a source failed.

After an interruption, the same command proves only the models that have no report yet. Unless
--weights_dir or --download_dir names a folder, the files and IR of a model are removed once it is
proven, so that the disk holds one model at a time, beside the detectors and the annotated images.

With ``--dry_run``, only the sources are asked: each for existence, size and, if cheap, digest.
Nothing is downloaded or written. ``posezoo prove --dry_run --format json``::

    sources    list   model, file, source, type (as in model.yml), host (or empty), state (good;
                      dead: it does not have the file; refused: HTTP 401 or 403, or a certificate
                      authority that this machine does not know; changed: another size or digest;
                      unreachable: no answer, or a wrong setting on this machine; unchecked: for
                      example, a package is missing), compared (size, digest), problem, model_yml,
                      line (or 0)
    counts     object the number of sources by state
    without_source list the files that no source has now: model, file
    failed     list   the model.yml files that cannot be read: name, reason, hint

Its exit code is 1 if a source is dead, changed or unreachable, else 4 if one is refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.job_report import Answer
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.events import Listener
from posezoo.measure.verbs.dataset_flags import (
    DATASET_FLAGS,
    DEFAULT_DATASET,
    DatasetArgs,
    default_dataset_dir,
    read_dataset,
)

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.resolve.stage_context import Context
    from posezoo.measure.coco import CocoDataset

EXAMPLES = """
posezoo prove rtmpose-m --models_dir models --trust_on_first_use
posezoo prove --all --models_dir models --trust_on_first_use --output proof
posezoo prove --all --models_dir models --accept_terms --record --log prove.jsonl
posezoo prove --all --models_dir models --dry_run
"""

FLAGS = (
    flags.MODELS,
    *DATASET_FLAGS,
    Flag(
        "--accept_terms",
        "accept COCO's terms of use, download coco-val2017 (1.1 GB) into --coco_home, and measure"
        " AP with it",
        excludes="annotations images",
    ),
    Flag(
        "--output DIR",
        "folder of the reports, pictures and README.md of all runs; models with a report are not"
        " proven again (default: proof)",
        default=Path("proof"),
        output=flags.RESULT,
    ),
    Flag("--force", "prove all models again; ignore the reports of earlier runs"),
    Flag(
        "--record",
        "also measure the speeds of each model on this machine; with annotated images, also"
        " quantize it with them, and measure its AP in INT8; measured.yml has the results, in f32"
        " if --inference_precision is not given",
    ),
    flags.download_dir_flag(),
    Flag(
        "--weights_dir DIR",
        "keep the models' files and IR in this folder (default: they are in the folder weights of"
        " --output, without a cache, until the model is proven)",
    ),
    f"log {flags.CACHE} {flags.DOWNLOAD} {flags.CONVERTERS} detector",
    f"{flags.INFERENCE} models_dir",
    Flag(
        "--dry_run",
        "only ask the sources whether they still have the files, and print those that are not good;"
        " nothing is downloaded or written",
    ),
    flags.FORMAT,
)


class _ProveArgs(flags.ModelsArgs, flags.FormatArgs, DatasetArgs):
    output: Path
    record: bool
    accept_terms: bool
    weights_dir: Path | None
    cache_dir: Path | None
    inference_precision: str | None
    jobs: int | None
    attempts: int | None


def run(args: _ProveArgs) -> int:
    """Prove each model, write the page with all results, and print its path; or ask the sources."""
    from posezoo.core.files.result_files import write_result
    from posezoo.upkeep.proof import PAGE_SIGNS, Proving, render_page
    from posezoo.upkeep.source_report import report_sources

    keeps_files = bool(args.weights_dir or args.download_dir)
    context = _open_context(args, keeps_files)
    patterns = flags.patterns_from_args(args)
    with flags.console_from_args(args) as console:
        dataset = _read_dataset(args, context, console)
        proving = Proving(context, args.output, dataset, args.force, args.record, keeps_files)
        console.print_line(proving.estimate(context.registry.select(patterns).models))
        if args.dry_run:
            selection = select_models(context.registry, patterns, console)
            return report_sources(
                selection,
                context,
                args.format,
                jobs=args.jobs,
                attempts=args.attempts,
                quiet=args.quiet,
            )

    def prove(spec: ModelSpec, listener: Listener) -> Answer:
        return Answer(facts=proving(spec, listener))

    report = model_jobs.run_selected(args, context, prove)
    failures = {failure["name"]: failure["reason"] for failure in report.failures}
    reports = proving.list_reports()
    for name in failures:
        reports.pop(name, None)
    if not failures and not keeps_files:
        proving.remove_files(context.registry.select(None).models)  # the detectors, too
    args.output.mkdir(parents=True, exist_ok=True)
    with flags.console_from_args(args) as console:
        page = args.output / "README.md"
        text = render_page(reports, failures)
        write_result(page, text.encode(), console, PAGE_SIGNS)
        console.print_line(f"{page}: the text of a pull request with the changes of the models")
        has_bad_source = any(answer.facts["bad_sources"] for _, answer in report.answers)
        if has_bad_source:
            console.warn("sources failed: the same command asks only these again")
    return max(report.print(args.format), int(has_bad_source))


def _open_context(args: _ProveArgs, keeps_files: bool) -> Context:
    # It writes beside model.yml, and figures of two CPUs are compared.
    settings: dict[str, object] = {
        "registries": (),
        "inference_precision": args.inference_precision or "f32",
    }
    if keeps_files or args.dry_run:
        return flags.context_from_args(args, settings)
    context = flags.context_from_args(args, settings | {"weights_dir": args.output / "weights"})
    if args.cache_dir:
        return context
    return replace(context, download_options=replace(context.download_options, cache_dir=None))


def _read_dataset(args: _ProveArgs, context: Context, console: Console) -> CocoDataset | None:
    """The annotated images that the flags name, or COCO's, which are downloaded if needed."""
    downloads = args.accept_terms and not args.dry_run
    if downloads:
        _download_coco(args, context, console)
    if downloads or args.annotations or args.coco_home:
        return read_dataset(args, console)
    return None


def _download_coco(args: _ProveArgs, context: Context, console: Console) -> None:
    from posezoo.measure.published_datasets import DATASETS, download_dataset

    dataset = DATASETS[DEFAULT_DATASET]
    for line in dataset.terms:
        console.print_line(line)
    options = replace(context.download_options, cache_dir=None, mirrors=())
    folder = args.coco_home or default_dataset_dir(DEFAULT_DATASET)
    download_dataset(dataset, folder, options, console, name=DEFAULT_DATASET)
