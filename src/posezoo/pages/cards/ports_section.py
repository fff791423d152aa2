"""Inputs and outputs on a card, in the words of Open Model Zoo's cards: those of the original and
of the converted model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from posezoo.console.labels import format_numbers, format_port_shape, format_role, join
from posezoo.core.declarations.model import Input, ModelSpec, Output
from posezoo.figures.model_facts import converted_input
from posezoo.formats.region_configs import find_detector
from posezoo.pages.cards.markdown import Markdown, Paragraphs, escape, format_code
from posezoo.run.model_procs import find_labels

# Of more classes, the first and the last are named.
_MOST_CLASSES = 6

LEGEND = {
    "N": "batch",
    "C": "channels",
    "D": "depth",
    "H": "height",
    "W": "width",
    "T": "time",
}


def render_ports_sections(part: ModelSpec) -> Paragraphs:
    """The sections Input and Output, each for the original and the converted model."""
    if part.inputs:
        yield "## Input"
        yield from _inputs(part) if part.is_ir else _both_inputs(part)
        yield _legend(part.inputs)
    if part.outputs:
        yield "## Output"
        yield from [_outputs(part.outputs)] if part.is_ir else _both_outputs(part)
    detector = find_detector(part.mo_args)
    if detector:
        yield f"Unlike in Model Optimizer's IR, {detector.difference}."
    if names := find_labels(part, [output.shape for output in part.outputs]):
        yield escape(f"{len(names)} classes: {_list_classes(names)}.")


def _list_classes(names: Sequence[str]) -> str:
    numbered = [f"{index} {name}" for index, name in enumerate(names)]
    if len(names) > _MOST_CLASSES:
        numbered[1:-1] = ["..."]
    return ", ".join(numbered)


def _legend(ports: Sequence[Input]) -> str:
    letters = {letter for port in ports for letter in port.layout if "?" not in port.layout}
    meanings = [f"{format_code(name)} {LEGEND[name]}" for name in LEGEND if name in letters]
    return f"Format: {', '.join(meanings)}." if meanings else ""


def _inputs(part: ModelSpec) -> Iterator[Markdown]:
    for port in part.inputs:
        described = f"{_describe(port)}{_describe_format(port)}"
        yield Markdown(f"{described}{_describe_color(port.color or '')}.")
        if values := _describe_values(port):
            yield values


def _describe_values(port: Input) -> Markdown:
    """Mean and scale of the original model; empty if none is declared."""
    values = {"mean": port.mean, "scale": port.scale}
    stated = [f"{name} values: [{format_numbers(each)}]" for name, each in values.items() if each]
    return Markdown(f"{', '.join(stated).capitalize()}." if stated else "")


def _describe_color(color: str) -> str:
    return f", channel order: {format_code(color)}" if color else ""


def _both_inputs(part: ModelSpec) -> Paragraphs:
    yield "### Original Model"
    yield from _inputs(part)
    yield "### Converted Model"
    for port in part.inputs:
        # Open Model Zoo only states that channels are reversed, not their order.
        color = _describe_color(port.ir_color or "")
        if not color and port.reverse_input_channels:
            color = ", with reversed channels"
        applied = " The IR applies mean and scale."
        is_applied = port.mean or port.scale
        converted = converted_input(part, port)
        described = f"{_describe(converted)}{_describe_format(converted)}{color}."
        yield Markdown(f"{described}{applied if is_applied else ''}")
    for port in part.inputs:
        if port.dynamic:
            dimensions = " and ".join(map(format_code, port.dynamic))
            name = format_code(port.name)
            yield f"With {format_code('--dynamic')}, {dimensions} of {name} may be of any size."


def _both_outputs(part: ModelSpec) -> Paragraphs:
    yield "### Original Model"
    yield _outputs([replace(port, note=port.original or port.note) for port in part.outputs])
    yield "### Converted Model"
    if any(port.original for port in part.outputs):
        yield _outputs(part.outputs)
    else:
        yield "The same outputs."


def _outputs(outputs: Sequence[Output]) -> Markdown:
    lines = []
    for output in outputs:
        role = escape(format_role(output))
        lines.append(f"- {join(_describe(output), role, separator='. ')}")
    return Markdown("\n".join(lines))


def _describe(port: Input | Output) -> str:
    """The name and the shape, as Markdown."""
    name = f"name: {format_code(port.name)}" if port.name else ""
    described = join(name, f"shape: {format_code(format_port_shape(port))}")
    return described[0].upper() + described[1:]


def _describe_format(port: Input) -> str:
    if not port.layout or "?" in port.layout:
        return ""
    return f", format: {format_code(', '.join(port.layout))}"
