"""Makes the IR of a model that is exported, as far as its target can take the model."""

from __future__ import annotations

from posezoo.events import Listener
from posezoo.export.ir_facts import declared_facts, read_ir_facts
from posezoo.export.target_type import ExportedModel, ExportFolder, ExportTarget
from posezoo.pipeline.get import get
from posezoo.pipeline.plan import Plan, make_plan
from posezoo.pipeline.zoo_context import Context
from posezoo.resolve.resolved import Resolved


def prepare_export(
    resolved: Resolved,
    target: ExportTarget,
    context: Context,
    *,
    is_dry_run: bool,
    listener: Listener,
) -> ExportedModel | Plan:
    """The facts of the model and its IR, or in a dry run the plan, if the IR has to be made before.

    Raises:
        ExportError: the target cannot take the model. This is found out before a download if
            possible.
    """
    spec = resolved.spec
    precision = resolved.targets[0].precision
    declared = declared_facts(spec, precision, context.layout)
    if declared is not None:
        tuple(target.render(declared, ExportFolder({})))
    if is_dry_run:
        plan = make_plan(resolved, context, is_dry_run=True)
        xml = plan.irs[0].xml
        is_here = xml.with_suffix(".bin").is_file()  # else a real run reads it from a store
        if plan.obstacle is not None or plan.is_due or not is_here:
            return plan
    else:
        xml = get(resolved, context, listener=listener).irs[precision]
    model = read_ir_facts(spec, precision, xml, context.layout)
    tuple(target.render(model, ExportFolder({})))
    return model
