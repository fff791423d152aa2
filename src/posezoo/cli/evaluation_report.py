"""How well a model did, in words, in files and in pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo import images
from posezoo.cli.terminal_text import align_columns, escape_control_characters
from posezoo.evaluation import EvaluationResult, breakdown, evaluation_protocol
from posezoo.evaluation.coco_metrics import BOX_FIGURES, KEYPOINT_FIGURES
from posezoo.evaluation.evaluation_protocol import EvaluationProtocol
from posezoo.evaluation.prediction import read_dataset_image
from posezoo.files.verified_files import write_atomically
from posezoo.measured import measurement_to_json
from posezoo.pose.drawing import draw
from posezoo.pose.keypoints import SKELETONS, Floats, Pose
from posezoo.spec.model import ModelSpec, PublishedMetrics

if TYPE_CHECKING:
    from posezoo.spec.model import PublishedAccuracy as Claim

#: So many rows of a table are read; the whole of it stands in a file.
MOST_ROWS = 10


@dataclass(slots=True)
class EvaluationReport:
    """A finished evaluation."""

    means: EvaluationProtocol
    accuracy: EvaluationResult
    of_boxes: bool = False
    files: dict[str, str] = field(default_factory=dict)

    @property
    def published(self) -> PublishedMetrics:
        """What the publisher says of the model."""
        model = self.means.estimator.model
        return model.published if isinstance(model, ModelSpec) else PublishedMetrics()

    def published_comparisons(self) -> Iterator[tuple[Claim, list[str]]]:
        """Each published figure that ours can be held against, the likest first, and why ours may differ."""
        claims = [] if self.of_boxes else [each for each in self.published.accuracy if each.metric == "AP"]
        for claim in sorted(claims, key=lambda each: each.flip != self.means.flip):
            yield (
                claim,
                list(
                    evaluation_protocol.explain_difference(claim, self.published, self.means, self.accuracy)
                ),
            )

    def to_json(self) -> dict[str, Any]:
        """As ``cli.evaluate`` describes it."""
        accuracy, estimator = self.accuracy, self.means.estimator
        return {
            "model": estimator.model.full_name,
            "precision": self.means.precision.value,
            "device": estimator.device,
            **accuracy.figures,
            "intervals": {name: list(each) for name, each in accuracy.intervals.items()},
            "images": len(accuracy.dataset.pictures),
            "people": accuracy.people,
            "kept": accuracy.kept,
            "unreadable": dict(accuracy.unreadable),
            "settings": {"dataset": accuracy.dataset.name, **self.means.to_settings()},
            "published": [
                {
                    "AP": claim.value,
                    "how": evaluation_protocol.describe_claim_protocol(claim),
                    "differences": reason,
                }
                for claim, reason in self.published_comparisons()
            ],
            "keypoints": [asdict(keypoint) for keypoint in accuracy.keypoints],
            "pictures": [_picture_row(picture) for picture in accuracy.pictures],
            "files": self.files,
        }

    def write(self, folder: Path, *, worst: int = 0) -> None:
        """Figures for ``posezoo record``, results in COCO's form, tables, and the pictures that went worst.

        Raises:
            OutputError: one cannot be written.
        """
        model = self.means.estimator.model
        tag = model.tag if isinstance(model, ModelSpec) else ""
        found = evaluation_protocol.create_accuracy_measurement(
            self.means, self.accuracy, tag, of_boxes=self.of_boxes
        )
        content = {
            "accuracy": measurement_to_json(model.full_name, found),
            "results": self.accuracy.to_coco_results(),
            "tables": {key: self.to_json()[key] for key in ("keypoints", "pictures", "unreadable")},
        }
        for name, each in content.items():
            path = folder / f"{name}.json"
            write_atomically(
                path, (json.dumps(each, indent=None if name == "results" else 2) + "\n").encode()
            )
            self.files[name] = str(path)
        if worst:
            self._draw_worst(folder / "worst", worst)
            self.files["worst"] = str(folder / "worst")

    def _draw_worst(self, folder: Path, count: int) -> None:
        for old in folder.glob("[0-9][0-9]*_*.jpg"):  # of an earlier run, which may have drawn more
            old.unlink(missing_ok=True)
        for place, tally in enumerate(breakdown.worst_images(self.accuracy.pictures, count), 1):
            name = f"{place:02}_{Path(tally.picture.file_name).stem}.jpg"
            images.write_image(folder / name, self._side_by_side(tally))

    def _side_by_side(self, tally: breakdown.ImageScore) -> Any:
        """Who is there on the left, who was found on the right."""
        picture = tally.picture
        image = read_dataset_image(picture)
        found, names = self.accuracy.found[picture.id], self.accuracy.dataset.keypoints
        names = () if self.of_boxes else names
        people = [person for person in picture.people if not person.is_crowd]
        there = [_pose(names, person.keypoints, person.to_box[:4], 1.0) for person in people]
        seen = [
            _pose(names, points, (x, y, x + w, y + h), score)
            for points, (x, y, w, h), score in zip(
                found.keypoints, found.boxes.tolist(), found.scores.tolist(), strict=True
            )
        ]
        return np.concatenate([draw(image, there), draw(image, seen, min_score=0.1)], axis=1)


def _pose(names: Sequence[str], keypoints: Any, box: tuple[float, float, float, float], score: float) -> Pose:
    """Annotated or found keypoints of these names as COCO's, for drawing; a box where there are none."""
    skeleton = SKELETONS["coco-17" if names else "box"]
    points: Floats = np.zeros((len(skeleton.keypoints), 3), np.float32)
    for name, point in zip(names, keypoints, strict=False):
        if name in skeleton.keypoints:
            points[skeleton.keypoints.index(name)] = point
    points[:, 2] = points[:, 2].clip(0, 1)  # an annotated one in sight is 2
    return Pose(points, skeleton.name, score, box)


def _picture_row(each: breakdown.ImageScore) -> dict[str, Any]:
    return {
        "image": each.picture.file_name,
        "id": each.picture.id,
        "people": each.people,
        "found": each.found,
        "wrong": each.wrong,
        "similarity": each.similarity,
    }


def print_report(report: EvaluationReport) -> None:
    """The report on the standard output, for people."""
    accuracy, estimator = report.accuracy, report.means.estimator
    settings = ", ".join(f"{key} {value}" for key, value in report.means.to_settings().items())
    print(f"{estimator.model.full_name} ({report.means.precision} IR) on {estimator.device}: {settings}")
    pictures = len(accuracy.dataset.pictures)
    print(f"{pictures} image{'s' * (pictures > 1)}, {accuracy.people} people of {accuracy.dataset.name}")
    for name, reason in accuracy.unreadable.items():
        print(f"left out: {escape_control_characters(name)}: {escape_control_characters(reason)}")
    for lines in (_figures(report), _claims(report), _keypoints(report), _worst(report)):
        found = list(lines)
        if found:
            print("", *found, sep="\n")
    print()
    for name, path in report.files.items():
        print(f"{name:10}{path}")
    print(f"posezoo record {report.files['accuracy']} takes the figures into a checkout")


def _figures(report: EvaluationReport) -> Iterator[str]:
    accuracy = report.accuracy
    claim = next((claim for claim, _ in report.published_comparisons()), None)
    said = {"AP": claim.value, "AP50": claim.ap50, "AP75": claim.ap75} if claim is not None else {}
    for each in report.published.accuracy:
        if each.metric == "MPJPE":
            said["MPJPE_mm"] = each.value
    rows = [("", "measured", "95 % interval", "published")]
    names = BOX_FIGURES if report.of_boxes else KEYPOINT_FIGURES
    for name in (*names, *(name for name in accuracy.figures if name not in names)):
        if name not in accuracy.figures:
            rows.append((name, "nobody", "", ""))
            continue
        low, high = accuracy.intervals.get(name, (None, None))
        between = f"{low:.3f} to {high:.3f}" if low is not None else ""
        value = said.get(name)
        rows.append(
            (name, f"{accuracy.figures[name]:.3f}", between, f"{value:.3f}" if value is not None else "")
        )
    kept = [index for index in range(4) if any(row[index] for row in rows[1:])]
    yield from align_columns([[row[index] for index in kept] for row in rows], right=frozenset({1}))


def _claims(report: EvaluationReport) -> Iterator[str]:
    for claim, why in report.published_comparisons():
        how = evaluation_protocol.describe_claim_protocol(claim)
        yield f"published: AP {claim.value:g}" + (f" ({how})" if how else "")
        yield from (f"  {reason}" for reason in why)


def _keypoints(report: EvaluationReport) -> Iterator[str]:
    rows = [("KEYPOINT", "LABELLED", "FOUND", "SIMILARITY", "ERROR PX")]
    for keypoint in report.accuracy.keypoints:
        error = f"{keypoint.error_px:.1f}" if keypoint.error_px is not None else ""
        rows.append(
            (
                keypoint.name,
                str(keypoint.labelled),
                f"{keypoint.found:.2f}",
                f"{keypoint.similarity:.2f}",
                error,
            )
        )
    if len(rows) > 1:
        yield from align_columns(rows, right=frozenset({1, 2, 3}))


def _worst(report: EvaluationReport) -> Iterator[str]:
    worst = breakdown.worst_images(report.accuracy.pictures, MOST_ROWS)
    rows = [("WORST IMAGES", "PEOPLE", "FOUND", "WRONG", "SIMILARITY")]
    for each in worst:
        rows.append(
            (
                each.picture.file_name,
                str(each.people),
                str(each.found),
                str(each.wrong),
                f"{each.similarity or 0:.2f}",
            )
        )
    yield from align_columns(rows, right=frozenset({1, 2, 3}))
