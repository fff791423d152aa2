"""Which IR of a model have to be made, and why; light enough to ask at every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from posezoo.errors import ConversionError
from posezoo.files import verified_files
from posezoo.ir import provenance
from posezoo.ir.provenance import IsGood
from posezoo.layout import ModelLayout
from posezoo.resolve.custom_weights import CHECKPOINT_NAME
from posezoo.resolve.resolved import Converter, Resolved, Target
from posezoo.spec.model import ModelSpec, Precision
from posezoo.spec.routes import Obstacle

#: What to do if weights of another training lie in the way.
KEEP_OR_REPLACE = "--model_name gives yours a name of its own; --force replaces what is there"


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """How IR are made.

    Attributes:
        force: convert again what is up to date, or was made of other weights.
        self_check: prove that the IR compute what the original computes, and publish nothing else.
        keep_onnx: also write the ONNX that a checkpoint becomes on the way: ``<name>.onnx`` in its folder.
    """

    force: bool = False
    self_check: bool = True
    keep_onnx: bool = False


@dataclass(frozen=True, slots=True)
class PlannedIr:
    """One IR that was asked for.

    Attributes:
        target: which one.
        reason: why it has to be made; empty if it is up to date.
    """

    target: Target
    reason: str

    @property
    def precision(self) -> Precision:
        """Of the weights."""
        return self.target.precision

    @property
    def xml(self) -> Path:
        """Where the IR lies, or will lie."""
        return self.target.xml

    @property
    def is_up_to_date(self) -> bool:
        """Whether there is nothing to do."""
        return not self.reason


def plan_irs(
    resolved: Resolved,
    options: ConversionOptions,
    *,
    mo_version: str = "",
    is_good: IsGood = verified_files.is_verified,
) -> tuple[PlannedIr, ...]:
    """What a conversion does about each IR. Imports neither OpenVINO nor numpy.

    Args:
        resolved: the model.
        options: how its IR are made.
        mo_version: of the Model Optimizer that would make them; empty without one.
        is_good: decides whether a file holds its promised bytes.

    Raises:
        ConversionError: an IR of other weights would be replaced (``refuse_to_replace``).
    """
    if not resolved.spec.is_ir and not options.force:
        refuse_to_replace(resolved.source, resolved.layout)
    return tuple(
        PlannedIr(target, _explain_due(resolved, target, options, mo_version, is_good))
        for target in resolved.targets
    )


def _explain_due(
    resolved: Resolved, target: Target, options: ConversionOptions, mo_version: str, is_good: IsGood
) -> str:
    if target.converter is Converter.PUBLISHED:
        return "" if target.obstacle is None else "it is not published"
    if target.converter is Converter.QUANTIZATION:
        return "" if target.xml.is_file() else "there is none yet"
    if options.force:
        return "asked to"
    # What Model Optimizer makes is not self-checked; and what cannot be made again is used as it is.
    is_checked = options.self_check and target.converter is Converter.OPENVINO and target.obstacle is None
    return explain_stale_ir(resolved, target.xml, is_good, is_checked=is_checked, mo_version=mo_version)


def explain_stale_ir(
    resolved: Resolved, xml: Path, is_good: IsGood, *, is_checked: bool = False, mo_version: str = ""
) -> str:
    """Why an IR is not the one that a conversion would make; empty if it is."""
    key = partial(provenance.conversion_key, resolved.source, resolved.decoder, model_optimizer=mo_version)
    return provenance.explain_stale_record(xml, key, is_good, is_checked=is_checked)


def find_obstacle(irs: Iterable[PlannedIr]) -> Obstacle | None:
    """What is in the way of the IR that have to be made; None if nothing is."""
    return next((ir.target.obstacle for ir in irs if ir.reason and ir.target.obstacle), None)


def refuse_to_replace(model: ModelSpec, layout: ModelLayout) -> None:
    """Make sure that the user's own weights are not lost.

    Weights of the user's own replace no IR of others; the published ones replace theirs, older or newer,
    but none that was made of the user's own.

    Raises:
        ConversionError: such an IR lies where this one would go.
    """
    digests = set(provenance.source_digests(model).values())
    for precision in Precision:
        xml = layout.ir_path(model, precision)
        if not xml.is_file():
            continue
        record = provenance.read_provenance(layout.provenance_path(model, precision))
        sources = record.key.get("sources") if record is not None else None
        made_from = sources if isinstance(sources, Mapping) else {}
        is_kept = layout.custom_checkpoint(model) is not None or set(made_from) == {CHECKPOINT_NAME}
        if is_kept and set(made_from.values()) != digests:
            raise ConversionError(f"{xml}: is the IR of another checkpoint", hint=KEEP_OR_REPLACE)
