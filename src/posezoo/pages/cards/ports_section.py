"""Inputs and outputs on a card: those of the original and of the converted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from posezoo.console.labels import format_numbers, format_port_shape, format_role
from posezoo.core.declarations.model import Input, ModelSpec, Output
from posezoo.formats.region_configs import find_detector
from posezoo.pages.cards.markdown import (
    Markdown,
    Paragraphs,
    escape,
    format_code,
    format_code_block,
    render_compact_table,
)
from posezoo.pages.facts.model_facts import converted_input
from posezoo.run.model_procs import find_labels

# ImageNet has 1000, of which the first and the last are named; COCO 80 or 91.
_MOST_CLASSES = 100

LEGEND = {
    "N": "batch",
    "C": "channels",
    "D": "depth",
    "H": "height",
    "W": "width",
    "T": "time",
    "?": "unnamed",
}


def render_ports_sections(part: ModelSpec, level: str) -> Paragraphs:
    """The sections Input and Output, at the heading ``level`` (``##``, or deeper in a composite's
    card), each for the original and the converted model.
    """
    if part.inputs:
        yield f"{level} Input"
        yield from [_original_inputs(part)] if part.is_ir else _both_inputs(part, level)
    if part.outputs:
        yield f"{level} Output"
        yield from [_outputs(part.outputs)] if part.is_ir else _both_outputs(part, level)
    detector = find_detector(part.mo_args)
    if detector:
        yield f"Unlike in Model Optimizer's IR, {detector.difference}."
    if names := find_labels(part, [output.shape for output in part.outputs]):
        yield escape(f"{len(names)} classes: {_list_classes(names)}.")
    letters = {letter for port in part.inputs + part.outputs for letter in port.layout}
    meanings = [f"{format_code(name)} {LEGEND[name]}" for name in LEGEND if name in letters]
    if meanings:
        yield f"Layout: {', '.join(meanings)}."


def _list_classes(names: Sequence[str]) -> str:
    numbered = [f"{index} {name}" for index, name in enumerate(names)]
    if len(names) > _MOST_CLASSES:
        numbered[1:-1] = ["..."]
    return ", ".join(numbered)


def _original_inputs(part: ModelSpec) -> Markdown:
    rows = [
        (*_shape(port), port.color or "", format_numbers(port.mean), format_numbers(port.scale))
        for port in part.inputs
    ]
    return render_compact_table(("Name", "Shape", "Layout", "Colour order", "Mean", "Scale"), rows)


def _both_outputs(part: ModelSpec, level: str) -> Paragraphs:
    yield f"{level}# Original Model"
    yield _outputs([replace(port, note=port.original or port.note) for port in part.outputs])
    yield f"{level}# Converted Model"
    if any(port.original for port in part.outputs):
        yield _outputs(part.outputs)
    else:
        yield "The same outputs as those of the original model."


def _both_inputs(part: ModelSpec, level: str) -> Paragraphs:
    yield f"{level}# Original Model"
    yield _original_inputs(part)
    yield f"{level}# Converted Model"
    rows = []
    for port in part.inputs:
        # Open Model Zoo only states that channels are reversed, not their order.
        color = port.ir_color or ("reversed" if port.reverse_input_channels else "")
        is_applied = port.mean or port.scale
        values = "as for the original model"
        if is_applied:
            values = "0 to 255: the IR applies mean and scale"
        rows.append((*_shape(converted_input(part, port)), color, values))
    yield render_compact_table(("Name", "Shape", "Layout", "Colour order", "Values"), rows)
    for port in part.inputs:
        if port.dynamic:
            dimensions = " and ".join(map(format_code, port.dynamic))
            name = format_code(port.name)
            yield f"With {format_code('--dynamic')}, {dimensions} of {name} may be of any size."
    words = model_optimizer_arguments(part)
    if words:
        yield "As arguments of Model Optimizer:"
        yield format_code_block("text", [" ".join(words)])


def model_optimizer_arguments(part: ModelSpec) -> list[str]:
    """Model Optimizer's arguments for an IR with these inputs; they are always in the same
    order.
    """
    named = [port for port in part.inputs if port.name]
    reverse = any(port.reverse_input_channels for port in part.inputs)
    optional = {
        "--mean_values": _join_values({port.name: port.mean for port in named}),
        "--scale_values": _join_values({port.name: port.scale for port in named}),
    }
    if not reverse and not any(optional.values()):
        return []
    shapes = ""
    if any(port.reshaped for port in named):
        shapes = ",".join(f"[{format_numbers(port.shape, ',')}]" for port in named)
    outputs = ",".join(output.name for output in part.outputs if output.name)
    words = [f"--input={','.join(port.name for port in named)}"]
    words += _flags({"--input_shape": shapes, **optional})
    if reverse:
        words.append("--reverse_input_channels")
    words += _flags({"--output": outputs})
    return list(map(_printable, words))


def _flags(values: Mapping[str, str]) -> list[str]:
    return [f"{flag}={value}" for flag, value in values.items() if value]


def _join_values(values: Mapping[str, Sequence[float]]) -> str:
    return ",".join(f"{name}[{format_numbers(each, ',')}]" for name, each in values.items() if each)


def _printable(word: str) -> str:
    return "".join("_" if c.isspace() or not c.isprintable() else c for c in word)


def _outputs(outputs: Sequence[Output]) -> Markdown:
    rows = [(*_shape(output), format_role(output)) for output in outputs]
    return render_compact_table(("Name", "Shape", "Layout", "Content"), rows)


def _shape(port: Input | Output) -> tuple[str, str, str]:
    return format_code(port.name), format_port_shape(port), port.layout
