"""Stands before the package openvino, and lets it misread originals, or write another IR.

It is copied into a folder of PYTHONPATH beside faults.json, whose ``misread`` has the file that is
read in place of each original, and whose ``edited`` has the edit of each model's IR. For each fault
that it put in, it creates a file with the model's name in the folder that FAULTS_PUT_IN names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def import_real() -> Any:
    """The package, which takes the place of this module."""
    path = sys.path[:]
    sys.path[:] = [entry for entry in path if Path(entry).resolve() != HERE]
    del sys.modules["openvino"]
    try:
        return import_module("openvino")
    finally:
        sys.path[:] = path


ov = import_real()
FAULTS = json.loads((HERE / "faults.json").read_text("utf-8"))


def tell(model: str) -> None:
    (HERE / os.environ["FAULTS_PUT_IN"] / model).touch()


def misread(source: Any) -> Any:
    """The file that is read in place of an original."""
    other = FAULTS["misread"].get(str(source))
    if other is None:
        return source
    tell(Path(source).parent.name)
    return other


def replace_reading(owner: Any, name: str) -> None:
    read = getattr(owner, name)
    setattr(
        owner, name, lambda self, source, *more, **keys: read(self, misread(source), *more, **keys)
    )


def save_edited(network: Any, xml: Any, *more: Any, **keys: Any) -> None:
    model = Path(xml).stem
    if edit := FAULTS["edited"].get(model):
        network = network.clone()
        EDITS[edit](network)
        tell(model)
    save_model(network, xml, *more, **keys)


def constants(network: Any, *kinds: str) -> list[tuple[Any, int, Any]]:
    """Each operation of these kinds with a constant: its place among the inputs, and its values."""
    found = []
    for operation in network.get_ordered_ops():
        if operation.get_type_name() not in kinds:
            continue
        for place in range(operation.get_input_size()):
            source = operation.input_value(place).get_node()
            if source.get_type_name() == "Constant":
                found.append((operation, place, source.data.copy()))
    return found


def constant(name: str, values: Any) -> Any:
    """A constant with a name, as OpenVINO would number it otherwise."""
    node = ov.opset13.constant(np.asarray(values))
    node.set_friendly_name(name)
    return node


def replace(operation: Any, place: int, values: Any) -> None:
    old = operation.input_value(place).get_node()
    new = constant(old.get_friendly_name(), np.ascontiguousarray(values))
    operation.input(place).replace_source_output(new.output(0))


def preprocessing(network: Any, *kinds: str) -> tuple[Any, int, Any]:
    """The first operation of these kinds with one value for each channel."""
    (found, *_) = (each for each in constants(network, *kinds) if each[2].size == 3)
    return found


def kernels(network: Any) -> list[tuple[Any, int, Any]]:
    return [each for each in constants(network, "Convolution") if each[2].shape[-1] == 3]


def exchange_means(network: Any) -> None:
    operation, place, mean = preprocessing(network, "Subtract", "Add")
    replace(operation, place, mean.ravel()[::-1].reshape(mean.shape))


def exchange_scales(network: Any) -> None:
    operation, place, scale = preprocessing(network, "Divide", "Multiply")
    replace(operation, place, scale.ravel()[::-1].reshape(scale.shape))


def scale_first(network: Any) -> None:
    """The mean is subtracted after the division: as if it were larger by the scale."""
    operation, place, mean = preprocessing(network, "Subtract", "Add")
    divider, _, scale = preprocessing(network, "Divide", "Multiply")
    factor = scale if divider.get_type_name() == "Divide" else 1 / scale
    replace(operation, place, mean * factor.reshape(mean.shape))


def reverse_channels(network: Any) -> None:
    (image,) = network.get_parameters()
    readers = list(image.output(0).get_target_inputs())
    axis = list(image.output(0).get_shape()).index(3)
    turned = ov.opset13.gather(image, constant("order", [2, 1, 0]), constant("axis", axis))
    turned.set_friendly_name("turned")
    for reader in readers:
        reader.replace_source_output(turned.output(0))


def negate_weight(network: Any) -> None:
    operation, place, kernel = kernels(network)[-1]
    kernel.flat[np.abs(kernel).argmax()] *= -1
    replace(operation, place, kernel)


def exchange_filters(network: Any) -> None:
    operation, place, kernel = kernels(network)[-1]
    kernel[[0, 1]] = kernel[[1, 0]]
    replace(operation, place, kernel)


def transpose_kernel(network: Any) -> None:
    operation, place, kernel = kernels(network)[-1]
    replace(operation, place, kernel.swapaxes(-1, -2))


def drop_bias(network: Any) -> None:
    operation, place, bias = constants(network, "Add")[-1]
    replace(operation, place, 0 * bias)


def round_weights(network: Any) -> None:
    for operation, place, kernel in kernels(network):
        replace(operation, place, kernel.astype(np.float16).astype(np.float32))


def saturate(network: Any) -> None:
    operations = [op for op in network.get_ordered_ops() if op.get_type_name() == "Relu"]
    last = operations[-1]
    readers = list(last.output(0).get_target_inputs())
    limited = ov.opset13.minimum(last, constant("limit", np.float32(1)))
    limited.set_friendly_name("limited")
    for reader in readers:
        reader.replace_source_output(limited.output(0))


def exchange_outputs(network: Any) -> None:
    first, second = (result.input(0) for result in network.get_results())
    sources = first.get_source_output(), second.get_source_output()
    names = [source.get_names() for source in sources]
    first.replace_source_output(sources[1])
    second.replace_source_output(sources[0])
    sources[0].get_tensor().set_names(names[1])
    sources[1].get_tensor().set_names(names[0])


EDITS: dict[str, Callable[[Any], None]] = {
    "means exchanged": exchange_means,
    "scales exchanged": exchange_scales,
    "scale before mean": scale_first,
    "channels reversed": reverse_channels,
    "one weight negated": negate_weight,
    "two filters exchanged": exchange_filters,
    "kernel transposed": transpose_kernel,
    "bias dropped": drop_bias,
    "weights rounded": round_weights,
    "activation saturates": saturate,
    "two outputs exchanged": exchange_outputs,
}

save_model = ov.save_model
ov.save_model = save_edited
replace_reading(ov.Core, "read_model")
replace_reading(ov.frontend.FrontEnd, "load")
