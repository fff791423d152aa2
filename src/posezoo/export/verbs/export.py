"""posezoo export: write the files that other runtimes need to use a model.

With ``--format json``, the output is an object::

    target     str          what the files are for
    output     str          the folder
    models     list         name, precision, ir, and size: width x height of the network's input;
                            of a dry run also plan: what has to be done before
    created    list of str  new files, as paths below the folder
    changed    list of str  files of an earlier export that have another content now
    unchanged  list of str  files that were up to date
    kept       list of str  files that the user changed, and that would have the same content as
                            before
    failed     list         name, reason, hint
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.console.job_report import Answer
from posezoo.console.plan_report import format_plan
from posezoo.console.report import print_result
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import ExportError, require_packages
from posezoo.core.events import Listener
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context
from posezoo.export.target_type import ExportedModel
from posezoo.export.targets import TARGETS
from posezoo.run.verbs.run_flags import select_subjects, statement_from_args

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.export.export_writer import ExportChanges
    from posezoo.export.model_export import ExportOptions

EXAMPLES = """
posezoo export blazepose-full --to ovms models
posezoo export movenet-thunder blazepose-full --to cpp project
posezoo export movenet-thunder --to onnx app
posezoo export movenet-lightning --decode --input_type u8 --input_layout NHWC --to folder out
posezoo export movenet-lightning --detector none --decode --to ovms models
posezoo export age-gender-recognition-retail-0013 --to dlstreamer omz --layout NAME/PRECISION
posezoo export 'human-pose-*' --precision FP32 --to triton models --dry_run
posezoo export my/network.xml my/other.onnx --as rtmo-s --to cpp project
"""

_PRECISION = replace(
    flags.FLAGS["precision"],
    help=(
        "precision of the IR: FP32, FP16, or FP16-INT8 if the model has that: published, made with"
        " ranges in the registry, or quantized (default: FP16; an .xml has its own)"
    ),
    default=None,
)

FLAGS = (
    Flag(
        "models MODEL|XML|FILE",
        "a name or a case-sensitive glob, NAME@TAG for a variant; the .xml of an IR, an .onnx, or a"
        " checkpoint of one of posezoo's networks",
        nargs="*",
    ),
    "all",
    Flag(
        "--to TARGET DIR",
        f"what the files are for ({', '.join(TARGETS.builtin)}), and the folder to write",
        nargs=2,
        required=True,
    ),
    Flag(
        "--layout LAYOUT",
        "with --to dlstreamer: where the IR of a model goes: NAME, or NAME/PRECISION as in Open "
        "Model Zoo (default: NAME)",
        choices=("NAME", "NAME/PRECISION"),
        default="NAME",
        dest="folders",  # other verbs have --layout of a network's input
    ),
    _PRECISION,
    flags.weights_dir_flag("folder of the IR"),
    (
        f"{flags.PIPELINE} {flags.CAMERA_INPUT} {flags.DECODE} {flags.CACHE} {flags.TRUST}"
        f" {flags.CONVERTERS} {flags.REGISTRY}"
    ),
    f"dry_run log {flags.FORMAT}",
)


class _ExportArgs(flags.ModelsArgs, flags.FormatArgs, flags.InputArgs, flags.PipelineArgs):
    to: list[str]
    folders: str
    precision: Precision | None
    weights_dir: Path | None


def run(args: _ExportArgs) -> int:
    """Download and convert if necessary, then write the files of all models together."""
    from posezoo.core.pipeline.plan import Plan
    from posezoo.export.documents import describe_next_step
    from posezoo.export.model_export import (
        join_parts,
        prepare_export,
        prepare_file_export,
        write_exports,
    )

    options = _options_from_args(args)
    if options.inputs.decode and not args.dry_run:
        # The self-check decodes, too.
        require_packages({"openvino": "run", "cv2": "run", **options.target.extras})
    context = flags.context_from_args(args)
    exported: list[ExportedModel] = []

    def work(spec: ModelSpec, listener: Listener) -> Answer:
        composite = composites.get(spec.name)
        try:
            if spec.path in files:
                model = prepare_file_export(spec, options, context, listener=listener)
            else:
                model = prepare_export(
                    spec, options, context, composite=composite, listener=listener
                )
        except ExportError as error:
            if not args.all:
                raise
            console.print_line(f"Skipping {error.problem}")
            return Answer(facts={"skipped": error.problem})
        if isinstance(model, Plan):
            lines = format_plan(model)
            if model.is_possible:
                lines.append(f"would then export it to {options.folder}")
            return Answer(plan=lines)
        exported.append(model)
        pipeline = model.pipeline
        name = pipeline.model.full_name
        size = model.image_size
        shown = f", input {size}" if size else ""
        console.print_line(f"{name}: {pipeline.precision}{shown}")
        facts = {
            "name": name,
            "precision": pipeline.precision,
            "size": size,
            "ir": model.xml,
            "people_from": _tell_people(model, console),
        }
        return Answer(facts=facts)

    with flags.console_from_args(args) as console:
        files, selection = _select(args, options, context, console)
        models, composites = join_parts(selection, options)
        selection = replace(selection, models=models)
        report = model_jobs.run_for_each(selection, work, console, skip_unpinned=args.all)
        changes = write_exports(exported, options)
        lines = report.lines
        if exported:
            if not args.dry_run:
                folder = shlex.quote(str(options.folder.resolve()))
                console.print_line(
                    f"next: {describe_next_step(options.target, exported[0], folder)}"
                )
            lines += _describe_changes(changes, options)
    answer = {"target": args.to[0], "output": options.folder, "models": [], **asdict(changes)}
    print_result(args.format, answer | report.to_json(), *lines)
    return report.exit_code


def _select(
    args: _ExportArgs, options: ExportOptions, context: Context, console: Console
) -> tuple[set[Path], Selection]:
    """The files of networks, and the models with those that the files are."""
    from posezoo.run.network_file import describe_network_file

    said = statement_from_args(args)
    patterns = flags.patterns_from_args(args)
    subjects, selection = select_subjects(patterns, context, console, said, needs_decoder=False)
    specs = {spec.full_name: spec for spec in selection.models}
    for subject in subjects:
        spec = describe_network_file(subject, options.inputs).model
        assert isinstance(spec, ModelSpec)
        other = specs.setdefault(spec.name, spec)
        if other is not spec:
            raise ExportError(
                f"{other.path} and {spec.path}: both would be called {spec.name}",
                hint="rename one of them",
            )
        if spec.first_input.is_unstated:
            from posezoo.run.preparation import explain_unstated

            console.warn(f"{explain_unstated(spec.path)}: it is exported as it is")
    files = {Path(subject.name) for subject in subjects}
    return files, replace(selection, models=tuple(specs.values()))


def _options_from_args(args: _ExportArgs) -> ExportOptions:
    from posezoo.export.model_export import ExportOptions, with_target_inputs

    parser = args.parser
    name, folder = args.to
    target = TARGETS.require(name, "export target", ExportError)
    if "://" in folder:
        problem = f"{folder}: posezoo export needs a local folder"
        raise ExportError(problem, hint="copy it with a tool of the store afterwards")
    flags.require_model_optimizer(args)
    options = ExportOptions(
        target,
        Path(folder),
        args.precision,
        flags.input_options_from_args(args),
        has_precisions=args.folders == "NAME/PRECISION",
        is_dry_run=args.dry_run,
    )
    try:
        options = with_target_inputs(options, name)
    except ExportError as error:
        parser.error(error.problem)
    if not options.inputs.decode:
        flags.refuse_flags(args, "height decoder_options", "only with --decode")
    return options


def _tell_people(model: ExportedModel, console: Console) -> str:
    pipeline = model.pipeline
    name = model.spec.full_name
    finder = pipeline.people_from
    if pipeline.detector:
        console.print_line(f"{name}: {finder} finds its people, and is exported, too")
    elif pipeline.people:
        console.print_line(f"{name}: takes one person at a time, and is exported alone")
    return finder


def _describe_changes(changes: ExportChanges, options: ExportOptions) -> list[str]:
    folder = options.folder
    would = "would be " if options.is_dry_run else ""
    created = changes.created if options.is_dry_run else ()
    lines = [f"{folder / file}: would be created" for file in created]
    lines += [f"{folder / file}: {would}changed" for file in changes.changed]
    lines += [f"{folder / file}: kept as you changed it" for file in changes.kept]
    count = len(changes.created) + len(changes.changed)
    return [*lines, f"{folder}: {count} files {would}written, {len(changes.unchanged)} unchanged"]
