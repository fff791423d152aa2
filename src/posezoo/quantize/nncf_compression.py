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
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import FloatLayers, QuantizationSettings
from posezoo.core.errors import MissingPackageError, QuantizationError, import_optional
from posezoo.core.events import CalibrationProgress, Listener
from posezoo.core.ir.openvino_import import error_text, import_openvino
from posezoo.quantize.accuracy_control import restore_accuracy
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.int8_layers import layers_in_float
from posezoo.quantize.nncf_version import explain_nncf_mismatch

if TYPE_CHECKING:
    from openvino import Model, Output

    from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator


def quantize_network(
    network: Model,
    samples: Sequence[CalibrationSample],
    settings: QuantizationSettings,
    *,
    name: str,
    target_device: str,
    listener: Listener,
    evaluator: AccuracyEvaluator | None,
    is_careful: bool = False,
) -> tuple[Any, dict[str, str]]:
    """The same network with INT8 weights and activations.

    Args:
        network: an ``openvino.Model`` in FP32; it is changed.
        samples: the samples for measuring activations, in this order.
        name: the model's, for the listener.
        target_device: one of ``quantization_flags.TARGET_DEVICES``.
        listener: receives the progress.
        evaluator: if it limits the drop of its metric, layers return to floating point until it is
            within the limit. If it never is, the result is the one that drops least.
        is_careful: whether ``delicate_layers`` stay in floating point, too.

    Returns:
        An ``openvino.Model``, and why layers stayed in floating point, by their names.

    Raises:
        QuantizationError: the settings name layers that the network does not have, or NNCF fails.
        MissingPackageError: NNCF is not installed, or does not support this OpenVINO.
    """
    kept = float_layer_names(network, settings.in_float)
    if is_careful:
        kept |= delicate_layers(network)
    never = "NNCF does not quantize them"
    import_openvino(extra="quantize")  # turns off OpenVINO's telemetry, which NNCF uses too
    if reason := explain_nncf_mismatch():
        raise MissingPackageError("nncf", extra="quantize", reason=reason)
    nncf = import_optional("nncf", extra="quantize")
    transformations = import_optional("openvino._offline_transformations", extra="quantize")

    def to_inputs(numbered: tuple[int, CalibrationSample]) -> Mapping[str, Array]:
        number, sample = numbered
        listener(CalibrationProgress(name, number, len(samples)))
        return sample.inputs()

    calibration = nncf.Dataset(list(enumerate(samples, 1)), to_inputs)
    options = {
        "preset": nncf.QuantizationPreset(settings.preset),
        "target_device": nncf.TargetDevice(target_device),
        "subset_size": len(samples),
        "model_type": None,
        "ignored_scope": nncf.IgnoredScope(names=list(kept), validate=False),
    }
    if settings.model_type:
        options["model_type"] = nncf.ModelType(settings.model_type)
    # NNCF's progress bars and log lines would go to the standard output.
    console = import_optional("rich", extra="quantize").get_console()
    logger = logging.getLogger(nncf.__name__)
    before = console.quiet, logger.disabled
    console.quiet = logger.disabled = True
    try:
        if evaluator is None or evaluator.max_drop is None:
            quantized = nncf.quantize(network, calibration, **options)
            return quantized, {name: kept.get(name, never) for name in layers_in_float(quantized)}
        unpacked = nncf.AdvancedQuantizationParameters(backend_params={"compress_weights": False})
        quantized = nncf.quantize(
            network.clone(), calibration, advanced_parameters=unpacked, **options
        )
        reasons = {name: kept.get(name, never) for name in layers_in_float(quantized)}
        best = restore_accuracy(network, quantized, len(samples), evaluator, listener=listener)
        transformations.compress_quantize_weights_transformation(best)
        lost = f"in INT8, {evaluator.metric} drops by more than the limit"
        return best, {name: reasons.get(name, lost) for name in layers_in_float(best)}
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
        raise QuantizationError(f"NNCF cannot quantize it: {error_text(error)}") from error
    finally:
        console.quiet, logger.disabled = before


def delicate_layers(network: Model) -> dict[str, str]:
    """The operations that lose most in INT8 if a branch is added to itself again and again, as in
    Lite-HRNet, whose sums have a range 30 times as wide as their parts.

    With them in floating point, PP-TinyPose's points move by 0.7 px instead of 6.8, and it takes
    0.85 of its time in FP32.
    """
    names = []
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        adds_tensors = kind == "Add" and not any(map(_is_constant, operation.input_values()))
        if adds_tensors or kind in ("GroupConvolution", "Interpolate"):
            names.append(operation.get_friendly_name())
    return dict.fromkeys(names, "INT8 without it differs too much from FP32")


def _is_constant(value: Output) -> bool:
    node = value.get_node()
    while node.get_type_name() in ("Convert", "Reshape"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


def float_layer_names(network: Model, float_layers: Sequence[FloatLayers]) -> dict[str, str]:
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
            # --in_float of an IR of the user's has types among the names.
            matches[f"layers: {pattern}"] = [*filter(fits, operations), *of_kind[pattern]]
        for kind in layers.types:
            matches[f"types: {kind}"] = of_kind[kind]
        for declared, matching in matches.items():
            if not matching:
                raise QuantizationError(
                    f"in_float: {declared}: the FP32 IR has no such layer",
                    hint="names and types are those of the .xml: <layer name= type=>",
                )
            names |= dict.fromkeys(matching, layers.reason)
    return names
