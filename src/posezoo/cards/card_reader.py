"""Read a model card: its sections, tables, links and metrics, each with its line number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cards.markdown_inline import create_parser, find_links, to_plain_text
from posezoo.cards.parsed_card import CardSection, CardTable, ParsedCard, TableRow

if TYPE_CHECKING:
    from markdown_it.token import Token

#: Open Model Zoo's largest card has 32,000 characters. A text of this length takes at most 3 s and 220 MB.
MAX_CHARACTERS = 1 << 18
#: Each link causes at least one file system access.
MAX_LINKS = 20_000


def read_card(path: Path) -> ParsedCard | None:
    """The card in a file; None if the file cannot be read.

    Raises:
        MissingPackageError: markdown-it-py is not installed.
    """
    text = read_text(path)
    return parse_card(text) if text is not None else None


def read_text(path: Path) -> str | None:
    """The beginning of a text file; None if it cannot be read.

    It may be one character longer than a card may be, so that a file that is too long is recognized.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError):
        return None


def parse_card(text: str) -> ParsedCard:
    """The parts of a card; the result's ``truncation_note`` says what was too long to be read.

    Raises:
        MissingPackageError: markdown-it-py is not installed.
    """
    notes = [f"only its first {MAX_CHARACTERS:,} characters were read"] if len(text) > MAX_CHARACTERS else []
    lines = text[:MAX_CHARACTERS].removeprefix("\ufeff").splitlines()
    start = 0
    if lines and lines[0].rstrip() == "---":  # front matter
        ends = (number for number, line in enumerate(lines[1:], 2) if line.rstrip() in ("---", "..."))
        start = next(ends, 0)
    tokens = create_parser().parse("\n".join([""] * start + lines[start:]))
    sections = _read_sections(tokens, lines, start)
    no_links: set[int] = set()
    for token in tokens:
        is_comment = token.type == "html_block" and token.content.startswith("<!--")
        if token.map and (token.type == "fence" or is_comment):
            no_links.update(range(*token.map))
    # The parser's link tokens have no line or column, so links are searched in the lines.
    found = (
        link
        for number, line in enumerate(lines)
        if number >= start and number not in no_links
        for link in find_links(line, number + 1)
    )
    links = tuple(islice(found, MAX_LINKS))
    if len(links) == MAX_LINKS:
        notes.append(f"only its first {MAX_LINKS:,} links were read")
    return ParsedCard(sections, links, "; ".join(notes))


def _read_sections(tokens: Sequence[Token], lines: Sequence[str], start: int) -> tuple[CardSection, ...]:
    # Headings in a list count too: one of Open Model Zoo's cards indents a heading after a list.
    headings = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    sections: list[CardSection] = []
    parents: list[tuple[int, str]] = []  # level and title of each enclosing heading, without the card's title
    has_title = False
    for begin, end in pairwise((0, *headings, len(tokens))):
        tables, code = [], []
        for index in range(begin, end):
            if tokens[index].type == "table_open":
                tables.append(_read_table(tokens, index))
            elif tokens[index].type == "fence":
                fence = tokens[index]
                code.append((_line(fence), fence.info.strip(), fence.content.removesuffix("\n")))
        last = _line(tokens[end]) - 1 if end < len(tokens) else len(lines)
        if begin == end or tokens[begin].type != "heading_open":
            line, level, title, first = 1, 0, "", start
        else:
            line, level, title = _line(tokens[begin]), int(tokens[begin].tag[1]), tokens[begin + 1].content
            title, first = to_plain_text(title), (tokens[begin].map or (0, 0))[1]
            parents = [parent for parent in parents if parent[0] < level]
            if level > 1 or has_title:
                parents.append((level, title))
            has_title = has_title or level == 1
        text = "\n".join(lines[first:last])
        if level or text.strip():
            path = tuple(title for _, title in parents)
            sections.append(
                CardSection(line, level, path, title, text, tuple(tables), tuple(code), first + 1)
            )
    return tuple(sections)


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
