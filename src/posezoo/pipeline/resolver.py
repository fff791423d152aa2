"""Resolve a request: decide on the network, inputs, pins, route and targets of a model, in this order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from posezoo.errors import SpecError, UnknownModelError
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.registry import Registry
from posezoo.resolve.known_network import with_known_network
from posezoo.resolve.request import InputOptions, Request
from posezoo.resolve.resolved import INT8_PRECISIONS, UPSTREAM_RESULTS, Converter, Resolved, Target
from posezoo.spec import supported_mo_args
from posezoo.spec.model import Framework, ModelSpec, Precision, Route
from posezoo.spec.routes import PRECISION, Obstacle, select_route

_CONVERTERS = {Route.IR: Converter.PUBLISHED, Route.MO: Converter.MODEL_OPTIMIZER}


def resolve(request: Request, registry: Registry, layout: ModelLayout, lock: LockFile) -> Resolved:
    """Decide how a model becomes IR. No file of the model is read.

    Raises:
        ConversionError: the requested inputs do not fit the model.
        PosezooError: an argument for Model Optimizer is unknown or not valid.
        LockError: the lock is strict, and does not list the model as it is declared.
    """
    spec = with_known_network(request.spec)
    spec = lock.with_pins(_with_inputs(spec, request.inputs, request.has_model_optimizer))
    source, (route, obstacle) = spec, select_route(spec)
    runs_upstream_code = route is Route.UPSTREAM_CODE and request.allow_upstream_code
    if runs_upstream_code and (spec.has_pre_convert or spec.upstream_export):
        source = spec_after_upstream_code(spec)
        converter_route, obstacle = select_route(source)
    else:
        runs_upstream_code, converter_route = False, route
    if converter_route is Route.MO and request.has_model_optimizer:
        obstacle = None
    precisions = tuple(dict.fromkeys(request.precisions))
    if spec.is_ir:
        published = tuple(precision for precision in precisions if precision in spec.precisions)
        if not published:
            hint = f"--precisions {','.join(spec.precisions)}" if spec.precisions else ""
            obstacle = Obstacle(PRECISION, f"is not published as {' or '.join(precisions)}", hint)
        precisions = published or precisions
    layout = replace(layout, checkpoint=request.checkpoint)
    converter = _CONVERTERS.get(converter_route, Converter.OPENVINO)
    targets = tuple(_target(spec, each, converter, obstacle, layout, lock) for each in precisions)
    # If the result of upstream code cannot be converted either, its route explains the obstacle.
    shown_route = route if obstacle is None else converter_route
    decoder = spec.decoder
    if decoder is None and spec.composite:
        with suppress(SpecError, UnknownModelError):  # reported if the composite itself is requested
            decoder = registry.find(spec.composite).decoder
    return Resolved(spec, source, shown_route, runs_upstream_code, decoder, layout, targets)


def with_final_pins(resolved: Resolved, lock: LockFile) -> Resolved:
    """The model with the pins that its download has added to the lock (trust on first use)."""
    return replace(resolved, spec=lock.with_pins(resolved.spec), source=lock.with_pins(resolved.source))


def _with_inputs(spec: ModelSpec, inputs: InputOptions, has_model_optimizer: bool) -> ModelSpec:
    if inputs == InputOptions():
        return spec
    from posezoo.convert.camera_input import with_camera_input
    from posezoo.resolve.added_mo_args import with_added_mo_args
    from posezoo.resolve.custom_weights import with_dynamic_shape

    spec = with_added_mo_args(spec, inputs.mo_arguments, has_mo=has_model_optimizer)
    spec = with_camera_input(
        spec, element_type=inputs.element_type, layout=inputs.layout, resize=inputs.resize
    )
    return with_dynamic_shape(spec) if inputs.dynamic else spec


def spec_after_upstream_code(spec: ModelSpec) -> ModelSpec:
    """The model in the form that the converter reads after the model's own code has run."""
    makes_onnx = spec.framework is Framework.PYTORCH and spec.upstream_export
    return replace(
        spec,
        framework=Framework.ONNX if makes_onnx else spec.framework,
        upstream_export=(),
        has_pre_convert=False,
        input_model=spec.input_model.replace("$conv_dir", UPSTREAM_RESULTS, 1),
    )


def _target(
    spec: ModelSpec,
    precision: Precision,
    converter: Converter,
    obstacle: Obstacle | None,
    layout: ModelLayout,
    lock: LockFile,
) -> Target:
    xml = layout.ir_path(spec, precision)
    if converter is Converter.PUBLISHED:
        return Target(precision, xml, converter, obstacle)
    if precision in INT8_PRECISIONS:
        why = f"no conversion makes {precision}, and {xml} is not there"
        obstacle = Obstacle(PRECISION, why, f"posezoo quantize {spec.full_name} --dataset_dir PHOTOS")
        converter = Converter.QUANTIZATION
    elif (only := supported_mo_args.requested_precision(spec.mo_args)) not in (None, precision):
        obstacle = Obstacle(PRECISION, f"its arguments ask for {only} alone", f"--precisions {only}")
    return Target(precision, xml, converter, obstacle, lock.agreed_ir(spec, precision))
