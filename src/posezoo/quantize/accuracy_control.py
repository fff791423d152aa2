"""Returns layers of an INT8 network to floating point until its accuracy is within a limit.

Method: NNCF's accuracy control. It ranks the groups of layers by the metric without each of them in
INT8, and returns one after the other. Here, each network on the way is remembered: the best is the
result, also if the search never meets the limit, or is interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from posezoo.core.errors import import_optional
from posezoo.core.events import AccuracySearched, Listener
from posezoo.measure.coco import ImageId
from posezoo.quantize.accuracy_evaluator import AccuracyEvaluator
from posezoo.quantize.int8_layers import count_layers, layers_in_float

if TYPE_CHECKING:
    from openvino import CompiledModel, Model

# Of the evaluations that only rank layers, one in this many is reported.
_REPORTED = 10


def restore_accuracy(
    network: Model, quantized: Model, samples: int, evaluator: AccuracyEvaluator, listener: Listener
) -> Model:
    """The network of the search that is within the limit, or else the one that drops least.

    Args:
        network: an ``openvino.Model`` in floating point.
        quantized: the same in INT8, whose weights are not yet stored as INT8.
        samples: the largest number of images that rank the layers.
        evaluator: limits the drop of its metric.
        listener: receives the progress. If the user interrupts the search, it ends.

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
        """The metric on some images, as NNCF asks for it."""
        self._evaluations += 1
        metric = self._evaluator.compute_metric(compiled, set(image_ids))
        if self._evaluations % _REPORTED == 0:
            self.report("ranks layers")
        return metric, None

    def add(self, network: Model, metric: float) -> None:
        """Remember a network if it is the best until now."""
        drop = self._evaluator.compute_fp32_metric() - metric
        in_float = len(layers_in_float(network))
        if in_float < count_layers(network) and (self.best is None or drop < self.drop):
            self.best, self.drop, self._in_float = network, drop, in_float
        self.report(f"measured {in_float} layers in floating point, a drop of {100 * drop:.1f}")

    def report(self, step: str, *, is_interrupted: bool = False) -> None:
        """Say what the search does, and what it reached."""
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
