"""Inputs and outputs on a card: of the original, and of the converted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from posezoo.cards.markdown import Markdown, escape, format_code, format_code_block
from posezoo.cards.measurement_tables import draw_compact_table
from posezoo.spec.model import Input, ModelSpec, Output

LEGEND = {
    "N": "batch",
    "C": "channels",
    "D": "depth",
    "H": "height",
    "W": "width",
    "T": "time",
    "?": "unnamed",
}


def draw_ports_sections(part: ModelSpec, level: str = "##") -> Iterator[str]:
    """The sections Input and Output, each with the subsections Original Model and Converted Model.

    Args:
        part: the model whose they are.
        level: of the sections: ``##``, deeper inside a composite's card.
    """
    if part.inputs:
        yield f"{level} Input"
        yield from [_original_inputs(part)] if part.is_ir else _both_inputs(part, level)
    if part.outputs:
        yield f"{level} Output"
        yield from [_outputs(part.outputs)] if part.is_ir else _both_outputs(part, level)
    dimension_names = {letter for port in part.inputs + part.outputs for letter in port.layout}
    if known := [
        f"{format_code(letter)} {meaning}" for letter, meaning in LEGEND.items() if letter in dimension_names
    ]:
        yield f"Layout: {', '.join(known)}."


def _both_inputs(part: ModelSpec, level: str) -> Iterator[str]:
    yield f"{level}# Original Model"
    yield _original_inputs(part)
    yield f"{level}# Converted Model"
    rows = [(*_shape(_as_in_the_ir(port)), _ir_color(port), _values(port)) for port in part.inputs]
    yield draw_compact_table(("Name", "Shape", "Layout", "Colour order", "Values"), rows)
    for port in part.inputs:
        if port.dynamic:
            dimension_names = " and ".join(map(format_code, port.dynamic))
            name = format_code(port.name)
            yield f"With {format_code('--dynamic')}, {dimension_names} of {name} may be of any size."
    if words := model_optimizer_arguments(part):
        yield "In Model Optimizer's words:"
        yield format_code_block("text", [" ".join(words)])


def model_optimizer_arguments(part: ModelSpec) -> list[str]:
    """What Model Optimizer was told to make such an IR, for those who know its arguments; in one order."""
    named = [port for port in part.inputs if port.name]
    means = ",".join(f"{each.name}[{_numbers(each.mean, ',')}]" for each in named if each.mean)
    scales = ",".join(f"{each.name}[{_numbers(each.scale, ',')}]" for each in named if each.scale)
    reverse = any(port.reverse_input_channels for port in part.inputs)
    if not (means or scales or reverse):
        return []
    words = [f"--input={','.join(each.name for each in named)}"]
    words += [f"--mean_values={means}"] if means else []
    words += [f"--scale_values={scales}"] if scales else []
    words += ["--reverse_input_channels"] if reverse else []
    outputs = ",".join(output.name for output in part.outputs if output.name)
    return [_one_word(word) for word in (*words, *([f"--output={outputs}"] if outputs else []))]


def _one_word(text: str) -> str:
    return "".join(each if each.isprintable() and not each.isspace() else "_" for each in text)


def _both_outputs(part: ModelSpec, level: str) -> Iterator[str]:
    yield f"{level}# Original Model"
    if any(output.original for output in part.outputs):
        yield _outputs([replace(output, note=output.original or output.note) for output in part.outputs])
    else:
        yield "The same as the converted model's."
    yield f"{level}# Converted Model"
    yield _outputs(part.outputs)


def _outputs(found: Sequence[Output]) -> Markdown:
    return draw_compact_table(
        ("Name", "Shape", "Layout", "Content"), [(*_shape(each), _content(each)) for each in found]
    )


def _original_inputs(part: ModelSpec) -> Markdown:
    rows = [
        (*_shape(port), port.color or "", _numbers(port.mean), _numbers(port.scale)) for port in part.inputs
    ]
    return draw_compact_table(("Name", "Shape", "Layout", "Colour order", "Mean", "Scale"), rows)


def _as_in_the_ir(port: Input) -> Input:
    return replace(port, shape=port.ir_shape, layout=port.ir_layout)


def format_port_shape(port: Input | Output) -> str:
    """Its sizes, as people write them: ``1, 3, any, 456``."""
    return ", ".join("any" if size == -1 else str(size) for size in port.shape)


def _shape(port: Input | Output) -> tuple[str, str, str]:
    return format_code(port.name), format_port_shape(port), port.layout


def _numbers(values: Sequence[float], between: str = ", ") -> str:
    return between.join(f"{value:g}" for value in values)


def _values(port: Input) -> str:
    return "0 to 255: mean and scale are inside" if port.mean or port.scale else "as the original takes them"


def _ir_color(port: Input) -> str:
    # Open Model Zoo states the reversal alone, not what is reversed.
    return port.ir_color or ("reversed" if port.reverse_input_channels else "")


def _content(port: Output) -> str:
    return escape(": ".join(filter(None, (port.role.replace("_", " "), port.note))))
