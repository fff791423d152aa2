"""The transformations of Model Optimizer's --transform, which OpenVINO still has."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posezoo.core.errors import ConversionError, import_optional, sanitize
from posezoo.core.ir.openvino_import import error_text
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from openvino import Model

# As Model Optimizer 2024.6 reads them: without spaces, and with no empty brackets.
_TRANSFORMATION = re.compile(r"([a-zA-Z0-9]+)(?:\[([^\]]+)\])?(?:,|$)")
#: The words that Model Optimizer reads as True or False.
_TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


@frozen
class Transformation:
    """One transformation, with its arguments by name."""

    name: str
    arguments: Mapping[str, Any]


def read_transformations(text: str) -> tuple[Transformation, ...]:
    """The transformations of an argument such as ``LowLatency2[use_const_initializer=False]``.

    Raises:
        ConversionError: one of them does not exist, or an argument is not valid.
    """
    read = []
    at = 0
    while at < len(text):
        match = _TRANSFORMATION.match(text, at)
        if match is None:
            raise ConversionError(
                f"--transform: cannot be read: {sanitize(text[at:])}",
                hint="such as LowLatency2[use_const_initializer=False],Pruning",
            )
        read.append(_read_transformation(match[1], match[2] or ""))
        at = match.end()
    return tuple(read)


def _read_transformation(name: str, arguments: str) -> Transformation:
    if name not in _TRANSFORMATIONS:
        raise ConversionError(
            f"--transform: the transformation {sanitize(name)} is not available",
            hint=f"the transformations: {', '.join(_TRANSFORMATIONS)}",
        )
    wanted, read, _ = _TRANSFORMATIONS[name]
    argument, _, value = arguments.partition("=")
    if not arguments:
        return Transformation(name, {})
    parsed = read(value)
    if argument != wanted or parsed is None:
        example = _EXAMPLES.get(name, "takes no argument")
        raise ConversionError(f"--transform: {name}: {sanitize(arguments)}: {example}")
    return Transformation(name, {wanted: parsed})


def _read_names(text: str) -> Mapping[str, str] | None:
    try:
        parsed = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return parsed if isinstance(parsed, dict) else None


def apply_transformations(network: Model, transformations: Sequence[Transformation]) -> None:
    """Apply them in their order to an ``openvino.Model``, which is changed.

    Raises:
        ConversionError: one does not fit the network.
    """
    openvinos = import_optional("openvino._offline_transformations", extra="run")
    for transformation in transformations:
        _, _, function = _TRANSFORMATIONS[transformation.name]
        try:
            if transformation.name == "MakeStateful" and not transformation.arguments:
                raise RuntimeError(_EXAMPLES["MakeStateful"])
            getattr(openvinos, function)(network, **transformation.arguments)
            network.validate_nodes_and_infer_types()
        except (RuntimeError, TypeError) as error:
            raise ConversionError(
                f"--transform {transformation.name}: does not fit the network: {error_text(error)}"
            ) from error


#: By name: the name of the argument, what reads it (None if it is not valid), and OpenVINO's
#: function, whose argument has the same name.
_TRANSFORMATIONS: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "LowLatency2": (
        "use_const_initializer",
        lambda text: _TRUTHS.get(text.lower()),
        "apply_low_latency_transformation",
    ),
    "MakeStateful": ("param_res_names", _read_names, "apply_make_stateful_transformation"),
    "Pruning": ("", lambda _text: None, "apply_pruning_transformation"),
}
_EXAMPLES = {
    "LowLatency2": "takes use_const_initializer=True or use_const_initializer=False",
    "MakeStateful": "needs param_res_names={'INPUT':'OUTPUT'}, the names of each state",
}
