"""A model's inputs, outputs and kept arguments -> the arguments of Model Optimizer."""

from __future__ import annotations

from collections.abc import Sequence

from posezoo.core.declarations.mo_args import INPUT_FLAGS, OTHER_ORIGINALS
from posezoo.core.declarations.model import Input, ModelSpec


def write_arguments(spec: ModelSpec) -> tuple[str, ...]:
    """The arguments from which ``read_arguments`` reads this model; empty names are left out."""
    values = {} if has_other_original(spec) else {"--input_model": spec.input_model}
    values |= _write_inputs(spec.inputs)
    values["--output"] = ",".join(output.name for output in spec.outputs)
    arguments = [f"{flag}={value}" for flag, value in values.items() if value]
    if any(port.reverse_input_channels for port in spec.inputs):
        arguments.append("--reverse_input_channels")
    arguments += [f"{flag}={value}" if value else flag for flag, value in spec.mo_args]
    return tuple(arguments)


def has_other_original(spec: ModelSpec) -> bool:
    """Whether the original is named by another argument than --input_model."""
    return any(flag in OTHER_ORIGINALS for flag, _ in spec.mo_args)


def _write_inputs(inputs: Sequence[Input]) -> dict[str, str]:
    """The values by flag."""
    written: dict[str, list[str]] = {flag: [] for flag in INPUT_FLAGS}
    for port in inputs:
        if port.name:
            element_type = f"{{{port.element_type}}}" if port.element_type else ""
            written["--input"].append(port.name + element_type)
        if port.reshaped:
            written["--input_shape"].append(port.bounds or _list_of(port.shape))
        if port.layout:
            target = f"->{port.to_layout}" if port.to_layout else ""
            written["--layout"].append(f"{port.name}({port.layout}{target})")
        if port.mean:
            written["--mean_values"].append(port.name + _list_of(port.mean))
        if port.scale:
            written["--scale_values"].append(port.name + _list_of(port.scale))
    if len(written["--input_shape"]) < len(inputs):
        del written["--input_shape"]
    return {flag: ",".join(values) for flag, values in written.items()}


def _list_of(values: Sequence[float]) -> str:
    return "[" + ",".join(map(repr, values)) + "]"
