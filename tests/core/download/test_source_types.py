"""A type of source is one record: a source of model.yml is opened by its type, built in or of a plug-in."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import pytest
from docs.json_schema import model_schema

from fakes.command import run_process
from fakes.files import declared
from posezoo.core import features
from posezoo.core.declarations.field_types import WORD, Key, record
from posezoo.core.declarations.model import Source
from posezoo.core.declarations.sources import SOURCE, SOURCES
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.download.candidates import ByteStream
from posezoo.core.download.source_types import SOURCE_TYPES, SourceType, find_source_type
from posezoo.core.errors import PluginError, SourceError, SpecError
from posezoo.core.values import frozen


def test_each_type_has_keys_in_model_yml_and_a_record():
    # A store's URL is a text, which has no keys.
    tags = {"storage": "storage", **{name: tag_of(keys) for name, keys in SOURCES.items()}}
    for name in SOURCE_TYPES.builtin:
        field_type = SOURCE_TYPES.find(name).field_type
        tags |= {name: tag_of(field_type)} if field_type else {}
    assert tags == {name: name for name in SOURCE_TYPES.builtin}, (
        "a source type has one name: of its line in a table, and as `tag` of the keys, which are in"
        " its field_type, or in SOURCES of core/declarations/sources.py"
    )


def tag_of(field_type):
    """The ``$type`` of a record of keys."""
    return field_type.schema["properties"]["$type"]["const"]


@pytest.mark.parametrize("name", SOURCE_TYPES.builtin)
def test_a_source_is_found_by_the_type_that_its_class_names(name):
    source_class = SOURCE_TYPES.find(name).source_class
    assert source_class.type == name, (
        f"set type = {name!r} in {source_class.__name__}: a source is found by it"
    )


def test_the_modules_of_other_types_are_not_imported():
    code = """
import sys
from posezoo.core.download.source_types import find_source_type
from posezoo.core.declarations.sources import HttpSource
find_source_type(HttpSource("https://host/net.onnx"))
print(*(name for name in sys.modules if name.startswith("posezoo.core.download.sources.")))
"""
    ended = run_process([sys.executable, "-c", code], check=True)
    assert ended.stdout.split() == ["posezoo.core.download.sources.direct"]


def test_each_record_is_of_a_source_that_model_yml_can_name():
    classes = [source_type.source_class for _, source_type in SOURCE_TYPES.items()]
    assert all(issubclass(each, Source) for each in classes)
    assert len(set(classes)) == len(classes), "two records are of one class of sources"


@frozen
class ShelfSource(Source):
    type = "shelf"

    book: str

    def __str__(self):
        return f"shelf {self.book}"


def open_book(source, file, context, resume):
    return nullcontext(ByteStream(iter([source.book.encode()])))


KEYS = record(ShelfSource, Key("book", WORD, required=True), tag="shelf")
SHELF = SourceType(ShelfSource, open_book, field_type=KEYS)


def test_a_feature_adds_a_type_in_one_module(fetch, monkeypatch):
    types = {**features.PARTS["posezoo.source_types"], "shelf": f"{__name__}:SHELF"}
    monkeypatch.setitem(features.PARTS, "posezoo.source_types", types)
    source = SOURCE.read(parse_yaml(b"{$type: shelf, book: weights}", "model.yml"))
    assert fetch(declared("net.bin", b"weights", source)).read_bytes() == b"weights"
    assert KEYS.schema in model_schema()["$defs"]["source"]["anyOf"]


def test_a_misspelt_key_of_such_a_type_is_reported(monkeypatch):
    types = {**features.PARTS["posezoo.source_types"], "shelf": f"{__name__}:SHELF"}
    monkeypatch.setitem(features.PARTS, "posezoo.source_types", types)
    with pytest.raises(SpecError, match="bok") as caught:
        SOURCE.read(parse_yaml(b"{$type: shelf, bok: weights}", "model.yml"))
    assert str(caught.value).startswith("model.yml:1:16: ")


def test_a_plug_in_adds_a_type(fetch, monkeypatch):
    shelf = SHELF
    monkeypatch.setattr(
        "posezoo.core.plugins.installed", lambda group: {"shelf": _EntryPoint(shelf)}
    )
    assert fetch(declared("net.bin", b"weights", ShelfSource("weights"))).read_bytes() == b"weights"


def test_a_plug_in_that_names_no_keys_for_model_yml_is_refused_with_a_hint(monkeypatch):
    shelf = SourceType(ShelfSource, open_book)
    monkeypatch.setattr(
        "posezoo.core.plugins.installed", lambda group: {"shelf": _EntryPoint(shelf)}
    )
    with pytest.raises(PluginError, match=r"shelf .* does not say which keys") as caught:
        SOURCE.read(parse_yaml(b"{$type: shelf, book: weights}", "model.yml"))
    assert "field_type" in caught.value.hint


class _EntryPoint:
    """What the metadata of an installed package gives."""

    name, value, dist = "shelf", "shelf", None

    def __init__(self, source_type):
        self._source_type = source_type

    def load(self):
        return self._source_type


def test_a_source_that_no_type_fits_is_refused(monkeypatch):
    with pytest.raises(SourceError, match="no type of source fits object"):
        find_source_type(object())
