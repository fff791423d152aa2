"""The lines of a dry run, made of the plan that a real run carries out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.spec.routes import describe_obstacle

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import PlannedIr
    from posezoo.download.model_download import PlannedFile
    from posezoo.pipeline.plan import Plan


def format_plan(plan: Plan) -> list[str]:
    """One line for each file and each IR, or why the IR cannot be made."""
    spec = plan.resolved.spec
    if plan.obstacle is not None:
        text = describe_obstacle(spec, plan.resolved.route, plan.obstacle)
        return [text.removeprefix(f"{spec.full_name}: ")]
    lines = [format_planned_file(file) for file in plan.files]
    if spec.is_ir:
        return [*lines, "is published as IR: nothing to convert"]
    by = f" by Model Optimizer {plan.model_optimizer.version}" if plan.model_optimizer else ""
    if plan.resolved.runs_upstream_code:
        by = " by code that comes with the model"
    for ir in plan.irs:
        lines.append(format_planned_ir(ir, f"convert to {ir.precision}{by}"))
    if plan.source_error is not None:
        lines.append(f"but cannot: {plan.source_error.problem}")
    return lines


def format_planned_ir(ir: PlannedIr, action: str) -> str:
    """Whether an IR is made, and why; ``action`` says what would be done."""
    if ir.is_up_to_date:
        return f"{ir.precision} is up to date: {ir.xml}"
    return f"would {action}, since {ir.reason}: {ir.xml}"


def format_planned_file(planned: PlannedFile) -> str:
    """What is done about one file."""
    file = planned.file
    if planned.is_unpinned:
        return f"would not download {file.name}: it has no pin; --trust_on_first_use takes what comes"
    if not planned.candidate_names:
        return f"{file.name} is here and good: {planned.target}"
    size = f"at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
    return f"would download {file.name} ({size} bytes) from {', else '.join(planned.candidate_names)}"
