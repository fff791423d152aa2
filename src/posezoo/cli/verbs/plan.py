"""posezoo plan: show what posezoo get would download, convert and write, or why it would not.

Nothing is written, and no request is sent. With ``--format json``, the output is an object with
``failed``, as in other verbs, and ``models``, a list of objects::

    name         str
    composite    str | null    the composite that contains it
    framework    str           of the published files
    route        str           ir, convert, network; or mo, upstream-code, removed-from-mo-2024
                               (posezoo info)
    reason       str | null    why posezoo does not convert it, in one word
    why          str | null    the same in a sentence
    hint         str | null    what to do instead
    runs         list          code of the model that would be run (--allow_upstream_code)
    files        list          the files that are needed: name, size (bytes; null: unknown),
                               max_size (the limit for an unknown size), place (here, cache, mirror
                               or source), from (the places that would be tried, in this order),
                               pinned (false: refused without --trust_on_first_use), path
    fetch_bytes  int           what the download of the files transfers; for an unknown size, its
                               limit is added
    arguments    object        inputs (name, shape, layout, and the steps before the network in
                               their order: reverse_channels, mean, scale; ir_layout is the IR's),
                               outputs (names; empty: all outputs of the network), frozen (inputs
                               that become constants), static_shape (whether values that depend only
                               on sizes are folded), network (name and arguments of posezoo's own
                               network; names: of its input and outputs, if they are not its own)
    irs          list          precision, path, since (why it must be made; null: it is up to date,
                               or published)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.console import job_report
from posezoo.console.json_projection import Json, project, to_json
from posezoo.console.labels import format_count, join
from posezoo.console.report import print_result
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.declarations.supported_mo_args import FrozenValue
from posezoo.core.events import Listener

if TYPE_CHECKING:
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.pipeline.plan import Plan

#: The keys of an input in JSON: the steps before the network have the names of OpenVINO's
#: PrePostProcessor.
_INPUT = "name shape layout reverse_channels=reverse_input_channels mean scale ir_layout"
_IR = "precision path=xml since=reason?"

EXAMPLES = """
posezoo plan blazepose-full
posezoo plan --all --format json
posezoo plan --all --models_dir open_model_zoo/models --precisions FP16
"""

FLAGS = (
    (
        f"{flags.MODELS} weights_dir {flags.CACHE} {flags.TRUST} {flags.CONVERSION} force"
        f" {flags.REGISTRY}"
    ),
    flags.FORMAT,
)


def run(args: flags.ConversionArgs) -> int:
    """Print a block for each model and the totals; or JSON."""
    from posezoo.cli.conversion_task import ConversionTask
    from posezoo.core.convert.conversion_plan import ConversionOptions

    flags.require_model_optimizer(args, is_plan=True)
    context = flags.context_from_args(args)
    task = ConversionTask(context, args.precisions, ConversionOptions(force=args.force))
    plans = []
    lines = []

    def work(spec: ModelSpec, _listener: Listener) -> job_report.Answer:
        plan = task.plan(spec)
        plans.append(plan)
        lines.extend(_block(plan))
        return job_report.Answer(facts=_facts(plan))

    report = model_jobs.run_selected(args, context, work, takes_checkpoints=True)
    routes = Counter(plan.resolved.route.value for plan in plans)
    counts = ", ".join(f"{count} {route}" for route, count in routes.most_common())
    models = format_count(len(plans), "model")
    if counts:
        models += f" ({counts})"
    missing = format_count(sum(len(plan.missing_files) for plan in plans), "file")
    size = sum(plan.download_size for plan in plans)
    lines.append(f"{models}: {missing} to download, {size:,} bytes")
    print_result(args.format, report.to_json(), *lines)
    return report.exit_code


def _facts(plan: Plan) -> Json:
    from posezoo.core.declarations.routes import Obstacle

    spec = plan.resolved.spec
    obstacle = plan.obstacle or Obstacle("", "")
    arguments = {
        "inputs": [project(port, _INPUT) for port in spec.inputs],
        "outputs": [output.name for output in spec.outputs],
        "frozen": dict(supported_mo_args.frozen_inputs(spec.mo_args)),
        "static_shape": supported_mo_args.wants_static_shape(spec.mo_args),
        "network": to_json(spec.network),
    }
    irs = [] if plan.obstacle else [project(ir, _IR) for ir in plan.irs]
    return {
        **project(spec, "composite? framework"),
        "route": plan.resolved.route.value,
        **project(obstacle, "reason? why? hint?"),
        "runs": list(plan.upstream_code),
        "files": [_file(planned) for planned in plan.files],
        "fetch_bytes": plan.download_size,
        "arguments": arguments,
        "irs": irs,
    }


def _file(planned: PlannedFile) -> Json:
    return {
        **project(planned.file, "name size max_size?"),
        **project(planned, "place=origin from=candidate_names"),
        "pinned": not planned.is_unpinned,
        "path": planned.target,
    }


def _block(plan: Plan) -> list[str]:
    spec = plan.resolved.spec
    obstacle = plan.obstacle
    head = f"{spec.full_name} ({spec.framework}): {plan.resolved.route}"
    if obstacle:
        hint = [f"  hint: {obstacle.hint}"] if obstacle.hint else []
        return [f"{head}, {obstacle.reason}: {obstacle.why}", *hint]
    lines = job_report.format_downloads(plan)
    lines += [f"would run {program}" for program in plan.upstream_code]
    if plan.upstream_code:
        from posezoo.core.convert.upstream_runner import UPSTREAM_CODE

        lines.append(f"the sandbox restricts that code: {UPSTREAM_CODE.part.promise}")
    if not spec.is_ir:
        lines += [f"input {_in_words(port)}" for port in spec.inputs]
        frozen = supported_mo_args.frozen_inputs(spec.mo_args)
        lines += [f"input {name} frozen to {_value(value)}" for name, value in frozen.items()]
        if spec.outputs:
            lines.append(f"outputs {', '.join(output.name for output in spec.outputs)}")
        lines += [job_report.format_planned_ir(ir, f"write {ir.precision}") for ir in plan.irs]
    return [head, *(f"  {line}" for line in lines)]


def _in_words(port: Input) -> str:
    steps = ["reverse_channels"] if port.reverse_input_channels else []
    steps += [
        f"{name} {' '.join(f'{value:g}' for value in values)}"
        for name, values in (("mean", port.mean), ("scale", port.scale))
        if values
    ]
    if port.to_layout:
        steps.append(f"from {port.to_layout}")
    shape = f"[{','.join(map(str, port.shape))}]" if port.shape else ""
    facts = join(port.name or "of the network", shape, port.layout, separator=" ")
    return f"{facts}: {', '.join(steps)}" if steps else facts


def _value(value: FrozenValue) -> str:
    if isinstance(value, tuple):
        return f"[{' '.join(map(_value, value))}]"
    return str(value) if isinstance(value, bool) else f"{value:g}"
