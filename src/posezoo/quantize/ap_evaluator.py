"""COCO's AP of a model with one of its networks in another precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo import coco
from posezoo.coco import CocoDataset
from posezoo.errors import QuantizationError
from posezoo.evaluation import evaluate
from posezoo.ir.openvino_import import import_openvino
from posezoo.quantize.calibration_data import CalibrationSample, PhotoSplit, create_estimator
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.runtime.compiled_network import Array, Outputs
from posezoo.runtime.load_options import LoadOptions


@dataclass(frozen=True, eq=False, slots=True)
class AccuracyEvaluator:
    """Who says how well a network does, by annotated photos that it was not calibrated on.

    Attributes:
        subject: the network, and the model whose pipeline asks it.
        dataset: those photos and the people in them.
        max_drop: by how much AP may drop, 0..1; None: it is only told.
    """

    subject: QuantizationTarget
    dataset: CocoDataset
    max_drop: float | None = None

    @property
    def evaluates_boxes(self) -> bool:
        """Whether boxes are held against boxes, as of a detector."""
        decoder = self.subject.decoder
        return decoder is not None and decoder.name == "detection"

    def compute_ap(self, compiled: Any, dataset: CocoDataset | None = None) -> float:
        """COCO's AP, 0..1, with an ``openvino.CompiledModel`` in the place of the network.

        Raises:
            EvaluationError: nobody is there to be found, or the skeleton does not match the annotations.
            MissingPackageError: faster-coco-eval is not installed.
        """
        port = self.subject.spec.inputs[0]

        def answer(requested: Mapping[str, Array]) -> Outputs:
            (image,) = requested.values()
            outputs = compiled(CalibrationSample(image, port).inputs())
            return {name: array for output, array in outputs.items() for name in output.names}

        # AP asks for all boxes, however unsure.
        decoder_options = {"min_box_score": 0.0} if self.evaluates_boxes else {}
        estimator = create_estimator(self.subject, LoadOptions(decoder_options=decoder_options))
        predictor = estimator.with_network_override(answer, self.subject.network_index)
        found = evaluate(
            predictor, dataset or self.dataset, of_boxes=self.evaluates_boxes, skip_unreadable=True
        )
        return found.figures.get("AP", 0.0)

    def compute_ir_ap(self, xml: Path) -> float:
        """The same with an IR, in f32 where it is not INT8."""
        core = import_openvino(extra="quantize").Core()
        return self.compute_ap(core.compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))

    def person_count(self) -> int:
        """How many there are to be found."""
        return self.dataset.person_count(keypoints=not self.evaluates_boxes)


def create_accuracy_evaluator(
    target: QuantizationTarget,
    annotations: Path,
    folder: Path,
    photos: PhotoSplit,
    max_drop: float | None = None,
) -> AccuracyEvaluator:
    """Who says how well a network does on those photos that are kept apart.

    Args:
        target: the network.
        annotations: people in COCO's format.
        folder: where the photos lie that it names.
        photos: which are used for what.
        max_drop: by how much AP may drop.

    Raises:
        DatasetError: the annotations are none.
        QuantizationError: they tell nothing of the photos that are kept apart.
    """
    is_detector = target.decoder is not None and target.decoder.name == "detection"
    dataset = coco.read_coco_dataset(annotations, folder, keypoints=not is_detector)
    apart = {path.resolve() for path in photos.measured}
    others = {image.id for image in dataset.images if image.path.resolve() not in apart}
    found = AccuracyEvaluator(target, dataset.excluding(others), max_drop)
    if not found.person_count():
        raise QuantizationError(
            f"{annotations}: tells of nobody in the {len(apart)} photos that are kept apart to measure on",
            hint=f"it is to tell of the photos in {folder}",
        )
    return found
