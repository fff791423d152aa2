"""Decides on which route a model becomes IR, and which converter makes it."""

from __future__ import annotations

from dataclasses import replace

from posezoo.resolve.resolved import UPSTREAM_RESULTS, Converter
from posezoo.resolve.stage_context import Context
from posezoo.spec.model import Framework, ModelSpec, Route
from posezoo.spec.routes import Obstacle, select_route
from posezoo.values import frozen

_CONVERTERS = {Route.IR: Converter.PUBLISHED, Route.MO: Converter.MODEL_OPTIMIZER}


@frozen
class ChosenRoute:
    """The route of a model; the fields are those of ``Resolved`` and ``Target``."""

    source: ModelSpec
    route: Route
    runs_upstream_code: bool
    converter: Converter
    obstacle: Obstacle | None


def choose_route(spec: ModelSpec, context: Context) -> ChosenRoute:
    """The route of a model with the converters that the context has."""
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
    elif converter_route is Route.MO and obstacle is not None and context.settings.mo is not None:
        note = f"{context.settings.mo} is that of posezoo's stand-in for openvino-dev"
        obstacle = replace(obstacle, hint=f"{obstacle.hint}; {note}")
    converter = _CONVERTERS.get(converter_route, Converter.OPENVINO)
    if converter is Converter.PUBLISHED and spec.is_converted:
        converter = Converter.OPENVINO
    # If the result of upstream code cannot be converted either, its route explains the obstacle.
    shown = route if obstacle is None else converter_route
    return ChosenRoute(source, shown, runs_upstream_code, converter, obstacle=obstacle)


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
