"""Which IR of a model have to be made, and why; light enough to ask at every run.

A real run carries out the same steps that a dry run prints.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from posezoo.convert import custom_weights, frontends
from posezoo.errors import ConversionError
from posezoo.files import verified_files
from posezoo.ir import provenance
from posezoo.ir.provenance import IsGood
from posezoo.layout import ModelLayout
from posezoo.spec import supported_mo_args
from posezoo.spec.model import Decoder, ModelSpec, Precision

#: What a conversion makes; other precisions come from quantization.
PRECISIONS = (Precision.FP32, Precision.FP16)


@dataclass(frozen=True, slots=True)
class PlannedIr:
    """One IR that was asked for.

    Attributes:
        precision: of the weights.
        xml: where the IR lies, or will lie.
        reason: why it has to be made; empty where it is up to date.
    """

    precision: Precision
    xml: Path
    reason: str

    @property
    def is_up_to_date(self) -> bool:
        """Whether there is nothing to do."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """What a conversion would do.

    Attributes:
        spec: the model.
        steps: one per precision, in the order they were asked for; none for a model published as IR.
        obstacle: why the steps that are not done cannot be carried out now; None where they can.
        by: who makes the IR, in words; empty where posezoo does.
    """

    spec: ModelSpec
    steps: tuple[PlannedIr, ...]
    obstacle: ConversionError | None = None
    by: str = ""


def plan_conversion(
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision] = PRECISIONS,
    *,
    self_check: bool = True,
    force: bool = False,
    decoder: Decoder | None = None,
) -> ConversionPlan:
    """What ``convert`` would do with the same arguments.

    Touches nothing, not even a stamp. Imports neither OpenVINO nor numpy.

    Raises:
        ConversionError: a precision was asked for that no conversion makes, or an IR of other weights would
            be replaced (``own_weights.refuse_to_replace``).
    """
    if spec.is_ir:
        return ConversionPlan(spec, ())
    if not force:
        custom_weights.refuse_to_replace(spec, layout)
    steps = plan_irs(
        spec,
        layout,
        precisions,
        self_check=self_check,
        force=force,
        decoder=decoder,
        is_good=partial(verified_files.is_verified, remember=False),
    )
    return ConversionPlan(
        spec, steps, None if all(step.is_up_to_date for step in steps) else _obstacle(spec, layout)
    )


def plan_irs(
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision],
    *,
    self_check: bool,
    force: bool,
    decoder: Decoder | None,
    is_good: IsGood = verified_files.is_verified,
) -> tuple[PlannedIr, ...]:
    """One step per precision; ``is_good`` decides whether a file holds its promised bytes.

    Raises:
        ConversionError: a precision was asked for that no conversion makes.
    """
    require_precisions(spec, precisions)
    steps = []
    for precision in dict.fromkeys(precisions):
        reason = (
            "asked to" if force else explain_stale_ir(spec, layout, precision, self_check, decoder, is_good)
        )
        steps.append(PlannedIr(precision, layout.ir_path(spec, precision), reason))
    return tuple(steps)


def require_precisions(spec: ModelSpec, precisions: Collection[Precision]) -> None:
    """Make sure that a model can be had in these precisions; of a published IR in one of them at least.

    Raises:
        ConversionError: no conversion makes one of them, or none of them is published.
    """
    if spec.is_ir:
        if not set(precisions) & set(spec.precisions):
            raise ConversionError(
                f"{spec.full_name}: is not published as {' or '.join(precisions)}",
                hint=f"--precisions {','.join(spec.precisions)}" if spec.precisions else "",
            )
        return
    only = supported_mo_args.requested_precision(spec.mo_args)
    for precision in precisions:
        if only not in (None, precision):
            raise ConversionError(
                f"{spec.full_name}: its arguments ask for {only} alone", hint=f"--precisions {only}"
            )
        if precision not in PRECISIONS:
            hint = f"it makes {' and '.join(PRECISIONS)}"
            raise ConversionError(f"{spec.full_name}: no conversion makes {precision}", hint=hint)


def is_up_to_date(
    spec: ModelSpec, layout: ModelLayout, precision: Precision, *, decoder: Decoder | None = None
) -> bool:
    """Whether an IR is there that was made from the same bytes by the same means, and has not changed since.

    Imports neither OpenVINO nor numpy. Always False for a model that is published as IR: nothing was made.
    """
    return not explain_stale_ir(spec, layout, precision, False, decoder, verified_files.is_verified)


def explain_stale_ir(
    spec: ModelSpec,
    layout: ModelLayout,
    precision: Precision,
    self_check: bool,
    decoder: Decoder | None,
    is_good: IsGood,
) -> str:
    """Why an IR has to be made; empty where it is up to date."""
    return provenance.explain_stale_record(
        layout.ir_path(spec, precision),
        lambda: provenance.conversion_key(spec, decoder or spec.decoder),
        is_good,
        is_checked=self_check,
    )


def _obstacle(spec: ModelSpec, layout: ModelLayout) -> ConversionError | None:
    try:
        frontends.select_format(spec)
        frontends.verify_source_model(spec, layout)
    except ConversionError as error:
        return error
    return None
