"""The settings of an evaluation, for records, kept predictions, and comparisons with published
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from posezoo.core.declarations.model import Model, Precision
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import import_cv2
from posezoo.core.values import frozen
from posezoo.core.versions import package_versions
from posezoo.figures.measured import (
    TARGET_SIZE,
    Measurement,
    Scalar,
    digest_irs,
    people_settings,
)
from posezoo.measure.coco import CocoDataset
from posezoo.measure.evaluation.run_evaluation import EvaluationResult
from posezoo.poses.decoders import find_decoder
from posezoo.poses.letterbox import describe_size
from posezoo.run.runtime.estimator import Estimator
from posezoo.run.runtime.runtime_config import LoadOptions


@frozen
class EvaluationProtocol:
    """How a model is evaluated.

    Attributes:
        precision: of its IR; None if unknown.
        options: how the estimator was loaded.
        given_boxes: the source of boxes that replace the detector's; empty without.
        irs: the .xml of each of its networks and of its detector's.
        like: the name of the model whose images and outputs an IR has, if stated.
        weights_name: of the user's own weights, whose IR have the name of a published model.
    """

    estimator: Estimator
    precision: Precision | None
    options: LoadOptions
    given_boxes: str = ""
    irs: Sequence[Path] = ()
    like: str = ""
    weights_name: str = ""

    @property
    def model_name(self) -> str:
        """The name of what is evaluated, as in its results."""
        return self.weights_name or self.estimator.model.full_name

    @property
    def people_from(self) -> str:
        """Where the people come from: given boxes, a detector, the whole image, or the model
        itself.
        """
        return self.given_boxes or self.estimator.people_from

    @property
    def detector_precision(self) -> str:
        """Of the IR of the detector, if it finds the people."""
        return "" if self.given_boxes else self.estimator.detector_precision

    @property
    def of_boxes(self) -> bool:
        """Whether no keypoints are compared, but boxes, as for a detector, or classes."""
        record = find_decoder(self.estimator.decoder)
        return record.finds_boxes or record.finds_classes

    def to_settings(self) -> dict[str, Scalar]:
        """The protocol as the settings of a record; defaults are left out."""
        options = self.options
        settings: dict[str, Scalar] = {"input": describe_size(self.estimator.input_size)}
        settings[TARGET_SIZE] = options.target_size or 0
        settings["flip"] = options.flip
        if options.scales != (1.0,):
            settings["scales"] = " ".join(f"{scale:g}" for scale in options.scales)
        settings |= people_settings(self.people_from, self.detector_precision)
        settings["arithmetic"] = self.estimator.executed_precision
        settings["as"] = self.like
        changed = {key: value for key, value in settings.items() if value not in ("", 0, False)}
        # A decoder option is kept even if it is 0 or False, since its default may be another value.
        return changed | dict(options.decoder_options)


def unannotated_keypoints(model: Model, dataset: CocoDataset) -> tuple[str, ...]:
    """The keypoints of a model that do not count, because the annotations name only some of a
    skeleton's.
    """
    annotated = set(dataset.keypoints)
    wider = [each.keypoints for each in SKELETONS.values() if annotated <= set(each.keypoints)]
    skeleton = model.own_skeleton or SKELETONS.get(model.skeleton)
    others = set(skeleton.keypoints if skeleton else ()) - annotated
    return tuple(name for name in min(wider, key=len, default=()) if name in others)


def create_accuracy_measurement(
    protocol: EvaluationProtocol, result: EvaluationResult
) -> Measurement:
    """The accuracy, for measured.yml."""
    model = protocol.estimator.model
    settings: dict[str, Scalar] = {
        "dataset": result.dataset.name,
        "images": len(result.dataset.images),
        "people": result.people,
    }
    if protocol.of_boxes:
        settings["of"] = "boxes"
    elif unannotated_keypoints(model, result.dataset):
        settings["keypoints"] = len(result.dataset.keypoints)
    return Measurement(
        "accuracy",
        protocol.precision or Precision.FP32,  # as of a speed
        result.figures,
        model.tag,
        settings=settings | protocol.to_settings(),
        # OpenCV 5 warps crops a little differently from OpenCV 4.
        tools={
            **package_versions("openvino", "posezoo", "faster-coco-eval"),
            "opencv": import_cv2().__version__,
        },
        date=datetime.now(timezone.utc).date().isoformat(),
        intervals=result.intervals,
        irs=digest_irs(protocol.irs),
    )
