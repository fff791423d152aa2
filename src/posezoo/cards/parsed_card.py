"""The parts of a model card: sections, tables and metrics, each with its line number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from posezoo.cards.markdown_inline import MarkdownLink, title_key

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?[ \t]*(%|mm\b|ms\b)?")

#: One name for each figure, however a card spells it; the first that is found in the label.
_METRICS = (
    ("GFLOPs", re.compile(r"\bg?flops\b|\bgflop\b", re.IGNORECASE)),
    ("MParams", re.compile(r"\bm(?:illion )?params?\b", re.IGNORECASE)),
    ("MPJPE", re.compile(r"\bmpjpe\b", re.IGNORECASE)),
    ("AP", re.compile(r"\baverage precision\b|\bAP\b(?![@\d])", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table: its cells as they are written (``raw``), and as plain text."""

    line: int
    raw: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardTable:
    """A table; each row has as many cells as there are headers."""

    line: int  # of its headers
    headers: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def column(self, *names: str) -> int | None:
        """The place of the first header that is one of the names, whatever the case of its letters."""
        requested = {name.casefold() for name in names}
        return next((place for place, each in enumerate(self.headers) if each.casefold() in requested), None)


@dataclass(frozen=True, slots=True)
class CardMetric:
    """A number that a table states.

    Attributes:
        metric: ``GFLOPs``, ``MParams``, ``AP`` or ``MPJPE``, however it is spelt; else the label as it is.
        value: as it is written: 64.64 where the card says 64.64%.
        unit: ``%``, ``mm``, ``ms`` or empty.
        label: the row's first cell.
        column: the header above the number: ``Value``, ``Original model``, ``Converted model``, ...
        section: the titles of the section that it stands in, the outer one first.
    """

    line: int
    metric: str
    value: float
    unit: str
    label: str
    column: str
    section: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardSection:
    """What stands below one heading, up to the next; the first one may have none.

    Attributes:
        line: of the heading; 1 where there is none.
        level: of the heading, 1 to 6; 0 where there is none.
        path: the titles of what it stands in, the outer one first, and its own; without the card's title.
        text: as it is written, code and tables too.
        code: of each fenced block the line of its fence, its language, and its text.
        first: the line that the text begins on.
    """

    line: int
    level: int
    path: tuple[str, ...]
    title: str
    text: str
    tables: tuple[CardTable, ...]
    code: tuple[tuple[int, str, str], ...]
    first: int = 1

    @property
    def prose_lines(self) -> Iterator[tuple[int, str]]:
        """The lines that are no code, each with its number."""
        fences = {line: line + text.count("\n") + 2 for line, _, text in self.code}
        end = 0
        for number, line in enumerate(self.text.split("\n"), self.first):
            end = fences.get(number, end)
            if number > end:
                yield number, line


@dataclass(frozen=True)
class ParsedCard:
    """A card, read; ``truncation_note`` says what was too much to be read, and is empty where all was."""

    title: str
    front_matter: str
    sections: tuple[CardSection, ...]
    links: tuple[MarkdownLink, ...]
    truncation_note: str = ""

    def find(self, *path: str) -> CardSection | None:
        """The first section whose titles end like this: ``find("Input", "Original model")``."""
        requested = tuple(map(title_key, path))
        for section in self.sections:
            if requested and tuple(map(title_key, section.path))[-len(requested) :] == requested:
                return section
        return None

    def subsections(self, section: CardSection) -> tuple[CardSection, ...]:
        """A section and those inside it."""
        start = self.sections.index(section) + 1
        others = range(start, len(self.sections))
        end = next((place for place in others if self.sections[place].level <= section.level), None)
        return self.sections[start - 1 : end]

    @property
    def tables(self) -> tuple[CardTable, ...]:
        """All tables, in their order."""
        return tuple(table for section in self.sections for table in section.tables)

    @cached_property
    def metrics(self) -> tuple[CardMetric, ...]:
        """Every number in a table whose first column names metrics."""
        return tuple(
            metric
            for section in self.sections
            for table in section.tables
            if title_key(table.headers[0]) in ("metric", "metrics")
            for metric in _figures(table, section.path)
        )

    def find_metric(self, metric: str, column: str = "") -> CardMetric | None:
        """The first figure of a metric; with ``column``, of that column."""
        found = (each for each in self.metrics if each.metric == metric)
        return next(
            (each for each in found if not column or title_key(each.column) == title_key(column)), None
        )


def _figures(table: CardTable, section: tuple[str, ...]) -> Iterator[CardMetric]:
    for row in table.rows:
        label, *cells = row.cells
        for header, cell in zip(table.headers[1:], cells, strict=True):
            if found := _NUMBER.match(cell):
                text = found.group().removesuffix(found.group(1) or "").strip()
                value = float(text.replace(",", ""))
                metric = next((name for name, spelt in _METRICS if spelt.search(label)), label)
                yield CardMetric(row.line, metric, value, found.group(1) or "", label, header, section)
