"""The task of commands that convert models: all stages for one model, or only their plan."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import CompositeSpec, ModelSpec, Precision
from posezoo.core.download.context import ConnectionPool
from posezoo.core.events import Listener, ignore_event
from posezoo.core.pipeline.get import Converted, check_own_weights, convert, get, write_sidecars
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen


@frozen
class ConversionTask:
    """Makes the IR of a model and what lies beside them; it is pickled for other processes."""

    context: Context
    precisions: Sequence[Precision]
    options: ConversionOptions
    inputs: InputOptions | None = None
    checkpoint: Path | None = None
    downloads: bool = True
    writes_sidecars: bool = True
    pool: ConnectionPool | None = None  # other processes share none

    def __call__(self, spec: ModelSpec, listener: Listener) -> Converted:
        """Resolve, plan, download and convert a model, and write its sidecars, if requested."""
        context = self.context
        resolved = self.resolve(spec)
        converted = get(
            resolved,
            context,
            self.options,
            downloads=self.downloads,
            listener=listener,
            pool=self.pool,
        )
        if self.writes_sidecars:
            write_sidecars(converted.resolved.spec, context, listener)
        return converted

    def plan(self, spec: ModelSpec, listener: Listener = ignore_event) -> Plan:
        """What would be done for a model; nothing is written."""
        resolved = self.resolve(spec)
        check_own_weights(resolved.spec, listener)
        plan = make_plan(
            resolved, self.context, self.options, downloads=self.downloads, is_dry_run=True
        )
        if plan.source_error:
            raise plan.source_error
        if not self.downloads and not spec.is_converted:
            convert(resolved, plan, self.options)  # it only looks for the published IR
        return plan

    def write_composite_sidecars(
        self, composites: Iterable[CompositeSpec], failed: Container[str], listener: Listener
    ) -> None:
        """Write the sidecars of the composites of which no part failed."""
        # Read again: a process may have written it.
        context = replace(self.context, lock=copy(self.context.lock))
        for composite in composites:
            if not any(stage in failed for stage in composite.stages):
                write_sidecars(composite, context, listener)

    def resolve(self, spec: ModelSpec) -> Resolved:
        """The decisions about a model."""
        return resolve_model(
            spec, self.precisions, self.context, inputs=self.inputs, checkpoint=self.checkpoint
        )
