"""The facts of a model that targets of exports need: those that it declares, and those of its
IR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Input, ModelSpec, Output, Precision
from posezoo.core.errors import InferenceError
from posezoo.core.ir.openvino_import import error_text, import_openvino, openvino_core, static_sizes
from posezoo.core.ir.provenance import SUFFIXES
from posezoo.core.layout import ModelLayout
from posezoo.export.target_type import ExportedModel, Port
from posezoo.pages.file_manifest import digest_of_file


def declared_facts(
    spec: ModelSpec, precision: Precision, layout: ModelLayout
) -> ExportedModel | None:
    """The facts before there is an IR; None if model.yml does not declare them, or they are not the
    IR's.

    Args:
        spec: the model, from ``resolve_model``.
        layout: the folders of its published files and IR.
    """
    ports: tuple[Input | Output, ...] = (*spec.inputs, *spec.outputs)
    if spec.decoding or not (spec.inputs and spec.outputs and all(port.shape for port in ports)):
        return None
    inputs = tuple(
        Port(port.name, port.ir_shape, port.element_type or "f32", *_layout_and_color(port))
        for port in spec.inputs
    )
    outputs = tuple(Port(port.name, port.shape, "f32", port.layout) for port in spec.outputs)
    digests = dict.fromkeys(SUFFIXES, "")
    return ExportedModel(
        spec,
        precision,
        layout.ir_path(spec, precision),
        inputs,
        outputs=outputs,
        digests=digests,
        layout=layout,
    )


def read_ir_facts(
    spec: ModelSpec, precision: Precision, xml: Path, layout: ModelLayout
) -> ExportedModel:
    """The facts of an IR and its model.

    Args:
        spec: the model as the IR was made, from ``resolve_model``.
        layout: the folders of its published files and IR.

    Raises:
        InferenceError: OpenVINO cannot read the IR.
        MissingPackageError: OpenVINO is not installed.
    """
    try:
        network = openvino_core().read_model(xml)
    except RuntimeError as error:
        problem = f"{xml}: cannot be read as an IR: {error_text(error)}"
        raise InferenceError(problem, hint="posezoo get --force makes it again") from error
    digests = {suffix: digest_of_file(xml.with_suffix(suffix)) for suffix in SUFFIXES}
    inputs = _ports(network.inputs, spec.inputs)
    outputs = _ports(network.outputs, spec.outputs)
    return ExportedModel(
        spec, precision, xml, inputs, outputs=outputs, digests=digests, layout=layout
    )


def _ports(ports: Sequence[Any], declared: Sequence[Input | Output]) -> tuple[Port, ...]:
    """Inputs or outputs; their layouts are those of the model, by name, or of its only port."""
    layouts = import_openvino().layout_helpers
    facts = []
    for port in ports:
        names = port.get_names()
        name = port.get_any_name() if names else port.get_node().get_friendly_name()
        candidates = [each for each in declared if each.name in {*names, name}]
        if not candidates and len(ports) == 1:
            candidates = [*declared]
        layout, color = _layout_and_color(candidates[0]) if candidates else ("", "")
        shape = static_sizes(port.get_partial_shape())
        if len(layout) != len(shape):
            layout = ""
        has_batch = layouts.has_batch(layouts.get_layout(port))
        kind = port.get_element_type().get_type_name()
        facts.append(Port(name, shape, kind, layout, color=color, has_batch=has_batch))
    return tuple(facts)


def _layout_and_color(port: Input | Output) -> tuple[str, str]:
    if isinstance(port, Input):
        return port.ir_layout, str(port.ir_color or "")
    return port.layout, ""
