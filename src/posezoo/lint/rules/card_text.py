"""Rules on the card as a whole, its title and its links to licenses, and on texts: placeholders,
papers, names and class IDs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from itertools import chain

from posezoo.lint.accuracy_check_yml import list_leaves
from posezoo.lint.card_claims import read_blocks
from posezoo.lint.finding import FileLocation, RuleViolation, Severity, Violations
from posezoo.lint.registry_view import USUAL_SHARE, LinkedFile, ModelView, RegistryView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import simplify
from posezoo.pages.cards.card_reader import MarkdownLink

_PROJECT = re.compile(
    r"https?://(?:www\.)?(?:github\.com|raw\.githubusercontent\.com|media\.githubusercontent\.com/media|gitlab\.com)"
    r"/([A-Za-z0-9_.-]{1,100})/([A-Za-z0-9_.-]{1,100})"
)
_PLACEHOLDER = re.compile(
    r"\b(?:TODO|FIXME|TBD|TBA|XXX+|CHANGEME|PLACEHOLDER)\b|\?\?\?"
    r"|\b(?i:lorem ipsum|to be (?:done|defined|determined|added))\b"
)
_ARXIV = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/([0-9]{4}\.[0-9]{4,5})")
#: A name with at least three parts, not in an address or a path.
_NAME = re.compile(r"(?<![\w./:-])[A-Za-z][\w.]{0,40}(?:-[A-Za-z0-9][\w.]{0,40}){2,12}(?![\w/:-])")
_LICENSE = re.compile(r"licen[cs]e", re.IGNORECASE)
_RANGE = re.compile(r"(\[\s*[01]\s*,\s*[0-9]{2,5}\s*\])")
_CATEGORIES = re.compile(r"\b([0-9]{2,5}) (?:categories|classes)\b")


@rule()
def no_card(view: ModelView) -> Violations:
    """Every model has a card, if most models of the registry have one; a part may have that of its
    composite.

    Example: a folder with a model.yml and no README.md
    """
    path = view.card_path
    if path in view.zoo.missing_pages or not view.zoo.once(
        _have_cards, lambda: _have_cards(view.zoo)
    ):
        return  # another rule reports a page that posezoo drew
    if not (view.card and view.card.sections):
        state = "is empty" if path.is_file() else "is missing"
        message = f"{path.name}, which should describe the model, {state}"
        yield RuleViolation(FileLocation(view.entry.path), message, "card")


def _have_cards(zoo: RegistryView) -> bool:
    views = zoo.find_models(zoo.registry.entries)
    return sum(each.card_path.is_file() for each in views) * 2 > len(views)


@rule()
def title(view: ModelView) -> Violations:
    """The title of a card is not the name of another model, and contains the model's own name, if
    almost all titles of the registry do.

    Example: # resnet-50 in resnet-101/README.md
    """
    section = next((each for each in view.own_sections if each.level == 1), None)
    if section is None or simplify(view.name) in simplify(section.title):
        return
    names = view.zoo.registry.entries.keys() - view.related_names
    is_of_another = not names.isdisjoint(re.findall(r"\w[\w.-]*\w", section.title))
    is_near = bool(get_close_matches(section.title, [view.name], 1, cutoff=0.85))
    if is_of_another or is_near or _is_usual(view, _read_title_answer):
        message = f"the title of the card is {section.title}, and the model is {view.name}"
        place = view.card_line(section.line)
        yield RuleViolation(place, message, "title", section.title, expected=view.name)


def _is_usual(view: ModelView, read: Callable[[ModelView], Iterator[tuple[str, bool]]]) -> bool:
    """Whether the answer is yes for almost all other cards, if there are several."""
    answers = view.zoo.group(read)[""]
    return len(answers) > 2 and sum(answers) >= USUAL_SHARE * (len(answers) - 1)


def _read_title_answer(view: ModelView) -> Iterator[tuple[str, bool]]:
    titles = [each.title for each in view.own_sections if each.level == 1]
    if titles:
        yield "", simplify(view.name) in simplify(titles[0])


@rule()
def dead_link(view: ModelView) -> Violations:
    """The file of a license to which a card links exists, unless this copy of the registry has no
    licenses.

    Example: [APACHE-2.0.txt](../licenses/APACHE-2.txt)
    """
    for linked in _list_license_files(view):
        path = linked.path
        if path.exists():
            continue
        if path.parent.is_dir() or view.zoo.models_by(_read_licenses)[True]:
            message = f"{linked.target} leads to {path}, which does not exist"
            yield RuleViolation(linked.place, message, "link", linked.target)


def _list_license_files(view: ModelView) -> Iterator[LinkedFile]:
    """The licenses to which a card links that posezoo did not draw."""
    if view.own_card is None or view.card_path in view.zoo.drawn_pages:
        return
    in_legal = {link.target for link in view.claims.licenses}
    for linked in view.linked_files:
        if linked.target in in_legal or _LICENSE.search(linked.target):
            yield linked


def _read_licenses(view: ModelView) -> Iterator[bool]:
    """Whether the licenses exist."""
    return (linked.path.exists() for linked in _list_license_files(view))


@rule()
def license_untold(view: ModelView) -> Violations:
    """A card has a section with the license, if almost all cards of the registry have one.

    Example: a card without ## Legal Information
    """
    is_told = all(answer for _, answer in _read_legal_answer(view))
    if not is_told and _is_usual(view, _read_legal_answer):
        message = "the card has no section with the license; almost all cards have one"
        yield RuleViolation(view.card_line(), message, "license", expected="## Legal Information")


def _read_legal_answer(view: ModelView) -> Iterator[tuple[str, bool]]:
    if view.own_sections:
        titles = (each.title.lower() for each in view.own_sections)
        yield "", any(title.startswith("legal") or bool(_LICENSE.search(title)) for title in titles)


@rule()
def license_project(view: ModelView) -> Violations:
    """The license is that of a project that the legal section of the card names; for a published
    IR, which may have another license than its base, another project is only a warning.

    Example: license: .../CSAILVision/.../LICENSE, and a card whose license is .../HRNet/.../LICENSE
    """
    spec = view.spec
    declared = _project(spec.license.url)
    others = {_project(link.target) for link in view.claims.licenses} - {""}
    # A project that moved to another owner keeps its name.
    names = {project.partition("/")[2] for project in others}
    if declared and others and declared.partition("/")[2] not in names:
        listed = ", ".join(sorted(others))
        message = f"the license is that of {declared}; the card's legal section names {listed}"
        severity = Severity.WARNING if spec.is_ir else None
        yield view.declared("license", message, spec.license.url, listed, severity=severity)


def _project(address: str) -> str:
    match = _PROJECT.match(address)
    return f"{match[1]}/{match[2].removesuffix('.git')}".lower() if match else ""


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
        for other in dict.fromkeys(numbers[title]):
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


@rule()
def another_name(view: ModelView) -> Violations:
    """A card names models that exist: a name that is almost the card's own was copied or has
    a typing mistake.

    Example: the output for `octave-resnext-50-0.125` on the card of octave-resnext-50-0.25
    """
    names = view.zoo.registry.entries
    own_names = [view.name, *view.parts]
    found = ((number, each) for number, line in view.own_lines for each in _NAME.finditer(line))
    for number, match in found:
        name = match[0].rstrip(".")
        # The name of an architecture may be the beginning of the model's name.
        is_file = re.search(r"\.[a-z]", name) is not None
        if is_file or name in names or any(each.startswith(name) for each in own_names):
            continue
        similar = get_close_matches(name, own_names, 1, cutoff=0.85)
        if similar:
            message = f"{name}, which is almost {similar[0]}, is not a model of this registry"
            place = view.card_line(number, match.start() + 1)
            yield RuleViolation(place, message, "card", name, expected=similar[0])


@rule()
def label_range(view: ModelView) -> Violations:
    """The range of class IDs on a card fits the number of categories in the same text.

    Example: classes in range [1, 81], a version with 80 categories of objects, 0 class is for
    background
    """
    for block in chain.from_iterable(map(read_blocks, view.own_sections)):
        categories = _CATEGORIES.search(block.text)
        for ids in block.find_all(_RANGE, str) if categories else ():
            low, high = map(int, re.findall("[0-9]+", ids.text))
            if categories and int(categories[1]) not in (high - low + 1, high):
                message = f"the class IDs {ids.text} do not fit {categories[0]}"
                yield view.quote(ids, message, "classes", categories[0])
