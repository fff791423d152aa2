"""What would be done for a model, before anything is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.pipeline.route_options import with_known_network
from posezoo.spec.model import ModelSpec, Precision, Route
from posezoo.spec.routes import RouteDecision

if TYPE_CHECKING:
    from posezoo.convert.conversion_plan import PlannedIr
    from posezoo.download.model_download import PlannedFile
    from posezoo.pipeline.zoo import Zoo


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What ``Zoo.get`` would do for one model.

    Attributes:
        spec: the model, with what posezoo.lock pins.
        way: by which route it becomes IR, or why by none that is open.
        files: what would be done about each file that is needed; none where no IR has to be made.
        steps: one an IR that a conversion makes.
        irs: the .xml that would be there afterwards, by precision.
        runs: code that comes with the model and would be run, in words.
    """

    spec: ModelSpec
    way: RouteDecision
    files: tuple[PlannedFile, ...] = ()
    steps: tuple[PlannedIr, ...] = ()
    irs: Mapping[Precision, Path] = field(default_factory=dict)
    runs: tuple[str, ...] = ()

    @property
    def missing_files(self) -> tuple[PlannedFile, ...]:
        """The files that are not here yet."""
        return tuple(file for file in self.files if file.candidate_names or file.is_unpinned)

    @property
    def download_size(self) -> int:
        """How many bytes come with them; the most that is read of a file whose size nobody states."""
        return sum(file.file.read_limit for file in self.missing_files)


def plan_get(
    zoo: Zoo, spec: ModelSpec, precisions: Collection[Precision], *, force: bool = False
) -> ModelPlan:
    """What ``Zoo.get`` would do; touches nothing and asks no server.

    Raises:
        ConversionError: no conversion makes one of the precisions, or an IR of the user's own weights
            would be replaced.
    """
    from posezoo.convert.conversion_plan import plan_irs
    from posezoo.convert.custom_weights import refuse_to_replace
    from posezoo.files.verified_files import is_verified

    spec = with_known_network(zoo.lock.with_pins(spec))
    decision = zoo.ways.select(spec)
    if not decision.is_available:
        return ModelPlan(spec, decision)
    if spec.is_ir:
        published = [precision for precision in precisions if precision in spec.precisions]
        if not published:
            return ModelPlan(spec, _route_of_published_ir(spec, precisions))
        irs = {each: zoo.layout.ir_path(spec, each) for each in published}
        return ModelPlan(spec, decision, zoo.plan_download(spec, precisions), irs=irs)
    if not force:
        refuse_to_replace(spec, zoo.layout)
    if decision.route in (Route.MO, Route.UPSTREAM_CODE):
        steps = zoo.plan_conversion(spec, precisions, force=force).steps
        due = not all(step.is_up_to_date for step in steps)
        files = zoo.plan_download(spec) if due else ()
        runs = _list_upstream_code(spec) if due and decision.route is Route.UPSTREAM_CODE else ()
        irs = {step.precision: step.xml for step in steps}
        return ModelPlan(spec, decision, files, steps, irs, runs)
    steps = plan_irs(
        spec,
        zoo.layout,
        precisions,
        self_check=True,
        force=force,
        decoder=zoo.select_decoder(spec),
        is_good=partial(is_verified, remember=False),
    )
    files = () if all(step.is_up_to_date for step in steps) else zoo.plan_download(spec)
    return ModelPlan(spec, decision, files, steps, {step.precision: step.xml for step in steps})


def _list_upstream_code(spec: ModelSpec) -> tuple[str, ...]:
    from posezoo.convert.upstream_code import list_upstream_code

    return list_upstream_code(spec)


def _route_of_published_ir(spec: ModelSpec, precisions: Collection[Precision]) -> RouteDecision:
    """The way of a model that is published as IR, in other precisions than these."""
    hint = f"--precisions {','.join(spec.precisions)}" if spec.precisions else ""
    return RouteDecision(Route.IR, "precision", f"it is not published as {' or '.join(precisions)}", hint)
