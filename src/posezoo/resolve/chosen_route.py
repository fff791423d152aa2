"""Decides on which route a model becomes IR, and which converter makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from posezoo.resolve.resolved import UPSTREAM_RESULTS, Converter
from posezoo.spec.model import Framework, ModelSpec, Route
from posezoo.spec.routes import Obstacle, select_route

_CONVERTERS = {Route.IR: Converter.PUBLISHED, Route.MO: Converter.MODEL_OPTIMIZER}


@dataclass(frozen=True)
class ChosenRoute:
    """The route of a model; the fields are those of ``Resolved`` and ``Target``."""

    source: ModelSpec
    route: Route
    runs_upstream_code: bool
    converter: Converter
    obstacle: Obstacle | None


def choose_route(
    spec: ModelSpec, *, has_model_optimizer: bool, stand_in: Path | None, allow_upstream_code: bool
) -> ChosenRoute:
    """The route of a model with these converters.

    Args:
        has_model_optimizer: whether the user named a Model Optimizer.
        stand_in: the path that the user named for it, if posezoo's own stand-in is there.
        allow_upstream_code: whether code that comes with a model may be run.
    """
    source = spec
    route, obstacle = select_route(spec)
    converter_route = route
    runs_upstream_code = (
        route is Route.UPSTREAM_CODE
        and allow_upstream_code
        and bool(spec.has_pre_convert or spec.upstream_export)
    )
    if runs_upstream_code:
        source = _after_upstream_code(spec)
        converter_route, obstacle = select_route(source)
    if converter_route is Route.MO and has_model_optimizer:
        obstacle = None
    elif converter_route is Route.MO and obstacle is not None and stand_in is not None:
        note = f"{stand_in} is that of posezoo's stand-in for openvino-dev"
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
