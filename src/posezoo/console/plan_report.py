"""What a dry run prints about a model: the lines of its plan, and the values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.console.job_report import Answer, format_planned_file, format_planned_ir
from posezoo.console.json_projection import Json, project, to_json
from posezoo.console.labels import join
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.routes import Obstacle, describe_obstacle

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Input, ModelSpec
    from posezoo.core.declarations.supported_mo_args import FrozenValue
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.pipeline.plan import Plan

#: The keys of an input in JSON: the steps before the network have the names of OpenVINO's
#: PrePostProcessor.
_INPUT = "name shape layout reverse_channels=reverse_input_channels mean scale ir_layout"
_IR = "precision path=xml since=reason?"


def answer_plan(plan: Plan) -> Answer:
    """The lines and values of a plan."""
    return Answer(plan=format_plan(plan), facts=_facts(plan))


def format_plan(plan: Plan) -> list[str]:
    """A line for each file, input and IR, or the reason why the IR cannot be made."""
    spec = plan.resolved.spec
    if plan.obstacle:
        text = describe_obstacle(spec, plan.resolved.route, plan.obstacle)
        hint = [f"hint: {plan.obstacle.hint}"] if plan.obstacle.hint else []
        return [text.removeprefix(f"{spec.full_name}: "), *hint]
    lines = _format_downloads(plan)
    if not spec.is_converted:
        return [*lines, "is published as IR: nothing to convert"]
    if plan.upstream_code:
        lines += _format_upstream_code(plan)
    lines += _format_arguments(spec)
    by = f" by {plan.program.title}" if plan.program else ""
    if plan.resolved.runs_upstream_code:
        by = " by code that comes with the model"
    for ir in plan.irs:
        lines.append(format_planned_ir(ir, f"convert to {ir.precision}{by}"))
    return lines


def _format_downloads(plan: Plan) -> list[str]:
    """A line for each file, after one about a package that the conversion lacks."""
    lines = list(map(format_planned_file, plan.files))
    error = plan.missing_package
    if error:
        lines.insert(0, f"{error.problem}, which the conversion needs: {error.hint}")
    return lines


def _format_upstream_code(plan: Plan) -> list[str]:
    from posezoo.core.convert.upstream_runner import UPSTREAM_CODE

    lines = [f"would run {program}" for program in plan.upstream_code]
    return [*lines, f"the sandbox restricts that code: {UPSTREAM_CODE.part.promise}"]


def _format_arguments(spec: ModelSpec) -> list[str]:
    """What model.yml states about the conversion: inputs, constants in their place, outputs."""
    lines = [f"input {_in_words(port)}" for port in spec.inputs]
    frozen = supported_mo_args.frozen_inputs(spec.mo_args)
    lines += [f"input {name} frozen to {_value(value)}" for name, value in frozen.items()]
    if spec.outputs:
        lines.append(f"outputs {', '.join(output.name for output in spec.outputs)}")
    return lines


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


def _facts(plan: Plan) -> Json:
    spec = plan.resolved.spec
    obstacle = plan.obstacle or Obstacle("", "")
    arguments = {
        "inputs": [project(port, _INPUT) for port in spec.inputs],
        "outputs": [output.name for output in spec.outputs],
        "frozen": dict(supported_mo_args.frozen_inputs(spec.mo_args)),
        "static_shape": supported_mo_args.wants_static_shape(spec.mo_args),
        "network": to_json(spec.network),
    }
    return {
        **project(spec, "composite? framework"),
        "route": plan.resolved.route.value,
        **project(obstacle, "reason? why? hint?"),
        "runs": list(plan.upstream_code),
        "files": list(map(_file, plan.files)),
        "fetch_bytes": plan.download_size,
        "arguments": arguments,
        "irs": [] if plan.obstacle else [project(ir, _IR) for ir in plan.irs],
    }


def _file(planned: PlannedFile) -> Json:
    return {
        **project(planned.file, "name size max_size?"),
        **project(planned, "place=origin from=candidate_names"),
        "pinned": not planned.is_unpinned,
        "path": planned.target,
    }
