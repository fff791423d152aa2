"""Which IR of a model have to be made, and why; light enough to ask at every run.

A real run carries out the same steps that a dry run prints.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from posezoo import files, provenance
from posezoo.convert import original, own_weights
from posezoo.errors import ConversionError
from posezoo.layout import Layout
from posezoo.provenance import IsGood
from posezoo.spec import carried_out
from posezoo.spec.model import Decoder, ModelSpec, Precision

#: What a conversion makes; other precisions come from quantization.
PRECISIONS = (Precision.FP32, Precision.FP16)


@dataclass(frozen=True, slots=True)
class Step:
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
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What a conversion would do.

    Attributes:
        spec: the model.
        steps: one per precision, in the order they were asked for; none for a model published as IR.
        obstacle: why the steps that are not done cannot be carried out now; None where they can.
        by: who makes the IR, in words; empty where posezoo does.
    """

    spec: ModelSpec
    steps: tuple[Step, ...]
    obstacle: ConversionError | None = None
    by: str = ""


def plan(
    spec: ModelSpec,
    layout: Layout,
    precisions: Collection[Precision] = PRECISIONS,
    *,
    self_check: bool = True,
    force: bool = False,
    decoder: Decoder | None = None,
) -> Plan:
    """What ``convert`` would do with the same arguments.

    Touches nothing, not even a stamp. Imports neither OpenVINO nor numpy.

    Raises:
        ConversionError: a precision was asked for that no conversion makes, or an IR of other weights would
            be replaced (``own_weights.refuse_to_replace``).
    """
    if spec.is_ir:
        return Plan(spec, ())
    if not force:
        own_weights.refuse_to_replace(spec, layout)
    steps = steps_of(
        spec, layout, precisions, self_check=self_check, force=force, decoder=decoder, is_good=files.holds
    )
    return Plan(spec, steps, None if all(step.is_done for step in steps) else _obstacle(spec, layout))


def steps_of(
    spec: ModelSpec,
    layout: Layout,
    precisions: Collection[Precision],
    *,
    self_check: bool,
    force: bool,
    decoder: Decoder | None,
    is_good: IsGood = files.is_good,
) -> tuple[Step, ...]:
    """One step per precision; ``is_good`` decides whether a file holds its promised bytes.

    Raises:
        ConversionError: a precision was asked for that no conversion makes.
    """
    require(spec, precisions)
    steps = []
    for precision in dict.fromkeys(precisions):
        reason = "asked to" if force else why_stale(spec, layout, precision, self_check, decoder, is_good)
        steps.append(Step(precision, layout.ir(spec, precision), reason))
    return tuple(steps)


def require(spec: ModelSpec, precisions: Collection[Precision]) -> None:
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
    only = carried_out.precision(spec.mo_args)
    for precision in precisions:
        if only not in (None, precision):
            raise ConversionError(
                f"{spec.full_name}: its arguments ask for {only} alone", hint=f"--precisions {only}"
            )
        if precision not in PRECISIONS:
            hint = f"it makes {' and '.join(PRECISIONS)}"
            raise ConversionError(f"{spec.full_name}: no conversion makes {precision}", hint=hint)


def is_up_to_date(
    spec: ModelSpec, layout: Layout, precision: Precision, *, decoder: Decoder | None = None
) -> bool:
    """Whether an IR is there that was made from the same bytes by the same means, and has not changed since.

    Imports neither OpenVINO nor numpy. Always False for a model that is published as IR: nothing was made.
    """
    return not why_stale(spec, layout, precision, False, decoder, files.is_good)


def why_stale(
    spec: ModelSpec,
    layout: Layout,
    precision: Precision,
    self_check: bool,
    decoder: Decoder | None,
    is_good: IsGood,
) -> str:
    """Why an IR has to be made; empty where it is up to date."""
    return provenance.why_stale(
        layout.ir(spec, precision),
        lambda: provenance.key_of(spec, decoder or spec.decoder),
        is_good,
        is_checked=self_check,
    )


def _obstacle(spec: ModelSpec, layout: Layout) -> ConversionError | None:
    try:
        original.reader_of(spec)
        original.verified(spec, layout)
    except ConversionError as error:
        return error
    return None
