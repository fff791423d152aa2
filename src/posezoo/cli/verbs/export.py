"""posezoo export: write the files that other runtimes need to use a model.

With ``--format json``, the output is an object::

    target     str          what the files are for
    output     str          the folder
    models     list         name, and precision and ir; of a dry run also plan: what has to be done before
    created    list of str  new files, as paths below the folder
    changed    list of str  files of an earlier export that have another content now
    unchanged  list of str  files that were up to date
    kept       list of str  files that the user changed, and that would have the same content as before
    failed     list         name, reason, hint
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.cli.selection import select_models
from posezoo.errors import ExportError
from posezoo.export.targets import TARGETS, find_target

if TYPE_CHECKING:
    from posezoo.events import Listener
    from posezoo.export.target_type import ExportedModel, ExportFile
    from posezoo.spec.model import ModelSpec

SUMMARY = "write the files that a model server, a pipeline or a program in another language needs"

EXAMPLES = """
posezoo export blazepose-full --to ovms models
posezoo export movenet-lightning --decode --input_type u8 --input_layout NHWC --resize --to folder out
posezoo export blazepose-full movenet-multipose --to cpp project
posezoo export blazepose-full --to kserve models --storage_uri s3://bucket/models
posezoo export 'human-pose-*' --precision FP32 --to triton models --dry_run
"""

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
    f"{flags.CAMERA_INPUT} {flags.DECODE} {flags.CACHE} {flags.TRUST} {flags.CONVERTERS} {flags.REGISTRY}",
    f"dry_run log {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Download and convert if necessary, then write the files of all models together."""
    from posezoo.export.export_writer import ExportChanges, write_export
    from posezoo.export.ir_facts import declared_facts, read_ir_facts
    from posezoo.export.target_type import ExportFolder
    from posezoo.pipeline.get import get, resolve_model
    from posezoo.pipeline.plan import make_plan
    from posezoo.resolve.input_options import InputOptions
    from posezoo.resolve.people import ITSELF, people_from
    from posezoo.spec.model import WHOLE_IMAGE

    name, output = args.to[0], Path(args.to[1])
    target, patterns = find_target(name), flags.patterns_from_args(args)
    if "://" in args.to[1]:
        problem = f"{args.to[1]}: posezoo export needs a local folder"
        raise ExportError(problem, hint="copy it with a tool of the store afterwards")
    if args.storage_uri and (name != "kserve" or "://" not in args.storage_uri):
        args.parser.error("--storage_uri is an address such as s3://bucket/models, for --to kserve")
    flags.require_model_optimizer(args)
    context, inputs = flags.context_from_args(args), flags.input_options_from_args(args)
    if (fixed := target.inputs) is not None:
        if inputs.element_type not in ("", fixed.element_type) or inputs.layout not in ("", fixed.layout):
            always = f"--input_type {fixed.element_type} and --input_layout {fixed.layout}"
            args.parser.error(f"--to {name} always has {always}")
        inputs = replace(
            inputs,
            element_type=fixed.element_type,
            layout=fixed.layout,
            resize=inputs.resize or fixed.resize,
            decode=fixed.decode,
        )
    if inputs != InputOptions() and args.weights_dir is None:
        # The IR that other verbs use stay as they are.
        own = context.layout.output_dir / "exported" / inputs.folder_name
        context = replace(context, layout=replace(context.layout, output_dir=own))
    exported: list[ExportedModel] = []

    def work(spec: ModelSpec, listener: Listener) -> dict[str, object]:
        resolved = resolve_model(spec, (args.precision,), context, inputs=inputs)
        try:
            if (declared := declared_facts(resolved.spec, args.precision, context.layout)) is not None:
                tuple(target.draw(declared, ExportFolder({})))  # it may refuse the model before a download
            if args.dry_run:
                plan = make_plan(resolved, context, is_dry_run=True)
                xml = plan.irs[0].xml
                is_here = xml.with_suffix(".bin").is_file()  # else a real run reads it from a store
                if plan.obstacle is not None or plan.is_due or not is_here:
                    return {"plan": [*model_jobs.format_plan(plan), f"would then export it to {output}"]}
            else:
                xml = get(resolved, context, listener=listener).irs[args.precision]
            model = read_ir_facts(resolved.spec, args.precision, xml, context.layout)
            tuple(target.draw(model, ExportFolder({})))
        except ExportError as error:
            if not args.all:
                raise
            console.print_line(f"Skipping {error.problem}")
            return {"skipped": error.problem}
        exported.append(model)
        people = people_from(model.spec)
        if people not in ("", WHOLE_IMAGE):
            console.print_line(
                f"{spec.full_name}: takes one person at a time; posezoo finds people with {people}, and this "
                "export has only the network itself"
            )
        return {"precision": args.precision.value, "ir": f"{xml}", "people_from": people or ITSELF}

    def draw(present: Mapping[str, str]) -> list[ExportFile]:
        files: dict[str, ExportFile] = {}
        for model in exported:  # a file for all models, such as config.json, also names those before it
            known = {**present, **{file.name: file.digest for file in files.values()}}
            files |= {file.name: file for file in target.draw(model, ExportFolder(known, args.storage_uri))}
        return list(files.values())

    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        report = model_jobs.run_for_each(selection, work, console, skip_unpinned=args.all)
        versioned, changes = [model.name for model in exported if target.is_versioned], ExportChanges()
        if exported:
            changes = write_export(output, draw, versioned=versioned, is_dry_run=args.dry_run)
        would = "would be " if args.dry_run else ""
        lines = [f"{answer['name']}: {line}" for answer in report.answers for line in answer.get("plan", ())]
        lines += [
            f"{output / file}: {would}{how}"
            for how, files in (("created", changes.created), ("changed", changes.changed))
            for file in files
        ]
        lines += [f"{output / file}: kept as you changed it" for file in changes.kept]
        if exported:
            count = len(changes.created) + len(changes.changed)
            lines.append(f"{output}: {count} files {would}written, {len(changes.unchanged)} unchanged")
            if not args.dry_run:
                used = target.next_step.format(folder=output.resolve(), name=exported[0].name)
                console.print_line(f"next: {used}")
    answer = {"target": name, "output": f"{output}", "models": report.answers, **asdict(changes)}
    print_result(args, {**answer, "failed": report.failures}, *lines)
    return report.exit_code
