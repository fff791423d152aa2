"""Prints the report of an evaluation as text."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.cli.report import align_columns
from posezoo.errors import escape_control_characters
from posezoo.evaluation.breakdown import worst_images
from posezoo.evaluation.coco_metrics import BOX_METRICS, KEYPOINT_METRICS
from posezoo.evaluation.evaluation_protocol import describe_published_protocol
from posezoo.evaluation.evaluation_report import EvaluationReport

#: The maximum number of table rows that are printed; the files contain all rows.
MOST_ROWS = 10


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
