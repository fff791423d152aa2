"""The report of an evaluation: as text, as JSON, and as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posezoo import images
from posezoo.cli.report import align_columns
from posezoo.errors import escape_control_characters
from posezoo.evaluation import EvaluationResult
from posezoo.evaluation.breakdown import worst_images
from posezoo.evaluation.coco_metrics import BOX_METRICS, KEYPOINT_METRICS
from posezoo.evaluation.evaluation_protocol import (
    EvaluationProtocol,
    create_accuracy_measurement,
    describe_published_protocol,
    explain_difference,
)
from posezoo.evaluation.run_evaluation import read_dataset_image
from posezoo.files.verified_files import write_atomically
from posezoo.measured import measurement_to_json
from posezoo.pose.drawing import draw
from posezoo.pose.keypoints import SKELETONS, Floats, Pose
from posezoo.spec.model import ModelSpec, PublishedAccuracy, PublishedMetrics

#: The maximum number of table rows that are printed; the files contain all rows.
MOST_ROWS = 10


@dataclass(slots=True)
class EvaluationReport:
    """The result of an evaluation, and the files that were written for it."""

    protocol: EvaluationProtocol
    result: EvaluationResult
    files: dict[str, str] = field(default_factory=dict)

    @property
    def published(self) -> PublishedMetrics:
        """The metrics that the publisher states for the model; empty for a composite."""
        model = self.protocol.estimator.model
        return model.published if isinstance(model, ModelSpec) else PublishedMetrics()

    def published_comparisons(self) -> list[tuple[PublishedAccuracy, list[str]]]:
        """The published APs, the same flip setting first, and why the measured AP may differ from
        each.
        """
        if self.protocol.of_boxes:
            return []
        published = [accuracy for accuracy in self.published.accuracy if accuracy.metric == "AP"]
        published.sort(key=lambda accuracy: accuracy.flip != self.protocol.options.flip)
        return [
            (
                accuracy,
                list(explain_difference(accuracy, self.published, self.protocol, self.result)),
            )
            for accuracy in published
        ]

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``cli.verbs.evaluate`` describes."""
        result, estimator = self.result, self.protocol.estimator
        return {
            "model": estimator.model.full_name,
            "precision": self.protocol.precision.value,
            "device": estimator.device,
            "people_from": self.protocol.people_from,
            **result.figures,
            "intervals": {name: list(interval) for name, interval in result.intervals.items()},
            "images": len(result.dataset.images),
            "people": result.people,
            "kept": result.cached_count,
            "settings": self.protocol.to_settings(),
            "published": [
                {
                    "value": accuracy.value,
                    "how": describe_published_protocol(accuracy),
                    "differences": reasons,
                }
                for accuracy, reasons in self.published_comparisons()
            ],
            **self._tables(),
            "files": self.files,
        }

    def _tables(self) -> dict[str, Any]:
        return {
            "keypoints": [asdict(score) for score in self.result.keypoint_scores],
            "pictures": [
                {
                    "image": score.image.file_name,
                    "id": score.image.id,
                    "people": score.people,
                    "found": score.found,
                    "wrong": score.wrong,
                    "similarity": score.similarity,
                }
                for score in self.result.image_scores
            ],
            "unreadable": dict(self.result.unreadable),
        }

    def write(self, folder: Path, *, worst: int = 0) -> None:
        """Write metrics for ``posezoo record``, results in COCO's form, tables, and the worst
        images.
        """
        measurement = create_accuracy_measurement(self.protocol, self.result)
        content = {
            "accuracy": measurement_to_json(self.protocol.estimator.model.full_name, measurement),
            "results": self.result.to_coco_results(),
            "tables": self._tables(),
        }
        for name, value in content.items():
            path = folder / f"{name}.json"
            text = json.dumps(value, indent=None if name == "results" else 2) + "\n"
            write_atomically(path, text.encode())
            self.files[name] = str(path)
        if not worst:
            return
        for old in (folder / "worst").glob("[0-9][0-9]*_*.jpg"):  # an earlier run may have had more
            old.unlink(missing_ok=True)
        names = () if self.protocol.of_boxes else self.result.dataset.keypoints
        for number, score in enumerate(worst_images(self.result.image_scores, worst), 1):
            # The ground truth on the left, the predictions on the right.
            annotated = [
                _pose(names, person.keypoints, person.corner_box[:4], 1.0)
                for person in score.image.people
                if not person.is_crowd
            ]
            found = self.result.predictions[score.image.id]
            predicted = [
                _pose(names, keypoints, (x, y, x + w, y + h), pose_score)
                for keypoints, (x, y, w, h), pose_score in zip(
                    found.keypoints, found.boxes.tolist(), found.scores.tolist(), strict=True
                )
            ]
            pixels = read_dataset_image(score.image)
            halves = [draw(pixels, annotated), draw(pixels, predicted, min_score=0.1)]
            name = f"{number:02}_{Path(score.image.file_name).stem}.jpg"
            images.write_image(folder / "worst" / name, np.concatenate(halves, axis=1))
        self.files["worst"] = str(folder / "worst")


def _pose(
    names: Sequence[str], keypoints: Any, box: tuple[float, float, float, float], score: float
) -> Pose:
    """A pose to draw: the named keypoints in COCO's skeleton; only a box if there are no names."""
    skeleton = SKELETONS["coco-17" if names else "box"]
    points: Floats = np.zeros((len(skeleton.keypoints), 3), np.float32)
    for name, point in zip(names, keypoints, strict=False):
        if name in skeleton.keypoints:
            points[skeleton.keypoints.index(name)] = point
    points[:, 2] = points[:, 2].clip(0, 1)  # COCO marks an annotated visible keypoint with 2
    return Pose(points, skeleton.name, score, box)


def print_report(report: EvaluationReport) -> None:
    """Print the report as text."""
    result, protocol = report.result, report.protocol
    estimator = protocol.estimator
    settings = ", ".join(
        f"{key} {value}" for key, value in protocol.to_settings().items() if key != "people_from"
    )
    print(
        f"{estimator.model.full_name} ({protocol.precision} IR) on {estimator.device}: {settings}"
    )
    print(f"people from {protocol.people_from}")
    count = len(result.dataset.images)
    print(f"{count} image{'s' * (count > 1)}, {result.people} people of {result.dataset.name}")
    for name, reason in result.unreadable.items():
        print(f"left out: {escape_control_characters(name)}: {escape_control_characters(reason)}")
    print("", *_metric_lines(report), sep="\n")
    published = []
    for accuracy, reasons in report.published_comparisons():
        conditions = describe_published_protocol(accuracy)
        published.append(
            f"published: AP {accuracy.value:g}" + (f" ({conditions})" if conditions else "")
        )
        published += [f"  {reason}" for reason in reasons]
    if published:
        print("", *published, sep="\n")
    rows = [("KEYPOINT", "LABELLED", "FOUND", "SIMILARITY", "ERROR PX")]
    for keypoint in result.keypoint_scores:
        error = f"{keypoint.error_px:.1f}" if keypoint.error_px is not None else ""
        shares = (f"{keypoint.found:.2f}", f"{keypoint.similarity:.2f}")
        rows.append((keypoint.name, f"{keypoint.labelled}", *shares, error))
    if len(rows) > 1:
        print("", *align_columns(rows, right=frozenset({1, 2, 3})), sep="\n")
    rows = [("WORST IMAGES", "PEOPLE", "FOUND", "WRONG", "SIMILARITY")]
    for score in worst_images(result.image_scores, MOST_ROWS):
        counts = (f"{score.people}", f"{score.found}", f"{score.wrong}")
        rows.append((score.image.file_name, *counts, f"{score.similarity or 0:.2f}"))
    print("", *align_columns(rows, right=frozenset({1, 2, 3})), sep="\n")
    print()
    for name, path in report.files.items():
        print(f"{name:10}{path}")
    print(f"posezoo record {report.files['accuracy']} adds the metrics to a checkout")


def _metric_lines(report: EvaluationReport) -> Iterator[str]:
    result = report.result
    published: dict[str, float | None] = {}
    if comparisons := report.published_comparisons():
        accuracy = comparisons[0][0]
        published = {"AP": accuracy.value, "AP50": accuracy.ap50, "AP75": accuracy.ap75}
    for accuracy in report.published.accuracy:
        if accuracy.metric == "MPJPE":
            published["MPJPE_mm"] = accuracy.value
    rows = [("", "measured", "95 % interval", "published")]
    names = BOX_METRICS if report.protocol.of_boxes else KEYPOINT_METRICS
    for name in dict.fromkeys((*names, *result.figures)):
        if name not in result.figures:
            rows.append((name, "no people", "", ""))
            continue
        low, high = result.intervals.get(name, (None, None))
        interval = f"{low:.3f} to {high:.3f}" if low is not None else ""
        value = published.get(name)
        rows.append(
            (
                name,
                f"{result.figures[name]:.3f}",
                interval,
                f"{value:.3f}" if value is not None else "",
            )
        )
    columns = [index for index in range(4) if any(row[index] for row in rows[1:])]
    yield from align_columns(
        [[row[index] for index in columns] for row in rows], right=frozenset({1})
    )
