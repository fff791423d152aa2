"""What --input of Model Optimizer says of each input: a name, and if wanted a shape, a type and a value.

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
    """What is said of one input.

    Attributes:
        name: of an input, of an inner tensor or port (``operation:0``), or of what goes into an operation
            (``0:operation``).
        shape: as it stands between the brackets; None where none is given.
        element_type: OpenVINO's name; empty where none is given.
        value: what the input is frozen to, as text; empty where it stays an input.
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
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected names of inputs, each as name[shape]{type}->value")
    said = found["type"]
    if said is not None and said.strip().lower() not in ELEMENT_TYPES:
        known = sorted(set(ELEMENT_TYPES.values()))
        raise ValueError(f"expected a type such as {', '.join(known)}")
    element_type = ELEMENT_TYPES[said.strip().lower()] if said is not None else ""
    return InputArgument(found["name"], found["shape"], element_type, found["value"] or "")
