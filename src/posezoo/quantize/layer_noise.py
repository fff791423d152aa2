"""The quantization noise of each layer: its output compared with the same layer's output in FP32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from posezoo.events import LayerNoise
from posezoo.ir.openvino_import import import_openvino
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.runtime.compiled_network import Array

#: The layers that are compared: quantized layers, and MVN, which divides by its input's standard deviation.
TYPES = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MVN", "MatMul")


def compare_layers(fp32: Any, int8: Any, samples: Sequence[CalibrationSample]) -> tuple[LayerNoise, ...]:
    """The mean noise of each layer over samples, in the order of execution.

    Args:
        fp32: an ``openvino.Model``.
        int8: the quantized model, with the same layer names.
        samples: the inputs of both.
    """
    int8_names = {operation.get_friendly_name() for operation in int8.get_ops()}
    types = {
        operation.get_friendly_name(): operation.get_type_name()
        for operation in fp32.get_ordered_ops()
        if operation.get_type_name() in TYPES and operation.get_friendly_name() in int8_names
    }
    names = list(types)
    # The operations whose outputs are quantized, without duplicates.
    sources = list(dict.fromkeys(source.get_friendly_name() for _, source in _activations(int8)))
    fp32_probe = _Probe(_with_outputs(fp32, [*names, *sources]))
    int8_probe = _Probe(_with_outputs(int8, names))
    isolated_probe = _Probe(_with_fp32_activations(int8, sources, names))
    noises = []
    for sample in samples:
        inputs = list(sample.inputs().values())
        outputs = fp32_probe(inputs)
        expected, activations = outputs[: len(names)], outputs[len(names) :]
        own = map(_noise, expected, isolated_probe([*inputs, *activations]))
        noises.append(list(zip(own, map(_noise, expected, int8_probe(inputs)), strict=True)))
    means = np.mean(noises, axis=0)
    return tuple(
        LayerNoise(name, types[name], float(own), float(total))
        for name, (own, total) in zip(names, means, strict=True)
    )


class _Probe:
    """A network that runs in f32; arguments and copied results are in the order of inputs and outputs."""

    def __init__(self, network: Any) -> None:
        compiled = import_openvino().Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        self._request.infer(dict(enumerate(inputs)))
        return [np.array(tensor.data) for tensor in self._request.output_tensors]


def _with_outputs(network: Any, names: Iterable[str]) -> Any:
    """A copy whose outputs are the first outputs of the named operations."""
    copy = network.clone()
    return import_openvino().Model(_results(copy, names), copy.get_parameters(), "probe")


def _results(network: Any, names: Iterable[str]) -> list[Any]:
    operations = {operation.get_friendly_name(): operation for operation in network.get_ops()}
    return [import_openvino().opset13.result(operations[name].output(0)) for name in names]


def _activations(int8: Any) -> list[tuple[Any, Any]]:
    """Each operation that quantizes an activation (not a weight), and the operation before it."""
    quantizers = [
        operation for operation in int8.get_ordered_ops() if operation.get_type_name() == "FakeQuantize"
    ]
    pairs = [(quantizer, quantizer.input_value(0).get_node()) for quantizer in quantizers]
    return [(quantizer, source) for quantizer, source in pairs if source.get_type_name() != "Constant"]


def _with_fp32_activations(int8: Any, sources: Sequence[str], names: Iterable[str]) -> Any:
    """A copy that is cut before each quantizer, with an additional input for each source, in order."""
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


def _noise(expected: Array, actual: Array) -> float:
    """The root mean square of the difference, divided by that of the expected output."""
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    difference = float(np.sqrt(np.mean(np.square(expected.astype(np.float64) - actual))))
    return difference / size if size else difference
