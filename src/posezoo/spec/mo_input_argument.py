"""Model Optimizer's --input: for each input a name, and optionally a shape, a type and a value.

    photo[1,3,224,224]{u8}, 0:features, training->False, which[2]{i32}->[20 15]

The forms are those of ``mo --help`` (OpenVINO 2024.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: OpenVINO's names of element types, by what else Model Optimizer calls them.
ELEMENT_TYPES = {
    **{name: name for name in ("f64", "f32", "f16", "i64", "i32", "i16", "i8", "u8", "boolean")},
    "float64": "f64",
    "float32": "f32",
    "float": "f32",
    "float16": "f16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "u8",
    "bool": "boolean",
}

_FORM = re.compile(
    r"(?P<name>[^\s\[\](){}>$]+?)"
    r"\s*(?:\[(?P<shape>[^\[\]]{0,200})\])?"
    r"\s*(?:\{(?P<type>[^{}]{0,40})\})?"
    r"\s*(?:->\s*(?P<value>\[[^\[\]]{0,4000}\]|[^\s,\[\]]+))?"
)


@dataclass(frozen=True, slots=True)
class InputArgument:
    """One item of --input.

    Attributes:
        name: of an input, of an inner tensor or port (``operation:0``), or of what goes into an operation
            (``0:operation``).
        shape: the text between the brackets; None if none is given.
        element_type: OpenVINO's name; empty if none is given.
        value: what the input is frozen to, as text; empty if it stays an input.
    """

    name: str
    shape: str | None = None
    element_type: str = ""
    value: str = ""


def parse_input_argument(text: str) -> InputArgument:
    """One item of --input.

    Raises:
        ValueError: it has none of the forms; the message says what was expected.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected names of inputs, each as name[shape]{type}->value")
    type_name = (match["type"] or "").strip().lower()
    if match["type"] is not None and type_name not in ELEMENT_TYPES:
        raise ValueError(f"expected a type such as {', '.join(sorted(set(ELEMENT_TYPES.values())))}")
    return InputArgument(
        match["name"], match["shape"], ELEMENT_TYPES.get(type_name, ""), match["value"] or ""
    )
