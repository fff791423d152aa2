"""All that a registry says of one model, side by side: model.yml, card, accuracy-check.yml, index row.

Everything is read when a rule first asks for it, once, and within bounds; what cannot be read is None.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from posezoo.cards.card_reader import parse_card
from posezoo.cards.markdown_inline import MarkdownLink
from posezoo.cards.parsed_card import ParsedCard
from posezoo.errors import SpecError
from posezoo.lint.card_claims import CardClaims, CardValue, read_claims, select_part_sections
from posezoo.lint.finding import FileLocation
from posezoo.lint.registry_index import NAME as INDEX
from posezoo.lint.registry_index import IndexRow, index_links, read_index
from posezoo.lint.text_comparison import read_text, words
from posezoo.registry import Registry, RegistryEntry
from posezoo.spec import yaml_nodes
from posezoo.spec.model import CompositeSpec, Digest, ModelSpec
from posezoo.spec.yaml_nodes import YamlNode

CARD = "README.md"
ACCURACY_CHECK = "accuracy-check.yml"
#: So many models show whether pictures and scripts were copied with them.
SAMPLED = 20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}:|//|#|@")
_ROOTED = re.compile(r"<omz_dir>/([A-Za-z0-9_./-]{1,300})")


class RegistryView:
    """A registry as its validator sees it; where ``only`` is given, as if it had no other models."""

    def __init__(self, registry: Registry, only: Collection[str] | None = None) -> None:
        self.registry = registry
        self._only = only
        self._exists: dict[str, bool] = {}

    @cached_property
    def models(self) -> Mapping[str, ModelView]:
        """Every model and composite by name."""
        only = self.registry.entries if self._only is None else self._only
        composites = {self.registry.entries[name].composite for name in only}
        return {
            name: ModelView(entry, self)
            for name, entry in self.registry.entries.items()
            if name in only or name in composites
        }

    @cached_property
    def index(self) -> Mapping[str, tuple[IndexRow, ...]]:
        """The rows of the roots' index pages, by model."""
        rows: dict[str, tuple[IndexRow, ...]] = {}
        for path in self._index_pages():
            for row in read_index(path, self.registry.entries.keys()):
                rows[row.model] = (*rows.get(row.model, ()), row)
        return rows

    @cached_property
    def index_links(self) -> Mapping[str, list[tuple[Path, MarkdownLink]]]:
        """The links of the roots' index pages, by their text, each with its page."""
        links: dict[str, list[tuple[Path, MarkdownLink]]] = {}
        for path in self._index_pages():
            for link in index_links(path):
                links.setdefault(link.text, []).append((path, link))
        return links

    def _index_pages(self) -> Iterator[Path]:
        for root in self.registry.roots:
            yield from (root / INDEX, root / "public" / INDEX, root / "intel" / INDEX)

    @cached_property
    def models_by_metrics(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """The models whose cards tell the same GFLOPs and MParams."""
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for name, view in self.models.items():
            metrics = view.claims.figures
            if "gflops" in metrics and "mparams" in metrics:
                key = (metrics["gflops"].value, metrics["mparams"].value)
                found[key] = (*found.get(key, ()), name)
        return found

    @cached_property
    def description_match_shares(self) -> Mapping[Path, float]:
        """By folder of models, the share of them whose description is the card's, word by word."""
        found: dict[Path, list[bool]] = {}
        for view in self.models.values():
            told = view.claims.description
            if view.spec is not None and told is not None and view.has_own_card:
                same = words(view.spec.description) == words(told.value)
                found.setdefault(view.folder.parent, []).append(same)
        return {folder: sum(same) / len(same) for folder, same in found.items()}

    @cached_property
    def models_by_description(self) -> Mapping[frozenset[tuple[str, int]], tuple[str, ...]]:
        """The models whose cards describe them with these words."""
        found: dict[frozenset[tuple[str, int]], tuple[str, ...]] = {}
        for name, view in self.models.items():
            if view.has_own_card and (told := view.claims.description) is not None:
                key = frozenset(words(told.value).items())
                found[key] = (*found.get(key, ()), name)
        return found

    @cached_property
    def models_by_source(self) -> Mapping[str, tuple[str, int | None, Digest | None]]:
        """The first model that has a file from a source, with the file's size and checksum."""
        found: dict[str, tuple[str, int | None, Digest | None]] = {}
        for name, view in self.models.items():
            for variant in view.variants:
                for file in variant.files:
                    for source in file.sources:
                        found.setdefault(str(source), (name, file.size, file.checksum))
        return found

    def registry_root(self, path: Path) -> Path:
        """The root of the registry that a path is in."""
        return next(root for root in self.registry.roots if path.is_relative_to(root))

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder; asked once."""
        if path not in self._exists:
            try:
                self._exists[path] = os.path.exists(path)
            except ValueError:
                self._exists[path] = False
        return self._exists[path]

    @cached_property
    def link_targets(self) -> Mapping[str, Mapping[str, int]]:
        """Where the relative links of all cards lead, by kind, each with how often."""
        found: dict[str, dict[str, int]] = {}
        for view in self.models.values():
            for target, _ in view.link_targets():
                if (path := self.resolved(view.folder, target)) is not None:
                    counts = found.setdefault(self.kind_of(path), {})
                    counts[path] = counts.get(path, 0) + 1
        return found

    def resolved(self, folder: Path, target: str) -> str | None:
        """The path that a relative link leads to; None of any other."""
        target = target.partition("#")[0].partition("?")[0]
        if not target or _SCHEME.match(target) or "\x00" in target:
            return None
        if target.startswith("/"):
            return os.path.normpath(f"{self.registry_root(folder).parent}{target}")
        return os.path.normpath(f"{folder}/{target}")

    def kind_of(self, path: str) -> str:
        """What files are copied together: the cards, all else beside them, or what lies beside the models."""
        for root in self.registry.roots:
            above = str(root.parent)
            if path.startswith(f"{root}{os.sep}"):
                return "cards" if path.endswith(".md") else "files"
            if path.startswith(f"{above}{os.sep}"):
                top = path[len(above) + 1 :].partition(os.sep)[0]
                return top if self.exists(f"{above}/{top}") else "beside"
        return "outside"

    def was_not_copied(self, kind: str) -> bool:
        """Whether files of a kind were left behind when the registry was copied."""
        return kind in ("outside", "beside") or (kind == "files" and self.is_partial)

    @cached_property
    def has_cards(self) -> bool:
        """Whether half of the models have a card, so that the others should have one."""
        return sum(view.card is not None for view in self.models.values()) * 2 > len(self.models)

    @cached_property
    def is_partial(self) -> bool:
        """Whether nothing but what is checked here was copied of many models: no pictures, no scripts."""
        folders = {entry.path.parent for entry in self.registry.entries.values()}
        files = (path for folder in sorted(folders)[:SAMPLED] for path in folder.iterdir() if path.suffix)
        return len(folders) >= SAMPLED and all(path.suffix in (".md", ".yml") for path in files)

    @cached_property
    def names_by_composite(self) -> Mapping[str, tuple[str, ...]]:
        """The parts of each composite."""
        parts: dict[str, tuple[str, ...]] = {}
        for entry in self.registry.entries.values():
            if entry.composite:
                parts[entry.composite] = (*parts.get(entry.composite, ()), entry.name)
        return parts


@dataclass(frozen=True)
class ConverterArgument:
    """An argument of a converter: its flag, its value, and where it stands."""

    flag: str
    value: str
    node: YamlNode


class ModelView:
    """One model or composite: what each of its files says."""

    def __init__(self, entry: RegistryEntry, zoo: RegistryView) -> None:
        self.entry, self.zoo = entry, zoo
        self.name = entry.name
        self.folder = entry.path.parent

    @cached_property
    def parsed(self) -> ModelSpec | CompositeSpec | SpecError:
        """What model.yml declares, or why it cannot be read."""
        try:
            return self.entry.read()
        except SpecError as error:
            return error

    @property
    def spec(self) -> ModelSpec | None:
        """The model; None of a composite, and of a model.yml that cannot be read."""
        return self.parsed if isinstance(self.parsed, ModelSpec) else None

    @property
    def variants(self) -> tuple[ModelSpec, ...]:
        """The model with all its variants; nothing of a composite."""
        return (self.spec, *self.spec.variants) if self.spec is not None else ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the variants; nothing where there is only one without a tag."""
        return tuple(variant.tag for variant in self.variants if variant.tag)

    @cached_property
    def model_yml(self) -> YamlNode | None:
        """model.yml as it stands, or None."""
        tree = _tree(self.entry.path)
        return tree if isinstance(tree, YamlNode) else None

    def node(self, *keys: str | int) -> YamlNode | None:
        """The value below these keys of model.yml, or None."""
        return find_node(self.model_yml, *keys)

    def location(self, *keys: str | int) -> FileLocation:
        """Where the value of these keys stands in model.yml; where the file begins, if there is none."""
        return node_location(self.node(*keys), self.entry.path)

    @cached_property
    def arguments(self) -> tuple[ConverterArgument, ...]:
        """The arguments for Open Model Zoo's converter."""
        return tuple(_arguments(self.node("model_optimizer_args")))

    @cached_property
    def export_arguments(self) -> tuple[ConverterArgument, ...]:
        """The arguments for upstream's export to ONNX."""
        return tuple(_arguments(self.node("conversion_to_onnx_args")))

    def argument(self, flag: str) -> ConverterArgument | None:
        """The argument of this flag, or None."""
        return next((each for each in self.arguments if each.flag == flag), None)

    @property
    def card_path(self) -> Path:
        """Of the card that tells of it: its own, or its composite's."""
        own = self.folder / CARD
        return own if not self.entry.composite or own.is_file() else self.folder.parent / CARD

    @cached_property
    def has_own_card(self) -> bool:
        """Whether the card tells of nothing else."""
        return self.card_path.parent == self.folder

    @cached_property
    def card(self) -> ParsedCard | None:
        """The card, or None."""
        if not self.has_own_card:
            whole = self.zoo.models.get(self.entry.composite)
            return whole.card if whole is not None else None
        text = read_text(self.card_path)
        return parse_card(text) if text is not None else None

    @cached_property
    def claims(self) -> CardClaims:
        """What the card says of this very model."""
        if self.card is None:
            return CardClaims()
        if self.has_own_card and self.entry.is_composite:
            parts = self.zoo.names_by_composite.get(self.name, ())
            own = [select_part_sections(self.card, part, parts) for part in parts]
            taken = {id(section) for sections in own for section in sections}
            return read_claims(section for section in self.card.sections if id(section) not in taken)
        if self.has_own_card:
            return read_claims(self.card.sections)
        parts = self.zoo.names_by_composite.get(self.entry.composite, ())
        return read_claims(select_part_sections(self.card, self.name, parts))

    def card_location(self, said: CardValue[Any] | int) -> FileLocation:
        """Where the card says something."""
        if isinstance(said, int):
            return FileLocation(str(self.card_path), said)
        return FileLocation(str(self.card_path), said.line, said.column)

    def link_targets(self) -> Iterator[tuple[str, FileLocation]]:
        """Every link of the model's own card, and every path that it names from the top of the checkout."""
        if self.card is None or not self.has_own_card:
            return
        for link in self.card.links:
            yield link.target, FileLocation(str(self.card_path), link.line, link.column)
        for section in self.card.sections:
            for number, line in section.prose_lines:
                for match in _ROOTED.finditer(line) if "<omz_dir>/" in line else ():
                    yield (
                        "/" + match[1].rstrip("."),
                        FileLocation(str(self.card_path), number, match.start() + 1),
                    )

    @cached_property
    def _accuracy_check(self) -> YamlNode | SpecError | None:
        return _tree(self.folder / ACCURACY_CHECK)

    @property
    def accuracy_check(self) -> YamlNode | None:
        """accuracy-check.yml, or None."""
        return self._accuracy_check if isinstance(self._accuracy_check, YamlNode) else None

    @property
    def accuracy_error(self) -> SpecError | None:
        """Why accuracy-check.yml cannot be read, or None."""
        return self._accuracy_check if isinstance(self._accuracy_check, SpecError) else None

    @property
    def index_rows(self) -> tuple[IndexRow, ...]:
        """The rows of index pages that are of this model."""
        return self.zoo.index.get(self.name, ())


def node_location(node: YamlNode | None, path: Path) -> FileLocation:
    """Where a value stands."""
    return FileLocation(str(path)) if node is None else FileLocation(node.file, node.line, node.column)


def find_node(node: YamlNode | None, *keys: str | int) -> YamlNode | None:
    """The value below these keys, or None."""
    for key in keys:
        if node is None:
            return None
        if isinstance(key, int):
            node = node.value[key] if isinstance(node.value, list) and key < len(node.value) else None
        else:
            node = node.value.get(key) if isinstance(node.value, dict) else None
    return node


def _tree(path: Path) -> YamlNode | SpecError | None:
    try:
        return yaml_nodes.read_yaml(path) if path.is_file() else None
    except SpecError as error:
        return error


def _arguments(node: YamlNode | None) -> Iterator[ConverterArgument]:
    for item in node.value if node is not None and isinstance(node.value, list) else ():
        if isinstance(item.value, str):
            flag, _, value = item.value.strip().partition("=")
            yield ConverterArgument(flag, value.strip(), item)
