"""Descriptions, sections, placeholders and titles: what a card says in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from posezoo.cards.markdown_inline import to_plain_text
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.lint.text_comparison import words
from posezoo.spec.model import Framework
from posezoo.spec.model_yml import TASKS
from posezoo.spec.yaml_nodes import YamlNode

_PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|TBD|TBA|XXX+|CHANGEME|PLACEHOLDER)\b|\?\?\?")
_LOOSE = re.compile(r"\b(?:lorem ipsum|to be (?:done|defined|determined|added))\b", re.IGNORECASE)
#: What a card tells, each by the beginning of a heading.
SECTIONS = {
    "a description": ("use case", "use-case", "description"),
    "a specification": ("specification", "composite model specification"),
    "its inputs": ("input",),
    "its outputs": ("output",),
    "legal information": ("legal",),
}
#: What cards call the frameworks; ONNX and IR are made with any.
FRAMEWORKS = {
    Framework.CAFFE: ("caffe",),
    Framework.CAFFE2: ("caffe2",),
    Framework.MXNET: ("mxnet",),
    Framework.PYTORCH: ("pytorch",),
    Framework.TF: ("tensorflow", "keras", "tensorflowjs"),
}
#: As many words of two descriptions are the same where one is an old copy of the other.
COPY = 0.8
#: From this share on of a folder's models with the card's description, the others should have theirs.
CUSTOM = 0.6


def _placeholders(view: ModelView) -> Iterator[RuleViolation]:
    """Nothing is left to be filled in."""
    for section in view.card.sections if view.card is not None and view.has_own_card else ():
        for number, line in section.prose_lines:
            if match := _PLACEHOLDER.search(line) or _LOOSE.search(line):
                location = FileLocation(str(view.card_path), number, match.start() + 1)
                yield RuleViolation(location, f"the card still says {match[0]}", "card", match[0])
    for node in _leaves(view.model_yml):
        if match := _PLACEHOLDER.search(str(node.value)):
            location = FileLocation(node.file, node.line, node.column)
            yield RuleViolation(
                location, f"{node.field_path} still says {match[0]}", node.field_path, match[0]
            )


def _leaves(node: YamlNode | None) -> Iterator[YamlNode]:
    on_wait = [node] if node is not None else []
    while on_wait:
        each = on_wait.pop()
        if isinstance(each.value, str):
            yield each
        elif each.value is not None:
            on_wait += each.value if isinstance(each.value, list) else each.value.values()


def _sections(view: ModelView) -> Iterator[RuleViolation]:
    """A card has the sections that its readers look for."""
    if view.card is None or not view.has_own_card:
        return
    titles = [section.title.lower() for section in view.card.sections if section.level]
    for what, beginnings in SECTIONS.items():
        if not any(title.startswith(beginnings) or beginnings[0] in title for title in titles):
            yield RuleViolation(
                FileLocation(str(view.card_path)), f"the card has no section with {what}", "card", "", what
            )


def _no_card(view: ModelView) -> Iterator[RuleViolation]:
    """A model has a card, its own or its composite's."""
    if view.card is None and view.zoo.has_cards:
        yield RuleViolation(
            FileLocation(str(view.entry.path)), f"there is no {view.card_path.name} that tells of it", "card"
        )


def _title(view: ModelView) -> Iterator[RuleViolation]:
    """A card is headed by the model's name."""
    if view.card is None or not view.has_own_card:
        return
    for section in view.card.sections:
        if section.level == 1:
            if _simple(view.name) not in _simple(section.title):
                location = FileLocation(str(view.card_path), section.line)
                yield RuleViolation(
                    location, f"the card is headed {section.title}", "title", section.title, view.name
                )
            return


def _simple(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _descriptions(view: ModelView) -> Iterator[RuleViolation]:
    """model.yml describes the model as the card does, where it took its words from there."""
    spec, told = view.spec, view.claims.description
    if spec is None or told is None or not view.has_own_card:
        return
    one, other = words(spec.description), words(told.value)
    if one == other:
        return
    near = word_overlap(one, other)
    custom = view.zoo.description_match_shares.get(view.entry.path.parent.parent, 0.0) >= CUSTOM
    if near < COPY and not custom:
        return
    if not custom and not one - other:
        return  # the card says it, and more
    actual, reference = list((one - other).elements()), list((other - one).elements())
    yield RuleViolation(
        view.location("description"),
        "model.yml and the card describe it in other words: "
        f"{' '.join(actual[:8]) or 'nothing'} here, {' '.join(reference[:8]) or 'nothing'} in "
        f"{view.card_path.name}:{told.line}",
        "description",
        " ".join(actual[:20]),
        " ".join(reference[:20]),
    )


def _described_as_another(view: ModelView) -> Iterator[RuleViolation]:
    """A description is not that of another model."""
    spec = view.spec
    if spec is None or not view.has_own_card:
        return
    own = words(spec.description)
    if sum(own.values()) < 8:
        return
    for other in view.zoo.models_by_description.get(frozenset(own.items()), ()):
        if (
            other != view.name
            and _simple(other) in _simple(spec.description)
            and (_simple(view.name) not in _simple(spec.description))
        ):
            yield RuleViolation(
                view.location("description"),
                f"this is the description of {other}",
                "description",
                other,
                view.name,
            )


def _framework(view: ModelView) -> Iterator[RuleViolation]:
    """The card's source framework is the one that model.yml converts from, or what an ONNX was made with."""
    spec, said = view.spec, view.claims.figures.get("framework")
    if spec is None or said is None or spec.framework not in FRAMEWORKS:
        return
    told, known = _simple(said.value), FRAMEWORKS[spec.framework]
    if told in {name for names in FRAMEWORKS.values() for name in names} and told not in known:
        yield RuleViolation(
            view.card_location(said),
            f"the card's source framework is {to_plain_text(said.value)}, model.yml's {spec.framework}",
            "framework",
            to_plain_text(said.value),
            spec.framework,
        )


def _type(view: ModelView) -> Iterator[RuleViolation]:
    """The card's type is model.yml's task, in other words at most."""
    spec, said = view.spec, view.claims.figures.get("type")
    if spec is None or said is None:
        return
    told, task = set(words(said.value)), set(spec.task.split("_"))
    others = [other for other in TASKS if told == set(other.split("_"))]
    if others and not told & task:
        message = f"the card's type is {to_plain_text(said.value)}, model.yml's task_type {spec.task}"
        yield RuleViolation(
            view.card_location(said), message, "task_type", to_plain_text(said.value), spec.task
        )


def word_overlap(one: Counter[str], other: Counter[str]) -> float:
    """How many words of the longer text are in the shorter one too, 0 to 1."""
    return sum((one & other).values()) / max(1, sum(one.values()), sum(other.values()))


RULES: tuple[Rule, ...] = (
    Rule(
        "placeholder",
        Severity.ERROR,
        "Nothing is left to be filled in.",
        "Mean values - TODO",
        _placeholders,
    ),
    Rule(
        "missing-section",
        Severity.ERROR,
        "A card describes the model, specifies it, tells its inputs and outputs, and its terms.",
        "a card without ## Legal Information",
        _sections,
    ),
    Rule(
        "no-card",
        Severity.WARNING,
        "Where models have cards, each has one, its own or its composite's.",
        "a folder with a model.yml and no README.md",
        _no_card,
    ),
    Rule(
        "title",
        Severity.ERROR,
        "A card is headed by the model's name.",
        "# resnet-50 in resnet-101/README.md",
        _title,
    ),
    Rule(
        "description-differs",
        Severity.ERROR,
        "model.yml describes the model in the card's words, where models of its folder do.",
        "an old address in model.yml that the card has no more",
        _descriptions,
    ),
    Rule(
        "description-of-another",
        Severity.ERROR,
        "A description is not that of another model.",
        "description: of resnet-101, the words of resnet-50's card",
        _described_as_another,
    ),
    Rule(
        "framework",
        Severity.ERROR,
        "The card's source framework is the one that model.yml converts from.",
        "Source framework: Caffe on the card, framework: tf",
        _framework,
    ),
    Rule(
        "type",
        Severity.ERROR,
        "The card's type is model.yml's task, in other words at most.",
        "Type: Classification on the card, task_type: detection",
        _type,
    ),
)
