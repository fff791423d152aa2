"""Where quantization does harm: each layer's output, held against the same layer's in FP32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from posezoo.events import LayerNoise
from posezoo.ir.openvino_import import import_openvino
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.runtime.compiled_network import Array

#: What is looked at: the layers that are quantized, and MVN, which divides by what it sees.
TYPES = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MVN", "MatMul")


def compare_layers(fp32: Any, int8: Any, samples: Sequence[CalibrationSample]) -> tuple[LayerNoise, ...]:
    """What quantization does to each layer, on average over samples, in the order they run in.

    Args:
        fp32: an ``openvino.Model``.
        int8: the same, quantized, whose layers still have their names.
        samples: what both are shown.
    """
    there = {operation.get_friendly_name() for operation in int8.get_ops()}
    types = {
        operation.get_friendly_name(): operation.get_type_name()
        for operation in fp32.get_ordered_ops()
        if operation.get_type_name() in TYPES and operation.get_friendly_name() in there
    }
    names, sources = list(types), _quantized_sources(int8)
    exact = _Probe(_showing(fp32, [*names, *sources]))
    together = _Probe(_showing(int8, names))
    lock = _Probe(_fed_from_outside(int8, sources, names))
    noises = []
    for sample in samples:
        inputs = list(sample.inputs().values())
        found = exact(inputs)
        requested, fed = found[: len(names)], found[len(names) :]
        own = map(_noise, requested, lock([*inputs, *fed]))
        noises.append(list(zip(own, map(_noise, requested, together(inputs)), strict=True)))
    means = np.mean(noises, axis=0)
    return tuple(
        LayerNoise(name, types[name], float(own), float(total))
        for name, (own, total) in zip(names, means, strict=True)
    )


class _Probe:
    """A network, run in f32: arrays in the order of its inputs in, copies in that of its outputs out."""

    def __init__(self, network: Any) -> None:
        compiled = import_openvino().Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        self._request.infer(dict(enumerate(inputs)))
        return [np.array(tensor.data) for tensor in self._request.output_tensors]


def _showing(network: Any, names: Iterable[str]) -> Any:
    """A copy that puts out what is inside: the first output of each of the named operations."""
    shown = network.clone()
    return import_openvino().Model(_results(shown, names), shown.get_parameters(), "probe")


def _results(network: Any, names: Iterable[str]) -> list[Any]:
    operations = {operation.get_friendly_name(): operation for operation in network.get_ops()}
    return [import_openvino().opset13.result(operations[name].output(0)) for name in names]


def _quantized_sources(int8: Any) -> list[str]:
    """The operations whose outputs are quantized, each once."""
    return list(dict.fromkeys(source.get_friendly_name() for _, source in _activations(int8)))


def _activations(int8: Any) -> list[tuple[Any, Any]]:
    """Each operation that quantizes what is no weight, and the operation that it takes it from."""
    quantizers = [each for each in int8.get_ordered_ops() if each.get_type_name() == "FakeQuantize"]
    pairs = [(quantizer, quantizer.input_value(0).get_node()) for quantizer in quantizers]
    return [(quantizer, source) for quantizer, source in pairs if source.get_type_name() != "Constant"]


def _fed_from_outside(int8: Any, sources: Sequence[str], names: Iterable[str]) -> Any:
    """A copy cut before all that quantizes: a further input for each of the sources, in their order."""
    ov = import_openvino()
    cut = int8.clone()
    results = _results(cut, names)
    inputs: dict[str, Any] = {}
    for quantizer, source in _activations(cut):
        name, port = source.get_friendly_name(), quantizer.input_value(0)
        if name not in inputs:
            inputs[name] = ov.opset13.parameter(port.get_partial_shape(), port.get_element_type())
        quantizer.input(0).replace_source_output(inputs[name].output(0))
    return ov.Model(results, [*cut.get_parameters(), *(inputs[name] for name in sources)], "cut")


def _noise(requested: Array, got: Array) -> float:
    """The root mean square of the difference, as a share of what was wanted's."""
    size = float(np.sqrt(np.mean(np.square(requested, dtype=np.float64))))
    off = float(np.sqrt(np.mean(np.square(requested.astype(np.float64) - got))))
    return off / size if size else off
