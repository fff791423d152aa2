"""The accuracy of a model that runs one of its networks in another precision, on annotated images
that are not used for calibration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.arrays import Array
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import QuantizationError
from posezoo.core.events import AccuracyCompared, Listener, WarningIssued
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.measure.coco import CocoDataset, ImageId, read_class_dataset, read_task_dataset
from posezoo.measure.evaluation import EvaluationResult, evaluate
from posezoo.measure.evaluation.metric_drop import measure_drop
from posezoo.measure.evaluation.run_evaluation import select_labeled
from posezoo.measure.model_evaluation import select_keypoints
from posezoo.quantize.calibration_data import CalibrationSample, create_estimator
from posezoo.quantize.quantization_plan import QuantizationPlan, find_annotations
from posezoo.run.runtime.compiled_network import Outputs
from posezoo.run.runtime.estimator import Estimator, override_network
from posezoo.run.runtime.runtime_config import LoadOptions

if TYPE_CHECKING:
    from openvino import CompiledModel, Model

#: The names of the metrics in lines and records, by their words in flags.
METRICS = {"ap": "AP", "map": "mAP", "top1": "top1"}

# With less, FP32 itself is wrong, and INT8 proves nothing.
_LEAST = 0.01


@dataclass(frozen=True, eq=False)
class AccuracyEvaluator:
    """Measures the accuracy on the annotated images that are not used for calibration.

    Attributes:
        dataset: the annotated images that are measured on.
    """

    plan: QuantizationPlan
    annotated: CocoDataset
    dataset: CocoDataset

    @property
    def max_drop(self) -> float | None:
        """The largest allowed drop of the metric, 0..1; None if it is only reported."""
        return self.plan.options.max_drop

    @property
    def metric(self) -> str:
        """The name of the metric."""
        return METRICS[self.plan.target.metric]

    @property
    def _figure(self) -> str:
        return "top1" if self.dataset.is_classified else "AP"

    @cached_property
    def fp32(self) -> EvaluationResult:
        """The evaluation of the FP32 IR.

        Raises:
            QuantizationError: its accuracy is about 0.
        """
        target = self.plan.target
        result = self._evaluate(_compile(target.fp32_xml))
        value = result.figures.get(self._figure, 0.0)
        if value < _LEAST:
            hint = "are the preparation of images, the classes, and the annotations right?"
            raise QuantizationError(
                f"{target.spec.full_name}: FP32 itself has {self.metric} {value:.3f} on"
                f" {self.dataset.annotations}",
                hint=hint,
            )
        return result

    def compute_fp32_metric(self, *, reverse: bool = False) -> float:
        """The metric of the FP32 IR; with ``reverse``, if red and blue of each image are
        exchanged.
        """
        result = self.fp32
        if reverse:
            result = self._evaluate(_compile(self.plan.target.fp32_xml), reverse=True)
        return result.figures.get(self._figure, 0.0)

    def compute_metric(self, compiled: CompiledModel, image_ids: Collection[ImageId]) -> float:
        """COCO's AP, or the share of images whose class is right, 0..1.

        Args:
            compiled: an ``openvino.CompiledModel`` that replaces the network.

        Raises:
            EvaluationError: no person counts, or the skeleton does not match the annotations.
            MissingPackageError: faster-coco-eval is not installed.
        """
        return self._evaluate(compiled, image_ids).figures.get(self._figure, 0.0)

    def compare(
        self, xml: Path, precision: Precision, calibration_photos: int, listener: Listener
    ) -> None:
        """Measure and report the accuracy of an INT8 IR, which was calibrated on this many photos,
        and of the FP32 IR, with floating-point layers in f32.
        """
        after = self._evaluate(_compile(xml))
        drop = measure_drop(self.fp32, after, self._figure, of_boxes=self._of_boxes)
        limit = self.max_drop
        event = AccuracyCompared(
            self.plan.target.spec.full_name,
            precision,
            self.metric,
            drop.before,
            int8=drop.after,
            interval=drop.interval,
            images=drop.images,
            calibration_images=calibration_photos,
            images_to_decide=drop.images_to_decide(limit) if limit is not None else 0,
            max_drop=limit,
            annotations=self.plan.annotations_digest,
        )
        listener(event)

    @property
    def _of_boxes(self) -> bool:
        return self.plan.target.is_detector or self.dataset.is_classified

    @cached_property
    def _estimator(self) -> Estimator:
        target = self.plan.target
        # AP needs all boxes, regardless of their score.
        options = LoadOptions(decoder_options={"min_box_score": 0.0} if target.is_detector else {})
        return create_estimator(target, options)

    def _evaluate(
        self,
        compiled: CompiledModel,
        image_ids: Collection[ImageId] | None = None,
        *,
        reverse: bool = False,
    ) -> EvaluationResult:
        target = self.plan.target
        port = target.port

        def infer(inputs: Mapping[str, Array]) -> Outputs:
            (image,) = inputs.values()
            if reverse:
                image = image[..., ::-1]
            return run_compiled(compiled, CalibrationSample(image, port, target.is_own).inputs())

        predictor = override_network(self._estimator, infer, target.network_index)
        dataset = self.dataset
        if image_ids is not None:
            dataset = dataset.excluding({image.id for image in dataset.images} - set(image_ids))
        return evaluate(
            predictor,
            dataset,
            of_boxes=self._of_boxes,
            skip_unreadable=True,
            of_part=True,
        )


def _compile(network: Model) -> CompiledModel:
    core = openvino_core(extra="quantize")
    return core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def create_accuracy_evaluator(
    plan: QuantizationPlan, listener: Listener
) -> AccuracyEvaluator | None:
    """An evaluator on the images of a plan that are not used for calibration; None if no accuracy
    is measured.

    Raises:
        DatasetError: the annotations are invalid.
        EvaluationError: no image is annotated.
        QuantizationError: the annotations have nothing in these images.
    """
    if not plan.options.measures_accuracy:
        return None
    target = plan.target
    annotated = select_labeled(_read_annotations(plan), listener)
    annotated = select_keypoints(target.model, annotated, listener)
    annotated = annotated.described_by(target.model.own_skeleton)
    for warning in annotated.warnings:
        listener(WarningIssued(warning))
    kept_apart = {path.resolve() for path in plan.photos.measured}
    dataset = annotated.excluding(
        {image.id for image in annotated.images if image.path.resolve() not in kept_apart}
    )
    if not dataset.person_count(keypoints=target.metric == "ap"):
        noun = "person" if target.metric == "ap" else "annotation"
        raise QuantizationError(
            f"{dataset.annotations}: has no {noun} in the {len(kept_apart)} photos that are not"
            " used for calibration",
            hint=f"annotate the photos in {plan.dataset_dir}",
        )
    return AccuracyEvaluator(plan, annotated, dataset)


def _read_annotations(plan: QuantizationPlan) -> CocoDataset:
    target = plan.target
    folder = plan.dataset_dir
    annotations = find_annotations(target, folder, plan.options)
    if target.metric == "top1":
        return read_class_dataset(folder, annotations)
    assert annotations

    def read(images: Path) -> CocoDataset:
        keypoints = target.metric == "ap"
        return read_task_dataset(annotations, images, target.task, keypoints=keypoints)

    dataset = read(folder)
    first = dataset.images[0].file_name
    folders = [path for path in sorted(folder.iterdir()) if (path / first).is_file()]
    return dataset if (folder / first).is_file() or not folders else read(folders[0])
