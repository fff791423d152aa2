"""Quantizes a network's weights and activations to INT8 with NNCF, reproducibly and without console
output.

Method: post-training quantization with activation ranges from calibration samples and fast bias
correction (Kozlov et al., "Neural Network Compression Framework for fast model inference", 2020,
arXiv:2002.08679).

Layers return to floating point by NNCF's accuracy control: it ranks the groups of layers by the
metric without each of them in INT8, and returns one after the other. The best network on the way is
the result, also if the search never meets the limit, or is interrupted.
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import FloatLayers
from posezoo.core.errors import MissingPackageError, QuantizationError, import_optional
from posezoo.core.events import AccuracySearched, CalibrationProgress, Listener
from posezoo.core.ir.openvino_import import error_text, import_openvino
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.int8_layers import count_layers, layers_in_float
from posezoo.quantize.nncf_version import explain_nncf_mismatch
from posezoo.quantize.quantization_plan import QuantizationPlan

if TYPE_CHECKING:
    from openvino import CompiledModel, Model, Output

    from posezoo.measure.coco import ImageId
    from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator

# Of the evaluations that only rank layers, one in this many is reported.
_REPORTED = 10


def quantize_network(
    network: Model,
    samples: Sequence[CalibrationSample],
    plan: QuantizationPlan,
    *,
    listener: Listener,
    evaluator: AccuracyEvaluator | None,
    is_careful: bool,
) -> tuple[Any, dict[str, str]]:
    """The same network with INT8 weights and activations.

    Args:
        network: an ``openvino.Model`` in FP32; it is changed.
        samples: the samples for measuring activations, in this order.
        plan: the model, with its settings, and the device that it is for.
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
    settings = plan.target.settings
    kept = float_layer_names(network, settings.in_float)
    if is_careful:
        kept |= delicate_layers(network)
    never = "NNCF does not quantize them"
    import_openvino(extra="quantize")
    if reason := explain_nncf_mismatch():
        raise MissingPackageError("nncf", extra="quantize", reason=reason)
    nncf = import_optional("nncf", extra="quantize")
    transformations = import_optional("openvino._offline_transformations", extra="quantize")

    def to_inputs(numbered: tuple[int, CalibrationSample]) -> Mapping[str, Array]:
        number, sample = numbered
        name = plan.target.spec.full_name
        listener(CalibrationProgress(name, number, len(samples)))
        return sample.inputs()

    calibration = nncf.Dataset(list(enumerate(samples, 1)), to_inputs)
    options = {
        "preset": nncf.QuantizationPreset(settings.preset),
        "target_device": nncf.TargetDevice(plan.options.target_device),
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
            matches[f"layers: {pattern}"] = [*filter(fits, operations)]
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


def restore_accuracy(
    network: Model, quantized: Model, samples: int, evaluator: AccuracyEvaluator, listener: Listener
) -> Model:
    """The network of the search that is within the limit, or else the one that drops least.

    Args:
        quantized: in INT8, with weights that are not yet stored as INT8.
        samples: the largest number of images that rank the layers.
        listener: receives the progress.

    Raises:
        KeyboardInterrupt: the user interrupts it before anything was measured.
    """
    nncf = import_optional("nncf", extra="quantize")
    control = "nncf.quantization.algorithms.accuracy_control"
    restoring = import_optional(f"{control}.algorithm", extra="quantize")
    evaluating = import_optional(f"{control}.evaluator", extra="quantize")
    search = _Search(evaluator, listener)

    class Recorder(evaluating.Evaluator):  # type: ignore[misc, name-defined]
        def validate(self, model: Any, dataset: Any, indices: Any = None) -> Any:
            result = super().validate(model, dataset, indices)
            search.add(model, result[0])
            return result

    images = [image.id for image in evaluator.dataset.images]
    validation = nncf.Dataset(images)
    recorder = Recorder(search.measure)
    limit = evaluator.max_drop or 0.0
    try:
        before = recorder.collect_metric_results(network, validation)
        after = recorder.collect_metric_results(quantized, validation)
        search.add(quantized, after.metric_value)
        if search.drop > limit:
            restorer = restoring.QuantizationAccuracyRestorer(samples, max_drop=limit)
            restorer.apply(network, before, quantized, after, validation, len(images), recorder)
    except KeyboardInterrupt:
        if search.best is None:
            raise
        step = "was interrupted; the best result so far is used, and a new run searches again"
        search.report(step, is_interrupted=True)
    return search.best if search.best is not None else quantized


class _Search:
    """What was measured until now.

    Attributes:
        best: the network that drops least, of those with a layer in INT8; None before the first.
        drop: how much it drops.
    """

    def __init__(self, evaluator: AccuracyEvaluator, listener: Listener) -> None:
        self.best: Any = None
        self.drop = 1.0
        self._evaluator = evaluator
        self._listener = listener
        self._evaluations = 0
        self._in_float = 0
        self._began = time.monotonic()

    def measure(self, compiled: CompiledModel, image_ids: Iterable[ImageId]) -> tuple[float, None]:
        self._evaluations += 1
        metric = self._evaluator.compute_metric(compiled, set(image_ids))
        if self._evaluations % _REPORTED == 0:
            self.report("ranks layers")
        return metric, None

    def add(self, network: Model, metric: float) -> None:
        drop = self._evaluator.compute_fp32_metric() - metric
        in_float = len(layers_in_float(network))
        if in_float < count_layers(network) and (self.best is None or drop < self.drop):
            self.best, self.drop, self._in_float = network, drop, in_float
        self.report(f"measured {in_float} layers in floating point, a drop of {100 * drop:.1f}")

    def report(self, step: str, *, is_interrupted: bool = False) -> None:
        if self.best is None:
            return
        self._listener(
            AccuracySearched(
                self._evaluator.plan.target.spec.full_name,
                step,
                self._evaluations,
                round(time.monotonic() - self._began),
                best_drop=self.drop,
                in_float=self._in_float,
                is_interrupted=is_interrupted,
            )
        )
