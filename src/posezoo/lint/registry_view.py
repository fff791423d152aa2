"""A registry for lint rules: the files of each model, read once and up to a limit when a rule needs
them; None if unreadable.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from posezoo.core.declarations.known_arguments import EXPORT, MODEL_OPTIMIZER, KnownArguments
from posezoo.core.declarations.model import (
    CompositeSpec,
    Family,
    Framework,
    Input,
    License,
    Model,
    ModelSpec,
    Source,
    SourceFile,
)
from posezoo.core.declarations.model_yml import is_in_our_form
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.declarations.yaml_nodes import YamlNode, read_yaml
from posezoo.core.errors import SpecError, suggest
from posezoo.core.registry import Registry, RegistryEntry, builtin_models_dir, registry_root
from posezoo.core.values import frozen
from posezoo.figures.measured import NAME, Measurement, read_measured
from posezoo.lint.accuracy_check_yml import AccuracyCheckRun, find_node, list_below, read_runs
from posezoo.lint.card_claims import CardClaims, CardValue, read_claims, select_part_sections
from posezoo.lint.earlier_models import EarlierModels, read_keys, read_reasons
from posezoo.lint.finding import FileLocation, Place, RuleViolation, Severity
from posezoo.lint.index_pages import IndexRow, read_index
from posezoo.lint.text_comparison import file_name, read_names
from posezoo.pages.cards.card_reader import (
    CardSection,
    MarkdownLink,
    ParsedCard,
    read_card,
    read_text,
)
from posezoo.pages.cards.model_card import INDEX, NOTE, has_note
from posezoo.pages.cards.registry_pages import (
    PICTURE,
    render_pages,
    render_readable_pages,
)

#: If more than this fraction of models or of pairs are alike, the others should be, too.
USUAL_SHARE = 0.8
KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")
CARD = "README.md"
ACCURACY_CHECK = "accuracy-check.yml"


#: The beginning of an address, as opposed to a path.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)
#: A file that a card of Open Model Zoo names without a link.
_OMZ_PATH = re.compile(r"<omz_dir>(/[\w./-]{1,300}\w)")
#: Longer ones are no paths: systems refuse a name of more than 255 characters.
_MAX_PATH = 200


class RegistryView:
    """The models of a registry, or of those ``only`` names, with lookup tables for rules, and the
    ``earlier`` models if a change is judged.
    """

    def __init__(
        self,
        registry: Registry,
        only: Collection[str] | None = None,
        earlier: EarlierModels | None = None,
    ) -> None:
        self.registry = registry
        self.earlier = earlier
        self._only = only
        self._computed: dict[object, Any] = {}
        #: What rules lack that could not judge, by their ids.

    @cached_property
    def _views(self) -> Mapping[str, ModelView]:
        return {name: ModelView(entry, self) for name, entry in self.registry.entries.items()}

    @cached_property
    def models(self) -> Mapping[str, ModelView]:
        """Every model and composite by name, those of posezoo's own registry also if only some are
        checked: they are few, and each is compared with all.
        """
        is_ours = builtin_models_dir() in [root.resolve() for root in self.registry.roots]
        return self._views if is_ours else self._checked

    @cached_property
    def _checked(self) -> Mapping[str, ModelView]:
        if self._only is None:
            return self._views
        names = {*self._only, *(self._views[name].entry.composite for name in self._only)}
        return {name: view for name, view in self._views.items() if name in names}

    @property
    def first(self) -> ModelView:
        """The first model that is checked: findings on the whole registry are reported with it."""
        return next(iter(self._checked.values()))

    def is_new(self, view: ModelView) -> bool:
        """Whether a change adds a model; False if no change is judged."""
        if self.earlier is None or view.entry.path.resolve() not in self.earlier.paths:
            return False
        return view.name not in (model.name for model in self.earlier.changed)

    def find_originals(
        self, view: ModelView, read: Callable[[ModelView], Iterable[KeyT]], key: KeyT
    ) -> list[ModelView]:
        """The other models that a function reads the same key from; for a model that is not new,
        without those that a change adds: the copy is theirs.
        """
        models = (each for each in self.models_by(read)[key] if each is not view)
        return [each for each in models if self.is_new(view) or not self.is_new(each)]

    @cached_property
    def parts_by_composite(self) -> Mapping[str, list[str]]:
        """The names of the parts of each composite."""
        entries = self.registry.entries.values()
        return _group((entry.composite, entry.name) for entry in entries if entry.composite)

    @cached_property
    def index(self) -> Mapping[str, list[IndexRow]]:
        """The rows of the index pages, by model."""
        names = self.registry.entries.keys()
        rows: list[IndexRow] = []
        for root, family in product(self.registry.roots, ("", "public", "intel")):
            path = root / family / INDEX
            page = read_card(path)
            if page:
                rows += read_index(path, page, names)
        return _group((row.model, row) for row in rows)

    def find_earlier(self, model: Model) -> Sequence[Model]:
        """The model or variant of this name before the change, else all with its file or its
        source.
        """
        models = self._earlier_models
        named = [each for each in models if (each.name, each.tag) == (model.name, model.tag)]
        keys = read_keys(model)
        return named or [each for each in models if not keys.isdisjoint(read_keys(each))]

    @cached_property
    def _unchanged(self) -> list[ModelView]:
        paths = self.earlier.paths if self.earlier else ()
        return [view for view in self.models.values() if view.entry.path.resolve() not in paths]

    @cached_property
    def _earlier_models(self) -> list[Model]:
        if self.earlier is None:
            return []
        models = [*self.earlier.changed]
        for view in self._unchanged:
            models += view.declarations[:1]
        return [variant for model in models for variant in (model, *model.variants)]

    @cached_property
    def earlier_reasons(self) -> set[str]:
        """The reasons that any model.yml gave before the change."""
        reasons = {*self.earlier.reasons} if self.earlier else set()
        return reasons.union(*(view.reasons for view in self._unchanged))

    def select(self, names: Collection[str] | None) -> list[ModelView]:
        """The models with these names (None: all)."""
        return [each for name, each in self.models.items() if names is None or name in names]

    def find_models(self, names: Iterable[str]) -> list[ModelView]:
        """The models of the registry with these names, in their order, also those that are not
        checked.
        """
        return [self._views[name] for name in names if name in self._views]

    def group(
        self, read: Callable[[ModelView], Iterable[tuple[KeyT, ItemT]]]
    ) -> Mapping[KeyT, list[ItemT]]:
        """The items that a function reads from all models, by their keys; read once."""
        views = self.models.values()
        return self.once(read, lambda: _group(pair for view in views for pair in read(view)))

    def models_by(
        self, read: Callable[[ModelView], Iterable[KeyT]]
    ) -> Mapping[KeyT, list[ModelView]]:
        """The models by the keys that a function reads from them; read once."""
        views = self.models.values()
        return self.once(read, lambda: _group((key, view) for view in views for key in read(view)))

    def explain_missing(self, name: str) -> str:
        """That no model or composite of the registry has a name; empty if one has it."""
        if name in self.registry.entries:
            return ""
        hint = suggest(name, self.registry.entries)
        return f"no model is called {name}" + (f"; {hint}" if hint else "")

    def once(self, key: object, compute: Callable[[], ItemT]) -> ItemT:
        """What a function computes for a key; computed once."""
        if key not in self._computed:
            self._computed[key] = compute()
        result: ItemT = self._computed[key]
        return result

    @cached_property
    def drawn_pages(self) -> Mapping[Path, str]:
        """What posezoo draws now for each page that it drew; the pages that a file concerns which
        cannot be read are as they are.
        """
        pages: dict[Path, str] = {}
        for root in self.registry.roots:
            drawn = [page for page in (root / INDEX, *root.rglob(CARD)) if has_note(page, NOTE)]
            if not drawn:
                continue
            try:
                rendered = render_pages(root)
            except SpecError:  # other rules report it
                pages |= {page: read_text(page) or "" for page in drawn}
                rendered = render_readable_pages(root)
            pages |= {root / name: text for name, text in rendered.items()}
        return pages

    @cached_property
    def missing_pages(self) -> frozenset[Path]:
        """The pages drawn with the index or charts of a registry that are gone since; none in a
        folder whose card is of another origin.
        """
        missing = set()
        for root in self.registry.roots:
            if has_note(root / INDEX, NOTE) or (root / PICTURE).is_file():
                missing |= {page for page in self.drawn_pages if page.is_relative_to(root)}
        pages = (page for page in missing if not page.exists())
        return frozenset(
            page
            for page in pages
            if not page.with_name(CARD).exists() or has_note(page.with_name(CARD), NOTE)
        )

    @cached_property
    def changed_pages(self) -> frozenset[Path]:
        """The drawn pages whose text has changed since; a missing page is not among them."""
        pages = self.drawn_pages.items()
        return frozenset(path for path, text in pages if read_text(path) not in (None, text))


@frozen
class ConverterArgument:
    """An argument of a converter, and its node in model.yml."""

    flag: str
    value: str
    node: YamlNode


@frozen
class LinkedFile:
    """A file to which a card links: as it is written, where it is, and where it is written."""

    target: str
    path: Path
    place: Place


class ModelView:
    """The contents of the files of one model or composite."""

    def __init__(self, entry: RegistryEntry, zoo: RegistryView) -> None:
        self.entry = entry
        self.zoo = zoo
        self.name = entry.name
        self.folder = entry.path.parent

    @cached_property
    def parsed(self) -> ModelSpec | CompositeSpec | SpecError:
        """The contents of model.yml, or the error if it cannot be read."""
        try:
            return self.entry.read()
        except SpecError as error:
            return error

    @cached_property
    def spec(self) -> ModelSpec:
        """The model; without any contents for a composite, or if model.yml cannot be read."""
        if isinstance(self.parsed, ModelSpec):
            return self.parsed
        return ModelSpec(
            name=self.name,
            family=Family.PUBLIC,
            path=self.entry.path,
            description="",
            task="",
            framework=Framework.ONNX,
            license=License(),
            files=(),
        )

    @property
    def declaration(self) -> ModelSpec | CompositeSpec:
        """The model or the composite; without any contents if model.yml cannot be read."""
        return self.parsed if isinstance(self.parsed, CompositeSpec) else self.spec

    @property
    def skeleton(self) -> str:
        """The name of the declared skeleton; empty if there is none."""
        return self.declaration.skeleton

    @property
    def known_skeleton(self) -> Skeleton | None:
        """The declared skeleton: of model.yml itself, the registry or posezoo; None if it is
        unknown.
        """
        return self.declaration.own_skeleton or SKELETONS.get(self.skeleton)

    @cached_property
    def is_native(self) -> bool:
        """Whether model.yml has a key that Open Model Zoo's format does not have."""
        return self.model_yml is not None and is_in_our_form(self.model_yml)

    @cached_property
    def records(self) -> tuple[Measurement, ...]:
        """What measured.yml records, for all variants; empty if it cannot be read."""
        with suppress(SpecError):  # a rule reports it
            return read_measured(self.folder / NAME)
        return ()

    def record_location(self, record: Measurement) -> Place:
        """The location of one of the records in measured.yml."""
        path = self.folder / NAME
        of_kind = [each for each in self.records if each.kind == record.kind]
        tree = read_tree(path)
        root = tree if isinstance(tree, YamlNode) else None
        return find_node(root, record.kind, of_kind.index(record)) or FileLocation(path)

    @property
    def is_builtin(self) -> bool:
        """Whether it is a model of posezoo's own registry."""
        return self.entry.path.resolve().is_relative_to(builtin_models_dir())

    @property
    def variants(self) -> tuple[ModelSpec, ...]:
        """The model and all its variants; empty for a composite, or if model.yml cannot be read."""
        is_model = isinstance(self.parsed, ModelSpec)
        return (self.spec, *self.spec.variants) if is_model else ()

    @property
    def declarations(self) -> tuple[Model, ...]:
        """The composite, or the model and all its variants; empty if model.yml cannot be read."""
        if isinstance(self.parsed, CompositeSpec):
            return (self.parsed,)
        return self.variants

    @property
    def sources(self) -> Iterator[tuple[int, SourceFile, Source]]:
        """Each source of a file of a variant, with the file and its index."""
        for variant in self.variants:
            for index, file in enumerate(variant.files):
                for source in file.sources:
                    yield index, file, source

    def find_owner(self, address: str) -> str:
        """Another model whose name or file an address ends with or contains; empty if there is
        none, or it may be this model's.
        """
        file = file_name(address)
        names = self.zoo.registry.entries
        owners = read_names(address) & names.keys()
        owners |= {file[:end] for end in range(1, len(file) + 1)} & names.keys()
        # Several models have a deploy.prototxt, which the addresses of still others end with.
        users = self.zoo.models_by(_read_addressed_files)[file]
        if len({*users}) <= 2:
            owners |= {each.name for each in self.zoo.models_by(_read_files)[file]}
        # The name of a base network may be the beginning of the model's name.
        others = [name for name in owners - self.related_names if not self.name.startswith(name)]
        if not others or self.name in owners:
            return ""
        return max(others, key=len)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The declared inputs of the model; empty for a composite."""
        return self.spec.inputs

    @cached_property
    def model_yml(self) -> YamlNode | None:
        """The tree of model.yml."""
        tree = read_tree(self.entry.path)
        return tree if isinstance(tree, YamlNode) else None

    @property
    def reasons(self) -> set[str]:
        """Why values differ from others, as model.yml says it."""
        return read_reasons(self.model_yml)

    def node(self, *keys: str | int) -> YamlNode | None:
        """The value below these keys of model.yml, or None."""
        return find_node(self.model_yml, *keys)

    def location(self, *keys: str | int) -> Place:
        """The location of a value of model.yml; the beginning of the file if there is no such
        value.
        """
        return self.node(*keys) or FileLocation(self.entry.path)

    def declared(
        self,
        field: str,
        message: str,
        actual: str = "",
        expected: str = "",
        severity: Severity | None = None,
        variant: ModelSpec | None = None,
    ) -> RuleViolation:
        """A violation at a key of model.yml, such as ``files[0].size``; of a variant, if given."""
        words = re.findall(r"[^.\[\]]+", field)
        keys = (int(word) if word.isdecimal() else word for word in words)
        place = self.variant_location(variant or self.spec, *keys)
        return RuleViolation(place, message, field, actual, expected=expected, severity=severity)

    def variant_location(self, variant: ModelSpec, *keys: str | int) -> Place:
        """The location of a value of a variant, which may be that of all variants."""
        return self.node("variants", variant.tag, *keys) or self.location(*keys)

    @cached_property
    def arguments(self) -> tuple[ConverterArgument, ...]:
        """The arguments for Open Model Zoo's converter."""
        return tuple(self._read_arguments("model_optimizer_args", MODEL_OPTIMIZER))

    @cached_property
    def export_arguments(self) -> tuple[ConverterArgument, ...]:
        """The arguments for the upstream project's export to ONNX."""
        return tuple(self._read_arguments("conversion_to_onnx_args", EXPORT))

    def _read_arguments(self, key: str, known: KnownArguments) -> Iterator[ConverterArgument]:
        for node in list_below(self.model_yml, key):
            if isinstance(node.value, str):
                word, _, value = node.value.strip().partition("=")
                yield ConverterArgument(known.find(word) or word, value.strip(), node)

    def argument(self, flag: str) -> ConverterArgument | None:
        """The converter's argument with this flag, or None."""
        return next((each for each in self.arguments if each.flag == flag), None)

    @property
    def card_path(self) -> Path:
        """The card that describes the model: its own, or its composite's."""
        own_card = self.folder / CARD
        if not self.entry.composite or own_card.is_file():
            return own_card
        return self.folder.parent / CARD

    @property
    def has_own_card(self) -> bool:
        """Whether the model has its own card, not only its composite's card."""
        return self.card_path.parent == self.folder

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of a composite's parts, also of those in the folder of another composite."""
        if isinstance(self.parsed, CompositeSpec):
            return self.parsed.stages
        return tuple(self.zoo.parts_by_composite[self.name])

    @property
    def related_names(self) -> set[str]:
        """The names of the model, of its composite, and of its parts."""
        return {self.name, self.entry.composite, *self.parts} - {""}

    @cached_property
    def own_card(self) -> ParsedCard | None:
        """The model's own card; None if it has none, or only its composite's card."""
        return read_card(self.card_path) if self.has_own_card else None

    @property
    def own_sections(self) -> tuple[CardSection, ...]:
        """The sections of the model's own card."""
        return self.own_card.sections if self.own_card else ()

    @property
    def own_lines(self) -> Iterator[tuple[int, str]]:
        """The lines of the model's own card outside code, each with its number."""
        return (line for section in self.own_sections for line in section.prose_lines)

    @property
    def own_links(self) -> Sequence[MarkdownLink]:
        """The links of the model's own card."""
        return self.own_card.links if self.own_card else ()

    @cached_property
    def linked_files(self) -> Sequence[LinkedFile]:
        """The files of the registry, or beside it, to which the model's own card links, whether
        they exist or not.
        """
        targets = [(link.target, self.card_line(link.line, link.column)) for link in self.own_links]
        for number, line in self.own_lines:
            for match in _OMZ_PATH.finditer(line):
                targets.append((match[1], self.card_line(number, match.start() + 1)))
        top = registry_root(self.declaration).parent
        linked = []
        for target, place in targets:
            name = unquote(re.split("[#?]", target)[0])
            if _ADDRESS.match(target) or "\0" in name or len(name) > _MAX_PATH:
                continue
            folder = top if name.startswith("/") else self.folder
            path = Path(os.path.normpath(f"{folder}/{name}"))
            if path.is_relative_to(top):
                linked.append(LinkedFile(target, path, place))
        return linked

    @property
    def card(self) -> ParsedCard | None:
        """The model's own or its composite's card, or None."""
        if self.has_own_card:
            return self.own_card
        composite = self.zoo.models.get(self.entry.composite)
        return composite.card if composite else None

    @cached_property
    def claims(self) -> CardClaims:
        """The card's statements about this model; for a composite, without the sections about its
        parts.

        Empty for a drawn card, which is compared with what is drawn now.
        """
        if self.card is None or self.card_path in self.zoo.drawn_pages:
            return CardClaims()
        if not self.has_own_card:
            parts = self.zoo.parts_by_composite[self.entry.composite]
            return read_claims(select_part_sections(self.card, self.name, parts))
        on_parts = set()
        for part in self.parts:
            sections = select_part_sections(self.card, part, self.parts)
            on_parts |= set(map(id, sections))
        return read_claims(section for section in self.card.sections if id(section) not in on_parts)

    def card_location(self, value: CardValue[Any]) -> FileLocation:
        """The location of a value on the card."""
        return self.card_line(value.line, value.column)

    def quote(
        self, value: CardValue[Any], message: str, field: str, expected: str = ""
    ) -> RuleViolation:
        """A violation at a value of the card, with its text."""
        return RuleViolation(
            self.card_location(value), message, field, value.text, expected=expected
        )

    def card_line(self, line: int = 1, column: int = 1) -> FileLocation:
        """A location on the card."""
        return FileLocation(self.card_path, line, column)

    @cached_property
    def accuracy_check(self) -> YamlNode | SpecError | None:
        """The tree of accuracy-check.yml, or the error if it cannot be read; None if there is
        none.
        """
        return read_tree(self.folder / ACCURACY_CHECK)

    @cached_property
    def runs(self) -> tuple[AccuracyCheckRun, ...]:
        """The evaluations of accuracy-check.yml."""
        tree = self.accuracy_check
        return tuple(read_runs(tree)) if isinstance(tree, YamlNode) else ()


def _group(pairs: Iterable[tuple[KeyT, ItemT]]) -> Mapping[KeyT, list[ItemT]]:
    groups: defaultdict[KeyT, list[ItemT]] = defaultdict(list)
    for key, item in pairs:
        groups[key].append(item)
    return groups


def _read_files(view: ModelView) -> Iterator[str]:
    return (file_name(file.name) for _, file, _ in view.sources)


def _read_addressed_files(view: ModelView) -> Iterator[str]:
    return (file_name(str(source)) for _, _, source in view.sources)


def read_tree(path: Path) -> YamlNode | SpecError | None:
    """The tree of a YAML file, or the error if it cannot be read; None if there is none."""
    if not path.is_file():
        return None
    try:
        return read_yaml(path)
    except SpecError as error:
        return error
