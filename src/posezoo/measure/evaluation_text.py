"""Prints the report of an evaluation as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from posezoo.console.labels import format_ap, format_conditions, format_count, format_pairs
from posezoo.console.report import align_columns, print_lines
from posezoo.figures.measured import DETECTOR_PRECISION, TARGET_SIZE
from posezoo.measure.evaluation.breakdown import score_groups, worst_images
from posezoo.measure.evaluation.coco_metrics import BOX_METRICS, KEYPOINT_METRICS
from posezoo.measure.evaluation.evaluation_protocol import (
    EvaluationProtocol,
    unannotated_keypoints,
)
from posezoo.measure.evaluation.evaluation_report import EvaluationReport
from posezoo.measure.evaluation.person_groups import ENOUGH_PEOPLE
from posezoo.measure.evaluation.run_evaluation import EvaluationResult
from posezoo.poses.people import describe_people

#: The maximum number of table rows that are printed; the files contain all rows.
MOST_ROWS = 10
#: The metrics that are printed where not all are asked for.
MAIN_METRICS = ("AP", "AR", "duplicates")


def print_report(report: EvaluationReport, *, by: str, verbose: bool) -> None:
    """Print the report as text, with a table by ``size`` or ``posture`` of people, if one is
    named: the main metrics and where the others are, or all.
    """
    print_lines(*_heading(report))
    if not verbose:
        _print_main(_metric_rows(report), report.result, by)
        print_lines(f"--verbose shows all that is in {report.folder}")
        return
    _print_all(_metric_rows(report), report.result, by, [*_published_lines(report)])
    print_lines("")
    for name, path in report.files.items():
        print_lines(f"{name:10}{path}")


def print_results(path: Path, result: EvaluationResult, *, by: str, verbose: bool) -> None:
    """Print what a file of results scores, as ``print_report``."""
    dataset = result.dataset
    images = format_count(len(dataset.images), "image")
    print_lines(f"{path}: {format_count(result.count_predictions(), 'pose')}")
    print_lines(f"{images}, {result.people} people of {dataset.name}")
    rows = _rows_of_metrics(result, KEYPOINT_METRICS, {})
    if not verbose:
        _print_main(rows, result, by)
        print_lines("--verbose shows all metrics, by keypoint and image")
        return
    _print_all(rows, result, by, [])


def _print_main(rows: Sequence[Sequence[str]], result: EvaluationResult, by: str) -> None:
    """The main metrics; all of a result that has no AP."""
    if "AP" in result.figures:
        rows = [row for row in rows if row[0] in ("", *MAIN_METRICS)]
    print_lines(*_align_metrics(rows), *_person_group_lines(result, by))


def _print_all(
    rows: Sequence[Sequence[str]], result: EvaluationResult, by: str, published: list[str]
) -> None:
    blocks = (
        _align_metrics(rows),
        published,
        _keypoint_lines(result),
        _group_lines(result),
        _person_group_lines(result, by),
        _worst_image_lines(result),
    )
    for lines in filter(None, blocks):
        print_lines("", *lines)


def print_sizes(reports: Sequence[EvaluationReport]) -> None:
    """Print one line of metrics for each size, and where the results are."""
    heading = ("HEIGHT", "INPUT", "AP", "95 % INTERVAL", "OF ONE", "OF SEVERAL", "GHOSTS")
    rows: list[tuple[str, ...]] = [heading]
    for report in reports:
        result, settings = report.result, report.protocol.to_settings()
        interval = " to ".join(f"{bound:.3f}" for bound in result.intervals.get("AP", ()))
        names = ("AR50_single", "AR50_several", "ghosts")
        shares = (f"{result.figures[name]:.2f}" if name in result.figures else "" for name in names)
        ap = format_ap(result.figures["AP"]) if "AP" in result.figures else ""
        rows.append((str(settings[TARGET_SIZE]), str(settings["input"]), ap, interval, *shares))
    heading_lines = _heading(reports[0], left_out=(TARGET_SIZE, "input"))
    lines = align_columns(_filled_columns(rows), right=frozenset({0, 2, 4, 5, 6}))
    print_lines(*heading_lines, "", *lines)
    print_lines("", *(f"accuracy  {report.files['accuracy']}" for report in reports))


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    numbers = frozenset(range(1, len(heading)))
    return align_columns([heading, *rows], right=numbers) if rows else []


def _filled_columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    filled = [index for index, cells in enumerate(zip(*rows[1:], strict=True)) if any(cells)]
    return [[row[index] for index in filled] for row in rows]


def _describe_protocol(
    protocol: EvaluationProtocol, settings: Mapping[str, object], *left_out: str
) -> str:
    """The model and its precision, or an .xml as posezoo run names it; and the settings that the
    report does not show elsewhere, without those in ``left_out``.
    """
    estimator = protocol.estimator
    name = f"{protocol.model_name} ({protocol.precision} IR)"
    if protocol.precision is None:
        name = f"{protocol.irs[0]} (decoder {estimator.decoder})"
    hidden = ("people_from", DETECTOR_PRECISION, *left_out)
    shown = {key: value for key, value in settings.items() if key not in hidden}
    return f"{name} on {estimator.device}: {format_pairs(shown)}"


def _describe_people(protocol: EvaluationProtocol) -> str:
    return f"people from {describe_people(protocol.people_from, protocol.detector_precision)}"


def _heading(report: EvaluationReport, *, left_out: Sequence[str] = ()) -> Iterator[str]:
    result = report.result
    protocol = report.protocol
    yield _describe_protocol(protocol, protocol.to_settings(), *left_out)
    images = format_count(len(result.dataset.images), "image")
    if result.dataset.categories:
        yield f"{images}, {format_count(result.people, 'object')} of {result.dataset.name}"
    else:
        yield _describe_people(protocol)
        yield f"{images}, {result.people} people of {result.dataset.name}"
    unannotated = unannotated_keypoints(protocol.estimator.model, result.dataset)
    if unannotated and not protocol.of_boxes:
        yield f"not annotated, so not counted: {', '.join(unannotated)}"
    for name, reason in result.unreadable.items():
        yield f"left out: {name}: {reason}"


def _published_lines(report: EvaluationReport) -> Iterator[str]:
    for accuracy, reasons in report.published_comparisons():
        conditions = format_conditions(accuracy)
        suffix = f" ({conditions})" if conditions else ""
        yield f"published: AP {format_ap(accuracy.value)}{suffix}"
        for reason in reasons:
            yield f"  {reason}"


def _keypoint_lines(result: EvaluationResult) -> list[str]:
    if result.dataset.shows_nobody:
        return []
    rows = []
    for score in result.keypoint_scores:
        error = f"{score.error_px:.1f}" if score.error_px is not None else ""
        share = f"{score.found:.2f}" if score.found is not None else ""
        similarity = f"{score.similarity:.2f}" if score.similarity is not None else ""
        rows.append((score.name, f"{score.labelled}", share, similarity, error))
    return _table(("KEYPOINT", "LABELLED", "FOUND", "SIMILARITY", "ERROR PX"), rows)


def _group_lines(result: EvaluationResult) -> list[str]:
    heading = ("PEOPLE IN AN IMAGE", "IMAGES", "PEOPLE", "FOUND", "WRONG", "OF 0.3 OR MORE")
    rows = []
    for group in score_groups(result.image_scores):
        numbers = (group.images, group.people, group.found, group.wrong, group.sure)
        rows.append((group.title, *map(str, numbers)))
    return _table(heading, rows)


def _person_group_lines(result: EvaluationResult, by: str) -> list[str]:
    groups = {"size": result.size_groups, "posture": result.posture_groups}.get(by, ())
    rows = []
    for group in groups:
        ap = "" if group.AP is None else format_ap(group.AP)
        share = f"{group.found / group.people:.2f}"
        rows.append((group.title, f"{group.people}", f"{group.found}", share, ap))
    note = [] if all(row[-1] for row in rows) else [f"no AP: fewer than {ENOUGH_PEOPLE} people"]
    return [*_table((by.upper(), "PEOPLE", "FOUND", "SHARE", "AP"), rows), *note]


def _worst_image_lines(result: EvaluationResult) -> list[str]:
    if result.dataset.shows_nobody:
        return []
    rows = []
    for score in worst_images(result.image_scores, MOST_ROWS):
        counts = (f"{score.people}", f"{score.found}", f"{score.wrong}")
        rows.append((score.image.file_name, *counts, f"{score.similarity or 0:.2f}"))
    return _table(("WORST IMAGES", "PEOPLE", "FOUND", "WRONG", "SIMILARITY"), rows)


def _metric_rows(report: EvaluationReport) -> list[tuple[str, ...]]:
    published = {}
    if comparisons := report.published_comparisons():
        accuracy, _ = comparisons[0]
        published = {"AP": accuracy.value, "AP50": accuracy.ap50, "AP75": accuracy.ap75}
    for accuracy in report.published.accuracy:
        if accuracy.metric == "MPJPE":
            published["MPJPE_mm"] = accuracy.value
    names = BOX_METRICS if report.protocol.of_boxes else KEYPOINT_METRICS
    return _rows_of_metrics(report.result, names, published)


def _rows_of_metrics(
    result: EvaluationResult, names: Sequence[str], published: Mapping[str, float | None]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "measured", "95 % interval", "published")]
    if result.dataset.is_classified or result.dataset.shows_nobody:
        names = ()
    for name in dict.fromkeys((*names, *result.figures)):
        if name not in result.figures:
            rows.append((name, "no people", "", ""))
            continue
        interval = " to ".join(f"{bound:.3f}" for bound in result.intervals.get(name, ()))
        value = published.get(name)
        published_text = f"{value:.3f}" if value is not None else ""
        rows.append((name, f"{result.figures[name]:.3f}", interval, published_text))
    return rows


def _align_metrics(rows: Sequence[Sequence[str]]) -> list[str]:
    return align_columns(_filled_columns(rows), right=frozenset({1}))
