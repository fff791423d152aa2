"""Model Optimizer's arguments that a model keeps as text and that our conversion carries out.

Names and meanings are those of ``mo --help`` in OpenVINO 2024.6. A value is checked when model.yml is read,
so that reading it again at the conversion cannot fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from posezoo.spec.model import Precision

#: What an input is frozen to: one value, or a list of them.
FrozenValue = bool | float | tuple[bool | float, ...]
MoArgumentPairs = Sequence[tuple[str, str]]

_FROZEN = re.compile(r"\s*([^\s,>\[\]]+?)->\s*(\[[^\[\]]{1,4000}\]|[^\s,\[\]]+)\s*(?:,(?!\s*$)|$)")
_NUMBER = re.compile(r"[-+]?([0-9]{1,9}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][-+]?[0-9]{1,2})?")
_TRUTHS = {"true": True, "false": False}
_TYPES = {"fp16": Precision.FP16, "half": Precision.FP16, "fp32": Precision.FP32, "float": Precision.FP32}
_SWITCHES = {"": True, "true": True, "1": True, "false": False, "0": False}


def frozen_inputs(kept: MoArgumentPairs) -> Mapping[str, FrozenValue]:
    """The inputs that become constants, by name."""
    found = [value for flag, value in kept if flag == "--freeze_placeholder_with_value"]
    return MappingProxyType({name: value for text in found for name, value in _frozen(text)})


def wants_static_shape(kept: MoArgumentPairs) -> bool:
    """Whether what is computed from sizes alone is to be computed once and for all."""
    return any(flag == "--static_shape" and _SWITCHES[value.lower()] for flag, value in kept)


def requested_precision(kept: MoArgumentPairs) -> Precision | None:
    """The only precision that is asked for; None where none is named."""
    found: Precision | None = None
    for flag, value in kept:
        if flag == "--data_type":
            found = _TYPES[value.lower()]
        elif flag == "--compress_to_fp16":
            found = Precision.FP16 if _SWITCHES[value.lower()] else Precision.FP32
    return found


def explain_unsupported_value(flag: str, value: str) -> str:
    """Why a value does not go with a flag; empty where it does, or where the flag is not carried out."""
    try:
        CARRIED_OUT.get(flag, _accept_any)(value)
    except (KeyError, ValueError):
        return EXPECTED[flag]
    return ""


def _frozen(text: str) -> list[tuple[str, FrozenValue]]:
    pairs: list[tuple[str, FrozenValue]] = []
    position = 0
    while position < len(text) or not pairs:
        match = _FROZEN.match(text, position)
        if match is None:
            raise ValueError(text)
        pairs.append((match[1], _value(match[2])))
        position = match.end()
    return pairs


def _value(text: str) -> FrozenValue:
    if not text.startswith("["):
        return _scalar(text)
    return tuple(_scalar(part) for part in re.split(r"[\s,]+", text[1:-1].strip()))


def _scalar(text: str) -> bool | float:
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _accept_any(value: str) -> object:
    return value


def _accept_non_empty(value: str) -> object:
    if not value:
        raise ValueError(value)
    return value


def _switch(value: str) -> object:
    return _SWITCHES[value.lower()]


#: By flag what reads its value; it raises where there is none to be read.
CARRIED_OUT: Mapping[str, Callable[[str], object]] = {
    "--saved_model_dir": _accept_non_empty,
    "--input_meta_graph": _accept_non_empty,
    "--input_meta": _accept_non_empty,
    "--freeze_placeholder_with_value": _frozen,
    "--static_shape": _switch,
    "--data_type": lambda value: _TYPES[value.lower()],
    "--compress_to_fp16": _switch,
    # No part in an IR of today: OpenVINO's readers leave layouts as they are, and the model has a name.
    "--disable_nhwc_to_nchw": _switch,
    "--model_name": _accept_non_empty,
}
EXPECTED = {
    "--saved_model_dir": "expected a folder",
    "--input_meta_graph": "expected a file",
    "--input_meta": "expected a file",
    "--freeze_placeholder_with_value": "expected name->value or name->[value value], several apart by commas",
    "--static_shape": "takes no value, or True or False",
    "--data_type": "expected FP16, half, FP32 or float",
    "--compress_to_fp16": "takes no value, or True or False",
    "--disable_nhwc_to_nchw": "takes no value, or True or False",
    "--model_name": "expected a name",
}
