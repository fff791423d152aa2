"""The quantization noise of each layer: its output compared with the same layer's output in
FP32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posezoo.events import LayerNoise
from posezoo.ir.openvino_import import import_openvino, openvino_core
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.runtime.compiled_network import Array

#: The layers that are compared: quantized layers, and MVN, which divides by its input's standard
#: deviation.
TYPES = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MVN", "MatMul")


def compare_layers(
    fp32: Any, int8: Any, samples: Sequence[CalibrationSample]
) -> tuple[LayerNoise, ...]:
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
    fp32_probe = _Probe(fp32, [*names, *sources])
    int8_probe = _Probe(int8, names)
    isolated_probe = _Probe(int8, names, sources)
    noises = []
    for sample in samples:
        inputs = list(sample.inputs().values())
        outputs = fp32_probe(inputs)
        expected = outputs[: len(names)]
        activations = outputs[len(names) :]
        isolated = map(_noise, expected, isolated_probe([*inputs, *activations]))
        noises.append(list(zip(isolated, map(_noise, expected, int8_probe(inputs)), strict=True)))
    means = np.mean(noises, axis=0)
    return tuple(
        LayerNoise(name, types[name], float(isolated), float(total))
        for name, (isolated, total) in zip(names, means, strict=True)
    )


class _Probe:
    """A copy of a network that runs in f32; arguments and copied results are in the order of its
    ports.

    Args:
        network: an ``openvino.Model``.
        names: the operations whose first outputs are the results.
        sources: additional inputs that replace the outputs of these operations before they are
            quantized.
    """

    def __init__(self, network: Any, names: Sequence[str], sources: Sequence[str] = ()) -> None:
        ov = import_openvino()
        copy = network.clone()
        operations = {operation.get_friendly_name(): operation for operation in copy.get_ops()}
        results = [ov.opset13.result(operations[name].output(0)) for name in names]
        inputs: dict[str, Any] = {}
        for quantizer, source in _activations(copy) if sources else ():
            name = source.get_friendly_name()
            port = quantizer.input_value(0)
            if name not in inputs:
                inputs[name] = ov.opset13.parameter(
                    port.get_partial_shape(), port.get_element_type()
                )
            quantizer.input(0).replace_source_output(inputs[name].output(0))
        probe = ov.Model(
            results, [*copy.get_parameters(), *(inputs[name] for name in sources)], "probe"
        )
        compiled = openvino_core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        self._request.infer(dict(enumerate(inputs)))
        return [np.array(tensor.data) for tensor in self._request.output_tensors]


def _activations(int8: Any) -> list[tuple[Any, Any]]:
    """Each operation that quantizes an activation (not a weight), and the operation before it."""
    pairs = [
        (operation, operation.input_value(0).get_node())
        for operation in int8.get_ordered_ops()
        if operation.get_type_name() == "FakeQuantize"
    ]
    return [
        (quantizer, source) for quantizer, source in pairs if source.get_type_name() != "Constant"
    ]


def _noise(expected: Array, actual: Array) -> float:
    """The root mean square of the difference, divided by that of the expected output."""
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    difference = float(np.sqrt(np.mean(np.square(expected.astype(np.float64) - actual))))
    return difference / size if size else difference
