"""Decides which IR are requested of a model, where each is, and what makes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from posezoo.errors import ConversionError
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.resolve.chosen_route import ChosenRoute
from posezoo.resolve.resolved import INT8_PRECISIONS, Converter, Target
from posezoo.spec import supported_mo_args
from posezoo.spec.model import ModelSpec, Precision
from posezoo.spec.routes import PRECISION, Obstacle


def choose_targets(
    spec: ModelSpec,
    precisions: Iterable[Precision],
    chosen: ChosenRoute,
    layout: ModelLayout,
    lock: LockFile,
) -> tuple[Target, ...]:
    """One target for each precision; of a model that is published as IR, for each published one.

    Raises:
        ConversionError: a decoder is requested in an IR that posezoo does not convert.
    """
    requested = tuple(dict.fromkeys(precisions))
    obstacle = chosen.obstacle
    if spec.is_ir:
        published = tuple(each for each in requested if each in spec.precisions)
        if not published:
            hint = ""
            if spec.precisions:
                hint = f"choose {' or '.join(spec.precisions)}"
            obstacle = Obstacle(PRECISION, f"is not published as {' or '.join(requested)}", hint)
        requested = published or requested
    targets = []
    for precision in requested:
        target = Target(precision, layout.ir_path(spec, precision), chosen.converter, obstacle)
        if chosen.converter is not Converter.PUBLISHED:
            target = _made_target(spec, target, lock)
        targets.append(target)
    if spec.decoding:
        _refuse_decoding(spec, {chosen.converter, *(target.converter for target in targets)})
    return tuple(targets)


def _made_target(spec: ModelSpec, target: Target, lock: LockFile) -> Target:
    """The target of an IR that no publisher made."""
    precision = target.precision
    only = supported_mo_args.requested_precision(spec.mo_args)
    converter = target.converter
    obstacle = target.obstacle
    if precision in INT8_PRECISIONS and not spec.is_ir:
        converter = Converter.QUANTIZATION
        why = f"no conversion makes {precision}, and {target.xml} does not exist"
        hint = f"posezoo quantize {spec.full_name} --dataset_dir PHOTOS"
        obstacle = Obstacle(PRECISION, why, hint)
    elif only not in (None, precision):
        obstacle = Obstacle(PRECISION, f"its arguments ask for {only} alone", f"choose {only}")
    return Target(
        precision, target.xml, converter, obstacle, agreed=lock.agreed_ir(spec, precision)
    )


def _refuse_decoding(spec: ModelSpec, converters: Collection[Converter]) -> None:
    if Converter.MODEL_OPTIMIZER in converters:
        made_by = "Model Optimizer"
    elif Converter.QUANTIZATION in converters:
        made_by = "posezoo quantize"
    else:
        return
    raise ConversionError(
        f"{spec.full_name}: no decoder is put into an IR that {made_by} makes",
        hint="remove --decode",
    )
