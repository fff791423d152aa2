"""The index pages of a registry (index.md), with a row for each model."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from posezoo.core.values import frozen
from posezoo.lint.card_claims import CardValue
from posezoo.pages.cards.card_reader import ParsedCard, TableRow, to_plain_text

_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
#: A border of a cell.
_BAR = re.compile(r"(?<!\\)\|")
_TARGET = re.compile(r"\]\(([^()\s]{1,300})\)")
#: The address of a card below an index page.
_CARD = re.compile(r"(?:\./)?(?:\w[\w.-]*/)+README\.md")
_COLUMNS = {
    "gflops": re.compile(r"(?:complexity \()?g(?:fl)?ops\)?", re.IGNORECASE),
    "mparams": re.compile(r"m ?params|size \(mp\)", re.IGNORECASE),
    "accuracy": re.compile(r"accuracy|ap", re.IGNORECASE),
    "framework": re.compile(r"implementation|framework", re.IGNORECASE),
}


@frozen
class IndexRow:
    """What an index page states about one model."""

    file: str
    line: int
    model: str
    cells: dict[str, CardValue[str]]  # the values, by the keys of ``_COLUMNS``
    #: The cells of a row that have another number of values than models; only for its first model.
    unclear: tuple[str, ...] = ()


def read_index(path: Path, page: ParsedCard, names: Collection[str]) -> Iterator[IndexRow]:
    """The rows of an index page about these models; line breaks may separate several models in a
    row.
    """
    lines = {number: line for section in page.sections for number, line in section.prose_lines}
    for table in page.tables:
        columns = {}
        for kind, pattern in _COLUMNS.items():
            for index, header in enumerate(table.headers):
                if pattern.fullmatch(header):
                    columns[kind] = index
        composite = ""  # the rows below may describe its parts
        for row in table.rows:
            models, is_link = _find_models(row, names, composite)
            if is_link:
                composite = next(filter(None, models))
            line = lines.get(row.line, "").strip()
            yield from _read_row(str(path), row, line, models, columns=columns)


def _find_models(row: TableRow, names: Collection[str], composite: str) -> tuple[list[str], bool]:
    """The models in the first cell that links to any, or else in the first cell of all, and whether
    it is a link.
    """
    linked = list(filter(_TARGET.search, row.raw))
    for cell in (*linked, row.raw[0]):
        models = [_find_model(part, names, composite) for part in _BREAK.split(cell)]
        if any(models):
            return models, cell in linked
    return [], False


def _read_row(
    file: str, row: TableRow, line: str, models: Sequence[str], columns: Mapping[str, int]
) -> Iterator[IndexRow]:
    values = {kind: _BREAK.split(row.raw[index]) for kind, index in columns.items()}
    clear = {kind: parts for kind, parts in values.items() if len(parts) in (1, len(models))}
    unclear = tuple(row.raw[columns[kind]] for kind in values.keys() - clear.keys())
    if line.endswith("|") and len(_BAR.findall(line)) > len(row.raw) + 1:  # a cell too many
        clear = {}
        unclear = (line,)
    for position, model in enumerate(models):
        if not model:
            continue
        cells = {}
        for kind, parts in clear.items():
            text = parts[position % len(parts)]
            if text.strip(" -"):
                cells[kind] = CardValue(to_plain_text(text), text.strip(), row.line)
        yield IndexRow(file, row.line, model, cells, unclear=unclear)
        unclear = ()


def _find_model(cell: str, names: Collection[str], composite: str) -> str:
    target = _TARGET.search(cell)
    if target:
        if _CARD.fullmatch(target[1]):
            return target[1].split("/")[-2]
        return ""
    text = to_plain_text(cell).rstrip(":").strip()
    for name in (text, f"{composite}-{text}"):
        if name in names:
            return name
    parts = []
    if composite and text:
        is_part = re.compile(rf"{re.escape(composite)}-(?:.*-)?{re.escape(text)}")
        parts = list(filter(is_part.fullmatch, names))
    return parts[0] if len(parts) == 1 else ""
