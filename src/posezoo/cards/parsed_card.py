"""The parts of a model card: sections, tables and metrics, each with its line number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from posezoo.cards.markdown_inline import MarkdownLink

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?[ \t]*(%|mm\b|ms\b)?")

#: Patterns for all spellings of a metric; the first one that matches a label names the metric.
_METRICS = (
    ("GFLOPs", re.compile(r"\bg?flops\b|\bgflop\b", re.IGNORECASE)),
    ("MParams", re.compile(r"\bm(?:illion )?params?\b", re.IGNORECASE)),
    ("MPJPE", re.compile(r"\bmpjpe\b", re.IGNORECASE)),
    ("AP", re.compile(r"\baverage precision\b|\bAP\b(?![@\d])", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table: its cells as written (``raw``), and as plain text."""

    line: int
    raw: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardTable:
    """A table; each row has as many cells as there are headers."""

    headers: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True)
class CardMetric:
    """A number in a table.

    Attributes:
        line: the row's line.
        metric: ``GFLOPs``, ``MParams``, ``AP`` or ``MPJPE`` for all their spellings; otherwise the label.
        value: the number as written: 64.64 if the card says 64.64%.
        unit: ``%``, ``mm``, ``ms`` or empty.
        label: the row's first cell.
        column: the header above the number: ``Value``, ``Original model``, ``Converted model``, ...
        section: the path of its section.
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
    """The text below one heading, up to the next heading; the first section may have no heading.

    Attributes:
        line: the heading's line, or 1.
        level: the heading's level, 1 to 6; 0 if there is no heading.
        path: the titles from the outermost enclosing section to this section, without the card's title.
        title: the heading's text.
        text: the text as written, with code and tables.
        tables: the tables in the text.
        code: for each fenced block: its fence's line, its language, and its text.
        first: the line on which the text begins.
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
        """The lines outside code, each with its line number."""
        fences = {line: line + text.count("\n") + 2 for line, _, text in self.code}
        end = 0
        for number, line in enumerate(self.text.split("\n"), self.first):
            end = fences.get(number, end)
            if number > end:
                yield number, line


@dataclass(frozen=True)
class ParsedCard:
    """A parsed card; ``truncation_note`` says what was too long to be read, and is empty otherwise."""

    sections: tuple[CardSection, ...]
    links: tuple[MarkdownLink, ...]
    truncation_note: str = ""

    def subsections(self, section: CardSection) -> tuple[CardSection, ...]:
        """A section and its subsections."""
        start = self.sections.index(section)
        inside = takewhile(lambda other: other.level > section.level, self.sections[start + 1 :])
        return (section, *inside)

    @property
    def tables(self) -> tuple[CardTable, ...]:
        """The tables of all sections, in order."""
        return tuple(table for section in self.sections for table in section.tables)

    @cached_property
    def metrics(self) -> tuple[CardMetric, ...]:
        """Every number in a table whose first column names metrics."""
        return tuple(
            metric
            for section in self.sections
            for table in section.tables
            if table.headers[0].casefold().rstrip(":. ") in ("metric", "metrics")
            for metric in _read_metrics(table, section.path)
        )


def _read_metrics(table: CardTable, section: tuple[str, ...]) -> Iterator[CardMetric]:
    for row in table.rows:
        label, *cells = row.cells
        for header, cell in zip(table.headers[1:], cells, strict=True):
            if match := _NUMBER.match(cell):
                unit = match[1] or ""
                text = match[0].removesuffix(unit).strip()
                value = float(text.replace(",", ""))
                metric = next((name for name, spelling in _METRICS if spelling.search(label)), label)
                yield CardMetric(row.line, metric, value, unit, label, header, section)
