"""Inputs and outputs on a card: those of the original and of the converted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from posezoo.cards.markdown import Markdown, format_code, format_code_block, render_compact_table
from posezoo.facts.labels import format_port_shape, format_role
from posezoo.facts.model_facts import converted_input
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


def render_ports_sections(part: ModelSpec, level: str = "##") -> Iterator[str]:
    """The sections Input and Output, each with the subsections Original Model and Converted Model.

    ``level`` is the heading level of the sections: ``##``, or deeper in a composite's card.
    """
    if part.inputs:
        yield f"{level} Input"
        yield from [_original_inputs(part)] if part.is_ir else _both_inputs(part, level)
    if part.outputs:
        yield f"{level} Output"
    if part.outputs and not part.is_ir:
        yield f"{level}# Original Model"
        yield _outputs(
            [replace(output, note=output.original or output.note) for output in part.outputs]
        )
        yield f"{level}# Converted Model"
    if part.outputs:
        is_same = not part.is_ir and not any(output.original for output in part.outputs)
        yield (
            "The same outputs as those of the original model."
            if is_same
            else _outputs(part.outputs)
        )
    letters = {letter for port in part.inputs + part.outputs for letter in port.layout}
    if meanings := [
        f"{format_code(letter)} {LEGEND[letter]}" for letter in LEGEND if letter in letters
    ]:
        yield f"Layout: {', '.join(meanings)}."


def _original_inputs(part: ModelSpec) -> Markdown:
    rows = [
        (*_shape(port), port.color or "", _numbers(port.mean), _numbers(port.scale))
        for port in part.inputs
    ]
    return render_compact_table(("Name", "Shape", "Layout", "Colour order", "Mean", "Scale"), rows)


def _both_inputs(part: ModelSpec, level: str) -> Iterator[str]:
    yield f"{level}# Original Model"
    yield _original_inputs(part)
    yield f"{level}# Converted Model"
    rows = []
    for port in part.inputs:
        # Open Model Zoo only states that channels are reversed, not their order.
        color = port.ir_color or ("reversed" if port.reverse_input_channels else "")
        is_applied = port.mean or port.scale
        values = (
            "0 to 255: the IR applies mean and scale" if is_applied else "as for the original model"
        )
        rows.append((*_shape(converted_input(part, port)), color, values))
    yield render_compact_table(("Name", "Shape", "Layout", "Colour order", "Values"), rows)
    for port in part.inputs:
        if port.dynamic:
            dimensions = " and ".join(map(format_code, port.dynamic))
            name = format_code(port.name)
            yield f"With {format_code('--dynamic')}, {dimensions} of {name} may be of any size."
    if words := model_optimizer_arguments(part):
        yield "As arguments of Model Optimizer:"
        yield format_code_block("text", [" ".join(words)])


def model_optimizer_arguments(part: ModelSpec) -> list[str]:
    """Model Optimizer's arguments for an IR with these inputs; they are always in the same
    order.
    """
    named = [port for port in part.inputs if port.name]
    means = ",".join(f"{each.name}[{_numbers(each.mean, ',')}]" for each in named if each.mean)
    scales = ",".join(f"{each.name}[{_numbers(each.scale, ',')}]" for each in named if each.scale)
    reverse = any(port.reverse_input_channels for port in part.inputs)
    if not (means or scales or reverse):
        return []
    words = [f"--input={','.join(each.name for each in named)}"]
    if any(each.reshaped for each in named):
        words.append(
            "--input_shape=" + ",".join(f"[{_numbers(each.shape, ',')}]" for each in named)
        )
    words += [f"--mean_values={means}"] if means else []
    words += [f"--scale_values={scales}"] if scales else []
    words += ["--reverse_input_channels"] if reverse else []
    outputs = ",".join(output.name for output in part.outputs if output.name)
    words += [f"--output={outputs}"] if outputs else []
    return [
        "".join(letter if letter.isprintable() and not letter.isspace() else "_" for letter in word)
        for word in words
    ]


def _outputs(outputs: Sequence[Output]) -> Markdown:
    rows = [(*_shape(output), format_role(output)) for output in outputs]
    return render_compact_table(("Name", "Shape", "Layout", "Content"), rows)


def _shape(port: Input | Output) -> tuple[str, str, str]:
    return format_code(port.name), format_port_shape(port), port.layout


def _numbers(values: Sequence[float], between: str = ", ") -> str:
    return between.join(f"{value:g}" for value in values)
