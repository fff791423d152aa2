"""Decides on all that follows from model.yml, the settings and the lock, in four steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import (
    ColorOrder,
    Decoder,
    Framework,
    Input,
    ModelSpec,
    Precision,
    Route,
)
from posezoo.core.declarations.routes import PRECISION, Obstacle, select_route
from posezoo.core.errors import Advice, ConversionError, SpecError, UnknownModelError
from posezoo.core.ir.provenance import ranges_key
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile
from posezoo.core.registry import format_command
from posezoo.core.resolve.graph_decoder import GRAPH_DECODER
from posezoo.core.resolve.input_options import InputOptions, with_added_mo_args
from posezoo.core.resolve.own_networks import OWN_NETWORKS
from posezoo.core.resolve.resolved import (
    INT8_PRECISIONS,
    UPSTREAM_RESULTS,
    Converter,
    Resolved,
    Target,
)
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen

_CONVERTERS = {Route.IR: Converter.PUBLISHED, Route.MO: Converter.MODEL_OPTIMIZER}


@frozen
class _ChosenRoute:
    source: ModelSpec
    route: Route
    runs_upstream_code: bool
    converter: Converter
    obstacle: Obstacle | None


def resolve_model(
    spec: ModelSpec,
    precisions: Iterable[Precision],
    context: Context,
    *,
    inputs: InputOptions | None = None,
    checkpoint: Path | None = None,
) -> Resolved:
    """Decide on the network, inputs, pins, route and targets of a model, in this order.

    No file of the model is read.

    Args:
        spec: the chosen variant; with own weights, from ``networks.custom_weights``.
        checkpoint: the user's own weights, which replace the published ones.

    Raises:
        ConversionError: the requested inputs do not fit the model, or INT8 of it would have others.
        PosezooError: an argument for Model Optimizer is unknown or not valid.
        LockError: the lock is strict, and does not list the model as it is declared.
        InferenceError: the model's own skeleton does not fit its network.
    """
    if spec.framework is Framework.PYTORCH and not spec.network:
        spec = OWN_NETWORKS.part.with_known_network(spec)
    if spec.own_skeleton:
        OWN_NETWORKS.part.require_fitting_skeleton(spec)
    precisions = tuple(dict.fromkeys(precisions))
    has_own_inputs = inputs not in (None, InputOptions())
    if inputs and has_own_inputs:
        spec = _with_inputs(spec, inputs, precisions, context)
    if checkpoint:
        spec = replace(spec, int8_ranges=None)  # they are of the published weights
    spec = context.lock.with_pins(spec)
    chosen = _choose_route(spec, context)
    layout = replace(context.layout, checkpoint=checkpoint)
    targets = _choose_targets(spec, precisions, chosen, layout, lock=context.lock)
    decoder = spec.decoding.decoder if spec.decoding else _own_decoder(spec, context)
    return Resolved(
        spec,
        chosen.source,
        chosen.route,
        chosen.runs_upstream_code,
        decoder=decoder,
        layout=layout,
        targets=targets,
        has_own_inputs=has_own_inputs,
    )


def _with_inputs(
    declared: ModelSpec,
    options: InputOptions,
    precisions: Collection[Precision],
    context: Context,
) -> ModelSpec:
    """The model, changed so that its IR has these inputs and outputs.

    Raises:
        ConversionError: as for ``resolve_model``. INT8 with other inputs is made neither of ranges
            nor by ``posezoo quantize``.
    """
    decoder = _own_decoder(declared, context)
    spec = with_added_mo_args(declared, options.mo_arguments, has_mo=context.has_model_optimizer)
    if options.decode:
        spec = GRAPH_DECODER.part.with_decoding(spec, decoder, options)
    spec = with_camera_input(spec, options, context.image_layout(spec.framework))
    if options.dynamic:
        spec = OWN_NETWORKS.part.with_dynamic_shape(spec)
    has_int8 = any(each in INT8_PRECISIONS for each in precisions)
    if has_int8 and not spec.is_ir and spec != declared:
        raise ConversionError(
            f"{spec.full_name}: INT8 is only made with the inputs and outputs that model.yml"
            " declares",
            hint="name another precision, or leave out the flags that change them",
        )
    return spec


def with_camera_input(spec: ModelSpec, options: InputOptions, usual_layout: str) -> ModelSpec:
    """The model, changed so that its IR converts the type, layout, colours and size of each image
    input.

    A frame is BGR: if the network is known to take RGB, the IR converts it.

    Raises:
        ConversionError: the model is published as IR, takes no images, or has no fixed size to
            resize to.
    """
    if not (options.element_type or options.layout or options.resize):
        return spec
    if not spec.is_converted:
        raise ConversionError(
            f"{spec.full_name}: is published as IR, whose inputs cannot be changed",
            hint="remove --input_type, --input_layout and --resize, or add --decode",
        )
    inputs = []
    has_image = False
    for port in spec.inputs:
        if not port.layout and len(port.shape) in (0, 4):
            image = replace(port, layout=usual_layout)
        else:
            image = port
        if not _is_image(image):
            inputs.append(port)
            continue
        has_image = True
        if options.resize:
            _require_fixed_size(spec, image)
        inputs.append(_take_frames(image, options))
    if not has_image:
        raise ConversionError(
            f"{spec.full_name}: none of its inputs is declared as an image with three channels",
            hint="declare its input, or name it: --add_mo_arg=--input=NAME[1,3,H,W]",
        )
    return replace(spec, inputs=tuple(inputs))


def _take_frames(port: Input, options: InputOptions) -> Input:
    target = options.layout or port.ir_layout or port.layout
    return replace(
        port,
        to_layout=target if target != port.layout else "",
        element_type=options.element_type or port.element_type,
        reverse_input_channels=port.reverse_input_channels or port.color is ColorOrder.RGB,
        resize=options.resize or port.resize,
    )


def _is_image(port: Input) -> bool:
    if set(port.layout) != set("NCHW"):
        return False
    return not port.shape or port.shape[port.layout.index("C")] == 3


def _require_fixed_size(spec: ModelSpec, port: Input) -> None:
    sides = port.sides
    if sides and -1 not in (sides["H"], sides["W"]):
        return
    raise ConversionError(
        f"{spec.full_name}: its input {port.name or 'image'} has no fixed size to resize to",
        hint="remove --resize, or declare the shape",
    )


def _own_decoder(spec: ModelSpec, context: Context) -> Decoder | None:
    """The model's own decoder; if it has none, its composite's."""
    if spec.decoder is None and spec.composite:
        # Reported if the composite itself is requested.
        with suppress(SpecError, UnknownModelError):
            return context.registry.composite_of(spec).decoder
    return spec.decoder


def _choose_route(spec: ModelSpec, context: Context) -> _ChosenRoute:
    source = spec
    route, obstacle = select_route(spec)
    converter_route = route
    runs_upstream_code = (
        route is Route.UPSTREAM_CODE
        and context.settings.allow_upstream_code
        and bool(spec.has_pre_convert or spec.upstream_export)
    )
    if runs_upstream_code:
        source = _after_upstream_code(spec)
        converter_route, obstacle = select_route(source)
    if converter_route is Route.MO and context.has_model_optimizer:
        obstacle = None
    elif converter_route is Route.MO and obstacle and context.settings.mo:
        note = f"{context.settings.mo} is that of posezoo's stand-in for openvino-dev"
        obstacle = replace(obstacle, hint=f"{obstacle.hint}; {note}")
    converter = _CONVERTERS.get(converter_route, Converter.OPENVINO)
    if converter is Converter.PUBLISHED and spec.is_converted:
        converter = Converter.OPENVINO
    # If the result of upstream code cannot be converted either, its route explains the obstacle.
    shown = route if obstacle is None else converter_route
    return _ChosenRoute(source, shown, runs_upstream_code, converter, obstacle=obstacle)


def _after_upstream_code(spec: ModelSpec) -> ModelSpec:
    """The model in the form that the converter reads after the model's own code has run."""
    makes_onnx = spec.framework is Framework.PYTORCH and spec.upstream_export
    return replace(
        spec,
        framework=Framework.ONNX if makes_onnx else spec.framework,
        upstream_export=(),
        has_pre_convert=False,
        input_model=spec.input_model.replace("$conv_dir", UPSTREAM_RESULTS, 1),
    )


def _choose_targets(
    spec: ModelSpec,
    requested: tuple[Precision, ...],
    chosen: _ChosenRoute,
    layout: ModelLayout,
    lock: LockFile,
) -> tuple[Target, ...]:
    """One target for each precision; of a model that is published as IR, for each published one.

    Raises:
        ConversionError: a decoder is requested in an IR that posezoo does not convert.
    """
    obstacle = chosen.obstacle
    if spec.is_ir:
        published = tuple(each for each in requested if each in spec.precisions)
        if not published:
            hint = f"choose {' or '.join(spec.precisions)}" if spec.precisions else ""
            obstacle = Obstacle(PRECISION, f"is not published as {' or '.join(requested)}", hint)
        requested = published or requested
    targets = []
    for precision in requested:
        target = Target(precision, layout.ir_path(spec, precision), chosen.converter, obstacle)
        if chosen.converter is not Converter.PUBLISHED:
            target = _made_target(spec, target, layout, lock)
        targets.append(target)
    if spec.decoding and chosen.converter is Converter.MODEL_OPTIMIZER:
        raise ConversionError(
            f"{spec.full_name}: no decoder is put into an IR that Model Optimizer makes",
            hint=Advice("remove --decode", "--decode"),
        )
    return tuple(targets)


def _explain_missing_int8(spec: ModelSpec, target: Target, layout: ModelLayout) -> Obstacle:
    refused = spec.quantization.refused if spec.quantization else ""
    if refused:
        return Obstacle(PRECISION, refused.rstrip("."), f"choose {Precision.FP16}")
    why = f"no conversion makes {target.precision}, and {target.xml} does not exist"
    hint = f"{format_command('quantize', spec, layout.output_dir)} --images PHOTOS"
    if spec.int8_ranges:
        hint = f"choose {Precision.FP16_INT8}; or: {hint}"
    return Obstacle(PRECISION, why, hint)


def _made_target(spec: ModelSpec, target: Target, layout: ModelLayout, lock: LockFile) -> Target:
    precision = target.precision
    only = supported_mo_args.requested_precision(spec.mo_args) if spec.mo_args else None
    if precision in INT8_PRECISIONS and not spec.is_ir and not ranges_key(spec, precision):
        obstacle = _explain_missing_int8(spec, target, layout)
        target = replace(target, converter=Converter.QUANTIZATION, obstacle=obstacle)
    elif only not in (None, precision):
        obstacle = Obstacle(PRECISION, f"its arguments ask for {only} alone", f"choose {only}")
        target = replace(target, obstacle=obstacle)
    return replace(target, agreed=lock.agreed_ir(spec, precision))
