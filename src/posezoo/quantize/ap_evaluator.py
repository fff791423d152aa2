"""COCO's AP of a model that runs one of its networks in another precision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.coco import (
    CocoDataset,
    read_class_dataset,
    read_coco_dataset,
    read_object_dataset,
)
from posezoo.errors import QuantizationError
from posezoo.evaluation import evaluate
from posezoo.events import AccuracyCompared, Listener
from posezoo.ir.openvino_import import openvino_core
from posezoo.quantize.calibration_data import CalibrationSample, create_estimator
from posezoo.quantize.quantization_plan import QuantizationPlan, QuantizationTarget
from posezoo.runtime.compiled_network import Array, Outputs
from posezoo.runtime.runtime_config import LoadOptions
from posezoo.spec.model import Precision


@dataclass(frozen=True, eq=False, slots=True)
class AccuracyEvaluator:
    """Measures AP on the annotated photos that are not used for calibration.

    Attributes:
        target: the network, and the model whose pipeline runs it.
        dataset: these photos and the people in them.
        person_count: the number of people that count.
        max_drop: the largest allowed drop of AP, 0..1; None if AP is only reported.
    """

    target: QuantizationTarget
    dataset: CocoDataset
    person_count: int
    max_drop: float | None

    def compute_ap(self, compiled: Any, image_ids: Collection[int] | None = None) -> float:
        """COCO's AP, or the share of images whose class is right, 0..1.

        Args:
            compiled: an ``openvino.CompiledModel`` that replaces the network.
            image_ids: evaluate only these images; None for all.

        Raises:
            EvaluationError: no person counts, or the skeleton does not match the annotations.
            MissingPackageError: faster-coco-eval is not installed.
        """
        port = self.target.port
        is_detector = self.target.is_detector

        def infer(inputs: Mapping[str, Array]) -> Outputs:
            (image,) = inputs.values()
            outputs = compiled(CalibrationSample(image, port).inputs())
            return {name: array for output, array in outputs.items() for name in output.names}

        # AP needs all boxes, regardless of their score.
        options = LoadOptions(decoder_options={"min_box_score": 0.0} if is_detector else {})
        estimator = create_estimator(self.target, options)
        predictor = estimator.with_network_override(infer, self.target.network_index)
        dataset = self.dataset
        if image_ids is not None:
            dataset = dataset.excluding({image.id for image in dataset.images} - set(image_ids))
        of_boxes = is_detector or dataset.is_classified
        result = evaluate(predictor, dataset, of_boxes=of_boxes, skip_unreadable=True)
        return result.figures.get("top1" if dataset.is_classified else "AP", 0.0)

    def compare(self, xml: Path, precision: Precision, listener: Listener) -> str:
        """Measure and report the AP of an INT8 IR and of the FP32 IR; their floating-point layers
        run in f32.

        Returns:
            The reason why the drop of AP is too large; empty if it is not.
        """
        core = openvino_core(extra="quantize")
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        before, after = (
            self.compute_ap(core.compile_model(path, "CPU", settings))
            for path in (self.target.fp32_xml, xml)
        )
        name = self.target.spec.full_name
        max_drop = self.max_drop
        listener(AccuracyCompared(name, precision, before, after, people=self.person_count))
        if max_drop is None or before - after <= max_drop:
            return ""
        return (
            f"{name}: {precision} drops AP from {before:.3f} to {after:.3f}, "
            f"a drop of {max_drop:g} is allowed"
        )


def create_accuracy_evaluator(plan: QuantizationPlan) -> AccuracyEvaluator | None:
    """An evaluator on the photos of a plan that are not used for calibration; None without
    annotations.

    Raises:
        DatasetError: the annotations are invalid.
        QuantizationError: the annotations have no person in these photos.
    """
    target = plan.target
    annotations = plan.options.annotations
    folder = plan.dataset_dir
    if annotations is None:
        return None
    of_keypoints = not (target.is_detector or target.task)
    if target.task == "classification":
        dataset = read_class_dataset(folder, annotations)
    elif target.task:
        dataset = read_object_dataset(annotations, folder)
    else:
        dataset = read_coco_dataset(annotations, folder, keypoints=of_keypoints)
    kept_apart = {path.resolve() for path in plan.photos.measured}
    dataset = dataset.described_by(target.model.own_skeleton).excluding(
        {image.id for image in dataset.images if image.path.resolve() not in kept_apart}
    )
    person_count = dataset.person_count(keypoints=of_keypoints)
    if not person_count:
        raise QuantizationError(
            f"{annotations}: has no person in the {len(kept_apart)} photos that are kept apart to"
            " measure on",
            hint=f"annotate people in the photos in {folder}",
        )
    return AccuracyEvaluator(target, dataset, person_count, plan.options.max_drop)
