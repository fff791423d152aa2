"""The index page of a registry (index.md): a row for each model, with metrics that stand on its card too."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from posezoo.cards.card_reader import parse_card
from posezoo.cards.markdown_inline import MarkdownLink, to_plain_text
from posezoo.cards.parsed_card import TableRow
from posezoo.lint.card_claims import CardValue
from posezoo.lint.text_comparison import read_text

NAME = "index.md"
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_TARGET = re.compile(r"\]\(([^()\s]{1,300})\)")
_COLUMNS = {
    "gflops": re.compile(r"(?:complexity \()?g(?:fl)?ops\)?", re.IGNORECASE),
    "mparams": re.compile(r"m ?params|size \(mp\)", re.IGNORECASE),
    "accuracy": re.compile(r"accuracy|ap", re.IGNORECASE),
    "framework": re.compile(r"implementation", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class IndexRow:
    """What an index page says of one model; ``cells`` by the keys of ``_COLUMNS``."""

    file: str
    line: int
    model: str
    cells: dict[str, CardValue[str]]


def read_index(path: Path, names: Collection[str]) -> Iterator[IndexRow]:
    """The rows of an index page on these models; a row may describe several, separated by line breaks."""
    text = read_text(path)
    for table in parse_card(text).tables if text is not None else ():
        columns = {
            index: kind
            for kind, pattern in _COLUMNS.items()
            for index, header in enumerate(table.headers)
            if pattern.fullmatch(header)
        }
        composite = ""  # the rows below may describe its parts
        for row in table.rows:
            models: list[str] = []
            for cell in row.raw:
                is_link = _TARGET.search(cell) is not None
                found = [_find_model(part, names, composite) for part in _BREAK.split(cell)]
                if any(found) and (is_link or cell == row.raw[0]):
                    models = found
                    composite = next(filter(None, found)) if is_link else composite
                    break
            for position, model in enumerate(models):
                if model:
                    cells = _read_cells(row, columns, position, len(models))
                    yield IndexRow(str(path), row.line, model, cells)


def index_links(path: Path) -> tuple[MarkdownLink, ...]:
    """The links of an index page."""
    text = read_text(path)
    return parse_card(text).links if text is not None else ()


def _find_model(cell: str, names: Collection[str], composite: str) -> str:
    """The model that a cell links to or names, perhaps as a part of the composite; empty if none."""
    if target := _TARGET.search(cell):
        steps = [step for step in target[1].split("/") if step not in (".", "..")]
        folder = steps[-2] if len(steps) > 1 and steps[-1] == "README.md" else ""
        return folder if folder in names else ""
    text = to_plain_text(cell).rstrip(":").strip()
    return next((name for name in (text, f"{composite}-{text}") if name in names), "")


def _read_cells(
    row: TableRow, columns: dict[int, str], position: int, count: int
) -> dict[str, CardValue[str]]:
    """The cells of one of the models that a row describes."""
    cells = {}
    for index, kind in columns.items():
        parts = _BREAK.split(row.raw[index])
        if len(parts) not in (1, count):
            continue  # it is not clear which part is whose
        text = parts[position if len(parts) == count else 0]
        if text.strip(" -"):
            cells[kind] = CardValue(to_plain_text(text), text.strip(), row.line)
    return cells
