"""The route that converts a model to IR, and any obstacle on it, decided from model.yml alone.

The first rule that applies is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posezoo.spec.darknet_files import is_darknet
from posezoo.spec.mo_args import is_supported
from posezoo.spec.model import Framework, ModelSpec, Route
from posezoo.spec.region_configs import (
    PIPELINE_CONFIG,
    TRANSFORMATIONS_CONFIG,
    find_detector,
    is_region_config,
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why posezoo does not convert a model to IR."""

    reason: str  # a single word, for programs
    why: str  # the reason as the end of a sentence that starts with the model's name
    hint: str = ""  # what to do instead


#: The reason of an obstacle that affects only some precisions.
PRECISION = "precision"


_MO = "a Model Optimizer of OpenVINO 2024.6 can convert it: --mo PATH, or POSEZOO_MO"
_AUTHORS = (
    "posezoo does not run downloaded code without consent: --allow_upstream_code runs it in a"
    " sandbox; or create the file with the authors' tools and declare that file instead"
)
_REMOVED = "look for the same model as ONNX"


def _is_graph_as_text(spec: ModelSpec) -> bool:
    return spec.framework is Framework.TF and spec.source_name.endswith(".pbtxt")


def _needs_pre_convert(spec: ModelSpec) -> bool:
    return spec.has_pre_convert and not is_darknet(spec)


def _unsupported_flags(spec: ModelSpec) -> list[str]:
    flags = [flag for flag, value in spec.mo_args if not _is_supported(flag, value, spec)]
    return list(dict.fromkeys(flags))


def _is_supported(flag: str, value: str, spec: ModelSpec) -> bool:
    if flag == TRANSFORMATIONS_CONFIG and is_region_config(value):
        return True
    if flag in (TRANSFORMATIONS_CONFIG, PIPELINE_CONFIG):
        return find_detector(spec.mo_args) is not None
    return is_supported(flag)


RouteRule = tuple[Callable[[ModelSpec], bool], Route, Obstacle | None]

#: Upstream's code comes before Model Optimizer, because Model Optimizer would read its output.
RULES: tuple[RouteRule, ...] = (
    (lambda spec: spec.is_ir, Route.IR, None),
    (
        lambda spec: spec.framework is Framework.PYTORCH and spec.network is not None,
        Route.NETWORK,
        None,
    ),
    (
        lambda spec: spec.framework is Framework.MXNET,
        Route.REMOVED,
        Obstacle("mxnet", "Model Optimizer has not read MXNet files since 2024", _REMOVED),
    ),
    (
        lambda spec: spec.framework is Framework.CAFFE2,
        Route.REMOVED,
        Obstacle(
            "caffe2", "its export to ONNX needs Caffe2, which is no longer developed", _REMOVED
        ),
    ),
    (
        lambda spec: spec.framework is Framework.PYTORCH,
        Route.UPSTREAM_CODE,
        Obstacle(
            "pytorch-export",
            "its network is defined by its authors' Python code, and model.yml does not name one of"
            " posezoo's networks",
            _AUTHORS,
        ),
    ),
    (
        _needs_pre_convert,
        Route.UPSTREAM_CODE,
        Obstacle("pre-convert", "a pre-convert.py makes the file to convert", _AUTHORS),
    ),
    (
        lambda spec: spec.input_model.startswith("$conv_dir"),
        Route.UPSTREAM_CODE,
        Obstacle("made-by-upstream", "its authors' code makes the file to convert", _AUTHORS),
    ),
    (
        lambda spec: spec.framework is Framework.PADDLE,
        Route.MO,
        Obstacle("paddle", "posezoo does not read PaddlePaddle networks", _MO),
    ),
    (
        lambda spec: PIPELINE_CONFIG in _unsupported_flags(spec),
        Route.MO,
        Obstacle(
            "object-detection-pipeline",
            "Model Optimizer converts it according to its pipeline.config",
            _MO,
        ),
    ),
    (
        lambda spec: TRANSFORMATIONS_CONFIG in _unsupported_flags(spec),
        Route.MO,
        Obstacle(
            "transformations-config", "a program inside Model Optimizer rewrites its network", _MO
        ),
    ),
    (
        _is_graph_as_text,
        Route.MO,
        Obstacle(
            "graph-as-text",
            "its graph is stored as text",
            f"{_MO}; a frozen graph (.pb) can be converted",
        ),
    ),
    (
        lambda spec: bool(_unsupported_flags(spec)),
        Route.MO,
        Obstacle("argument", "posezoo does not support an argument of its model.yml", _MO),
    ),
)


def select_route(spec: ModelSpec) -> tuple[Route, Obstacle | None]:
    """The route to IR, and why posezoo does not take it by itself. No file of the model is
    needed.
    """
    for applies, route, obstacle in RULES:
        if applies(spec):
            return route, obstacle
    return Route.CONVERT, None


def describe_obstacle(spec: ModelSpec, route: Route, obstacle: Obstacle) -> str:
    """Why posezoo does not convert a model, in one line that begins with its name."""
    if obstacle.reason == PRECISION:
        return f"{spec.full_name}: {obstacle.why}"
    named = ""
    if obstacle.reason == "argument":
        named = f": {', '.join(_unsupported_flags(spec))}"
    return (
        f"{spec.full_name}: cannot be converted here ({route}, {obstacle.reason}):"
        f" {obstacle.why}{named}"
    )
