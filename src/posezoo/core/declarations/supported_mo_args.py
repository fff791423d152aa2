"""Model Optimizer's arguments that are kept as text in a model and that our conversion supports.

Names and meanings are those of ``mo --help`` in OpenVINO 2024.6; model.yml's reader has checked the
values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from posezoo.core.declarations.known_arguments import MODEL_OPTIMIZER
from posezoo.core.declarations.model import Precision

#: The constant that replaces an input: one value, or a list of values.
FrozenValue = bool | float | tuple[bool | float, ...]
MoArgumentPairs = Sequence[tuple[str, str]]

#: Names the file with the layers of a Caffe network.
INPUT_PROTO = "--input_proto"

#: Names the folder of a SavedModel, a network with its variables in other files.
SAVED_MODEL_DIR = "--saved_model_dir"
#: The file of that folder that contains the network.
SAVED_MODEL_FILE = "saved_model.pb"

#: Names a file with changes of the graph.
TRANSFORMATIONS_CONFIG = "--transformations_config"
#: Names the file with which TensorFlow's Object Detection API trained a network.
PIPELINE_CONFIG = "--tensorflow_object_detection_api_pipeline_config"

_FREEZE = "--freeze_placeholder_with_value"
_FROZEN = re.compile(r"\s*([^\s,>\[\]]+?)->\s*(\[[^\[\]]{1,4000}\]|[^\s,\[\]]+)\s*(?:,(?!\s*$)|$)")
NUMBER = re.compile(r"[-+]?([0-9]{1,9}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][-+]?[0-9]{1,2})?")
_TRUTHS = {"true": True, "false": False}
_TYPES = {
    "fp16": Precision.FP16,
    "half": Precision.FP16,
    "fp32": Precision.FP32,
    "float": Precision.FP32,
}
#: Of an argument that takes no value, or one of these.
SWITCHES = {"": True, "true": True, "1": True, "false": False, "0": False}


def frozen_inputs(kept: MoArgumentPairs) -> Mapping[str, FrozenValue]:
    """The inputs that become constants, by name."""
    texts = [value for flag, value in kept if flag == _FREEZE]
    return MappingProxyType({name: value for text in texts for name, value in _parse_frozen(text)})


def freeze(name: str, value: str) -> tuple[str, str]:
    """The argument with which an input becomes a constant: a value, or [value value]."""
    return _FREEZE, f"{name}->{value}"


def wants_static_shape(kept: MoArgumentPairs) -> bool:
    """Whether all values that depend only on sizes become constants."""
    return any(flag == "--static_shape" and SWITCHES[value.lower()] for flag, value in kept)


def requested_precision(kept: MoArgumentPairs) -> Precision | None:
    """The only precision that is requested; None if none is named."""
    precision: Precision | None = None
    for flag, value in kept:
        if flag == "--data_type":
            precision = _TYPES[value.lower()]
        elif flag == "--compress_to_fp16":
            precision = Precision.FP16 if SWITCHES[value.lower()] else Precision.FP32
    return precision


def explain_unsupported_value(flag: str, value: str) -> str:
    """Why a flag's value is not supported; empty if it is, or if the flag itself is not
    supported and no switch.
    """
    if flag in CARRIED_OUT:
        parse, expected = CARRIED_OUT[flag]
    elif flag in MODEL_OPTIMIZER.switches:
        parse, expected = _IS_SWITCH
    else:
        return ""
    try:
        parse(value)
    except (KeyError, ValueError):
        return expected
    return ""


def _parse_frozen(text: str) -> list[tuple[str, FrozenValue]]:
    pairs: list[tuple[str, FrozenValue]] = []
    position = 0
    while position < len(text) or not pairs:
        match = _FROZEN.match(text, position)
        if match is None:
            raise ValueError(text)
        name = match[1]
        value = match[2]
        if value.startswith("["):
            pairs.append((name, tuple(map(_scalar, re.split(r"[\s,]+", value[1:-1].strip())))))
        else:
            pairs.append((name, _scalar(value)))
        position = match.end()
    return pairs


def _scalar(text: str) -> bool | float:
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _accept_non_empty(value: str) -> object:
    if not value:
        raise ValueError(value)
    return value


def _parse_model_file(value: str) -> object:
    if not value.startswith("$dl_dir/"):
        raise ValueError(value)
    return value


_IS_SWITCH = (lambda value: SWITCHES[value.lower()], "takes no value, or True or False")
_IS_FILE = (_accept_non_empty, "expected a file")
#: By flag: the function that parses its value, and the error's text if it raises KeyError or
#: ValueError.
CARRIED_OUT: Mapping[str, tuple[Callable[[str], object], str]] = {
    SAVED_MODEL_DIR: (_accept_non_empty, "expected a folder"),
    "--input_meta_graph": _IS_FILE,
    INPUT_PROTO: (_parse_model_file, "expected $dl_dir/ and a file of the model"),
    _FREEZE: (
        _parse_frozen,
        "expected name->value or name->[value value], several apart by commas",
    ),
    "--static_shape": _IS_SWITCH,
    "--data_type": (lambda value: _TYPES[value.lower()], "expected FP16, half, FP32 or float"),
    "--compress_to_fp16": _IS_SWITCH,
    # These flags no longer change an IR: OpenVINO's frontends keep layouts, and the model has a
    # name.
    "--disable_nhwc_to_nchw": _IS_SWITCH,
    "--model_name": (_accept_non_empty, "expected a name"),
}
