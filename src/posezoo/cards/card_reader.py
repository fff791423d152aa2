"""Read a card: its sections, tables, links and figures, each with its line; ours and Open Model Zoo's.

Cards come from strangers, in hundreds: they are read line by line in linear time and bounded memory, which
parsers of all Markdown in Python are not (10 MB take them half a minute, a million cells several GB). What is
read is what cards are made of: headings, tables in GitHub's form, fenced code, links, images, front matter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, islice

from posezoo.cards.markdown_inline import find_links, to_plain_text
from posezoo.cards.parsed_card import CardSection, CardTable, ParsedCard, TableRow

__all__ = ["CardSection", "CardTable", "ParsedCard", "TableRow", "parse_card"]

#: Open Model Zoo's largest card has 32,000 characters.
MAX_CHARACTERS = 2 << 20
MAX_CELLS = 100_000
MAX_LINKS = 20_000
MAX_SECTIONS = 2_000

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
# Deeper than CommonMark allows: in lists, Open Model Zoo's cards indent them so.
_FENCE = re.compile(r" {0,12}(`{3,}|~{3,})([^`]*)")
_DELIMITER = re.compile(r":?-+:?")
_BAR = re.compile(r"(?<!\\)\|")


def parse_card(text: str) -> ParsedCard:
    """The parts of a card; any text is one. See ``Card.truncation_note`` for what is too large."""
    cuts = [f"only its first {MAX_CHARACTERS:,} characters were read"] if len(text) > MAX_CHARACTERS else []
    lines = text[:MAX_CHARACTERS].removeprefix("\ufeff").splitlines()
    front, start = _front_matter(lines)
    sections, prose = _sections(lines, start, cuts)
    title = next((section.title for section in sections if section.level == 1), "")
    found = chain.from_iterable(find_links(line, number) for number, line in prose)
    links = tuple(islice(found, MAX_LINKS))
    if len(links) == MAX_LINKS:
        cuts.append(f"only its first {MAX_LINKS:,} links were read")
    return ParsedCard(title, front, tuple(sections), links, "; ".join(dict.fromkeys(cuts)))


def _front_matter(lines: Sequence[str]) -> tuple[str, int]:
    """The YAML that a card may open with, and where the rest starts."""
    if lines and lines[0].rstrip() == "---":
        for place in range(1, len(lines)):
            if lines[place].rstrip() in ("---", "..."):
                return "\n".join(lines[1:place]), place + 1
    return "", 0


class _SectionBuilder:
    """A section while its lines are read."""

    def __init__(self, line: int, level: int, title: str, path: tuple[str, ...], first: int) -> None:
        self.line, self.level, self.title, self.path, self.first = line, level, title, path, first
        self.tables: list[CardTable] = []
        self.code: list[tuple[int, str, str]] = []

    def build(self, lines: Sequence[str], end: int) -> CardSection:
        text = "\n".join(lines[self.first : end])
        tables, code = tuple(self.tables), tuple(self.code)
        return CardSection(self.line, self.level, self.path, self.title, text, tables, code, self.first + 1)


def _sections(
    lines: Sequence[str], start: int, cuts: list[str]
) -> tuple[list[CardSection], list[tuple[int, str]]]:
    """The sections, and the lines that are neither code nor comment, each with its number."""
    found: list[CardSection] = []
    prose: list[tuple[int, str]] = []
    draft = _SectionBuilder(1, 0, "", (), start)
    above: list[tuple[int, str]] = []  # the headings that are open, without the card's title
    place, cells = start, MAX_CELLS
    while place < len(lines):
        line = lines[place]
        if fence := _FENCE.fullmatch(line):
            end = _end_of_fence(lines, place, fence.group(1))
            draft.code.append((place + 1, fence.group(2).strip(), "\n".join(lines[place + 1 : end])))
            place = end + 1
        elif line.lstrip().startswith("<!--"):
            place = _after_comment(lines, place)
        elif heading := _heading(lines, place) if len(found) < MAX_SECTIONS else None:
            level, title, length = heading
            prose.append((place + 1, line))
            found.append(draft.build(lines, place))
            while above and above[-1][0] >= level:
                above.pop()
            if level > 1 or any(section.level == 1 for section in found):
                above.append((level, title))
            path = tuple(each for _, each in above)
            draft = _SectionBuilder(place + 1, level, title, path, place + length)
            place += length
            if len(found) == MAX_SECTIONS:
                cuts.append(f"only its first {MAX_SECTIONS:,} headings were read")
        elif _opens_table(lines, place):
            table, end = _table(lines, place, cells)
            cells -= len(table.headers) * (len(table.rows) + 1)
            draft.tables.append(table)
            if cells <= 0:
                cuts.append(f"only the first {MAX_CELLS:,} cells of its tables were read")
            prose += [(number + 1, lines[number]) for number in range(place, min(end, place + MAX_CELLS))]
            place = end
        else:
            prose.append((place + 1, line))
            place += 1
    found.append(draft.build(lines, len(lines)))
    return [each for each in found if each.level or each.text.strip()], prose


def _heading(lines: Sequence[str], place: int) -> tuple[int, str, int] | None:
    """Level, title and number of lines of a heading; None where none starts here."""
    line = lines[place]
    if found := _HEADING.fullmatch(line):
        return len(found.group(1)), to_plain_text(found.group(2) or ""), 1
    following = lines[place + 1] if place + 1 < len(lines) else ""
    is_text = line.strip() and not line.startswith((" " * 4, "\t", ">", "- ", "* ", "+ ", "|"))
    if is_text and (found := _UNDERLINE.fullmatch(following)) and not _UNDERLINE.fullmatch(line):
        return 1 if "=" in found.group(1) else 2, to_plain_text(line), 2
    return None


def _end_of_fence(lines: Sequence[str], place: int, mark: str) -> int:
    """The line that closes a fenced block; the number of lines where none does."""
    for end in range(place + 1, len(lines)):
        line = lines[end].strip()
        if len(line) >= len(mark) and set(line) == {mark[0]}:
            return end
    return len(lines)


def _after_comment(lines: Sequence[str], place: int) -> int:
    return next((end + 1 for end in range(place, len(lines)) if "-->" in lines[end]), len(lines))


def _opens_table(lines: Sequence[str], place: int) -> bool:
    if "|" not in lines[place] or place + 1 == len(lines) or "-" not in lines[place + 1]:
        return False
    delimiters = _cells(lines[place + 1])
    # A delimiter row holds nothing else, so that a line of prose is not split for nothing.
    return all(map(_DELIMITER.fullmatch, delimiters)) and len(_cells(lines[place])) == len(delimiters)


def _table(lines: Sequence[str], place: int, cells: int) -> tuple[CardTable, int]:
    """The table that opens here, of at most so many cells, and the line after it."""
    headers = tuple(map(to_plain_text, _cells(lines[place])))
    width, end = len(headers), place + 2
    rows: list[TableRow] = []
    while end < len(lines) and lines[end].strip() and not _ends_table(lines[end]):
        if (len(rows) + 2) * width <= cells:
            found = _cells(lines[end])[:width]
            rows.append(TableRow(end + 1, tuple(found + [""] * (width - len(found)))))
        end += 1
    return CardTable(place + 1, headers, tuple(rows)), end


def _ends_table(line: str) -> bool:
    return line.startswith((">", "#", "```", "~~~", "<!--")) and "|" not in line


def _cells(line: str) -> list[str]:
    """The cells of a row, as they are written; a bar after a backslash separates nothing."""
    parts = _BAR.split(line.strip())
    if len(parts) > 1 and not parts[0].strip():
        parts = parts[1:]
    if len(parts) > 1 and not parts[-1].strip():
        parts = parts[:-1]
    return [part.strip() for part in parts]
