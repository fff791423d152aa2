"""Makes the IR and cards of the selected models, for get, its plan, and convert."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.model_jobs import Answer
from posezoo.cli.selection import select_models

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import ConversionOptions
    from posezoo.events import Listener
    from posezoo.pipeline.plan import Plan
    from posezoo.registry import Selection
    from posezoo.resolve.input_options import InputOptions
    from posezoo.resolve.resolved import Resolved
    from posezoo.resolve.stage_context import Context
    from posezoo.spec.model import ModelSpec, Precision


def convert_selected(
    args: argparse.Namespace,
    context: Context,
    options: ConversionOptions,
    *,
    downloads: bool,
    selection: Selection | None = None,
    inputs: InputOptions | None = None,
) -> int:
    """Make the IR and the card of each selected model, or only the plan; print the paths of the IR.

    Args:
        downloads: whether files are downloaded, too; if not, they must be on disk.
        selection: the models; None means those that the flags select.
        inputs: the options for the inputs of the IR; None means those of model.yml.
    """
    from posezoo.convert.memory_need import memory_need
    from posezoo.pipeline.get import write_model_card

    work = ConversionTask(
        context,
        args.precisions,
        options,
        inputs,
        args.checkpoint,
        downloads=downloads,
        is_dry_run=args.dry_run,
    )
    executor = flags.executor_from_args(args, context)
    with flags.console_from_args(args) as console:
        selection = selection or select_models(
            context.registry, flags.patterns_from_args(args), console
        )
        report = model_jobs.run_for_each(
            selection, work, console, skip_unpinned=args.all, executor=executor, memory=memory_need
        )
        failed = {failure["name"] for failure in report.failures}
        # Read again: a process may have written it.
        context = replace(context, lock=copy(context.lock))
        if not args.dry_run:
            for composite in selection.composites:
                if not failed & set(composite.stages):
                    write_model_card(composite, context)
    return report.print(args.format)


@dataclass(frozen=True, slots=True)
class ConversionTask:
    """Makes the IR and the card of a model; it is pickled for other processes."""

    context: Context
    precisions: Sequence[Precision]
    options: ConversionOptions
    inputs: InputOptions | None = None
    checkpoint: Path | None = None
    downloads: bool = True
    is_dry_run: bool = False

    def __call__(self, spec: ModelSpec, listener: Listener) -> Answer:
        """Make them, or in a dry run only describe what would be done."""
        from posezoo.pipeline.get import get, write_model_card

        context = self.context
        options = self.options
        if self.is_dry_run:
            return Answer(plan=model_jobs.format_plan(self.plan(spec)))
        resolved = self._resolve(spec)
        converted = get(resolved, context, options, downloads=self.downloads, listener=listener)
        write_model_card(converted.resolved.spec, context)
        return Answer(irs=converted.irs)

    def plan(self, spec: ModelSpec) -> Plan:
        """What would be done for a model; nothing is written."""
        from posezoo.pipeline.get import convert
        from posezoo.pipeline.plan import make_plan

        resolved = self._resolve(spec)
        plan = make_plan(
            resolved, self.context, self.options, downloads=self.downloads, is_dry_run=True
        )
        if plan.source_error is not None:
            raise plan.source_error
        if not self.downloads and not spec.is_converted:
            convert(resolved, plan, self.options)  # it only looks for the published IR
        return plan

    def _resolve(self, spec: ModelSpec) -> Resolved:
        from posezoo.resolve.resolution import resolve_model

        return resolve_model(
            spec, self.precisions, self.context, inputs=self.inputs, checkpoint=self.checkpoint
        )
