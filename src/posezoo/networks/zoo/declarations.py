"""Find the network that a model.yml of Open Model Zoo declares by the arguments of its export."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from posezoo.core.declarations.mo_args import values_by_flag
from posezoo.core.declarations.model import Input, ModelSpec, NetworkChoice, Output
from posezoo.core.values import frozen
from posezoo.networks.zoo.published_networks import (
    LIBRARIES,
    NETWORKS,
    PUBLISHED,
    PublishedClass,
)

_DOWNLOADS = "$dl_dir/"
# The parameters of a published function that name the checkpoint.
_WEIGHTS = ("weights", "weights_path")
# Parameters that do not choose a network: the checkpoint shows the number of classes, and the
# authors' settings are those of the network.
_NO_CHOICE = ("num_classes", "config_path", "file_config")


@frozen
class _Export:
    module: str
    name: str
    parameters: Mapping[str, object]
    weights: str
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def with_declared_network(spec: ModelSpec) -> ModelSpec:
    """The model with the network of ours that its export names; any other is returned unchanged.

    Its file to convert is then the checkpoint; ports are those of the export.
    """
    try:
        export = _read_export(spec)
    except (KeyError, TypeError, ValueError, SyntaxError, OverflowError, RecursionError):
        return spec  # only its authors' code can be sure
    name = _find_network(export, set(spec.file_names))
    checkpoint = _find_checkpoint(export, spec)
    if not name or not checkpoint or len(spec.inputs) > 1:
        return spec
    (port,) = spec.inputs or (Input(export.inputs[0], ()),)
    port = replace(port, shape=port.shape or export.shape)
    outputs = tuple(Output(output, ()) for output in export.outputs)
    network = NetworkChoice(name, names=(*export.inputs, *export.outputs))
    return replace(
        spec,
        network=network,
        checkpoint=checkpoint,
        inputs=(port,),
        outputs=spec.outputs or outputs,
    )


def _read_export(spec: ModelSpec) -> _Export:
    """A KeyError, TypeError, ValueError, SyntaxError or OverflowError if an argument is missing or
    has another form.
    """
    flags = values_by_flag(spec.upstream_export)
    parameters = {}
    for text in flags.get("--model-param", ()):
        name, _, value = text.partition("=")
        parameters[name] = ast.literal_eval(value)
    weights = flags.get("--weights", [])
    weights += [parameters[name] for name in _WEIGHTS if name in parameters]
    chosen = parameters.keys() - {*_WEIGHTS, *_NO_CHOICE}
    last = {flag: values[-1] for flag, values in flags.items()}
    shape = ast.literal_eval(last["--input-shapes"])
    return _Export(
        last["--import-module"],
        last["--model-name"],
        {key: parameters[key] for key in chosen},
        "".join(weights),
        shape=tuple(map(int, shape)),
        inputs=tuple(last["--input-names"].split(",")),
        outputs=tuple(last["--output-names"].split(",")),
    )


def _find_network(export: _Export, files: set[str]) -> str:
    ports = (len(export.inputs), len(export.outputs), len(export.shape))
    for name, definition in NETWORKS.items():
        has_same_ports = ports == (1, len(definition.outputs), len(definition.input.shape))
        if has_same_ports and _is_named(PUBLISHED[name], export, files):
            return name
    return ""


def _is_named(published: PublishedClass, export: _Export, files: set[str]) -> bool:
    has_module = export.module == published.module or (
        published.module in LIBRARIES and export.module.startswith(f"{published.module}.")
    )
    if not has_module or export.name != published.name:
        return False
    if export.parameters != published.parameters:
        return False
    return not published.file or published.file in files


def _find_checkpoint(export: _Export, spec: ModelSpec) -> str:
    if export.weights.startswith(_DOWNLOADS):
        return export.weights.removeprefix(_DOWNLOADS)
    # A pre-convert.py would write it; ours read the file that this script reads.
    weights = [file.name for file in spec.files if not file.name.endswith(".py")]
    return weights[0] if spec.has_pre_convert and len(weights) == 1 else ""
