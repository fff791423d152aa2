"""What a card says of its model, taken out of headings, sentences and tables, each with its place.

Cards are written by hand: the same fact stands in many forms of words. What is not understood is no claim,
so that a rule only ever holds two things against each other that somebody did say.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from posezoo.cards.markdown_inline import MarkdownLink, find_links, to_plain_text
from posezoo.cards.parsed_card import CardSection, ParsedCard

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class CardValue(Generic[ValueT]):
    """A value, as text and as it is meant, and where it stands."""

    value: ValueT
    text: str
    line: int
    column: int = 1


Numbers = tuple[float, ...]
#: A dimension of a shape: a number, or a letter where any size will do.
Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class CardPort:
    """An input or an output, as far as a card tells of it."""

    line: int
    name: CardValue[str] | None = None
    shape: CardValue[Shape] | None = None
    format: CardValue[Shape] | None = None  # ("B", "C", "H", "W"), or with numbers: (1, 1, "N", 7)


@dataclass(frozen=True, slots=True)
class CardPorts:
    """What one section tells of what goes in or comes out.

    Attributes:
        kind: ``input`` or ``output``.
        side: ``original``, ``converted``, ``preamble`` before sections of the two, or empty: both.
    """

    kind: str
    side: str
    line: int
    ports: tuple[CardPort, ...] = ()
    colors: tuple[CardValue[str], ...] = ()
    means: tuple[CardValue[Numbers], ...] = ()
    scales: tuple[CardValue[Numbers], ...] = ()


@dataclass(frozen=True, slots=True)
class CardClaims:
    """All that a card says of one model.

    Attributes:
        figures: by ``gflops``, ``mparams``, ``type`` and ``framework``, what the specification's table says;
            by ``published gflops`` and ``published mparams``, what it does not say was counted.
        accuracy: the numbers of the tables that tell how well the model does.
        description: the text below the first heading that has one.
        licenses: the links of the legal section.
        titles: the headings, in lower case.
        labels: what heads the rows of all tables, in lower case.
    """

    ends: tuple[CardPorts, ...] = ()
    figures: dict[str, CardValue[str]] = field(default_factory=dict)
    accuracy: tuple[CardValue[float], ...] = ()
    description: CardValue[str] | None = None
    licenses: tuple[MarkdownLink, ...] = ()
    titles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def select_ports(self, kind: str, *sides: str) -> tuple[CardPorts, ...]:
        """What is said of inputs or outputs, on any of these sides."""
        return tuple(end for end in self.ends if end.kind == kind and end.side in sides)


_DIMENSION = r"(?:-?[0-9]{1,9}|[A-Za-z?][A-Za-z0-9_*+/? ]{0,30})"
_DIMENSIONS = re.compile(rf"[\[(]?\s*({_DIMENSION}(?:\s*[,x×]\s*{_DIMENSION})+)\s*[\])]?")
_JOINT = r"\s*(?:[-–—:=]|is|of|are)?\s*"
_NAME = re.compile(rf"\bname[sd]?{_JOINT}`([^`\n]{{1,200}})`|\bnamed\s+`([^`\n]{{1,200}})`", re.IGNORECASE)
_ANOTHER = re.compile(r"\s*(?:,|and|, and)\s*`([^`\n]{1,200})`(?!\s+shape)")
_BARE_NAME = re.compile(
    r"\s*(?:[0-9]{1,3}[.)]|[-*+])\s+(?:The\s+)?`([^`\n]{1,200})`\s+(?:is\s+a\s+blob\s+)?"
    r"(?:of|with)(?:\s+the)?\s+shape"
)
_SHAPE = re.compile(
    rf"\bshapes?{_JOINT}[`\[]([^`\]]{{1,120}})[`\]](?!\s+for\b)"  # `1, 384` for one use, `1, 32` for another
    r"|`([^`]{1,120})`\s+shape|\bimage\s+of\s+`([^`]{1,120})`",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    rf"\b(?:format|layout){_JOINT}`([^`]{{1,60}})`|\bin\s+(?:the\s+)?`([^`]{{1,60}})`\s+(?:format|layout)",
    re.IGNORECASE,
)
_COLOR = re.compile(
    r"\b(?:colou?r|channels?)\s+order\s*(?:[-–—:=]|is)?\s*`?(RGB|BGR)\b"
    r"|`(BGR|RGB)`\s+(?:order|image)|\b(BGR|RGB)\s+mean\s+values",
    re.IGNORECASE,
)
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,20})?"
_VALUES = rf"(\[[^\[\]]{{1,200}}\]|{_NUMBER})"
_MEAN = re.compile(
    rf"\bmean\s+values?\b(?![^.\[\]]{{0,60}}\bby\b)[^\[\]0-9`|]{{0,60}}{_VALUES}", re.IGNORECASE
)
_SCALE = re.compile(
    rf"\bscale(?:\s+values?|\s+factors?)?(?:\s+for\s+each\s+channel)?\s*[-–—:=]\s*{_VALUES}"
    rf"|\bdivided?\b[^\[\]0-9`|]{{0,60}}{_VALUES}",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"\s{9,}")
_BULLET = re.compile(r"\s*(?:[0-9]{1,3}[.)]|[-*+])\s")
_KIND = re.compile(r"(input|output)s?\b", re.IGNORECASE)
_FIGURES = {
    "gflops": re.compile(r"g(?:fl)?ops(?:,.{0,60})?", re.IGNORECASE),
    "mparams": re.compile(r"m ?params(?:,.{0,60})?", re.IGNORECASE),
    "type": re.compile(r"type", re.IGNORECASE),
    "framework": re.compile(r"source framework", re.IGNORECASE),
    "published gflops": re.compile(r"g(?:fl)?ops(?:, as published)?", re.IGNORECASE),
    "published mparams": re.compile(r"m ?params(?:, as published)?", re.IGNORECASE),
}
#: Of the words that head a section of figures.
_ACCURACY = re.compile(r"accuracy|validation|performance|quality|specification", re.IGNORECASE)


def read_claims(sections: Iterable[CardSection]) -> CardClaims:
    """What these sections of a card say."""
    sections = tuple(sections)
    metrics: dict[str, CardValue[str]] = {}
    accuracy: list[CardValue[float]] = []
    for section in sections:
        for kind, said in _figures(section):
            metrics.setdefault(kind, said)
        if any(map(_ACCURACY.search, section.path)):
            accuracy += _table_numbers(section)
    return CardClaims(
        ends=tuple(_all_ends(sections)),
        figures=metrics,
        accuracy=tuple(accuracy),
        description=_description(sections),
        licenses=tuple(
            link
            for section in sections
            if any(title.lower().startswith("legal") for title in section.path)
            for number, line in section.prose_lines
            for link in find_links(line, number)
        ),
        titles=tuple(section.title.lower() for section in sections if section.level),
        labels=tuple(
            row.cells[0].lower() for section in sections for table in section.tables for row in table.rows
        ),
    )


def select_part_sections(card: ParsedCard, part: str, parts: Iterable[str]) -> tuple[CardSection, ...]:
    """The sections of a composite's card that tell of one of its parts; none where that is not clear."""
    words = {name: _words(name) for name in parts}
    shared = set.intersection(*words.values()) if words else set()
    headings = [section for section in card.sections if "specification" in section.title.lower()]
    for heading in headings:
        title = _words(heading.title)
        scores = {name: len((own - shared) & title) for name, own in words.items()}
        best = max(scores.values(), default=0)
        if best and [name for name, score in scores.items() if score == best] == [part]:
            return card.subsections(heading)
    return ()


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower())) - {"model", "specification", "composite"}


def _figures(section: CardSection) -> Iterator[tuple[str, CardValue[str]]]:
    for table in section.tables:
        for row in table.rows:
            if len(row.raw) != 2:
                continue
            for kind, form in _FIGURES.items():
                if form.fullmatch(row.cells[0]):
                    yield kind, CardValue(row.raw[1], row.raw[1], row.line)


def _table_numbers(section: CardSection) -> Iterator[CardValue[float]]:
    for table in section.tables:
        for row in table.rows:
            if any(form.fullmatch(row.cells[0]) for form in _FIGURES.values()):
                continue
            for cell in row.raw[1:]:
                for match in re.finditer(_NUMBER, cell):
                    yield CardValue(float(match[0]), match[0], row.line)


def _description(sections: tuple[CardSection, ...]) -> CardValue[str] | None:
    for section in sections:
        if section.level != 2:
            continue
        lines = [(number, line) for number, line in section.prose_lines if line.strip()]
        text = "\n".join(line for _, line in lines)
        return CardValue(text, text, lines[0][0]) if lines else None
    return None


def _all_ends(sections: tuple[CardSection, ...]) -> Iterator[CardPorts]:
    parents = {section.path[:-1] for section in sections}
    for section in sections:
        titles = section.path
        kinds = [match[1].lower() for title in titles if (match := _KIND.match(title))]
        if not kinds:
            if section.level == 2 and section.title.lower().startswith("use"):
                yield _ends("input", "preamble", section)
            continue
        side = next(
            (
                word
                for title in titles
                for word in ("original", "converted")
                if title.lower().startswith(word)
            ),
            "",
        )
        if not side and titles in parents:
            side = "preamble"
        yield _ends(kinds[-1], side, section)


def _ends(kind: str, side: str, section: CardSection) -> CardPorts:
    ports: list[CardPort] = []
    colors: list[CardValue[str]] = []
    means: list[CardValue[Numbers]] = []
    scales: list[CardValue[Numbers]] = []
    for block in _blocks(section):
        ports += block.find_ports()
        colors += block.find_all(_COLOR, str.upper)
        means += block.find_all(_MEAN, _numbers)
        scales += block.find_all(_SCALE, _numbers)
    for table in section.tables:
        columns = [cell.lower() for cell in table.headers]
        for row in table.rows:
            cells = dict(zip(columns, row.raw, strict=True))
            ports += _table_port(cells, row.line)
            colors += [
                CardValue(color, color, row.line)
                for color in (to_plain_text(cells.get("colour order", "")),)
                if color in ("RGB", "BGR")
            ]
            means += _table_values(cells.get("mean", ""), row.line)
            scales += _table_values(cells.get("scale", ""), row.line)
    return CardPorts(kind, side, section.line, tuple(ports), tuple(colors), tuple(means), tuple(scales))


def _table_port(cells: dict[str, str], line: int) -> list[CardPort]:
    if not {"name", "shape"} <= cells.keys():
        return []
    name, layout = to_plain_text(cells["name"]), to_plain_text(cells.get("layout", ""))
    shape = _dimensions(cells["shape"])
    return [
        CardPort(
            line,
            CardValue(name, name, line) if name else None,
            CardValue(shape, cells["shape"], line) if shape else None,
            CardValue(tuple(layout), layout, line) if layout else None,
        )
    ]


def _table_values(cell: str, line: int) -> list[CardValue[Numbers]]:
    values = _numbers(cell)
    return [CardValue(values, cell, line)] if values else []


@dataclass(frozen=True)
class _TextBlock:
    """Lines that belong together: a paragraph, or an item of a list."""

    text: str
    starts: tuple[int, ...]  # where each line begins in the text
    numbers: tuple[int, ...]  # of each line

    def locate(self, position: int) -> tuple[int, int]:
        index = bisect_right(self.starts, position) - 1
        return self.numbers[index], position - self.starts[index] + 1

    def find_all(self, form: re.Pattern[str], read: Callable[[str], ValueT]) -> list[CardValue[ValueT]]:
        found = []
        for match in form.finditer(self.text):
            index = match.lastindex or 0
            value = read(match[index])
            if value:
                found.append(CardValue(value, match[index], *self.locate(match.start(index))))
        return found

    def _names(self) -> list[CardValue[str]]:
        names = []
        for match in _NAME.finditer(self.text):
            index = match.lastindex or 0
            names.append(CardValue(match[index].strip(), match[index], *self.locate(match.start(index))))
            position = match.end()
            while other := _ANOTHER.match(self.text, position):  # `a`, `b` and `c`
                names.append(CardValue(other[1].strip(), other[1], *self.locate(other.start(1))))
                position = other.end()
        return names

    def find_ports(self) -> list[CardPort]:
        names = self._names()
        bare = _BARE_NAME.match(self.text)
        if bare and not names:
            names = [CardValue(bare[1], bare[1], *self.locate(bare.start(1)))]
        shapes = self.find_all(_SHAPE, _dimensions)
        formats = self.find_all(_FORMAT, _dimensions)
        if not names:
            if not shapes:
                return []
            return [
                CardPort(shape.line, None, shape, formats[index] if len(formats) == len(shapes) else None)
                for index, shape in enumerate(shapes)
            ]
        ports = []
        for index, name in enumerate(names):
            start = (0, 0) if not index else (name.line, name.column)
            after = names[index + 1] if index + 1 < len(names) else None
            end = (after.line, after.column) if after else (1 << 60, 0)
            ports.append(CardPort(name.line, name, _first(shapes, start, end), _first(formats, start, end)))
        return ports


def _first(
    found: list[CardValue[Shape]], start: tuple[int, int], end: tuple[int, int]
) -> CardValue[Shape] | None:
    """The only one between two places; of several it is not known which is meant."""
    inside = [each for each in found if start <= (each.line, each.column) < end]
    return inside[0] if len({each.value for each in inside}) == 1 else None


def _blocks(section: CardSection) -> Iterator[_TextBlock]:
    block: list[tuple[int, str]] = []
    for number, line in (*section.prose_lines, (0, "")):
        table = line.lstrip().startswith("|")
        if block and (not line.strip() or table or _BULLET.match(line)):
            yield _joined(block)
            block = []
        if line.strip() and not table:
            block.append((number, line))


def _joined(lines: list[tuple[int, str]]) -> _TextBlock:
    # Of a run of thousands of blanks a pattern would try each: a few will do.
    lines = [(number, _BLANKS.sub("   ", line)) for number, line in lines]
    starts, position = [], 0
    for _, text in lines:
        starts.append(position)
        position += len(text) + 1
    return _TextBlock(
        "\n".join(text for _, text in lines), tuple(starts), tuple(number for number, _ in lines)
    )


def _dimensions(text: str) -> Shape:
    """A shape or a format; empty where the text is none."""
    match = _DIMENSIONS.fullmatch(text.replace("`", "").strip())
    if match is None:
        return ()
    parts = [part.strip() for part in re.split(r"[,×]" if "," in text else r"[,x×]", match[1])]
    return tuple(int(part) if re.fullmatch(r"-?[0-9]+", part) else part for part in parts)


def _numbers(text: str) -> Numbers:
    return tuple(map(float, re.findall(_NUMBER, text)))
