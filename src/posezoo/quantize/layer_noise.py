"""The quantization noise of each layer: its output compared with the same layer's output in
FP32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.events import LayerNoise
from posezoo.core.ir.inference import run_request
from posezoo.core.ir.openvino_import import import_openvino, openvino_core
from posezoo.quantize.calibration_data import CalibrationSample

if TYPE_CHECKING:
    from openvino import Model

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
    types = {}
    for operation in fp32.get_ordered_ops():
        name = operation.get_friendly_name()
        kind = operation.get_type_name()
        if kind in TYPES and name in int8_names:
            types[name] = kind
    names = list(types)
    quantized = [source.get_friendly_name() for _, source in _activations(int8)]
    sources = list(dict.fromkeys(quantized))
    fp32_probe = _Probe(fp32, [*names, *sources])
    int8_probe = _Probe(int8, names)
    isolated_probe = _Probe(int8, names, sources)
    noises = []
    for sample in samples:
        inputs = list(sample.inputs().values())
        outputs = fp32_probe(inputs)
        expected = outputs[: len(names)]
        activations = outputs[len(names) :]
        isolated = map(measure_noise, expected, isolated_probe([*inputs, *activations]))
        totals = map(measure_noise, expected, int8_probe(inputs))
        noises.append(list(zip(isolated, totals, strict=True)))
    means = np.mean(noises, axis=0).tolist()
    rows = zip(types.items(), means, strict=True)
    return tuple(LayerNoise(name, kind, *mean) for (name, kind), mean in rows)


class _Probe:
    """A copy of a network that runs in f32; arguments and copied results are in the order of its
    ports.

    Args:
        network: an ``openvino.Model``.
        names: the operations whose first outputs are the results.
        sources: additional inputs that replace the outputs of these operations before they are
            quantized.
    """

    def __init__(self, network: Model, names: Sequence[str], sources: Sequence[str] = ()) -> None:
        ov = import_openvino()
        copy = network.clone()
        operations = {operation.get_friendly_name(): operation for operation in copy.get_ops()}
        results = [ov.opset13.result(operations[name].output(0)) for name in names]
        inputs: dict[str, Any] = {}
        for quantizer, source in _activations(copy) if sources else ():
            name = source.get_friendly_name()
            port = quantizer.input_value(0)
            if name not in inputs:
                shape = port.get_partial_shape()
                inputs[name] = ov.opset13.parameter(shape, port.get_element_type())
            quantizer.input(0).replace_source_output(inputs[name].output(0))
        added = [inputs[name] for name in sources]
        probe = ov.Model(results, [*copy.get_parameters(), *added], "probe")
        compiled = openvino_core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        return [output.copy() for output in run_request(self._request, dict(enumerate(inputs)))]


def _activations(int8: Any) -> list[tuple[Any, Any]]:
    """Each operation that quantizes an activation (not a weight), and the operation before it."""
    pairs = []
    for operation in int8.get_ordered_ops():
        if operation.get_type_name() == "FakeQuantize":
            source = operation.input_value(0).get_node()
            if source.get_type_name() != "Constant":
                pairs.append((operation, source))
    return pairs


def measure_noise(expected: Array, actual: Array) -> float:
    """The root mean square of the difference, divided by that of the expected output."""
    exact = expected.astype(np.float64)
    size = _root_mean_square(exact)
    difference = _root_mean_square(exact - actual)
    return difference / size if size else difference


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
