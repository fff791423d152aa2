"""COCO's AP of a model that runs one of its networks in another precision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.coco import CocoDataset, read_coco_dataset
from posezoo.errors import QuantizationError
from posezoo.evaluation import evaluate
from posezoo.ir.openvino_import import import_openvino
from posezoo.quantize.calibration_data import CalibrationSample, PhotoSplit, create_estimator
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import Array, Outputs
from posezoo.runtime.load_options import LoadOptions


@dataclass(frozen=True, eq=False, slots=True)
class AccuracyEvaluator:
    """Measures AP on the annotated photos that are not used for calibration.

    Attributes:
        target: the network, and the model whose pipeline runs it.
        dataset: these photos and the people in them.
        max_drop: the largest allowed drop of AP, 0..1; None if AP is only reported.
    """

    target: QuantizationTarget
    dataset: CocoDataset
    max_drop: float | None = None

    def compute_ap(self, compiled: Any, image_ids: Collection[int] | None = None) -> float:
        """COCO's AP, 0..1.

        Args:
            compiled: an ``openvino.CompiledModel`` that replaces the network.
            image_ids: evaluate only these images; None for all.

        Raises:
            EvaluationError: no person counts, or the skeleton does not match the annotations.
            MissingPackageError: faster-coco-eval is not installed.
        """
        port, is_detector = self.target.spec.inputs[0], self.target.is_detector

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
        result = evaluate(predictor, dataset, of_boxes=is_detector, skip_unreadable=True)
        return result.figures.get("AP", 0.0)

    def compute_ir_ap(self, xml: Path) -> float:
        """The AP with an IR, whose floating-point layers run in f32."""
        core = import_openvino(extra="quantize").Core()
        return self.compute_ap(core.compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))

    def person_count(self) -> int:
        """The number of people that count."""
        return self.dataset.person_count(keypoints=not self.target.is_detector)


def create_accuracy_evaluator(
    target: QuantizationTarget,
    annotations: Path,
    folder: Path,
    photos: PhotoSplit,
    max_drop: float | None = None,
) -> AccuracyEvaluator:
    """An evaluator on the photos that are not used for calibration.

    Args:
        annotations: people in COCO's format.
        folder: the folder of the photos that it names.
        photos: the photos for calibration and for comparison.
        max_drop: the largest allowed drop of AP.

    Raises:
        DatasetError: the annotations are invalid.
        QuantizationError: the annotations have no person in these photos.
    """
    dataset = read_coco_dataset(annotations, folder, keypoints=not target.is_detector)
    kept_apart = {path.resolve() for path in photos.measured}
    others = {image.id for image in dataset.images if image.path.resolve() not in kept_apart}
    evaluator = AccuracyEvaluator(target, dataset.excluding(others), max_drop)
    if not evaluator.person_count():
        raise QuantizationError(
            f"{annotations}: has no person in the {len(kept_apart)} photos that are kept apart to measure on",
            hint=f"annotate people in the photos in {folder}",
        )
    return evaluator
