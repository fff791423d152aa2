"""Quantizes a network's weights and activations to INT8 with NNCF, reproducibly and without console
output.

Method: post-training quantization with activation ranges from calibration samples and fast bias
correction (Kozlov et al., "Neural Network Compression Framework for fast model inference", 2020,
arXiv:2002.08679).
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from posezoo.arrays import Array
from posezoo.errors import MissingPackageError, QuantizationError, import_optional
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.spec.model import FloatLayers, QuantizationSettings
from posezoo.versions import explain_nncf_mismatch

if TYPE_CHECKING:
    from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator

#: The operations that compute with weights.
_WEIGHTED = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul")

# What NNCF and the conversion put between weights and the operation that takes them.
_BETWEEN = ("Convert", "FakeQuantize", "Multiply", "Reshape", "Subtract", "Transpose")


def quantize_network(
    network: Any,
    samples: Sequence[CalibrationSample],
    settings: QuantizationSettings,
    *,
    target_device: str,
    report_progress: Callable[[int, int], None],
    evaluator: AccuracyEvaluator | None,
) -> tuple[Any, dict[str, str]]:
    """The same network with INT8 weights and activations.

    Args:
        network: an ``openvino.Model`` in FP32; it is changed.
        samples: the samples for measuring activations, in this order.
        target_device: one of ``spec.model.TARGET_DEVICES``.
        report_progress: called with the number of each sample, and the number of all samples.
        evaluator: if it limits the drop of its metric, layers return to floating point until it is
            within the limit. If it never is, the result is the one that drops least.

    Returns:
        An ``openvino.Model``, and why layers stayed in floating point, by their names.

    Raises:
        QuantizationError: the settings name layers that the network does not have, or NNCF fails.
        MissingPackageError: NNCF is not installed, or does not support this OpenVINO.
    """
    float_layers = float_layer_names(network, settings.in_float)
    import_openvino(extra="quantize")  # turns off OpenVINO's telemetry, which NNCF uses too
    if reason := explain_nncf_mismatch():
        raise MissingPackageError("nncf", extra="quantize", reason=reason)
    nncf = import_optional("nncf", extra="quantize")

    def to_inputs(numbered: tuple[int, CalibrationSample]) -> Mapping[str, Array]:
        number, sample = numbered
        report_progress(number, len(samples))
        return sample.inputs()

    calibration = nncf.Dataset(list(enumerate(samples, 1)), to_inputs)
    options = {
        "preset": nncf.QuantizationPreset(settings.preset),
        "target_device": nncf.TargetDevice(target_device),
        "subset_size": len(samples),
        "model_type": None,
        "ignored_scope": nncf.IgnoredScope(names=list(float_layers), validate=False),
    }
    if settings.model_type:
        options["model_type"] = nncf.ModelType(settings.model_type)
    # NNCF's progress bars and log lines would go to the standard output.
    console = import_optional("rich", extra="quantize").get_console()
    logger = logging.getLogger(nncf.__name__)
    before = console.quiet, logger.disabled
    console.quiet = logger.disabled = True
    try:
        quantized = nncf.quantize(network.clone(), calibration, **options)
        never = "NNCF does not quantize them"
        reasons = {name: float_layers.get(name, never) for name in layers_in_float(quantized)}
        if evaluator is None or evaluator.max_drop is None:
            return quantized, reasons
        drop = evaluator.measure_drop(quantized)
        if drop <= evaluator.max_drop:
            return quantized, reasons

        def compute_metric(compiled: Any, image_ids: Iterable[int]) -> tuple[float, None]:
            return evaluator.compute_metric(compiled, set(image_ids)), None

        validation = nncf.Dataset([image.id for image in evaluator.dataset.images])
        controlled = nncf.quantize_with_accuracy_control(
            network, calibration, validation, compute_metric, max_drop=evaluator.max_drop, **options
        )
        in_float = layers_in_float(controlled)
        if len(in_float) == count_layers(controlled) or evaluator.measure_drop(controlled) >= drop:
            return quantized, reasons  # nothing in INT8 drops less
        lost = f"in INT8, {evaluator.metric} drops by more than the limit"
        return controlled, {name: reasons.get(name, lost) for name in in_float}
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
        raise QuantizationError(f"NNCF cannot quantize it: {error_text(error)}") from error
    finally:
        console.quiet, logger.disabled = before


def count_layers(network: Any) -> int:
    """The number of operations with weights."""
    return len(list(_find_weights(network)))


def layers_in_float(network: Any) -> list[str]:
    """The names of the operations whose weights are not in INT8."""
    return [name for name, is_float in _find_weights(network) if is_float]


def _find_weights(network: Any) -> Iterator[tuple[str, bool]]:
    """The name of each operation with weights, and whether these are in floating point."""
    for operation in network.get_ordered_ops():
        if operation.get_type_name() not in _WEIGHTED:
            continue
        source = operation.input_value(1).get_node()
        is_rounded = False
        while source.get_type_name() in _BETWEEN:
            is_rounded = is_rounded or source.get_type_name() == "FakeQuantize"
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant":
            is_float = not is_rounded and source.get_element_type().is_real()
            yield operation.get_friendly_name(), is_float


def float_layer_names(network: Any, float_layers: Sequence[FloatLayers]) -> dict[str, str]:
    """Why operations stay in floating point, by their names.

    Raises:
        QuantizationError: no operation has one of the names or types.
    """
    operations: list[str] = []
    of_kind: dict[str, list[str]] = defaultdict(list)
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        if kind not in ("Constant", "Parameter", "Result"):
            operations.append(operation.get_friendly_name())
            of_kind[kind].append(operations[-1])
    names: dict[str, str] = {}
    for layers in float_layers:
        matches = {}
        for pattern in layers.layers:
            fits = re.compile(translate(pattern)).match  # as fnmatchcase
            matches[f"layers: {pattern}"] = list(filter(fits, operations))
        for kind in layers.types:
            matches[f"types: {kind}"] = of_kind[kind]
        for declared, matching in matches.items():
            if not matching:
                raise QuantizationError(
                    f"quantization.in_float: {declared}: the FP32 IR has none",
                    hint="names and types are those of the .xml: <layer name= type=>",
                )
            names |= dict.fromkeys(matching, layers.reason)
    return names
