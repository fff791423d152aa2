"""posezoo prove: hold what a registry declares against its sources, and complete it.

``posezoo prove --format json``::

    models     list   name; sources (number); bad_sources (list of str); completed (the files whose
                      size or checksum was written into model.yml); irs (list of precisions);
                      made_from; if it finds people: model (it, or its composite), found (people in
                      each sample photo), and if images are named AP and notes (why it differs from
                      the published one)
    failed     list   the models that failed: name, reason, hint

The exit code is 1 if a model or a source failed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.console.job_report import Answer
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.events import Listener
from posezoo.measure.verbs.dataset_flags import (
    DATASET_FLAGS,
    DatasetArgs,
    read_dataset,
)

if TYPE_CHECKING:
    from posezoo.core.pipeline.plan import Plan

EXAMPLES = """
posezoo prove rtmpose-m --models_dir models --trust_on_first_use
posezoo prove --all --models_dir models --trust_on_first_use --output proof
posezoo prove --all --models_dir models --coco_home coco --measure
"""

FLAGS = (
    flags.MODELS,
    *DATASET_FLAGS,
    Flag(
        "--output DIR",
        "folder of the reports, pictures and README.md of all runs; models with a report are not"
        " proven again (default: proof)",
        default=Path("proof"),
        output=flags.RESULT,
    ),
    Flag("--fresh", "prove all models again; ignore the reports of earlier runs"),
    Flag(
        "--measure",
        "also measure the speeds of each model on this machine; with annotated images, also"
        " quantize it with them, and measure its AP in INT8; measured.yml has the results, in f32"
        " if --inference_precision is not given",
    ),
    flags.download_dir_flag(),
    f"weights_dir {flags.CACHE} {flags.DOWNLOAD} {flags.CONVERTERS} detector",
    f"{flags.INFERENCE} models_dir dry_run {flags.FORMAT}",
)


class _ProveArgs(flags.ModelsArgs, flags.FormatArgs, DatasetArgs):
    output: Path
    fresh: bool
    measure: bool
    inference_precision: str | None


def run(args: _ProveArgs) -> int:
    """Prove each model, write the page with all results, and print its path."""
    from posezoo.cli.conversion_task import ConversionTask
    from posezoo.core.convert.conversion_plan import ConversionOptions
    from posezoo.core.files.result_files import write_result
    from posezoo.upkeep.proof import PAGE_SIGNS, Proving, render_page

    # It writes beside model.yml, and figures of two CPUs are compared.
    settings = {"registries": (), "inference_precision": args.inference_precision or "f32"}
    context = flags.context_from_args(args, settings)
    dataset = None
    with flags.console_from_args(args) as console:
        if args.annotations or args.coco_home:
            dataset = read_dataset(args, console)
        proving = Proving(context, args.output, dataset, args.fresh, measures=args.measure)
        selected = context.registry.select(flags.patterns_from_args(args)).models
        console.print_line(proving.estimate(selected))

    def prove(spec: ModelSpec, listener: Listener) -> Answer | Plan:
        if args.dry_run:
            return ConversionTask(context, spec.precisions, ConversionOptions()).plan(spec)
        return Answer(facts=proving(spec, listener))

    report = model_jobs.run_selected(args, context, prove)
    if args.dry_run:
        return report.print(args.format)
    failures = {failure["name"]: failure["reason"] for failure in report.failures}
    reports = proving.list_reports()
    for name in failures:
        reports.pop(name, None)
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
