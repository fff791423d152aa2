"""Decide which IR of a model have to be made, and why.

Without OpenVINO and numpy, a run with nothing to do is fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from posezoo.core.declarations.model import OWN_CHECKPOINT, ModelSpec, Precision
from posezoo.core.errors import ConversionError, shell_word
from posezoo.core.events import ConversionUpToDate, IrOutdated, Listener
from posezoo.core.ir import provenance
from posezoo.core.ir.provenance import Provenance
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolved import INT8_PRECISIONS, Converter, Resolved, Target
from posezoo.core.settings import Settings
from posezoo.core.values import frozen
from posezoo.core.versions import version

#: The hint of the error if a file with the same name was made from other weights.
KEEP_OR_REPLACE = (
    "use --model_name to give yours another name, or --force to replace the existing one"
)


# Why an IR is made although it may be up to date.
_REQUESTED = "it was requested"


@frozen
class ConversionOptions:
    """How IR are made."""

    force: bool = False  # convert again, even if an IR is up to date or was made from other weights
    #: Compare the outputs of each IR with those of the original, and write the IR to its final
    #: folder only if they are equal within the tolerance.
    self_check: bool = True
    #: Also refuse an IR whose outputs the self-check cannot prove, or whose original nothing else
    #: read; the setting ``require_proof`` asks for it, too.
    is_strict: bool = False
    by_nodes: bool = False  # also compare the tensors inside of the networks
    #: The settings ``conversion_timeout`` and ``conversion_memory``; None for their defaults.
    timeout_s: float | None = None
    memory_gb: float | None = None


def with_settings(options: ConversionOptions | None, settings: Settings) -> ConversionOptions:
    """The options, or the defaults, with what the settings decide."""
    options = options or ConversionOptions()
    return replace(
        options,
        is_strict=options.is_strict or settings.require_proof,
        timeout_s=settings.conversion_timeout,
        memory_gb=settings.conversion_memory,
    )


@frozen
class PlannedIr:
    """One requested IR."""

    target: Target  # its precision, path and converter
    reason: str  # why it has to be made; empty if it is up to date
    record: Provenance | None  # how the IR that exists was made; None if that is not known
    is_listed: bool = False  # whether a strict lock lists its bytes, which were read for this

    @property
    def precision(self) -> Precision:
        """The precision of the weights."""
        return self.target.precision

    @property
    def xml(self) -> Path:
        """The path of the IR, which may not exist yet."""
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
) -> tuple[PlannedIr, ...]:
    """Decide for each IR whether it has to be made, and why.

    Args:
        mo_version: the version of the Model Optimizer that would make them; empty without one.

    Raises:
        ConversionError: an IR of other weights would be replaced (``refuse_to_replace``); or this
            user may not read one.
    """
    irs = []
    for target in resolved.targets:
        for name in (target.xml.name, f"{target.xml.stem}.bin", "provenance.json"):
            _require_readable(target.xml.with_name(name))
        record = provenance.read_ir_record(target.xml)
        is_listed = bool(target.agreed and target.agreed.lists(target.xml))
        reason = _explain_due(resolved, target, record, options, mo_version, is_listed=is_listed)
        irs.append(PlannedIr(_with_reason(target, reason), reason, record, is_listed))
    replaces = resolved.spec.is_converted and not all(ir.is_up_to_date for ir in irs)
    if replaces and not options.force:
        refuse_to_replace(resolved.source, resolved.layout)
    return tuple(irs)


def _require_readable(path: Path) -> None:
    with suppress(PermissionError):
        if not path.exists() or os.access(path, os.R_OK):
            return
    folder = next(each for each in path.parents if os.access(each.parent, os.X_OK))
    raise ConversionError(
        f"{path}: cannot be read: it belongs to another user (number {folder.stat().st_uid})",
        hint=f"its owner can allow it: chmod -R a+rX {shell_word(folder)}; or choose another"
        " --weights_dir",
    )


def _explain_due(
    resolved: Resolved,
    target: Target,
    record: Provenance | None,
    options: ConversionOptions,
    mo_version: str,
    *,
    is_listed: bool,
) -> str:
    if target.converter is Converter.PUBLISHED:
        return "" if target.obstacle is None else "it is not published"
    has_photos = target.precision in INT8_PRECISIONS and provenance.was_calibrated(record)
    # The user's photos replace the ranges in the registry.
    if target.converter is Converter.QUANTIZATION or (has_photos and not options.force):
        return _explain_unusable(resolved, target, record)
    if options.force:
        return _REQUESTED
    key = key_now(resolved, target, mo_version)
    if is_listed and _accepts_listed(resolved, target, record, options, key):
        return ""
    # IR from Model Optimizer are not self-checked. An IR that cannot be made again needs no check.
    can_check = target.converter is Converter.OPENVINO and target.obstacle is None
    is_checked = options.self_check and can_check
    reason = provenance.explain_stale_record(
        target.xml,
        record,
        key,
        is_checked=is_checked,
        is_proven=is_checked and options.is_strict,
        by_nodes=is_checked and options.by_nodes,
    )
    return reason or _explain_other_version(target, record)


def _explain_other_version(target: Target, record: Provenance | None) -> str:
    """Why an IR is made again although it is up to date, since another posezoo made it."""
    is_ours = record is None or record.posezoo == version()
    if is_ours or target.agreed is None or target.agreed.find_other(target.xml) is None:
        return ""
    return "posezoo.lock lists the IR of another version of posezoo"


def _accepts_listed(
    resolved: Resolved,
    target: Target,
    record: Provenance | None,
    options: ConversionOptions,
    key: Callable[[], Mapping[str, object]],
) -> bool:
    """Whether an IR that a strict lock lists is the requested one, and proven if it has to be."""
    if options.is_strict and not (target.agreed and target.agreed.proof):
        return False
    # Another version may record the same arguments in another way.
    if not resolved.has_own_inputs or record is None or record.posezoo != version():
        return True
    return record.key.get("arguments") == key()["arguments"]


def _explain_unusable(resolved: Resolved, target: Target, record: Provenance | None) -> str:
    """Why an IR that was quantized with photos cannot be used; empty if it can.

    It may have been quantized with other settings, or by another program, which leaves no record.
    """
    if not target.xml.is_file():
        return "it does not exist yet"
    if record is None:
        return ""
    if record.sources and not provenance.was_made_from(record, resolved.source_of(target)):
        return "it was made from another file"
    return provenance.explain_changed_files(target.xml, record)


def _with_reason(target: Target, reason: str) -> Target:
    is_unusable = target.converter is Converter.QUANTIZATION and reason and target.xml.is_file()
    if target.obstacle is None or not is_unusable:
        return target
    why = f"no conversion makes {target.precision}, and {target.xml} cannot be used: {reason}"
    return replace(target, obstacle=replace(target.obstacle, why=why))


def key_now(
    resolved: Resolved, target: Target, mo_version: str = ""
) -> Callable[[], Mapping[str, object]]:
    """Computes the key that the record of an IR would have if a conversion made it now."""
    source = resolved.source_of(target)
    ranges = provenance.ranges_key(source, target.precision)
    return partial(provenance.conversion_key, source, resolved.decoder, ranges, mo_version)


def select_due(name: str, irs: Sequence[PlannedIr], listener: Listener) -> list[Target]:
    """The IR that have to be made; the listener receives the others.

    Raises:
        LockError: a strict lock does not list an IR, or lists another one than exists.
    """
    up_to_date = [ir for ir in irs if ir.is_up_to_date]
    due = [ir for ir in irs if not ir.is_up_to_date]
    if up_to_date:
        listener(ConversionUpToDate(name, tuple(ir.precision for ir in up_to_date)))
    for ir in up_to_date:
        if ir.target.agreed and not ir.is_listed:
            ir.target.agreed.require(ir.xml)
    for ir in due:
        if ir.target.agreed:  # checked before hours of work, and before upstream code runs
            ir.target.agreed.require_known()
        if ir.xml.is_file() and ir.reason != _REQUESTED:
            listener(IrOutdated(name, f"{ir.precision}/{ir.xml.name}", ir.reason))
    return [ir.target for ir in due]


def refuse_to_replace(model: ModelSpec, layout: ModelLayout) -> None:
    """Raise a ConversionError if the user's own weights, or an IR of other weights, could be lost:
    published weights may replace an IR of any published weights, the user's only an IR of the same
    weights.
    """
    digests = set(provenance.source_digests(model).values())
    for precision in Precision:
        xml = layout.ir_path(model, precision)
        if not xml.is_file():
            continue
        record = provenance.read_ir_record(layout.converted_ir_path(model, precision))
        made_from = record.sources if record else {}
        is_custom = layout.custom_checkpoint(model) is not None or set(made_from) == {
            OWN_CHECKPOINT
        }
        if is_custom and set(made_from.values()) != digests:
            hint = KEEP_OR_REPLACE
            if layout.custom_checkpoint(model) is None:
                hint = f"{format_command('get', model, layout.output_dir)} --force replaces it"
            raise ConversionError(f"{xml}: is the IR of another checkpoint", hint=hint)
