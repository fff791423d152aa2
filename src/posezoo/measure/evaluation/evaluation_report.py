"""The report of an evaluation on images or videos: as JSON, and as files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.console.json_projection import Json, project, to_json
from posezoo.console.labels import format_conditions
from posezoo.core.arrays import Floats
from posezoo.core.declarations.model import PublishedAccuracy, PublishedMetrics
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.events import Listener
from posezoo.core.files.output_file import MEASUREMENTS
from posezoo.core.files.result_files import is_own, write_result
from posezoo.figures.measured import Measurement, explain_difference, measurement_to_json
from posezoo.measure.coco import CocoDataset
from posezoo.measure.evaluation.breakdown import score_groups, worst_images
from posezoo.measure.evaluation.evaluation_protocol import (
    EvaluationProtocol,
    create_accuracy_measurement,
    unannotated_keypoints,
)
from posezoo.measure.evaluation.run_evaluation import EvaluationResult, read_dataset_image
from posezoo.media import images
from posezoo.poses.drawing import draw
from posezoo.poses.keypoints import Pose, from_pixel_indices

#: The keys of a protocol in JSON, and of an image in the tables.
_PROTOCOL = "model=model_name precision device=estimator.device people_from"
_PICTURE = "image=image.file_name id=image.id people found wrong sure similarity"
#: The keys of the figures of a video in JSON.


@dataclass(slots=True)
class EvaluationReport:
    """The result of an evaluation, and the files that are written for it.

    Attributes:
        worst: the number of worst images to write.
    """

    protocol: EvaluationProtocol
    result: EvaluationResult
    folder: Path
    worst: int = 0

    @property
    def files(self) -> dict[str, str]:
        """The files by what they have, also before they are written."""
        paths = {name: self.folder / f"{name}.json" for name in ("accuracy", "results", "tables")}
        if self.worst:
            paths["worst"] = self.folder / "worst"
        return {name: str(path) for name, path in paths.items()}

    @property
    def measurement(self) -> Measurement:
        """The accuracy, for measured.yml."""
        return create_accuracy_measurement(self.protocol, self.result)

    @property
    def published(self) -> PublishedMetrics:
        """The metrics that the publisher states for the model; empty for a composite."""
        return self.protocol.estimator.model.published

    def published_comparisons(self) -> list[tuple[PublishedAccuracy, list[str]]]:
        """The published APs, the same flip setting first, and why the measured AP may differ from
        each; empty if none was measured.
        """
        if self.protocol.of_boxes or "AP" not in self.result.figures:
            return []
        published = [accuracy for accuracy in self.published.accuracy if accuracy.metric == "AP"]
        published.sort(key=lambda accuracy: accuracy.flip != self.protocol.options.flip)
        model = self.protocol.estimator.model
        unannotated = unannotated_keypoints(model, self.result.dataset)
        measured = self.measurement
        return [
            (accuracy, explain_difference(accuracy, model, measured, unannotated))
            for accuracy in published
        ]

    def to_json(self) -> Json:
        """The JSON object that ``cli.verbs.evaluate`` describes."""
        result = self.result
        published = []
        for accuracy, reasons in self.published_comparisons():
            how = format_conditions(accuracy)
            published.append({"value": accuracy.value, "how": how, "differences": reasons})
        return {
            **project(self.protocol, _PROTOCOL),
            "provenance": self.protocol.estimator.provenance(),
            **describe_result(result),
            "kept": result.cached_count,
            "settings": self.protocol.to_settings(),
            "published": published,
            "files": self.files,
        }

    def write(self, listener: Listener) -> None:
        """Write metrics, results in COCO's form, tables, and the worst images."""
        content: tuple[tuple[str, object, int | None], ...] = (
            ("accuracy", measurement_to_json(self.protocol.model_name, self.measurement), 2),
            ("results", self.result.to_coco_results(), None),
            ("tables", describe_tables(self.result), 2),
        )
        for name, value, indent in content:
            path = Path(self.files[name])
            text = json.dumps(value, indent=indent) + "\n"
            write_result(path, text.encode(), listener, MEASUREMENTS.signs)
        if self.worst:
            self._write_worst_images(self.folder / "worst", listener)

    def _write_worst_images(self, folder: Path, listener: Listener) -> None:
        for old in folder.glob("[0-9][0-9]*_*.jpg"):  # an earlier run may have had more
            if is_own(old):
                old.unlink(missing_ok=True)
        dataset = self.result.dataset
        if self.protocol.of_boxes:
            dataset = replace(dataset, keypoints=())
        for number, score in enumerate(worst_images(self.result.image_scores, self.worst), 1):
            annotated = [
                _pose(dataset, person.keypoints, person.corner_box[:4], 1.0)
                for person in score.image.people
                if not person.is_crowd
            ]
            people = self.result.predictions[score.image.id]
            boxes = people.boxes.tolist()
            rows = zip(people.keypoints, boxes, people.scores.tolist(), strict=True)
            predicted = [
                _pose(dataset, points, (x, y, x + w, y + h), pose_score)
                for points, (x, y, w, h), pose_score in rows
            ]
            pixels = read_dataset_image(score.image)
            halves = [draw(pixels, annotated), draw(pixels, predicted, min_score=0.1)]
            path = folder / f"{number:02}_{Path(score.image.file_name).stem}.jpg"
            images.write_image(path, np.concatenate(halves, axis=1), listener)


def describe_result(result: EvaluationResult) -> Json:
    """The metrics and tables of ``posezoo evaluate --format json``."""
    return {
        **result.figures,
        "intervals": to_json(result.intervals),
        "images": len(result.dataset.images),
        "people": result.people,
        **describe_tables(result),
    }


def describe_tables(result: EvaluationResult) -> Json:
    """The tables alone."""
    return {
        "keypoints": to_json(result.keypoint_scores),
        "groups": to_json(score_groups(result.image_scores)),
        "by_size": to_json(result.size_groups),
        "by_posture": to_json(result.posture_groups),
        "pictures": [project(score, _PICTURE) for score in result.image_scores],
        "unreadable": dict(result.unreadable),
    }


def _pose(
    dataset: CocoDataset,
    keypoints: Any,
    box: tuple[float, float, float, float],
    score: float,
) -> Pose:
    """A pose to draw: the named keypoints in COCO's skeleton, or in the model's or annotations' own
    if COCO lacks some; only a box if there are no names.
    """
    names = dataset.keypoints
    skeleton = SKELETONS["coco-17" if names else "box"]
    if not set(names) <= set(skeleton.keypoints):
        skeleton = dataset.skeleton or Skeleton("", names)
    points: Floats = np.zeros((len(skeleton.keypoints), 3), np.float32)
    for name, point in zip(names, from_pixel_indices(keypoints), strict=False):
        points[skeleton.keypoints.index(name)] = point
    points[:, 2] = points[:, 2].clip(0, 1)  # COCO marks an annotated visible keypoint with 2
    return Pose(points, skeleton.name, score, box, own_skeleton=skeleton)
