"""The overview of a registry (index.md): one row a model, with figures that its card tells too."""

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
    """What an index says of one model: by column, the cell's text."""

    file: str
    line: int
    model: str
    cells: dict[str, CardValue[str]]


def read_index(path: Path, names: Collection[str]) -> Iterator[IndexRow]:
    """The rows of an index, one for each of these models that it tells of."""
    text = read_text(path)
    if text is None:
        return
    for table in parse_card(text).tables:
        kinds = {
            index: kind
            for kind, form in _COLUMNS.items()
            for index, cell in enumerate(table.headers)
            if form.fullmatch(cell)
        }
        composite = ""
        for row in table.rows:
            models, composite = _models(row, names, composite)
            for number, model in enumerate(models):
                if model:
                    yield IndexRow(str(path), row.line, model, _cells(row, kinds, number, len(models)))


def index_links(path: Path) -> Iterator[MarkdownLink]:
    """The links of an index."""
    text = read_text(path)
    yield from parse_card(text).links if text is not None else ()


def _models(row: TableRow, names: Collection[str], composite: str) -> tuple[list[str], str]:
    """The models that a row is of, in their order, and the one that the rows after it may be parts of."""
    for cell in row.raw:
        linked = [
            _name(part, names, composite if not _TARGET.search(part) else "") for part in _BREAK.split(cell)
        ]
        if any(linked) and (_TARGET.search(cell) or cell == row.raw[0]):
            return linked, next(each for each in linked if each) if _TARGET.search(cell) else composite
    return [], composite


def _name(part: str, names: Collection[str], composite: str) -> str:
    target = _TARGET.search(part)
    if target:
        steps = [step for step in target[1].split("/") if step not in (".", "..")]
        folder = steps[-2] if len(steps) > 1 and steps[-1] == "README.md" else ""
        return folder if folder in names else ""
    text = to_plain_text(part).rstrip(":").strip()
    return next((name for name in (text, f"{composite}-{text}") if name in names), "")


def _cells(row: TableRow, kinds: dict[int, str], number: int, count: int) -> dict[str, CardValue[str]]:
    cells = {}
    for index, kind in kinds.items():
        parts = _BREAK.split(row.raw[index]) if index < len(row.raw) else [""]
        if len(parts) not in (1, count):
            continue  # which of them is whose cannot be known
        text = parts[number if len(parts) == count else 0]
        if text.strip(" -"):
            cells[kind] = CardValue(to_plain_text(text), text.strip(), row.line)
    return cells
