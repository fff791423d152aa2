"""What a card states about its model: ports, preprocessing, metrics and licenses, with their
positions.

Text that is not understood is left out, so rules only compare clear facts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import accumulate, chain
from typing import Any, Generic, TypeVar

from posezoo.core.values import frozen
from posezoo.pages.cards.card_reader import CardSection, MarkdownLink, ParsedCard, find_links

ValueT = TypeVar("ValueT")
Numbers = tuple[float, ...]
#: Sizes of a shape, or letters of a format; a letter in a shape means any size.
Shape = tuple[int | str, ...]


@frozen
class CardValue(Generic[ValueT]):
    """A value with its text and position in the card."""

    value: ValueT
    text: str
    line: int
    column: int = 1
    label: str = ""  # of a number in a table: the first cell of its row


NO_TEXT: CardValue[str] = CardValue("", "", 0)
NO_SHAPE: CardValue[Shape] = CardValue((), "", 0)


@frozen
class CardPort:
    """An input or an output; ``format`` is ("B", "C", "H", "W"), or contains sizes: (1, 1, "N", 7).
    What is not stated is empty.
    """

    name: CardValue[str] = NO_TEXT
    shape: CardValue[Shape] = NO_SHAPE
    format: CardValue[Shape] = NO_SHAPE


@frozen
class CardPorts:
    """The inputs or the outputs in one section of a card.

    ``side`` is ``original``, ``converted``, ``preamble`` for text before these two sections, or
    empty for both; ``values`` are by the keys of ``_READERS``.
    """

    kind: str  # ``input`` or ``output``
    side: str
    line: int  # of the heading
    ports: tuple[CardPort, ...]
    values: Mapping[str, list[CardValue[Any]]]


@frozen
class CardClaims:
    """What a card states about one model."""

    ports: tuple[CardPorts, ...] = ()  # the sections on inputs and outputs
    #: Cells of tables by ``gflops``, ``mparams`` and ``framework``.
    metrics: dict[str, CardValue[str]] = field(default_factory=dict)
    accuracy: tuple[CardValue[float], ...] = ()  # the numbers in accuracy tables
    #: Of a row of such a table, the number of the original model, and one of the converted model.
    conversions: tuple[tuple[CardValue[float], CardValue[float]], ...] = ()
    licenses: tuple[MarkdownLink, ...] = ()  # the links of the legal section

    def sections_on(self, kind: str, *sides: str) -> list[CardPorts]:
        """The sections on inputs or outputs for any of these sides."""
        return [section for section in self.ports if section.kind == kind and section.side in sides]

    def ports_on(self, kind: str, *sides: str) -> list[CardPort]:
        """The inputs or the outputs in these sections."""
        return [port for section in self.sections_on(kind, *sides) for port in section.ports]


_DIMENSION = r"(?:-?[0-9]{1,9}|[A-Za-z?][A-Za-z0-9_*+/? ]{0,30})"
_DIMENSIONS = re.compile(rf"[\[(]?\s*({_DIMENSION}(?:\s*[,x×]\s*{_DIMENSION})+)\s*[\])]?")
_LINK_WORD = r"\s*(?:[-–—:=]|is|of|are)?\s*"
_NAME = re.compile(
    rf"\bname[sd]?{_LINK_WORD}`([^`\n]{{1,200}})`|\bnamed\s+`([^`\n]{{1,200}})`", re.IGNORECASE
)
_NEXT_NAME = re.compile(r"\s*(?:,|and|, and)\s*`([^`\n]{1,200})`(?!\s+shape)")
#: The name at the beginning of an item of a list that states its shape: - `heatmaps` of shape ...
_BARE_NAME = re.compile(
    r"\s*(?:[0-9]{1,3}[.)]|[-*+])\s+(?:The\s+)?`([A-Za-z_][^`\s,]{1,200})`[^`]{0,60}\bshape",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    # not `1, 32` for one of several uses
    rf"\bshapes?{_LINK_WORD}[`\[]([^`\]]{{1,120}})[`\]](?!\s+for\b)"
    r"|`([^`]{1,120})`\s+shape|\bimage\s+of\s+`([^`]{1,120})`",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    rf"\b(?:format|layout){_LINK_WORD}`([^`]{{1,60}})`|\bin\s+(?:the\s+)?`([^`]{{1,60}})`\s+(?:format|layout)",
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
_LONG_BLANK = re.compile(r"\s{9,}")
_BULLET = re.compile(r"\s*(?:[0-9]{1,3}[.)]|[-*+])\s")
_KIND = re.compile(r"(?:input|output)(?=s?\b)", re.IGNORECASE)
_SIDE = re.compile(r"original|converted", re.IGNORECASE)
_METRICS = {
    "gflops": re.compile(r"g(?:fl)?ops(?:,.{0,60})?", re.IGNORECASE),
    "mparams": re.compile(r"m ?params(?:,.{0,60})?", re.IGNORECASE),
    "framework": re.compile(r"source framework", re.IGNORECASE),
}
#: Words in the headings of sections that state an accuracy.
_ACCURACY = re.compile(r"accuracy|validation|performance|quality|specification", re.IGNORECASE)


def read_claims(sections: Iterable[CardSection]) -> CardClaims:
    """The facts that these sections of a card state."""
    sections = tuple(sections)
    parents = {section.path[:-1] for section in sections}
    ports = [_read_ports(section, section.path in parents) for section in sections]
    licenses: list[MarkdownLink] = []
    for section in sections:
        if any(title.lower().startswith("legal") for title in section.path):
            for number, line in section.prose_lines:
                licenses += find_links(line, number)
    accuracy = [section for section in sections if any(map(_ACCURACY.search, section.path))]
    return CardClaims(
        ports=tuple(filter(None, ports)),
        metrics=_read_metrics(sections),
        accuracy=tuple(chain.from_iterable(map(_read_accuracy, accuracy))),
        conversions=tuple(chain.from_iterable(map(_read_conversions, accuracy))),
        licenses=tuple(licenses),
    )


def _find_metric(title: str) -> str:
    return next((kind for kind, pattern in _METRICS.items() if pattern.fullmatch(title)), "")


def _read_metrics(sections: Iterable[CardSection]) -> dict[str, CardValue[str]]:
    metrics: dict[str, CardValue[str]] = {}
    for section in sections:
        for row in section.rows:
            kind = _find_metric(row.cells[0])
            if kind and len(row.raw) == 2:
                metrics.setdefault(kind, CardValue(row.raw[1], row.raw[1], row.line))
    return metrics


def _read_accuracy(section: CardSection) -> Iterator[CardValue[float]]:
    for row in section.rows:
        label = row.cells[0]
        if _find_metric(label):
            continue
        for number in re.findall(_NUMBER, " ".join(row.raw[1:])):
            yield CardValue(float(number), number, row.line, 1, label=label)


def _read_conversions(
    section: CardSection,
) -> Iterator[tuple[CardValue[float], CardValue[float]]]:
    for table in section.tables:
        sides = [_SIDE.match(header) for header in table.headers]
        kinds = [side[0].lower() if side else "" for side in sides]
        if kinds.count("original") != 1:
            continue
        for row in table.rows:
            numbers = [re.findall(_NUMBER, cell) for cell in row.cells]
            original = numbers[kinds.index("original")]
            for kind, found in zip(kinds, numbers, strict=True):
                if kind == "converted" and len(original) == len(found) == 1:
                    values = (original[0], found[0])
                    first, second = (
                        CardValue(float(text), text, row.line, 1, label=row.cells[0])
                        for text in values
                    )
                    yield first, second


def _read_ports(section: CardSection, is_parent: bool) -> CardPorts | None:
    kinds = _match_headings(_KIND, section)
    sides = _match_headings(_SIDE, section) or ["preamble" if is_parent else ""]
    if not kinds:
        if section.level != 2 or not section.title.lower().startswith("use"):
            return None
        kinds = ["input"]
        sides = ["preamble"]
    ports = []
    values: dict[str, list[CardValue[Any]]] = {key: [] for key in _READERS}
    for block in read_blocks(section):
        ports += block.find_ports()
        for key, (pattern, read) in _READERS.items():
            values[key] += block.find_all(pattern, read)
    return CardPorts(kinds[-1], sides[0], section.line, tuple(ports), values=values)


def _match_headings(pattern: re.Pattern[str], section: CardSection) -> list[str]:
    return [match[0].lower() for match in map(pattern.match, section.path) if match]


def select_part_sections(
    card: ParsedCard, part: str, parts: Iterable[str]
) -> tuple[CardSection, ...]:
    """The sections of a composite's card about one of ``parts``; empty if this is unclear."""
    words_by_part = {name: _words(name) for name in parts}
    shared = set.intersection(*words_by_part.values())
    for heading in card.sections:
        if "specification" not in heading.title.lower():
            continue
        title = _words(heading.title)
        scores = {name: len((words - shared) & title) for name, words in words_by_part.items()}
        score = scores.pop(part)
        if score > max(scores.values(), default=0):
            return card.subsections(heading)
    return ()


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower())) - {"model", "specification", "composite"}


@frozen
class TextBlock:
    """A paragraph or a list item, with each line's offset in the text and its line number in the
    card.
    """

    text: str
    starts: tuple[int, ...]
    numbers: tuple[int, ...]

    def value(self, value: ValueT, match: re.Match[str]) -> CardValue[ValueT]:
        """The value of the last group of a match, with its position in the card."""
        group = match.lastindex or 0
        line = bisect_right(self.starts, match.start(group)) - 1
        return CardValue(
            value, match[group], self.numbers[line], match.start(group) - self.starts[line] + 1
        )

    def find_all(
        self, pattern: re.Pattern[str], read: Callable[[str], ValueT]
    ) -> list[CardValue[ValueT]]:
        """The values of all matches that are not empty, with their positions."""
        matches = (
            (match, read(match[match.lastindex or 0])) for match in pattern.finditer(self.text)
        )
        return [self.value(value, match) for match, value in matches if value]

    def find_ports(self) -> list[CardPort]:
        """The inputs or outputs that the text describes."""
        names: list[CardValue[str]] = []
        for match in _NAME.finditer(self.text):
            following: re.Match[str] | None = match
            while following:  # `a`, `b` and `c`
                names.append(self.value(following[following.lastindex or 0].strip(), following))
                following = _NEXT_NAME.match(self.text, following.end())
        if not names and (bare := _BARE_NAME.match(self.text)):
            names.append(self.value(bare[1], bare))
        shapes = self.find_all(_SHAPE, _dimensions)
        formats = self.find_all(_FORMAT, _dimensions)
        if not names:
            if len(formats) != len(shapes):
                formats = [NO_SHAPE] * len(shapes)
            return [CardPort(NO_TEXT, *port) for port in zip(shapes, formats, strict=True)]
        # The text before the first name also belongs to it.
        starts = [(0, 0), *((name.line, name.column) for name in names[1:]), (1 << 60, 0)]
        return [
            CardPort(name, _only_value(shapes, start, end), _only_value(formats, start, end))
            for name, start, end in zip(names, starts, starts[1:], strict=False)
        ]


def _only_value(
    values: list[CardValue[Shape]], start: tuple[int, int], end: tuple[int, int]
) -> CardValue[Shape]:
    """The value between two positions; empty if there are several, since the right one is
    unclear.
    """
    between = [value for value in values if start <= (value.line, value.column) < end]
    if len({value.value for value in between}) == 1:
        return between[0]
    return NO_SHAPE


def read_blocks(section: CardSection) -> Iterator[TextBlock]:
    """The paragraphs and list items of a section, without code and tables."""
    lines: list[str] = []
    numbers: list[int] = []
    for number, line in (*section.prose_lines, (0, "")):
        is_text = bool(line.strip()) and not line.lstrip().startswith("|")
        if lines and (not is_text or _BULLET.match(line)):
            starts = accumulate((len(text) + 1 for text in lines[:-1]), initial=0)
            yield TextBlock("\n".join(lines), tuple(starts), tuple(numbers))
            lines = []
            numbers = []
        if is_text:
            # Patterns would be slow on thousands of spaces, so long runs are shortened.
            lines.append(_LONG_BLANK.sub("   ", line))
            numbers.append(number)


def _dimensions(text: str) -> Shape:
    match = _DIMENSIONS.fullmatch(text.replace("`", "").strip())
    if match is None:
        return ()
    parts = [part.strip() for part in re.split(r"[,×]" if "," in text else r"[,x×]", match[1])]
    return tuple(int(part) if re.fullmatch(r"-?[0-9]+", part) else part for part in parts)


def _numbers(text: str) -> Numbers:
    return tuple(map(float, re.findall(_NUMBER, text)))


#: How the values are read that a section may state once for all its ports.
_READERS: dict[str, tuple[re.Pattern[str], Callable[[str], object]]] = {
    "format": (_FORMAT, _dimensions),
    "color": (_COLOR, str.upper),
    "mean": (_MEAN, _numbers),
    "scale": (_SCALE, _numbers),
}
