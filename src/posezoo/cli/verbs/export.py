"""posezoo export: write the files that other runtimes need to use a model.

With ``--format json``, the output is an object::

    target     str          what the files are for
    output     str          the folder
    models     list         name, and precision and ir; of a dry run also plan: what has to be done
                            before
    created    list of str  new files, as paths below the folder
    changed    list of str  files of an earlier export that have another content now
    unchanged  list of str  files that were up to date
    kept       list of str  files that the user changed, and that would have the same content as
                            before
    failed     list         name, reason, hint
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.model_jobs import Answer
from posezoo.cli.report import print_result
from posezoo.cli.selection import select_models
from posezoo.errors import ExportError
from posezoo.export.targets import TARGETS, find_target

if TYPE_CHECKING:
    from posezoo.console import Console
    from posezoo.events import Listener
    from posezoo.export.export_writer import ExportChanges
    from posezoo.export.target_type import ExportedModel, ExportTarget
    from posezoo.pipeline.zoo_context import Context
    from posezoo.resolve.input_options import InputOptions
    from posezoo.spec.model import ModelSpec

EXAMPLES = """
posezoo export blazepose-full --to ovms models
posezoo export movenet-lightning --decode --input_type u8 --input_layout NHWC --resize --to folder out
posezoo export blazepose-full movenet-multipose --to cpp project
posezoo export blazepose-full --to kserve models --storage_uri s3://bucket/models
posezoo export 'human-pose-*' --precision FP32 --to triton models --dry_run
"""  # noqa: E501

FLAGS = (
    flags.MODELS,
    Flag(
        "--to TARGET DIR",
        f"what the files are for ({', '.join(TARGETS.builtin)}), and the folder to write",
        nargs=2,
        required=True,
    ),
    Flag(
        "--storage_uri URI",
        "with --to kserve: the address of a copy of the folder that the cluster can read, such as "
        "s3://bucket/models or pvc://claim/models",
        default="",
    ),
    "precision",
    flags.weights_dir_flag("folder of the IR"),
    (
        f"{flags.CAMERA_INPUT} {flags.DECODE} {flags.CACHE} {flags.TRUST} {flags.CONVERTERS}"
        f" {flags.REGISTRY}"
    ),
    f"dry_run log {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Download and convert if necessary, then write the files of all models together."""
    from posezoo.export.export_writer import ExportChanges, write_export
    from posezoo.export.target_type import render_files
    from posezoo.pipeline.get import resolve_model
    from posezoo.pipeline.plan import Plan
    from posezoo.pipeline.prepare_export import prepare_export

    target, output = find_target(args.to[0]), Path(args.to[1])
    patterns = flags.patterns_from_args(args)
    _check_flags(args)
    inputs = _inputs_from_args(args, target)
    context = _context_from_args(args, inputs)
    exported: list[ExportedModel] = []

    def work(spec: ModelSpec, listener: Listener) -> Answer:
        resolved = resolve_model(spec, (args.precision,), context, inputs=inputs)
        try:
            model = prepare_export(
                resolved, target, context, is_dry_run=args.dry_run, listener=listener
            )
        except ExportError as error:
            if not args.all:
                raise
            console.print_line(f"Skipping {error.problem}")
            return Answer(facts={"skipped": error.problem})
        if isinstance(model, Plan):
            lines = [*model_jobs.format_plan(model), f"would then export it to {output}"]
            return Answer(plan=lines)
        exported.append(model)
        facts = {
            "precision": args.precision.value,
            "ir": f"{model.xml}",
            "people_from": _tell_people(model.spec, console),
        }
        return Answer(facts=facts)

    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        report = model_jobs.run_for_each(selection, work, console, skip_unpinned=args.all)
        changes = ExportChanges()
        if exported:
            changes = write_export(
                output,
                lambda present: render_files(target, exported, present, args.storage_uri),
                versioned=[model.name for model in exported if target.is_versioned],
                is_dry_run=args.dry_run,
            )
            _tell_next(args, target, exported[0], console)
        lines = report.plan_lines
        lines += _describe_changes(changes, args) if exported else []
    answer = {"target": args.to[0], "output": f"{output}", "models": [], **asdict(changes)}
    print_result(args, answer | report.to_json(), *lines)
    return report.exit_code


def _check_flags(args: argparse.Namespace) -> None:
    name, output = args.to
    if "://" in output:
        problem = f"{output}: posezoo export needs a local folder"
        raise ExportError(problem, hint="copy it with a tool of the store afterwards")
    if args.storage_uri and (name != "kserve" or "://" not in args.storage_uri):
        args.parser.error("--storage_uri is an address such as s3://bucket/models, for --to kserve")
    flags.require_model_optimizer(args)


def _inputs_from_args(args: argparse.Namespace, target: ExportTarget) -> InputOptions:
    """How the IR take images: as the target always has it, or as the user decides."""
    inputs, fixed = flags.input_options_from_args(args), target.inputs
    if fixed is None:
        return inputs
    if inputs.element_type not in ("", fixed.element_type) or inputs.layout not in (
        "",
        fixed.layout,
    ):
        always = f"--input_type {fixed.element_type} and --input_layout {fixed.layout}"
        args.parser.error(f"--to {args.to[0]} always has {always}")
    return replace(
        inputs,
        element_type=fixed.element_type,
        layout=fixed.layout,
        resize=inputs.resize or fixed.resize,
        decode=fixed.decode,
    )


def _context_from_args(args: argparse.Namespace, inputs: InputOptions) -> Context:
    """The context; IR with other inputs have their own folder, so those of other verbs stay as they
    are.
    """
    from posezoo.resolve.input_options import InputOptions

    context = flags.context_from_args(args)
    if inputs == InputOptions() or args.weights_dir is not None:
        return context
    own = context.layout.output_dir / "exported" / inputs.folder_name
    return replace(context, layout=replace(context.layout, output_dir=own))


def _tell_people(spec: ModelSpec, console: Console) -> str:
    """Who finds the people; the user is told if the network does not."""
    from posezoo.resolve.people import ITSELF, people_from
    from posezoo.spec.model import WHOLE_IMAGE

    people = people_from(spec)
    if people not in ("", WHOLE_IMAGE):
        console.print_line(
            f"{spec.full_name}: takes one person at a time; posezoo finds people with {people}, and"
            " this export has only the network itself"
        )
    return people or ITSELF


def _tell_next(
    args: argparse.Namespace, target: ExportTarget, model: ExportedModel, console: Console
) -> None:
    from posezoo.export.documents import describe_next_step

    if args.to[0] == "kserve" and not args.storage_uri:
        console.warn(
            f"{model.name}.yaml names no address of the models yet: export again with"
            " --storage_uri, or replace s3://BUCKET/FOLDER in it"
        )
    if not args.dry_run:
        folder = shlex.quote(str(Path(args.to[1]).resolve()))
        console.print_line(f"next: {describe_next_step(target, model, folder)}")


def _describe_changes(changes: ExportChanges, args: argparse.Namespace) -> list[str]:
    output, would = Path(args.to[1]), "would be " if args.dry_run else ""
    lines = [f"{output / file}: {would}created" for file in changes.created]
    lines += [f"{output / file}: {would}changed" for file in changes.changed]
    lines += [f"{output / file}: kept as you changed it" for file in changes.kept]
    count = len(changes.created) + len(changes.changed)
    return [*lines, f"{output}: {count} files {would}written, {len(changes.unchanged)} unchanged"]
