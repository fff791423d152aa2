"""Draw README's table of models for each case from the measured rows, so that no row of it is an
opinion: each case has a rule.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posezoo.pages.facts.comparison import ComparisonRow, ModelComparison

ROOT = Path(__file__).resolve().parents[1]

#: The table is between these marks.
BEGIN, END = "<!-- drawn by `make docs` from the measured rows -->", "<!-- end of what is drawn -->"

HEADERS = ("you have", "use", "AP", "found of one, of several", "ghosts", "ms for one, for four")

#: A fast model has at least this share of the highest AP, one for a slow machine of one person that
#: share, and one of several finds at least this share of them.
NEARLY_THE_AP = 0.95
SLOW_AP = 0.8
SLOW_FOUND = 0.5


def value(row: ComparisonRow, key: str) -> float:
    """A figure of a row; NaN if it was not measured, so that no comparison with it is true."""
    metric = row.values[key]
    return float("nan") if metric is None else metric.number


def best(rows: Sequence[ComparisonRow], *keys: str) -> ComparisonRow:
    """The row with the highest mean of some figures; of equal ones, that of the highest AP."""

    def score(row: ComparisonRow) -> tuple[float, float]:
        return sum(value(row, key) for key in keys) / len(keys), value(row, "AP")

    return max((row for row in rows if all(row.values[key] for key in keys)), key=score)


def fastest(rows: Sequence[ComparisonRow], people: int) -> ComparisonRow:
    """The row with the shortest time for as many people, of those that found as many."""
    from posezoo.pages.facts.recommendation import LATENCIES

    key = LATENCIES[people]
    timed = [row for row in rows if row.values[key] and row.people_found.get(people) == people]
    return min(timed, key=lambda row: value(row, key))


def choose(rows: Sequence[ComparisonRow]) -> dict[str, tuple[ComparisonRow, ...]]:
    """The rows for each case, in the order of the table."""
    from posezoo.core.declarations.model import Precision

    usual = [row for row in rows if row.precision is Precision.FP16]
    highest = value(best(rows, "AP"), "AP")

    def with_ap(share: float) -> list[ComparisonRow]:
        return [row for row in rows if value(row, "AP") >= share * highest]

    finders = [row for row in rows if value(row, "AR50_several") >= SLOW_FOUND]
    (hands_and_feet,) = (row for row in usual if row.model == "blazepose-full")
    return {
        "photos, of one person or several": (best(usual, "AP"),),
        "the same, but little time": (fastest(with_ap(NEARLY_THE_AP), 1),),
        "many people in a photo": (best(rows, "AR50_several"), best(usual, "AR50_several")),
        "one person, and a slow machine": (fastest(with_ap(SLOW_AP), 1),),
        "several people, and a slow machine": (fastest(finders, 4),),
        "people in a video": (best(rows, "found_in_video"),),
        "people who lie, or stand on their heads": (
            best(rows, "found_lying", "found_upside_down"),
        ),
        "hands and feet, depth": (hands_and_feet,),
    }


#: What a case says besides the models, with links from the folder docs.
REMARKS = {
    "photos, of one person or several": "the default",
    "the same, but little time": "[12 of the 17 photos](decisions/0023-int8-from-ranges-in-the-registry.md) calibrated it",
    "many people in a photo": "the first, from Intel's host, [also finds people who are not there](accuracy.md#people-where-nobody-is)",
    "people in a video": "for a crowd, the model for many people in a photo",
    "hands and feet, depth": "33 keypoints",
}
#: The figures that decide a case, if no column has them.
DECIDING = {
    "people in a video": ("found_in_video",),
    "people who lie, or stand on their heads": ("found_lying", "found_upside_down"),
}
#: A case without a figure that compares its models.
HANDS = (
    "hands, faces, masks",
    "`hand-landmark-full`, `face-landmark-attention`, `selfie-segmentation`: MediaPipe's models",
)


def draw_block(compared: ModelComparison, docs: str) -> str:
    """The table, and how its figures were measured."""
    rows = [
        row for row in compared.rows if row.values["AP"] and row.task == "human_pose_estimation"
    ]
    lines = [_line(HEADERS), _line(["---"] * len(HEADERS))]
    choices = choose(rows)
    (default,) = next(iter(choices.values()))
    for case, chosen in choices.items():
        uses = ", or ".join(map(_command, chosen))
        remarks = [_compare_with(default, chosen[0], DECIDING.get(case, ())), REMARKS.get(case)]
        if any(remarks):
            uses += f": {'; '.join(filter(None, remarks))}"
        figures = (_join(chosen, each) for each in (_ap, _found, _ghosts, _times))
        lines.append(_line((case, uses.replace("](", f"]({docs}/"), *figures)))
    lines.append(_line((*HANDS, *[""] * 4)))
    machine = compared.speed_setting.partition("; ")[0]
    note = " ".join(NOTE.format(docs=docs, **_counts(compared)).split())
    filled = textwrap.fill(note, 120, break_on_hyphens=False, break_long_words=False)
    return "\n".join([*lines, "", filled, "", f"[^machine]: {machine}."])


NOTE = """
AP and the share of people found, on photos with one person and with several, are from 17 photos of COCO with 44 people
(`make measure PHOTOS=DIR`). Ghosts are people found in a picture without people, on {pictures_without_people} parts of
these photos (`python benchmarks/measure_situations.py --photos DIR`, which also measures people who lie, and videos).
Times are from an image file to drawn poses, on one machine[^machine]; `posezoo benchmark` measures yours. `posezoo
recommend --all` prints each row, and [this page]({docs}/accuracy.md#what-the-default-command-gives) has its interval:
most differences in AP are smaller than the intervals.
"""


def _counts(compared: ModelComparison) -> dict[str, str]:
    return dict(re.findall(r"(\w+) (\d+)", compared.situation_conditions))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _command(row: ComparisonRow) -> str:
    words = [row.model]
    if row.precision != "FP16":
        words += ["--precision", row.precision]
    if row.target_size:
        words += ["--height", str(row.target_size)]
    return f"`{' '.join(words)}`"


def _compare_with(default: ComparisonRow, row: ComparisonRow, keys: Sequence[str]) -> str:
    """The figures that decide, beside those of the default; empty if there are none."""
    if not keys:
        return ""
    of_row, of_default = (
        " and ".join(f"{value(each, key):.2f}" for key in keys) for each in (row, default)
    )
    if of_row == of_default:
        return f"it finds {of_row} of them, as the default does"
    return f"it finds {of_row} of them, the default {of_default}"


def _join(rows: Sequence[ComparisonRow], figure: Callable[[ComparisonRow], str]) -> str:
    return "; ".join(map(figure, rows))


def _ap(row: ComparisonRow) -> str:
    return f"{value(row, 'AP'):.3f}"


def _found(row: ComparisonRow) -> str:
    return f"{value(row, 'AR50_single'):.2f}, {value(row, 'AR50_several'):.2f}"


def _ghosts(row: ComparisonRow) -> str:
    return f"{value(row, 'ghosts'):.2f}" if row.values["ghosts"] else "?"


def _times(row: ComparisonRow) -> str:
    return f"{value(row, 'single_p50_ms'):.0f}, {value(row, 'latency_p50_ms'):.0f}"


def draw_page(name: str, compared: ModelComparison) -> str:
    """A page with its table drawn again."""
    text = (ROOT / name).read_text("utf-8")
    start, begin, rest = text.partition(BEGIN)
    _, end, remainder = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{name}: the marks around the table are missing")
    docs = os.path.relpath("docs", Path(name).parent)
    return f"{start}{begin}\n\n{draw_block(compared, docs)}\n\n{end}{remainder}"
