"""The route that converts a model to IR, and any obstacle on it, decided from model.yml alone."""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.declarations.mo_args import TYPED
from posezoo.core.declarations.model import Framework, ModelSpec, Route
from posezoo.core.declarations.supported_mo_args import (
    CARRIED_OUT,
    PIPELINE_CONFIG,
    TRANSFORMATIONS_CONFIG,
)
from posezoo.core.declarations.upstream_steps import UPSTREAM_STEPS
from posezoo.core.errors import Advice
from posezoo.core.values import frozen


@frozen
class Obstacle:
    """Why posezoo does not convert a model to IR."""

    reason: str  # a single word, for programs
    why: str  # the reason as the end of a sentence that starts with the model's name
    hint: str = ""  # what to do instead


#: The reason of an obstacle that affects only some precisions.
PRECISION = "precision"


MO_ADVICE = Advice(
    "a Model Optimizer of OpenVINO 2024.6 can convert it: --mo PATH, or POSEZOO_MO", "--mo"
)
_AUTHORS = (
    "posezoo does not run downloaded code without consent: --allow_upstream_code runs it in a"
    " sandbox; or create the file with the authors' tools and declare that file instead"
)
_BY_USER = "export it to ONNX with its authors' code; then posezoo convert FILE.onnx"
_REMOVED = "look for the same model as ONNX"


def _unsupported_flags(spec: ModelSpec) -> list[str]:
    steps = UPSTREAM_STEPS.part
    flags = [
        flag
        for flag, value in spec.mo_args
        if flag not in (*TYPED, *CARRIED_OUT) and not steps.carries_out(spec, flag, value)
    ]
    return list(dict.fromkeys(flags))


#: Of frameworks whose files neither posezoo nor Model Optimizer reads.
_UNREADABLE = {
    Framework.MXNET: Obstacle(
        "mxnet", "Model Optimizer has not read MXNet files since 2024", _REMOVED
    ),
    Framework.CAFFE2: Obstacle(
        "caffe2", "its export to ONNX needs Caffe2, which is no longer developed", _REMOVED
    ),
}
_NO_NETWORK = Obstacle(
    "pytorch-export",
    "its network is defined by its authors' Python code, and model.yml does not name one of"
    " posezoo's networks",
    _AUTHORS,
)
_PRE_CONVERT = Obstacle("pre-convert", "a pre-convert.py makes the file to convert", _AUTHORS)
_MADE_BY_UPSTREAM = Obstacle(
    "made-by-upstream", "its authors' code makes the file to convert", _AUTHORS
)
_PIPELINE = Obstacle(
    "object-detection-pipeline",
    "Model Optimizer converts it according to its pipeline.config",
    MO_ADVICE,
)
_TRANSFORMATIONS = Obstacle(
    "transformations-config", "a program inside Model Optimizer rewrites its network", MO_ADVICE
)
_GRAPH_AS_TEXT = Obstacle(
    "graph-as-text",
    "its graph is stored as text",
    Advice(f"{MO_ADVICE}; a frozen graph (.pb) can be converted", "--mo"),
)
_ARGUMENT = Obstacle("argument", "posezoo does not support an argument of its model.yml", MO_ADVICE)


def select_route(spec: ModelSpec) -> tuple[Route, Obstacle | None]:
    """The route to IR by the first rule that applies, and why posezoo does not take it by itself;
    no file of the model is needed.
    """
    if spec.is_ir:
        return Route.IR, None
    if spec.framework is Framework.PYTORCH and spec.network:
        return Route.NETWORK, None
    obstacle = _UNREADABLE.get(spec.framework)
    if obstacle:
        return Route.REMOVED, obstacle
    # Before Model Optimizer, because Model Optimizer would read the output of upstream's code.
    obstacle = _find_upstream_code(spec)
    if obstacle:
        return Route.UPSTREAM_CODE, obstacle
    obstacle = _find_unsupported(spec)
    if obstacle:
        return Route.MO, obstacle
    return Route.CONVERT, None


def _find_upstream_code(spec: ModelSpec) -> Obstacle | None:
    has_code = spec.has_pre_convert or spec.upstream_export
    hint = f"{_BY_USER} --as {spec.name}" if spec.decoder else _REMOVED
    if spec.framework is Framework.PYTORCH:
        return _NO_NETWORK if has_code else replace(_NO_NETWORK, hint=hint)
    if spec.has_pre_convert and not UPSTREAM_STEPS.part.reads_original(spec):
        return _PRE_CONVERT
    if spec.input_model.startswith("$conv_dir"):
        return _MADE_BY_UPSTREAM if has_code else replace(_MADE_BY_UPSTREAM, hint=hint)
    return None


def _find_unsupported(spec: ModelSpec) -> Obstacle | None:
    flags = _unsupported_flags(spec)
    if PIPELINE_CONFIG in flags:
        return _PIPELINE
    if TRANSFORMATIONS_CONFIG in flags:
        return _TRANSFORMATIONS
    if spec.framework is Framework.TF and spec.source_name.endswith(".pbtxt"):
        return _GRAPH_AS_TEXT
    return _ARGUMENT if flags else None


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
