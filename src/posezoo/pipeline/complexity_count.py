"""Figures of a zoo's models: what an inference takes, counted on IR, and measured.yml, which remembers it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import ConversionError, OutputError
from posezoo.layout import ModelLayout
from posezoo.spec.model import CompositeSpec, Input, ModelSpec, Precision
from posezoo.versions import package_version

if TYPE_CHECKING:
    from posezoo.measured import Measurement
    from posezoo.pipeline.zoo import Zoo

_INSTALLED = Path(__file__).resolve().parents[1]


def count_complexity(
    zoo: Zoo, spec: ModelSpec, size: tuple[int, int] | None = None
) -> tuple[Measurement, ...]:
    """GFLOPs and MParams of each IR of a model that is there.

    Args:
        spec: the model.
        size: height and width of the image, where the IR leaves them open.

    Raises:
        ConversionError: none is there, one is not what model.yml describes, or its sizes are open.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    from posezoo.ir.complexity import read_complexity
    from posezoo.ir.openvino_import import error_text
    from posezoo.measured import Measurement

    found = []
    shapes = {port.name: _sized(port, size) for port in spec.inputs if -1 in port.shape} if size else {}
    settings = {"height": size[0], "width": size[1]} if size and shapes else {}
    for precision in spec.precisions:
        xml = zoo.layout.ir_path(spec, precision)
        if not xml.is_file():
            continue
        zoo.require_current_ir(spec, precision)
        try:
            cost = read_complexity(xml, shapes)
        except RuntimeError as error:
            raise ConversionError(f"{xml}: cannot be counted: {error_text(error)}") from error
        if cost is None:
            hint = "say at which height and width: --size H,W"
            raise ConversionError(f"{xml}: its sizes are open: no one number is right", hint=hint)
        tools = {"openvino": package_version("openvino")}
        found.append(
            Measurement("complexity", precision, asdict(cost), spec.tag, settings=settings, tools=tools)
        )
    if not found:
        folder = zoo.layout.ir_path(spec, Precision.FP32).parents[1]
        raise ConversionError(f"{folder}: no IR is there", hint=f"posezoo get {spec.full_name}")
    return tuple(found)


def count_complexity_on_random_weights(zoo: Zoo, spec: ModelSpec, folder: Path) -> tuple[Measurement, ...]:
    """GFLOPs and MParams of a network of ours whose weights are not to be had, with generated ones.

    Args:
        spec: the model.
        folder: an empty one, for a checkpoint and the IR.

    Raises:
        ConversionError: the model is no network of ours.
        MissingPackageError: torch or OpenVINO is not installed.
    """
    made, generated = convert_with_random_weights(zoo, spec, folder, spec.precisions)
    return tuple(replace(each, weights="generated") for each in count_complexity(made, generated))


def convert_with_random_weights(
    zoo: Zoo, spec: ModelSpec, folder: Path, precisions: Collection[Precision]
) -> tuple[Zoo, ModelSpec]:
    """A network of ours with generated weights as IR, for what does not depend on their values.

    Args:
        spec: the model.
        folder: an empty one, for a checkpoint and the IR.
        precisions: of the IR.

    Returns:
        The zoo whose layout says where the IR lie, and the model that they are of.

    Raises:
        ConversionError: the model is no network of ours.
        MissingPackageError: torch or OpenVINO is not installed.
    """
    from posezoo.convert.custom_weights import write_random_checkpoint

    checkpoint = folder / "generated.pth"
    write_random_checkpoint(zoo.require_network(spec), checkpoint)
    layout = ModelLayout(folder, folder)
    zoo, generated = replace(zoo, layout=layout).with_checkpoint(checkpoint, spec)
    zoo.convert(generated, precisions, self_check=False)
    return zoo, generated


def record_measurements(spec: ModelSpec | CompositeSpec, found: Collection[Measurement]) -> Path:
    """Take measurements into the measured.yml beside a model's model.yml, or a composite's.

    Raises:
        OutputError: it cannot be written, or the registry is an installed one.
        SpecError: the measured.yml that is there says something that cannot be meant.
    """
    from posezoo import measured

    if spec.path.is_relative_to(_INSTALLED):
        raise OutputError(
            f"{spec.path.parent}: is installed: what is measured is recorded in a checkout",
            hint="--models_dir names another registry",
        )
    path = spec.path.with_name(measured.NAME)
    measured.update_measured_yml(path, found)
    return path


def _sized(port: Input, size: tuple[int, int]) -> tuple[int, ...]:
    """An input's shape with height and width in place of what is open."""
    sides = dict(zip("HW", size, strict=True))
    return tuple(
        sides.get(axis, side) if side < 0 else side
        for axis, side in zip(port.layout or "?" * len(port.shape), port.shape, strict=True)
    )
