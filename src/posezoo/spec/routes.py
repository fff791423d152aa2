"""By which route a model becomes IR, or why by none that is open here: told by its model.yml alone.

Read downwards, the first rule that applies decides. A reason is a word for programs; it comes with a
sentence for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posezoo.spec.mo_args import is_supported
from posezoo.spec.model import Framework, ModelSpec, Route


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """A route, and where it is not open, why.

    Attributes:
        route: by what the IR is made.
        reason: why posezoo does not make it itself, in one word of the table; empty where it does.
        why: the same in a sentence that goes on after the model's name.
        hint: what to do instead.
    """

    route: Route
    reason: str = ""
    why: str = ""
    hint: str = ""

    @property
    def is_available(self) -> bool:
        """Whether posezoo comes to the IR itself."""
        return not self.reason


_MO = "a Model Optimizer of OpenVINO 2024.6 makes it: --mo PATH, or POSEZOO_MO"
_AUTHORS = (
    "posezoo runs no downloaded code unasked: --allow_upstream_code runs it shut in; or make the file with "
    "its authors' tools, and declare that one"
)
_REMOVED = "look for the same model as ONNX"

RouteRule = tuple[Callable[[ModelSpec], bool], RouteDecision]

#: Upstream's code comes before Model Optimizer: what it makes is what Model Optimizer would be given.
RULES: tuple[RouteRule, ...] = (
    (lambda spec: spec.is_ir, RouteDecision(Route.IR)),
    (lambda spec: _is(spec, Framework.PYTORCH) and spec.network is not None, RouteDecision(Route.NETWORK)),
    (
        lambda spec: _is(spec, Framework.MXNET),
        RouteDecision(
            Route.REMOVED, "mxnet", "Model Optimizer reads MXNet's files no longer since 2024", _REMOVED
        ),
    ),
    (
        lambda spec: _is(spec, Framework.CAFFE2),
        RouteDecision(
            Route.REMOVED, "caffe2", "its export to ONNX needs Caffe2, which is no longer made", _REMOVED
        ),
    ),
    (
        lambda spec: _is(spec, Framework.PYTORCH),
        RouteDecision(
            Route.UPSTREAM_CODE,
            "pytorch-export",
            "its network is a program of its authors', and model.yml names no network of ours",
            _AUTHORS,
        ),
    ),
    (
        lambda spec: spec.has_pre_convert,
        RouteDecision(
            Route.UPSTREAM_CODE, "pre-convert", "a pre-convert.py makes the file to convert", _AUTHORS
        ),
    ),
    (
        lambda spec: spec.input_model.startswith("$conv_dir"),
        RouteDecision(
            Route.UPSTREAM_CODE,
            "made-by-upstream",
            "code of its authors' makes the file to convert",
            _AUTHORS,
        ),
    ),
    (
        lambda spec: _is(spec, Framework.CAFFE),
        RouteDecision(Route.MO, "caffe", "OpenVINO reads no Caffe network", _MO),
    ),
    (
        lambda spec: _asks(spec, "--tensorflow_object_detection_api_pipeline_config"),
        RouteDecision(
            Route.MO,
            "object-detection-pipeline",
            "its pipeline.config decides what Model Optimizer makes of it",
            _MO,
        ),
    ),
    (
        lambda spec: _asks(spec, "--transformations_config"),
        RouteDecision(
            Route.MO,
            "transformations-config",
            "a program inside of Model Optimizer rewrites its network",
            _MO,
        ),
    ),
    (
        lambda spec: _is(spec, Framework.TF) and _original_name(spec).endswith(".pbtxt"),
        RouteDecision(
            Route.MO, "graph-as-text", "its graph is a text", f"{_MO}; a frozen graph (.pb) can be converted"
        ),
    ),
    (
        lambda spec: not all(is_supported(flag) for flag, _ in spec.mo_args),
        RouteDecision(Route.MO, "argument", "an argument of its model.yml is not carried out here", _MO),
    ),
)


def select_route(spec: ModelSpec) -> RouteDecision:
    """How a model becomes IR; it needs no file of it."""
    return next((way for applies, way in RULES if applies(spec)), RouteDecision(Route.CONVERT))


def mark_available(way: RouteDecision) -> RouteDecision:
    """The same route, where what it needs is at hand."""
    return RouteDecision(way.route)


def describe_obstacle(spec: ModelSpec, way: RouteDecision) -> str:
    """Why a model is not converted here, in one line that goes on after its name; empty where it is."""
    if way.is_available:
        return ""
    flags = dict.fromkeys(flag for flag, _ in spec.mo_args if not is_supported(flag))
    named = f": {', '.join(flags)}" if way.reason == "argument" else ""
    return f"is not converted here ({way.route}, {way.reason}): {way.why}{named}"


def _is(spec: ModelSpec, framework: Framework) -> bool:
    return spec.framework is framework


def _asks(spec: ModelSpec, flag: str) -> bool:
    return any(each == flag for each, _ in spec.mo_args)


def _original_name(spec: ModelSpec) -> str:
    original = spec.source_model if spec.files else ""
    return original if isinstance(original, str) else original.name
