"""Every fact of the pages that this zoo was founded on stands on one of our pages: founding_facts.tsv says where.

Its columns: whose page, the fact, our page below models/, the section's titles, and the line that shows it.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

from posezoo.pages.cards.card_reader import ParsedCard, parse_card

HERE = Path(__file__).resolve().parent
MODELS = HERE.parents[2] / "models"

with open(HERE / "founding_facts.tsv", encoding="utf-8", newline="") as _file:
    FACTS = list(csv.DictReader(_file, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def page(name: str) -> ParsedCard:
    return parse_card((MODELS / name).read_text("utf-8"))


def test_every_fact_stands_on_our_page():
    assert [row for row in FACTS if row["line"] not in lines_of_section(row)] == []


def lines_of_section(row: dict[str, str]) -> list[str]:
    """The lines of the section of a page; none if the page lacks the section."""
    keys = [title.casefold() for title in row["section"].split("/")]
    for section in page(row["page"]).sections:
        titles = [title.casefold() for title in section.path[-len(keys) :]]
        if len(titles) == len(keys) and all(map(str.startswith, titles, keys)):
            return section.text.splitlines()
    return []


def test_every_row_of_gluoncv_s_tables_is_a_fact(shared):
    rows = json.loads((shared / "facts" / "gluoncv_pose.json").read_text("utf-8"))["models"]
    lines = [row["line"] for row in FACTS if row["page"] == "index.md"]
    for row in rows:
        shown = [
            line for line in lines if f"/{row['model']}/" in line and f"`{row['hashtag']}`" in line
        ]
        assert len(shown) == 1, row["model"]
        cells = [
            *("/".join(f"{value:.1f}" for value in row[key].values()) for key in ("ap", "ap_flip")),
            *filter(None, (row["training_command"], row["training_log"])),
            f"[^{row['reference']}]",
        ]
        height, width = row["input_size_hw"]
        size = [] if (height, width) == (256, 192) else [f"({height}x{width})"]
        assert all(cell in shown[0] for cell in (*cells, *size)), row["model"]
    assert len(lines) == len(rows) + 2  # and the two papers


def test_every_figure_of_open_model_zoo_s_cards_is_a_fact(shared):
    cards = json.loads((shared / "facts" / "omz_pose_models.json").read_text("utf-8"))
    founding = {row["source"].removeprefix("Open Model Zoo: ") for row in FACTS}
    for name in founding & set(cards):
        lines = " ".join(row["line"] for row in FACTS if row["source"].endswith(name))
        for label, value in cards[name]["card"].items():
            number = value.rstrip("%").rstrip("\\*")
            plain = f"{float(number):g}" if number.replace(".", "").isdigit() else number
            assert plain in lines, f"{name}: {label} {value}"
    assert len(founding & set(cards)) == 7
