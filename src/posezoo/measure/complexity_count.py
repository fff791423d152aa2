"""Count the operations and parameters of a model's IR, and record them in its measured.yml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from posezoo.console.labels import format_pairs
from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import Input, Model, ModelSpec, Precision
from posezoo.core.errors import ConversionError, InferenceError, OutputError
from posezoo.core.ir.complexity import Complexity, compute_complexity
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.get import Converted, get
from posezoo.core.pipeline.plan import require_current_ir
from posezoo.core.registry import format_command
from posezoo.core.resolve.own_networks import require_network
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context
from posezoo.core.versions import package_version
from posezoo.networks.custom_weights import spec_with_checkpoint, write_random_checkpoint

if TYPE_CHECKING:
    from posezoo.figures.measured import Measurement

_PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def count_complexity(
    resolved: Resolved, size: tuple[int, int] | None = None
) -> tuple[Measurement, ...]:
    """GFLOPs and MParams of each existing IR of a model; height and width of the image are by
    default model.yml's usual_size, if they are dynamic.

    Raises:
        ConversionError: no IR exists, one is not what model.yml describes, or its sizes are
            dynamic.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    from posezoo.core.ir.openvino_import import error_text
    from posezoo.figures.measured import Measurement

    spec = resolved.spec
    measurements = []
    size = size or usual_size(spec)
    shapes = {}
    settings = {}
    dynamic = [port for port in spec.inputs if -1 in port.shape]
    if size and dynamic:
        shapes = {port.name: _full_shape(port, size) for port in dynamic}
        settings = {"height": size[0], "width": size[1]}
    tools = {"openvino": package_version("openvino")}
    for target in resolved.targets:
        if not target.xml.is_file():
            continue
        require_current_ir(resolved, target, "counted")
        try:
            cost = read_complexity(target.xml, shapes)
        except RuntimeError as error:
            raise ConversionError(
                f"{target.xml}: cannot be counted: {error_text(error)}"
            ) from error
        if cost is None:
            hint = "give the height and width: --size H,W, or usual_size in model.yml"
            if not dynamic:
                hint = "its outputs have a row for each object that it finds"
            problem = "its sizes are dynamic, so no single number is right"
            raise ConversionError(f"{target.xml}: {problem}", hint=hint)
        measurement = Measurement(
            "complexity", target.precision, asdict(cost), spec.tag, settings=settings, tools=tools
        )
        measurements.append(measurement)
    if not measurements:
        folder = resolved.layout.ir_path(spec, Precision.FP32).parents[1]
        hint = format_command("get", spec, resolved.layout.output_dir)
        raise ConversionError(f"{folder}: contains no IR", hint=hint)
    return tuple(measurements)


def count_model(
    spec: ModelSpec,
    context: Context,
    size: tuple[int, int] | None = None,
    *,
    generates_weights: bool = False,
) -> tuple[Measurement, ...]:
    """As ``count_complexity``, of all IR of a model; or of one of our networks without an IR, with
    random weights.
    """
    resolved = resolve_model(spec, spec.precisions, context)
    has_ir = any(target.xml.is_file() for target in resolved.targets)
    if has_ir or not generates_weights or spec.network is None:
        return count_complexity(resolved, size)
    with TemporaryDirectory() as folder:
        converted = convert_with_random_weights(spec, context, Path(folder), spec.precisions)
        counted = count_complexity(converted.resolved, size)
    return tuple(replace(each, weights="generated") for each in counted)


def read_complexity(
    xml: Path, shapes: Mapping[str, Collection[int]] | None = None
) -> Complexity | None:
    """The complexity of an IR on disk, with other shapes of inputs if these are given by name.

    Raises:
        MissingPackageError: OpenVINO is not installed, or too old.
        RuntimeError: there is no IR, or an input cannot have the given shape.
    """
    from posezoo.core.ir.openvino_import import fold_constants, import_openvino

    network = import_openvino().Core().read_model(xml)
    if not shapes:
        return compute_complexity(network)
    network.reshape({name: list(shape) for name, shape in shapes.items()})
    complexity = compute_complexity(network)
    if complexity is None:
        fold_constants(network)
        complexity = compute_complexity(network)
    return complexity


def convert_with_random_weights(
    spec: ModelSpec, context: Context, folder: Path, precisions: Collection[Precision]
) -> Converted:
    """Convert one of our networks with random weights in an empty folder, for measurements that do
    not depend on their values.

    Raises:
        ConversionError: the model is not one of our networks.
        MissingPackageError: torch or OpenVINO is not installed.
    """
    checkpoint = folder / "generated.pth"
    write_random_checkpoint(require_network(spec), checkpoint)
    resolved = resolve_model(
        spec_with_checkpoint(spec, checkpoint),
        precisions,
        replace(context, layout=ModelLayout(folder, folder)),
        checkpoint=checkpoint,
    )
    return get(resolved, context, ConversionOptions(self_check=False))


def record_measurements(spec: Model, measurements: Collection[Measurement]) -> Path:
    """Write measurements to the measured.yml in the folder of a model or composite.

    Raises:
        InferenceError: the rounds of a speed differ too much; then nothing is written.
        OutputError: it cannot be written, or the registry is part of an installed package.
        SpecError: the existing measured.yml is not valid.
    """
    from posezoo.figures import measured

    require_own_registry(spec)
    for each in measurements:
        if each.spread > measured.MAX_SPREAD:
            case = f"{spec.full_name}: {each.precision}, {format_pairs(each.settings)}"
            raise InferenceError(
                f"{case}: not recorded: the throughput of its rounds varies by {each.spread:.0%}",
                hint=f"at most {measured.MAX_SPREAD:.0%} is recorded: measure it again while"
                " nothing else runs",
            )
    path = spec.path.with_name(measured.NAME)
    tagged = [replace(each, tag=spec.tag) for each in measurements]
    measured.update_measured_yml(path, tagged)
    return path


def require_own_registry(spec: Model) -> None:
    """Raise an OutputError if the registry is part of an installed package."""
    if spec.path.is_relative_to(_PACKAGE_FOLDER):
        raise OutputError(
            f"{spec.path.parent}: is part of an installed package: measurements are recorded in a"
            " checkout",
            hint="--models_dir names another registry",
        )


def usual_size(spec: ModelSpec) -> tuple[int, int] | None:
    """Height and width for measurements of a model whose sizes are dynamic; None if none are
    declared.
    """
    return next(
        (port.usual_size for port in spec.inputs if -1 in port.shape and port.usual_size), None
    )


def _full_shape(port: Input, size: tuple[int, int]) -> tuple[int, ...]:
    sides = dict(zip("HW", size, strict=True))
    axes = port.layout or "?" * len(port.shape)
    pairs = zip(axes, port.shape, strict=True)
    return tuple(sides.get(axis, side) if side < 0 else side for axis, side in pairs)
