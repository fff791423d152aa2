"""Rules on the text of a card: license, links, sections, names and the description."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import HttpSource
from posezoo.lint.accuracy_check_yml import list_leaves
from posezoo.lint.card_claims import read_blocks
from posezoo.lint.finding import FileLocation, RuleViolation, Severity, Violations
from posezoo.lint.registry_view import CARD, ModelView, RegistryView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import find_intended, select_words, simplify, words
from posezoo.pages.cards.card_reader import CardSection, MarkdownLink, ParsedCard

_PROJECT = re.compile(
    r"https?://(?:www\.)?(?:github\.com|raw\.githubusercontent\.com|media\.githubusercontent\.com/media|gitlab\.com)"
    r"/([A-Za-z0-9_.-]{1,100})/([A-Za-z0-9_.-]{1,100})"
)
_PLACEHOLDER = re.compile(
    r"\b(?:TODO|FIXME|TBD|TBA|XXX+|CHANGEME|PLACEHOLDER)\b|\?\?\?"
    r"|\b(?i:lorem ipsum|to be (?:done|defined|determined|added))\b"
)
#: The required sections of a card, and how their headings may begin.
SECTIONS = {
    "a description": ("use case", "use-case", "description"),
    "a specification": ("specification", "composite model specification"),
    "its inputs": ("input",),
    "its outputs": ("output",),
    "legal information": ("legal",),
}
#: Headings whose sections are on one subject each; a specification may contain the others.
PLAIN_SECTIONS = ("use case", "input", "output", "accuracy", "legal", "example")
#: If two descriptions share at least this fraction of their words, one is an old copy of the other.
COPIED_SHARE = 0.8
#: If more than this fraction of a folder's models repeat the card's description, the others should
#: too.
REPEATED_SHARE = 0.6
_ARXIV = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/([0-9]{4}\.[0-9]{4,5})")
_LICENSE = re.compile(
    r"licen[cs]e|copyright|public domain|creative commons|apache|\b(?:mit|bsd|gpl|cc0|cc[ -]by)\b",
    re.IGNORECASE,
)
#: A heading on at least this many cards is correct, and one with almost the same spelling is a
#: mistake.
COMMON = 5
#: A name with at least three parts, not in an address or a path.
_NAME = re.compile(r"(?<![\w./:-])[A-Za-z][\w.]{0,40}(?:-[A-Za-z0-9][\w.]{0,40}){2,12}(?![\w/:-])")
_RANGE = re.compile(r"(\[\s*[01]\s*,\s*[0-9]{2,5}\s*\])")
_CATEGORIES = re.compile(r"\b([0-9]{2,5}) (?:categories|classes)\b")
_LABELS = re.compile(r"\b[a-z0-9]+_([0-9]{2,5})cl(_bkgr)?\.txt")


@rule()
def license_project(view: ModelView) -> Violations:
    """The license is that of a project that the card or the sources name; for a published IR, which
    may have another license than its base, another project on the card is a warning.

    Example: license: .../CSAILVision/.../LICENSE, and a card whose license is .../HRNet/.../LICENSE
    """
    spec = view.spec
    declared = _project(spec.license.url)
    where = "the card's legal section"
    others = _projects(link.target for link in view.claims.licenses)
    if not others and not spec.is_ir:
        where = "the sources and the card"
        others = _find_projects(view, spec)
    # A project that moved to another owner keeps its name.
    names = {project.partition("/")[2] for project in others}
    if declared and others and declared.partition("/")[2] not in names:
        listed = ", ".join(sorted(others))
        message = f"the license is that of {declared}; {where} name {listed}"
        severity = Severity.WARNING if spec.is_ir else None
        yield view.declared("license", message, spec.license.url, listed, severity=severity)


def _find_projects(view: ModelView, spec: ModelSpec) -> set[str]:
    """The projects of the sources and of the card's links; empty if one of both has none."""
    if view.card is None:
        return set()
    addresses = chain.from_iterable(file.sources for file in spec.files)
    sources = _projects(each.url for each in addresses if isinstance(each, HttpSource))
    on_card = _projects(link.target for link in view.card.links)
    return sources | on_card if sources and on_card else set()


def _projects(addresses: Iterable[str]) -> set[str]:
    return {project for address in addresses if (project := _project(address))}


def _project(address: str) -> str:
    """The project on a code host that an address belongs to, as owner/name; empty if there is
    none.
    """
    match = _PROJECT.match(address)
    return f"{match[1]}/{match[2].removesuffix('.git')}".lower() if match else ""


@rule()
def dead_link(view: ModelView) -> Violations:
    """Every relative link of a card leads to an existing file of the repository, if files of that
    kind are in this copy at all, and to an existing heading. The first of several cards reports it.

    Example: [another model](../no-such-model/README.md)
    """
    for target, place in view.link_targets():
        path = view.resolve_link(target)
        anchor = target.partition("#")[2].lower()
        cards = view.zoo.group(_read_card_path).get(path, [])
        if any(anchor not in {"", *card.anchors} for card in cards):
            yield RuleViolation(place, f"{target} leads to no heading", "link", target)
        elif view.zoo.lacks_file(path):
            models = view.zoo.models_by(_read_link_paths)[path]
            if models[0] is view:  # one missing file is one finding
                also = f"; {len(models)} links lead there" if len(models) > 1 else ""
                message = f"{target} leads to {path}, which does not exist{also}"
                yield RuleViolation(place, message, "link", target)


def _read_card_path(view: ModelView) -> Iterator[tuple[str, ParsedCard]]:
    if view.own_card:
        yield str(view.card_path), view.own_card


def _read_link_paths(view: ModelView) -> Iterator[str]:
    return (view.resolve_link(target) for target, _ in view.link_targets())


@rule()
def placeholder(view: ModelView) -> Violations:
    """There is no placeholder that still has to be filled in.

    Example: Mean values - TODO
    """
    for number, line in view.own_lines:
        match = _PLACEHOLDER.search(line)
        if match:
            location = view.card_line(number, match.start() + 1)
            yield RuleViolation(location, f"the card still contains {match[0]}", "card", match[0])
    for node in list_leaves(view.model_yml):
        match = _PLACEHOLDER.search(str(node.value))
        if match:
            message = f"{node.field_path} still contains {match[0]}"
            yield RuleViolation(node, message, actual=match[0])


@rule()
def missing_section(view: ModelView) -> Violations:
    """A card has sections with a description, a specification, inputs, outputs and license terms.

    Example: a card without ## Legal Information
    """
    if view.own_card is None:
        return
    titles = [section.title.lower() for section in view.own_sections if section.level]
    for content, beginnings in SECTIONS.items():
        if not any(title.startswith(beginnings) or beginnings[0] in title for title in titles):
            message = f"the card has no section with {content}"
            yield RuleViolation(view.card_line(), message, "card", expected=content)


@rule()
def misplaced_section(view: ModelView) -> Violations:
    """A section of a card is not inside a section on another subject, which a table of contents
    would hide.

    Example: ### Input below ## Accuracy
    """
    for section in view.own_sections:
        parent = section.path[-2].lower() if len(section.path) > 1 else ""
        kinds = [title for title in PLAIN_SECTIONS if section.title.lower().startswith(title)]
        if kinds and parent.startswith(PLAIN_SECTIONS) and not parent.startswith(kinds[0]):
            message = f"the section {section.title} is inside the section {section.path[-2]}"
            actual = f"{'#' * section.level} {section.title}"
            yield RuleViolation(
                view.card_line(section.line), message, "card", actual, expected=actual[1:]
            )


@rule()
def license_untold(view: ModelView) -> Violations:
    """The legal section of a card names the license, if those of most cards in the same folder do.

    Example: a legal section with nothing but [*] Other names and brands may be claimed as the
    property of others
    """
    names_none = (view.folder.parent, False) in _read_license_answer(view)
    if names_none and _is_usual(view, _read_license_answer):
        message = "the legal section names no license; those of most cards in this folder do"
        (section, *_) = _find_legal_sections(view)
        yield RuleViolation(view.card_line(section.line), message, "license")


def _is_usual(view: ModelView, read: Callable[[ModelView], Iterator[tuple[Path, bool]]]) -> bool:
    """Whether the answer is yes for most models in the same folder."""
    answers = view.zoo.group(read)[view.folder.parent]
    return sum(answers) >= REPEATED_SHARE * len(answers)


def _find_legal_sections(view: ModelView) -> list[CardSection]:
    return [each for each in view.own_sections if each.title.lower().startswith("legal")]


def _read_license_answer(view: ModelView) -> Iterator[tuple[Path, bool]]:
    """The parent of the model's folder, and whether the card's legal section names a license."""
    sections = _find_legal_sections(view)
    if sections:
        yield view.folder.parent, any(_LICENSE.search(section.text) for section in sections)


@rule()
def paper(view: ModelView) -> Violations:
    """Papers with the same title have the same arXiv number on all cards; a number that also
    belongs to other papers is wrong.

    Example: [Single-Shot multibox Detection](https://arxiv.org/abs/1801.04381), which is
    MobileNetV2
    """
    titles = view.zoo.group(_read_papers)
    numbers = view.zoo.group(_read_papers_by_title)
    for link in view.own_links:
        number, title = _read_paper(link)
        for other in dict.fromkeys(numbers.get(title, ())):
            if len({*titles[number]}) > len({*titles[other]}):
                message = f"the arXiv number of {link.text} is {number}; other cards have {other}"
                location = view.card_line(link.line, link.column)
                yield RuleViolation(location, message, "link", link.target, expected=other)


def _read_papers(view: ModelView) -> Iterator[tuple[str, str]]:
    return filter(all, map(_read_paper, view.own_links))


def _read_papers_by_title(view: ModelView) -> Iterator[tuple[str, str]]:
    return ((title, number) for number, title in _read_papers(view))


def _read_paper(link: MarkdownLink) -> tuple[str, str]:
    """The arXiv number and the title, as lower-case words, of a linked paper; else empty."""
    match = _ARXIV.match(link.target)
    title = re.findall("[a-z0-9]+", link.text.lower())
    if not match or len(title) <= 2:
        return "", ""
    return match[1], " ".join(title)


@rule(severity=Severity.WARNING)
def no_card(view: ModelView) -> Violations:
    """If most models of a registry have a card, every model has one; a part may have that of its
    composite.

    Example: a folder with a model.yml and no README.md
    """
    is_drawn = view.folder / CARD in view.zoo.missing_pages  # another rule reports it
    if view.card is None and view.zoo.mostly_has_cards and not is_drawn:
        message = f"{view.card_path.name}, which should describe the model, is missing"
        yield RuleViolation(FileLocation(str(view.entry.path)), message, "card")


@rule()
def title(view: ModelView) -> Violations:
    """The title of a card contains the model's name.

    Example: # resnet-50 in resnet-101/README.md
    """
    section = next((section for section in view.own_sections if section.level == 1), None)
    if section and simplify(view.name) not in simplify(section.title):
        message = f"the title of the card is {section.title}"
        place = view.card_line(section.line)
        yield RuleViolation(place, message, "title", section.title, expected=view.name)


@rule()
def description_differs(view: ModelView) -> Violations:
    """model.yml repeats the description of the card, if most models in the same folder do, and
    never that of another model.

    Example: an old address in model.yml that the card no longer has
    """
    spec = view.spec
    on_card = view.claims.description
    if not view.variants or on_card is None or not view.has_own_card:
        return
    declared = words(spec.description)
    card_words = words(on_card.value)
    others = view.zoo.models_by(_read_description_words).get(frozenset(declared.items()), ())
    is_usual = _is_usual(view, _read_description_answer)
    # model.yml may use other or fewer words than the card, unless most models in this folder repeat
    # it.
    share = sum((declared & card_words).values()) / max(
        1, sum(declared.values()), sum(card_words.values())
    )
    is_copy = others or (share >= COPIED_SHARE and declared - card_words)
    if declared == card_words or not (is_usual or is_copy):
        return
    only_declared = select_words(spec.description, declared - card_words)
    only_on_card = select_words(on_card.value, card_words - declared)
    copied = "".join(f", as in {other.name}" for other in others[:1])
    message = (
        "model.yml and the card describe the model in different words: "
        f"{' '.join(only_declared[:8]) or 'nothing'} here{copied}, "
        f"{' '.join(only_on_card[:8]) or 'nothing'} in {view.card_path.name}:{on_card.line}"
    )
    actual, expected = (" ".join(each[:20]) for each in (only_declared, only_on_card))
    yield view.declared("description", message, actual, expected)


def _read_description_words(view: ModelView) -> Iterator[frozenset[tuple[str, int]]]:
    if view.has_own_card and view.claims.description is not None:
        yield frozenset(words(view.claims.description.value).items())


def _read_description_answer(view: ModelView) -> Iterator[tuple[Path, bool]]:
    """The parent of the model's folder, and whether model.yml repeats the card's description."""
    if view.variants and view.has_own_card and view.claims.description is not None:
        on_card = words(view.claims.description.value)
        yield view.folder.parent, words(view.spec.description) == on_card


@rule()
def video_task(view: ModelView) -> Violations:
    """A model whose task is to recognize actions has an input of several frames, or is a part of a
    composite.

    Example: task_type: action_recognition, and one input with the format `B, C, H, W`
    """
    ports = view.claims.ports_on("input", "converted", "")
    letters = {"".join(map(str, port.format.value)) for port in ports}
    spec = view.spec
    is_part = bool(view.entry.composite)
    is_image = bool(letters) and letters <= {"BCHW", "NCHW", "BHWC", "NHWC"}
    if spec.task == "action_recognition" and is_image and not is_part:
        message = "task_type is action_recognition, and the card has only an input of one image"
        yield view.declared("task_type", message, "action_recognition")


@rule()
def misspelt_heading(view: ModelView) -> Violations:
    """A heading of a card is spelled as on the other cards: links and tools find sections by their
    headings.

    Example: ### Original mode
    """
    common = view.zoo.once(_find_common_headings)
    for section in view.own_sections:
        title = _normalize_heading(section.title)
        if section.level > 1 and title not in common and (intended := find_intended(title, common)):
            message = f"the heading is {section.title}: did you mean {intended}?"
            place = view.card_line(section.line)
            yield RuleViolation(place, message, "card", section.title, expected=intended)


def _find_common_headings(zoo: RegistryView) -> list[str]:
    cards = zoo.models_by(_read_headings)
    return [title for title, models in cards.items() if len(models) >= COMMON]


def _normalize_heading(title: str) -> str:
    """A heading in lower case, with spaces for hyphens, and in the singular: tools read both
    forms.
    """
    return title.lower().replace("-", " ").rstrip("s:")


def _read_headings(view: ModelView) -> set[str]:
    """The different headings of the model's own card."""
    return {_normalize_heading(section.title) for section in view.own_sections}


@rule()
def another_name(view: ModelView) -> Violations:
    """A card names models that exist: a name that is almost the card's own was copied or has
    a typing mistake.

    Example: the output for `octave-resnext-50-0.125` on the card of octave-resnext-50-0.25
    """
    names = view.zoo.registry.entries
    own_names = [view.name, *view.parts]
    for match, place in view.find_on_card(_NAME):
        name = match[0].rstrip(".")
        # The name of an architecture may be the beginning of the model's name.
        is_file = re.search(r"\.[a-z]", name) is not None
        if is_file or name in names or any(each.startswith(name) for each in own_names):
            continue
        similar = get_close_matches(name, own_names, 1, cutoff=0.85)
        if similar:
            message = f"{name}, which is almost {similar[0]}, is not a model of this registry"
            yield RuleViolation(place, message, "card", name, expected=similar[0])


@rule()
def label_range(view: ModelView) -> Violations:
    """The range of class IDs on a card fits the number of categories in the text and of labels in
    the named file; a range from 1 for a file without a label for the background is only a warning.

    Example: classes in range [1, 81], a version with 80 categories of objects, 0 class is for
    background
    """
    for block in chain.from_iterable(map(read_blocks, view.own_sections)):
        labels = _LABELS.search(block.text)
        categories = _CATEGORIES.search(block.text)
        for ids in block.find_all(_RANGE, str):
            low, high = map(int, re.findall("[0-9]+", ids.text))
            count = high - low + 1
            reason = ""
            severity = None
            if categories and int(categories[1]) not in (count, high):
                reason = categories[0]
            elif labels:
                if int(labels[1]) != count:
                    reason = f"the labels in {labels[0]}"
                elif bool(labels[2]) != (low == 1):
                    reason = f"the first label in {labels[0]}"
                    severity = Severity.WARNING
            if reason:
                message = f"the class IDs {ids.text} do not fit {reason}"
                yield replace(view.quote(ids, message, "classes", reason), severity=severity)
