"""Model Optimizer's arguments in model.yml -> typed inputs, outputs and the file to convert.

The supported forms are those of the 1,400 arguments in the 2021.4 and newest metadata of Open Model
Zoo, and of `mo --help` (OpenVINO 2024.6, its last release). Arguments without a typed field are
kept as text, by their whole names; one that Model Optimizer does not know is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.inputs_outputs import (
    MAX_DIMENSION,
    MAX_DIMENSIONS,
    explain_invalid_layout,
    explain_other_rank,
    with_full_layouts,
)
from posezoo.core.declarations.known_arguments import EXPORT, MODEL_OPTIMIZER, KnownArguments
from posezoo.core.declarations.model import Input, Output
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.declarations.upstream_steps import UPSTREAM_STEPS
from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.errors import SpecError, sanitize, suggest
from posezoo.core.values import frozen

ArgumentT = TypeVar("ArgumentT")
Inputs = tuple[Input, ...]
_ValueSets = Sequence[tuple[str, tuple[float, ...]]]

INPUT_FLAGS = ("--input", "--input_shape", "--layout", "--mean_values", "--scale_values")
#: Flags that give each input its own numbers.
VALUE_FLAGS = ("--mean_values", "--scale_values")
_LAYOUT_FLAGS = ("--layout", "--source_layout", "--target_layout")
#: Flags that become fields of a ModelSpec.
TYPED = (
    *INPUT_FLAGS, *_LAYOUT_FLAGS[1:], "--scale", "--reverse_input_channels", "--output",
    "--input_model",
)  # fmt: skip
#: Flags that name the file to convert instead of --input_model; they are also kept.
OTHER_ORIGINALS = (supported_mo_args.SAVED_MODEL_DIR, "--input_meta_graph")
FLAG = "--?[A-Za-z][A-Za-z0-9_-]*"
_ARGUMENT = re.compile(rf"({FLAG})(?:=(.*))?", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{[^}]*\}?|\w*)")
MAX_LENGTH = 4000  # characters; Open Model Zoo's longest argument has 242
ARGUMENT_SCHEMA = {
    "type": "string",
    "pattern": rf"^\s*(?:{FLAG})(?:=[^\u0000]*)?\s*$",
    "maxLength": MAX_LENGTH,
}
#: An item between commas that are outside brackets: name[1,2,3], [1,2,3] or (1,2,3).
_BRACKETED = re.compile(
    r"\s*([^\[\](),\s]*)\s*(?:\[([^\[\]()]*)\]|\(([^\[\]()]*)\))\s*(?:,(?!\s*$)|$)"
)
#: An item of --input: an input, an inner tensor or output port (operation:0), or an input port
#: (0:operation).
_INPUT_ITEM = re.compile(
    r"(?P<name>[^\s\[\](){}>$]+?)"
    r"(?:\s*(?:\[(?P<shape>[^\[\]]{0,200})\]|\{(?P<type>[^{}]{0,40})\})){0,2}"
    r"\s*(?:->\s*(?P<value>\[[^\[\]]{0,4000}\]|[^\s,\[\]]+))?"
)
#: OpenVINO's names of element types, by Model Optimizer's other names for them.
ELEMENT_TYPES = {
    **{
        name: name
        for name in ("f64", "f32", "f16", "i64", "i32", "i16", "i8", "u64", "u32", "u8", "boolean")
    },
    "float64": "f64",
    "float32": "f32",
    "float": "f32",
    "float16": "f16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint64": "u64",
    "uint32": "u32",
    "uint8": "u8",
    "bool": "boolean",
}
_NUMBER = "[1-9][0-9]{0,8}"
#: A size, any size (-1), or a range: 1..4, 1.. or ..4.
_SIZE = re.compile(rf"-1|({_NUMBER})|(?=\.*[0-9])({_NUMBER})?\.\.({_NUMBER})?")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^\[(]*[\])])")
#: name(nchw), name(nchw->nhwc), name[n,c,h,w]->[n,h,w,c], and each without a name.
_LAYOUT = re.compile(r"([^()\[\]>]*?)(?:\(([^()]*)\)|(\[[^()]*|[^()\[\]]+))")


class _FlagValue(NamedTuple):
    node: YamlNode
    text: str

    def make_error(self, expected: str, part: str) -> SpecError:
        return self.node.make_error(f"expected {expected}, got {sanitize(part)}")


#: The values by flag.
Given = Mapping[str, _FlagValue]


class _InputItem(NamedTuple):
    """One item of --input: name[shape]{type}->value."""

    name: str
    shape: str | None  # the text between the brackets; None if none is given
    element_type: str  # OpenVINO's name; empty if none is given
    value: str  # the constant that replaces the input; empty if it stays an input


@frozen
class MoArguments:
    """The meaning of a list of arguments."""

    inputs: Inputs = ()
    outputs: tuple[Output, ...] = ()
    input_model: str = ""
    kept: tuple[tuple[str, str], ...] = ()


def read_arguments(node: YamlNode, inputs: Inputs) -> MoArguments:
    """The meaning of ``model_optimizer_args``, added to the ``inputs`` of ``input_info``.

    A SpecError if an argument has no valid form, is given twice, or contradicts the inputs.
    """
    given: dict[str, _FlagValue] = {}
    kept = []
    originals = []
    flags = list(_flags(node))
    # Of the outputs that --output names for a detector, Model Optimizer makes a single one.
    pairs = [(flag, value) for _, flag, value in flags]
    keeps_outputs = UPSTREAM_STEPS.part.replaces_outputs(pairs)
    for item, flag, value in flags:
        if flag not in TYPED or (keeps_outputs and flag == "--output"):
            kept.append((flag, value))
            if flag in OTHER_ORIGINALS:
                originals.append(value)
            continue
        if flag in given:
            raise item.make_error(f"{flag} is given twice")
        given[flag] = _FlagValue(item, value)
    if "--input_model" in given:
        originals = [given["--input_model"].text]
    items = []
    if "--input" in given:
        items = _input_items(given["--input"])
    kept += _frozen(items)
    inputs = _named(inputs, given, items)
    inputs = _with_shapes(inputs, given, items)
    inputs = _with_channel_values(inputs, given)
    inputs = _with_layouts(inputs, given)
    frozen = supported_mo_args.frozen_inputs(kept)
    inputs = tuple(port for port in inputs if port.name not in frozen)
    outputs = _outputs(given["--output"]) if "--output" in given else ()
    input_model = originals[0] if originals else ""
    return MoArguments(inputs, outputs, input_model, tuple(kept))


def _frozen(items: Sequence[_InputItem]) -> list[tuple[str, str]]:
    return [supported_mo_args.freeze(item.name, item.value) for item in items if item.value]


def read_export_arguments(node: YamlNode) -> tuple[str, ...]:
    """``conversion_to_onnx_args`` as text with whole names, for upstream code that runs only with
    the user's consent; a SpecError if the step to ONNX does not know one.
    """
    return tuple(map(_read_export_argument, node.as_list()))


def _read_export_argument(item: YamlNode) -> str:
    _, word, value = _argument(item)
    flag = EXPORT.read(item, word)
    if not value:
        raise item.make_error(f"{flag} needs a value")
    _check_variables(item, flag, value, EXPORT)
    return f"{flag}={value}"


def values_by_flag(arguments: Iterable[str]) -> dict[str, list[str]]:
    """The values of each flag of ``upstream_export``, in order."""
    values: dict[str, list[str]] = {}
    for argument in arguments:
        flag, _, value = argument.partition("=")
        values.setdefault(flag, []).append(value)
    return values


def _text(node: YamlNode) -> str:
    text = node.text()
    if len(text) > MAX_LENGTH:
        raise node.make_error(f"is longer than {MAX_LENGTH} characters")
    return text


def _argument(node: YamlNode) -> tuple[str, str, str]:
    text = _text(node)
    match = _ARGUMENT.fullmatch(text.strip())
    if match is None:
        raise node.make_error(f"expected --flag or --flag=value, got {sanitize(text)}")
    return text, match[1], (match[2] or "").strip()


def _flags(node: YamlNode) -> Iterator[tuple[YamlNode, str, str]]:
    """Each flag with its value, which may be the next item of the list: --input, data."""
    items = list(node.as_list())
    while items:
        item = items.pop(0)
        text, word, value = _argument(item)
        flag = MODEL_OPTIMIZER.read(item, word)
        takes_a_value = flag not in MODEL_OPTIMIZER.switches
        may_take_next = takes_a_value and "=" not in text and bool(items)
        if may_take_next and not _ARGUMENT.fullmatch(items[0].text().strip()):
            value = _text(items.pop(0)).strip()
        _check_value(item, flag, value)
        yield item, flag, value


def _check_value(item: YamlNode, flag: str, value: str) -> None:
    reason = supported_mo_args.explain_unsupported_value(flag, value)
    if reason:
        raise item.make_error(f"{flag}: {reason}, got {sanitize(value)}")
    if not value and flag not in MODEL_OPTIMIZER.switches:
        raise item.make_error(f"{flag} needs a value")
    _check_variables(item, flag, value, MODEL_OPTIMIZER)
    path = value.partition("/")[2] if value.startswith("$") else value
    # $dl_dir alone is a folder; --input_model may not name it, but other flags may.
    is_path = flag == "--input_model" or (value.startswith("$") and path)
    if is_path and (reason := explain_unsafe_file_name(path)):
        raise item.make_error(
            f"{sanitize(value)} {reason}", hint="use $dl_dir/ and a path with / between its parts"
        )


def _check_variables(item: YamlNode, flag: str, value: str, known: KnownArguments) -> None:
    for variable in _VARIABLE.findall(value):
        if variable not in known.variables:
            hint = suggest(variable, known.variables) or f"known: {', '.join(known.variables)}"
            raise item.make_error(f"{flag}: no such variable: {variable[:60]}", hint=hint)


def _input_items(given: _FlagValue) -> list[_InputItem]:
    items = []
    for text in _COMMA_OUTSIDE_BRACKETS.split(given.text):
        match = _INPUT_ITEM.fullmatch(text.strip())
        if match is None:
            raise given.make_error("names of inputs, each as name[shape]{type}->value", text)
        type_name = (match["type"] or "").strip().lower()
        if match["type"] is not None and type_name not in ELEMENT_TYPES:
            types = ", ".join(sorted(set(ELEMENT_TYPES.values())))
            raise given.make_error(f"a type such as {types}", text)
        element_type = ELEMENT_TYPES.get(type_name, "")
        item = _InputItem(match["name"], match["shape"], element_type, match["value"] or "")
        for flag, constant in _frozen([item]):
            reason = supported_mo_args.explain_unsupported_value(flag, constant)
            if reason:
                raise given.node.make_error(f"{flag}: {reason}, got {sanitize(text)}")
        items.append(item)
    _refuse_duplicates(given, [item.name for item in items])
    return items


def _named(inputs: Inputs, given: Given, items: Sequence[_InputItem]) -> Inputs:
    by_name = {port.name: port for port in inputs}
    if items:
        named = []
        for item in items:
            port = by_name.get(item.name, Input(item.name, ()))
            named.append(replace(port, element_type=item.element_type))
        return tuple(named)
    if inputs:
        return inputs
    readers = dict.fromkeys(INPUT_FLAGS, _bracketed) | dict.fromkeys(_LAYOUT_FLAGS, _layouts)
    used = [flag for flag in readers if flag in given]
    sets = [[name for name, _ in readers[flag](given[flag])] for flag in used]
    names = dict.fromkeys(name for each in sets for name in each if name)
    if names:
        return tuple(Input(name, ()) for name in names)
    others = given.keys() - {"--output", "--input_model"}
    return (Input("", ()),) * max(map(len, sets), default=bool(others))


def _with_shapes(inputs: Inputs, given: Given, items: Sequence[_InputItem]) -> Inputs:
    texts = [item.shape for item in items]
    has_shapes = any(text is not None for text in texts)
    source = given.get("--input_shape")
    if source is not None:
        if has_shapes:
            raise source.node.make_error("gives shapes, and so does --input")
        texts = [text for _, text in _bracketed(source)]
    elif has_shapes:
        source = given["--input"]
    else:
        return inputs
    if len(texts) != len(inputs):
        raise source.node.make_error(f"gives {len(texts)} shapes for {len(inputs)} inputs")
    return tuple(
        port if text is None else _with_shape(port, source, text)
        for port, text in zip(inputs, texts, strict=True)
    )


def _with_shape(port: Input, given: _FlagValue, text: str) -> Input:
    # Old scripts separate sizes with spaces, and write ? for any size.
    parts = re.split(r"\s*,\s*|\s+", text.strip())
    sizes = ["-1" if part == "?" else part for part in parts]
    shape = tuple(_read_size(size, given, text) for size in sizes)
    if len(shape) > MAX_DIMENSIONS:
        raise given.node.make_error(f"{sanitize(text)} is larger than any input")
    bounds = f"[{','.join(sizes)}]" if ".." in text else ""
    return replace(port, shape=shape, reshaped=True, bounds=bounds)


def _read_size(size: str, given: _FlagValue, text: str) -> int:
    match = _SIZE.fullmatch(size)
    if match is None:
        raise given.make_error("sizes of at least 1, 1..4 for a range, or -1 for any size", text)
    numbers = [int(number) for number in match.groups() if number]
    if max(numbers, default=0) > MAX_DIMENSION:
        raise given.node.make_error(f"{sanitize(text)} is larger than any input")
    if numbers != sorted(numbers):
        raise given.node.make_error(f"{size} contains no size")
    return -1 if ".." in size else int(size)


def _with_channel_values(inputs: Inputs, given: Given) -> Inputs:
    scale = given.get("--scale")
    scales = given.get("--scale_values")
    if scale is not None and scales is not None:
        raise scale.node.make_error("--scale and --scale_values exclude each other")
    sets = {flag: _value_sets(given[flag]) for flag in VALUE_FLAGS if flag in given}
    _require_a_set_for_each(inputs, given, sets)
    means, divisors = (_numbers_for_each(inputs, given, sets, flag) for flag in VALUE_FLAGS)
    if scale is not None:
        divisors = [_numbers(scale, scale.text)] * len(inputs)
    inputs = tuple(
        replace(port, mean=mean or port.mean, scale=divisor or port.scale)
        for port, mean, divisor in zip(inputs, means, divisors, strict=True)
    )
    divided = scale or scales
    if divided is not None and any(0.0 in port.scale for port in inputs):
        raise divided.node.make_error("a scale of 0 divides by zero")
    return _with_reversed_channels(inputs, given.get("--reverse_input_channels"))


def _with_reversed_channels(inputs: Inputs, given: _FlagValue | None) -> Inputs:
    if given is None or not supported_mo_args.SWITCHES[given.text.lower()]:
        return inputs
    # Every input that has three channels is reversed, as by Model Optimizer.
    inputs = tuple(replace(port, reverse_input_channels=_may_have(port, 3)) for port in inputs)
    if not any(port.reverse_input_channels for port in inputs):
        raise given.node.make_error("no input has three channels to reverse")
    return inputs


def _value_sets(given: _FlagValue) -> _ValueSets:
    values = [(name, _numbers(given, text)) for name, text in _bracketed(given)]
    firsts = [numbers[0] for name, numbers in values if not name]
    if firsts != sorted(firsts):
        raise given.node.make_error(
            "Model Optimizer would sort these sets: give their inputs' names"
        )
    return values


def _require_a_set_for_each(inputs: Inputs, given: Given, sets: Mapping[str, _ValueSets]) -> None:
    """Refuse what Model Optimizer refuses: names in one flag only, and too few sets without names.

    Without --input, one of the flags must have a set for each input, and the other may have fewer.
    With it, one flag alone may have fewer, and two may not.
    """
    unnamed = [flag for flag, values in sets.items() if not any(name for name, _ in values)]
    if not unnamed:
        return
    if len(unnamed) < len(sets):
        problem = f"names no inputs, and {({*sets} - {*unnamed}).pop()} does"
        raise given[unnamed[0]].node.make_error(problem, hint="give the names in both")
    if "--input" in given:
        required = unnamed if len(unnamed) > 1 else []
    else:
        required = [max(unnamed, key=lambda flag: len(sets[flag]))]
    for flag in required:
        if len(sets[flag]) < len(inputs):
            raise given[flag].node.make_error(_explain_number_of_sets(sets[flag], inputs))


def _explain_number_of_sets(values: Sequence[object], inputs: Inputs) -> str:
    return f"gives {len(values)} sets of values without names for {len(inputs)} inputs"


def _numbers_for_each(
    inputs: Inputs, given: Given, sets: Mapping[str, _ValueSets], flag: str
) -> list[tuple[float, ...]]:
    if flag not in sets:
        return [()] * len(inputs)
    values = sets[flag]
    if not any(name for name, _ in values):
        values = [*values, *[("", ())] * (len(inputs) - len(values))]
    return [numbers or () for _, numbers in _assigned(given[flag], inputs, values)]


def _numbers(given: _FlagValue, text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(map(supported_mo_args.NUMBER.fullmatch, parts)):
        raise given.make_error("numbers", text)
    return tuple(map(float, parts))


def _with_layouts(inputs: Inputs, given: Given) -> Inputs:
    flags = [flag for flag in _LAYOUT_FLAGS if flag in given]
    if len(flags) > 1 and "--layout" in flags:
        raise given["--layout"].node.make_error(f"gives layouts, and so does {flags[1]}")
    for flag in flags:
        texts = list(_layouts(given[flag]))
        pairs = _assigned(given[flag], inputs, texts)
        inputs = tuple(_with_layout(port, text, flag, given[flag]) for port, text in pairs)
        for reason in filter(None, map(explain_other_rank, inputs)):
            raise given[flag].node.make_error(reason)
    return tuple(
        replace(
            port,
            mean=_for_each_channel(port, port.mean, given.get("--mean_values")),
            scale=_for_each_channel(port, port.scale, given.get("--scale_values")),
        )
        for port in inputs
    )


def _with_layout(port: Input, text: str | None, flag: str, given: _FlagValue) -> Input:
    """The input with a layout of the network, of the IR, or both: ``nhwc->nchw``."""
    if text is None:
        return port
    layout, _, target = text.partition("->")
    if flag == "--target_layout":
        layout, target = "", text
    layout = _normalize_layout(layout) or port.layout
    target = _normalize_layout(target)
    # Without a layout of the network, Model Optimizer keeps the order, too.
    layout = layout or target
    for text in filter(None, (layout, target)):
        if reason := explain_invalid_layout(text.replace("...", "?", 1)):
            raise given.node.make_error(reason)
    port = replace(port, layout=layout, to_layout=target if target != layout else "")
    if port.shape:
        port = with_full_layouts(port, len(port.shape))
    is_full = port.to_layout and not port.has_open_layout
    if is_full and sorted(port.to_layout) != sorted(port.layout):
        problem = f"{sanitize(target)} does not have the letters of {port.layout}"
        raise given.node.make_error(problem)
    return port


def _layouts(given: _FlagValue) -> Iterator[tuple[str, str]]:
    for part in _COMMA_OUTSIDE_BRACKETS.split(given.text):
        match = _LAYOUT.fullmatch(part.strip())
        if match is None:
            raise given.make_error("layouts, each as nchw, name(nchw) or name(nchw->nhwc)", part)
        yield match[1].strip(), match[2] or match[3] or ""


def _normalize_layout(text: str) -> str:
    """Model Optimizer also writes nchw as [n,c,h,w]."""
    return re.sub(r"[\s,]", "", text).strip("[]").upper()


def _channels(port: Input) -> int:
    """The number of channels; -1 if it is unknown."""
    if port.shape and "C" in port.layout:
        return port.shape[port.layout.index("C")]
    return -1


def _may_have(port: Input, channels: int) -> bool:
    if not port.shape:
        return True
    if not port.layout:
        return channels in port.shape or -1 in port.shape
    if "C" not in port.layout:
        return False
    return _channels(port) in (channels, -1)


def _for_each_channel(
    port: Input, values: tuple[float, ...], given: _FlagValue | None
) -> tuple[float, ...]:
    """The values, a single one for all channels; a SpecError if the flag gives another number of
    values than the input may have channels.
    """
    count = len(values)
    if given is not None and count > 1 and not _may_have(port, count):
        name = port.name or "an input"
        raise given.node.make_error(f"gives {count} values for {name}, which has no such channels")
    return values * max(1, _channels(port)) if count == 1 else values


def _outputs(given: _FlagValue) -> tuple[Output, ...]:
    names = [name.strip() for name in given.text.split(",")]
    if not all(re.fullmatch(r"[^\s\[\](){}$]+", name) for name in names):
        raise given.make_error("names of outputs", given.text)
    _refuse_duplicates(given, names)
    return tuple(Output(name, ()) for name in names)


def _refuse_duplicates(given: _FlagValue, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise given.node.make_error(f"{sanitize(name)} is given twice")


def _assigned(
    given: _FlagValue, inputs: Inputs, values: Sequence[tuple[str, ArgumentT]]
) -> list[tuple[Input, ArgumentT | None]]:
    names = [name for name, _ in values]
    if any(names):
        _refuse_duplicates(given, names)
        input_names = {port.name for port in inputs}
        unknown = set(names) - input_names
        if unknown:
            others = sorted(map(sanitize, input_names - {""}))
            hint = f"the inputs: {', '.join(others)}" if others else ""
            raise given.node.make_error(f"no input is called {sanitize(min(unknown))}", hint=hint)
        by_name = dict(values)
        return [(port, by_name.get(port.name)) for port in inputs]
    if len(values) != len(inputs):
        raise given.node.make_error(_explain_number_of_sets(values, inputs))
    return [(port, value) for port, (_, value) in zip(inputs, values, strict=True)]


def _bracketed(given: _FlagValue) -> Iterator[tuple[str, str]]:
    """The sets of ``name[a,b],name2[c]``, ``[a,b],[c]`` or ``(a,b)``, as (name, text between
    brackets).
    """
    position = 0
    while position < len(given.text):
        match = _BRACKETED.match(given.text, position)
        if match is None:
            raise given.make_error("name[...] or [...]", given.text[position:])
        values = match[2] if match[2] is not None else match[3]
        yield match[1], values
        position = match.end()
