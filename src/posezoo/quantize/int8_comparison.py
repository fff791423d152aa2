"""Compares INT8 IR with the FP32 IR on photos that are not used for calibration: detections,
outputs, and layers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import QuantizationError
from posezoo.core.events import (
    DisplacementMeasured,
    LayerNoise,
    Listener,
    OutputsCompared,
    SpeedCompared,
    format_noise,
)
from posezoo.core.ir.inference import run_request
from posezoo.core.ir.openvino_import import import_openvino, openvino_core
from posezoo.poses import blazepose
from posezoo.poses.decoders import decode_with_options, find_decoder, resolve_options
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.displacement import (
    DetectedPoints,
    KeypointDisplacement,
    measure_keypoint_displacement,
)
from posezoo.quantize.quantization_plan import QuantizationTarget
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.decoder_matching import match_output_roles
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import RuntimeConfig, available_devices

if TYPE_CHECKING:
    from openvino import Model

Size = tuple[int, int]

#: The root mean square of INT8's differences from FP32 in an output, as a share of that output's:
#: above it, INT8 is refused. It says little below: in outputs of INT8 that finds the same people as
#: FP32 it is 0.07 to 0.55 (posenet-mobilenet-v1), and an output of zeros has 1.
LARGEST_NOISE = 0.8

# What is moved and what is found, by task: "" is that of poses.
_WORDS = {"": ("points", "people"), "classification": ("classes", "classes")}

INT8 = Precision.FP16_INT8

# Both networks run in turns, because other processes may slow down a round.
_ROUNDS = 9
_INFERENCES = 3

#: The layers that are compared: quantized layers, and MVN, which divides by its input's standard
#: deviation.
TYPES = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MVN", "MatMul")

#: Reads detections from the outputs by name, and the width and height of the input.
OutputReader = Callable[[Outputs, Size], DetectedPoints]


def select_output_reader(target: QuantizationTarget) -> OutputReader:
    """The function that reads the network's outputs.

    Raises:
        DecoderError: the FP32 IR does not have the outputs that the model's decoder needs.
        InferenceError: the decoder does not have the options that the model declares.
    """
    decoder = target.decoder
    assert decoder  # explain_unsupported checks this
    options = resolve_options(decoder)

    def read_person_detections(outputs: Outputs, _size: Size) -> DetectedPoints:
        """BlazePose's detector: four keypoints of each person, which determine the next network's
        crop.
        """
        detections = blazepose.decode_faces(outputs["Identity"], outputs["Identity_1"], options)
        points = detections.keypoints[: options.max_people].astype(np.float32)
        return DetectedPoints(points, np.ones(points.shape[:2], bool))

    if target.network_index != -1:
        return read_person_detections
    # The decoder names the outputs of a composite's parts.
    named = {
        output.role: output.name
        for output in find_decoder(decoder.name).networks[-1]
        if output.name
    }
    roles = named or match_output_roles(target.spec, decoder.name, Graph(target.fp32_xml))

    def read_poses(outputs: Outputs, size: Size) -> DetectedPoints:
        maps = {role: outputs[name] for role, name in roles.items()}
        poses = decode_with_options(decoder.name, maps, size, options)
        if not poses:
            return DetectedPoints(np.empty((0, 0, 2), np.float32), np.empty((0, 0), bool))
        keypoints = np.stack([pose.keypoints for pose in poses])
        if find_decoder(decoder.name).finds_classes:
            # The point of an image is the number of its best class, so that others are elsewhere.
            classes = np.array([[[poses[0].class_id, 0]]], np.float32)
            return DetectedPoints(classes, np.ones((1, 1), bool))
        if not keypoints.shape[1]:  # the poses of a detector, which have only boxes
            corners = np.array([pose.box for pose in poses], np.float32).reshape(-1, 2, 2)
            return DetectedPoints(corners, np.ones(corners.shape[:2], bool))
        return DetectedPoints(keypoints[:, :, :2], keypoints[:, :, 2] > 0)

    return read_poses


class Fp32Network:
    """The FP32 IR, to compare INT8 IR with it.

    Raises:
        InferenceError: it is missing or damaged.
    """

    def __init__(
        self,
        target: QuantizationTarget,
        samples: Sequence[CalibrationSample],
        runtime: RuntimeConfig | None = None,
    ) -> None:
        self._target = target
        self._runtime = (runtime or RuntimeConfig()).choose_precision(target.spec, INT8)
        self._samples = samples
        self._network = self._compile(target.fp32_xml, RuntimeConfig())
        self._timed = self._network
        if self._runtime != RuntimeConfig():
            self._timed = self._compile(target.fp32_xml, self._runtime)

    def _compile(self, xml: Path, runtime: RuntimeConfig) -> CompiledNetwork:
        graph = Graph(xml)
        for output in self._target.spec.outputs:
            if output.name in graph.outputs:  # the tensor may have further names
                graph.model.output(output.name).set_names({output.name})
        sample = self._samples[0]
        size = graph.image_size(sample.port.name, sample.port.ir_layout)
        if -1 not in size:
            graph.resize(sample.port.name, sample.port.ir_layout, sample.size)
        return CompiledNetwork(graph, runtime)

    def _compile_int8(self, xml: Path) -> CompiledNetwork:
        int8 = self._compile(xml, RuntimeConfig())
        # Compare the numbers of axes, not the sizes: a quantization makes sizes dynamic.
        if _count_axes(int8) != _count_axes(self._network):
            raise QuantizationError(
                f"{xml}: is another network than {self._network.path}: its inputs are "
                f"{', '.join(int8.inputs)}, its outputs {', '.join(int8.outputs)}"
            )
        return int8

    def _compare_speed(
        self, int8: CompiledNetwork, xml: Path, precision: Precision, listener: Listener
    ) -> None:
        if self._runtime != RuntimeConfig():
            int8 = self._compile(xml, self._runtime)
        inputs = self._samples[0].inputs()
        networks = (int8, self._timed)
        rounds = [[_measure_ms(network, inputs) for network in networks] for _ in range(_ROUNDS)]
        int8_ms, fp16_ms = map(median, zip(*rounds, strict=True))
        device = self._runtime.device
        full_name = available_devices().get(device, "")
        named = f"{device} ({full_name})" if full_name else device
        name = self._target.spec.full_name
        listener(SpeedCompared(name, precision, int8_ms, fp16_ms, device=named))


class OutputReference(Fp32Network):
    """The FP32 IR's outputs, of a network whose outputs no decoder reads."""

    def compare(
        self, xml: Path, precision: Precision, listener: Listener
    ) -> tuple[KeypointDisplacement | None, str]:
        """As ``Fp32Reference.compare``; the displacement is None, as there are no points."""
        int8 = self._compile_int8(xml)
        squares = {name: np.zeros(2) for name in self._network.outputs}
        for sample in self._samples:
            inputs = sample.inputs()
            with self._network.infer(inputs) as expected, int8.infer(inputs) as actual:
                for name, sums in squares.items():
                    exact = np.asarray(expected[name], np.float64)
                    sums += np.square(exact - actual[name]).sum(), np.square(exact).sum()
        noise = {name: _share(*sums) for name, sums in squares.items()}
        full_name = self._target.spec.full_name
        count = len(self._samples)
        listener(OutputsCompared(full_name, precision, noise, LARGEST_NOISE, count))
        self._compare_speed(int8, xml, precision, listener)
        worst = max(noise, key=lambda name: noise[name])
        if noise[worst] <= LARGEST_NOISE:
            return None, ""
        problem = (
            f"{full_name}: {precision} changes {worst} by {format_noise(noise[worst])} of its root"
            f" mean square, {LARGEST_NOISE:.0%} are allowed"
        )
        if noise[worst] > 1:
            problem += "; it is small in FP32: do the photos show what the network looks for?"
        return None, problem


def _share(difference: float, size: float) -> float:
    """The root of a ratio of squares; infinite if an output of zeros changes."""
    if not difference:
        return 0.0
    return float(np.sqrt(difference / size)) if size else float("inf")


class Fp32Reference(Fp32Network):
    """The FP32 IR's detections in samples, to compare INT8 IR with them.

    Raises:
        DecoderError: the FP32 IR does not have the outputs that the model's decoder needs.
        InferenceError: it is missing or damaged.
    """

    def __init__(
        self,
        target: QuantizationTarget,
        samples: Sequence[CalibrationSample],
        runtime: RuntimeConfig | None = None,
    ) -> None:
        self._read = select_output_reader(target)
        super().__init__(target, samples, runtime)
        self._detected = self._detect(self._network)

    def _detect(self, network: CompiledNetwork) -> list[DetectedPoints]:
        detected = []
        for sample in self._samples:
            with network.infer(sample.inputs()) as outputs:
                detected.append(self._read(outputs, sample.size))
        return detected

    def compare(
        self, xml: Path, precision: Precision, listener: Listener
    ) -> tuple[KeypointDisplacement, str]:
        """Measure and report the displacement of an INT8 IR, and its time on the device; also why
        it exceeds the model's bounds, or an empty text.

        The displacement is that on the CPU, where floating-point layers run in f32.

        Raises:
            QuantizationError: the IR has other inputs or outputs than the FP32 IR, or FP32 detects
                no person.
            InferenceError: it is missing or damaged.
        """
        int8 = self._compile_int8(xml)
        pairs = zip(self._detected, self._detect(int8), strict=True)
        displacement = measure_keypoint_displacement(pairs)
        name = self._target.spec.full_name
        settings = self._target.settings
        task = self._target.task
        moved, noun = _WORDS.get(task, ("corners of boxes", "objects"))
        if not displacement.found_fp32:
            raise QuantizationError(
                f"{name}: FP32 detects no {noun} in the {len(self._samples)} images for the"
                " comparison",
                hint=f"photos with {noun} are needed",
            )
        listener(
            DisplacementMeasured(
                name,
                precision,
                displacement.shift_p50_px,
                displacement.shift_p90_px,
                max_shift_px=settings.max_shift_px,
                found_fp32=displacement.found_fp32,
                found_int8=displacement.found_int8,
                agreement=displacement.agreement,
                min_agreement=settings.min_agreement,
                task=task,
            )
        )
        self._compare_speed(int8, xml, precision, listener)
        problem = ""
        if displacement.agreement < settings.min_agreement and task == "classification":
            problem = (
                f"{name}: {precision} finds the class of FP32 in {displacement.found_both} of"
                f" {displacement.found_fp32} images: agreement {displacement.agreement:.0%},"
                f" required {settings.min_agreement:.0%}"
            )
        elif displacement.agreement < settings.min_agreement:
            problem = (
                f"{name}: {precision} finds {displacement.found_int8} {noun}, FP32 finds "
                f"{displacement.found_fp32}, and {displacement.found_both} are the same: agreement "
                f"{displacement.agreement:.0%}, required {settings.min_agreement:.0%}"
            )
        elif displacement.shift_p50_px > settings.max_shift_px:
            shift = f"{displacement.shift_p50_px:.1f} px"
            problem = (
                f"{name}: {precision} displaces {moved} by {shift} in the"
                f" median, {settings.max_shift_px:g} px of the network's input are allowed"
            )
        return displacement, problem


def _count_axes(network: CompiledNetwork) -> list[dict[str, int]]:
    return [
        {name: len(shape) for name, shape in ports.items()}
        for ports in (network.inputs, network.outputs)
    ]


def _measure_ms(network: CompiledNetwork, inputs: Mapping[str, Array]) -> float:
    start_time = time.perf_counter()
    for _ in range(_INFERENCES):
        with network.infer(inputs):
            pass
    return 1e3 * (time.perf_counter() - start_time) / _INFERENCES


def compare_layers(
    fp32: Any, int8: Any, samples: Sequence[CalibrationSample]
) -> tuple[LayerNoise, ...]:
    """The mean noise of each layer of two ``openvino.Model`` with the same layer names, over
    samples, in the order of execution.
    """
    int8_names = {operation.get_friendly_name() for operation in int8.get_ops()}
    types = {}
    for operation in fp32.get_ordered_ops():
        name = operation.get_friendly_name()
        kind = operation.get_type_name()
        if kind in TYPES and name in int8_names:
            types[name] = kind
    layers = [(name, 0) for name in types]
    sources = list(dict.fromkeys(source for _, source in _activations(int8)))
    fp32_probe = _Probe(fp32, [*layers, *sources])
    int8_probe = _Probe(int8, layers)
    isolated_probe = _Probe(int8, layers, sources)
    noises = []
    for sample in samples:
        inputs = list(sample.inputs().values())
        outputs = fp32_probe(inputs)
        expected = outputs[: len(layers)]
        activations = outputs[len(layers) :]
        isolated = map(measure_noise, expected, isolated_probe([*inputs, *activations]))
        totals = map(measure_noise, expected, int8_probe(inputs))
        noises.append(list(zip(isolated, totals, strict=True)))
    means = np.mean(noises, axis=0).tolist()
    rows = zip(types.items(), means, strict=True)
    return tuple(LayerNoise(name, kind, *mean) for (name, kind), mean in rows)


#: The name of an operation, and the number of one of its outputs, of which Split has several.
_Port = tuple[str, int]


class _Probe:
    """A copy of a network that runs in f32; arguments and copied results are in the order of its
    ports.

    Args:
        network: an ``openvino.Model``.
        ports: the outputs of operations that are the results.
        sources: additional inputs that replace these outputs before they are quantized.
    """

    def __init__(
        self, network: Model, ports: Sequence[_Port], sources: Sequence[_Port] = ()
    ) -> None:
        ov = import_openvino()
        copy = network.clone()
        operations = {operation.get_friendly_name(): operation for operation in copy.get_ops()}
        results = [ov.opset13.result(operations[name].output(place)) for name, place in ports]
        inputs: dict[_Port, Any] = {}
        for quantizer, source in _activations(copy) if sources else ():
            port = quantizer.input_value(0)
            if source not in inputs:
                shape = port.get_partial_shape()
                inputs[source] = ov.opset13.parameter(shape, port.get_element_type())
            quantizer.input(0).replace_source_output(inputs[source].output(0))
        added = [inputs[source] for source in sources]
        probe = ov.Model(results, [*copy.get_parameters(), *added], "probe")
        compiled = openvino_core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._request = compiled.create_infer_request()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        return [output.copy() for output in run_request(self._request, dict(enumerate(inputs)))]


def _activations(int8: Any) -> list[tuple[Any, _Port]]:
    """The operations that quantize activations, and what each of them quantizes."""
    pairs = []
    for operation in int8.get_ordered_ops():
        if operation.get_type_name() == "FakeQuantize":
            port = operation.input_value(0)
            source = port.get_node()
            if source.get_type_name() != "Constant":
                pairs.append((operation, (source.get_friendly_name(), port.get_index())))
    return pairs


def measure_noise(expected: Array, actual: Array) -> float:
    """The root mean square of the difference, divided by that of the expected output."""
    exact = expected.astype(np.float64)
    size = _root_mean_square(exact)
    difference = _root_mean_square(exact - actual)
    return difference / size if size else difference


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
