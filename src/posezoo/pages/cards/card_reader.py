"""Read a model card: its sections, tables, links and metrics, each with its line number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, islice, pairwise, takewhile
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from posezoo.core.regular_files import read_beginning
from posezoo.core.values import frozen

#: Open Model Zoo's largest card has 32,000 characters. A text of this length takes at most 3 s and
#: 220 MB.
MAX_CHARACTERS = 1 << 18
#: Each link causes at least one file system access.
MAX_LINKS = 20_000
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?[ \t]*(%|mm\b|ms\b)?"
)
_LINK = re.compile(
    r"!?\[(?P<text>(?:[^\[\]\\\n]|\\.){0,500})\]"
    r"\([ \t]*(?:<(?P<pointed>[^<>\n]{0,2000})>"
    r"|(?P<plain>[^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200}){0,3}))"
    r"(?:[ \t]+(?:\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'))?[ \t]*\)"
    r"|<(?P<auto>https?://[^<>\s]{1,2000})>"
    r"|(?:href|src)[ \t]*=[ \t]*[\"'](?P<html>[^\"'\n]{1,2000})[\"']"
    r"|(?<![\w(<\"'])(?P<bare>https?://[^\s<>()\[\]\"'`|]{1,2000})",
    re.IGNORECASE,
)
_DEFINITION = re.compile(
    r" {0,3}\[(?!\^)(?P<text>[^\[\]\n]{1,500})\]:[ \t]*<?(?P<target>[^\s<>]{1,2000})>?.*"
)


@frozen
class MarkdownLink:
    """A link or an image; ``target`` is the text in the card."""

    line: int
    column: int  # from 1
    text: str
    target: str


@frozen
class TableRow:
    """A row of a table: its cells as written (``raw``), and as plain text."""

    line: int
    raw: tuple[str, ...]
    cells: tuple[str, ...]


@frozen
class CardTable:
    """A table; each row has as many cells as there are headers."""

    headers: tuple[str, ...]
    rows: tuple[TableRow, ...]


@frozen
class CardMetric:
    """A number in a table."""

    value: float  # as written: 64.64 if the card says 64.64%
    unit: str  # ``%``, ``mm``, ``ms`` or empty
    label: str  # the row's first cell
    column: (
        str  # the header above the number: ``Value``, ``Original model``, ``Converted model``, ...
    )
    section: tuple[str, ...]  # the path of its section


@frozen
class CardSection:
    """The text below one heading, up to the next heading."""

    line: int  # the heading's line, or 1
    level: int  # the heading's level, 1 to 6; 0 if there is no heading
    #: The titles from the outermost enclosing section to this section, without the card's title.
    path: tuple[str, ...]
    title: str  # the heading's text
    text: str  # the text as written, with code and tables
    tables: tuple[CardTable, ...]  # the tables in the text
    #: For each fenced block: its fence's line, its language, and its text.
    code: tuple[tuple[int, str, str], ...]
    first: int  # the line on which the text begins

    @property
    def rows(self) -> Iterator[TableRow]:
        """The rows of all tables."""
        return chain.from_iterable(table.rows for table in self.tables)

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
    """A parsed card; ``truncation_note`` says what was too long to be read, and is empty
    otherwise.
    """

    sections: tuple[CardSection, ...]
    links: tuple[MarkdownLink, ...]
    truncation_note: str

    def subsections(self, section: CardSection) -> tuple[CardSection, ...]:
        """A section and its subsections."""
        start = self.sections.index(section)
        inside = takewhile(lambda other: other.level > section.level, self.sections[start + 1 :])
        return section, *inside

    @property
    def tables(self) -> tuple[CardTable, ...]:
        """The tables of all sections, in order."""
        return tuple(table for section in self.sections for table in section.tables)

    @cached_property
    def metrics(self) -> tuple[CardMetric, ...]:
        """Every number in a table whose first column names metrics."""
        metrics: list[CardMetric] = []
        for section in self.sections:
            for table in section.tables:
                if table.headers[0].casefold().rstrip(":. ") in ("metric", "metrics"):
                    metrics += _read_metrics(table, section.path)
        return tuple(metrics)


def read_card(path: Path) -> ParsedCard | None:
    """The card in a file; None if the file cannot be read."""
    text = read_text(path)
    return parse_card(text) if text is not None else None


def read_text(path: Path) -> str | None:
    """The beginning of a text file, up to one character more than a card may have; None if it
    cannot be read.
    """
    try:
        return read_beginning(path, 4 * MAX_CHARACTERS)[: MAX_CHARACTERS + 1]
    except (OSError, ValueError):
        return None


def parse_card(text: str) -> ParsedCard:
    """The parts of a card."""
    notes = []
    if len(text) > MAX_CHARACTERS:
        notes.append(f"only its first {MAX_CHARACTERS:,} characters were read")
    lines = text[:MAX_CHARACTERS].removeprefix("\ufeff").splitlines()
    start = _count_front_matter(lines)
    tokens = create_parser().parse("\n".join([""] * start + lines[start:]))
    sections = _read_sections(tokens, lines, start)
    links = tuple(islice(_find_all_links(tokens, lines, start), MAX_LINKS))
    if len(links) == MAX_LINKS:
        notes.append(f"only its first {MAX_LINKS:,} links were read")
    return ParsedCard(sections, links, "; ".join(notes))


def _count_front_matter(lines: Sequence[str]) -> int:
    if lines and lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], 2):
            if line.rstrip() in ("---", "..."):
                return number
    return 0


def _find_all_links(
    tokens: Sequence[Token], lines: Sequence[str], start: int
) -> Iterator[MarkdownLink]:
    """The parser's link tokens have no line or column, so links are searched in the lines."""
    skipped = set[int]()
    for token in tokens:
        is_comment = token.type == "html_block" and token.content.startswith("<!--")
        if token.map and (token.type == "fence" or is_comment):
            skipped.update(range(*token.map))
    for number in range(start, len(lines)):
        if number not in skipped:
            yield from find_links(lines[number], number + 1)


def _read_sections(
    tokens: Sequence[Token], lines: Sequence[str], start: int
) -> tuple[CardSection, ...]:
    # Headings in a list count too: one of Open Model Zoo's cards indents a heading after a list.
    headings = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    sections = []
    # Level and title of each enclosing heading, without the card's title.
    parents: list[tuple[int, str]] = []
    has_title = False
    for begin, end in pairwise((0, *headings, len(tokens))):
        line = 1
        level = 0
        title = ""
        first = start
        if begin < end and tokens[begin].type == "heading_open":
            heading = tokens[begin]
            line = _line(heading)
            level = int(heading.tag[1])
            title = to_plain_text(tokens[begin + 1].content)
            first = heading.map[1] if heading.map else 0
            parents = [parent for parent in parents if parent[0] < level]
            if level > 1 or has_title:
                parents.append((level, title))
            has_title |= level == 1
        if end < len(tokens):
            last = _line(tokens[end]) - 1
        else:
            last = len(lines)
        text = "\n".join(lines[first:last])
        if level or text.strip():
            path = tuple(title for _, title in parents)
            tables, code = _read_blocks(tokens[begin:end])
            sections.append(
                CardSection(
                    line, level, path, title, text=text, tables=tables, code=code, first=first + 1
                )
            )
    return tuple(sections)


def _read_blocks(
    tokens: Sequence[Token],
) -> tuple[tuple[CardTable, ...], tuple[tuple[int, str, str], ...]]:
    tables = []
    code = []
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            tables.append(_read_table(tokens, index))
        elif token.type == "fence":
            code.append((_line(token), token.info.strip(), token.content.removesuffix("\n")))
    return tuple(tables), tuple(code)


def _read_table(tokens: Sequence[Token], start: int) -> CardTable:
    rows: list[tuple[int, list[str]]] = []
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.type == "tr_open":
            rows.append((_line(token), []))
        elif token.type == "inline":
            rows[-1][1].append(token.content)
        elif token.type == "table_close":
            break
    (_, headers), *body = rows
    read = (TableRow(number, tuple(raw), tuple(map(to_plain_text, raw))) for number, raw in body)
    return CardTable(tuple(map(to_plain_text, headers)), tuple(read))


def _line(token: Token) -> int:
    return (token.map or [0])[0] + 1


def _read_metrics(table: CardTable, section: tuple[str, ...]) -> Iterator[CardMetric]:
    for row in table.rows:
        label, *cells = row.cells
        for header, cell in zip(table.headers[1:], cells, strict=True):
            match = _NUMBER.match(cell)
            if match:
                unit = match[1] or ""
                text = match[0].removesuffix(unit).strip()
                value = float(text.replace(",", ""))
                yield CardMetric(value, unit, label, header, section=section)


@cache
def create_parser() -> MarkdownIt:
    """A parser of blocks, but not of the text inside: CommonMark with GitHub's tables.

    Indented text is not code, because Open Model Zoo's cards indent tables and fences too far in
    lists.
    """
    return MarkdownIt("commonmark").enable("table").disable(["code", "inline"])


def to_plain_text(text: str) -> str:
    """The text that a reader sees when Markdown is displayed."""
    if not set(text) & set("\\`*_[<&"):
        return text.strip()
    parser = create_parser()
    tokens: list[Token] = []
    parser.inline.parse(text, parser, {}, tokens)
    shown = (
        "\n" if token.type in ("softbreak", "hardbreak") else token.content
        for token in tokens
        if token.type != "html_inline"
    )
    return "".join(shown).strip()


def find_links(line: str, number: int) -> Iterator[MarkdownLink]:
    """The links and images of a line; ``number`` is its line number."""
    if not ("](" in line or "]:" in line or "://" in line or "=" in line):
        return
    definition = _DEFINITION.fullmatch(line)
    if definition:
        yield MarkdownLink(number, 1, to_plain_text(definition["text"]), definition["target"])
        return
    for match in _LINK.finditer(line):
        bare = (match["bare"] or "").rstrip(".,;:!?*_")
        target = match["pointed"] or match["plain"] or match["auto"] or match["html"] or bare
        yield MarkdownLink(number, match.start() + 1, to_plain_text(match["text"] or ""), target)
