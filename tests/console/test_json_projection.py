"""Values as JSON: the objects that lists, cards and other documents are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from posezoo.console.json_projection import project, to_json
from posezoo.core.declarations.model import Digest, Precision, SourceFile

FILE = SourceFile("net.onnx", 12, Digest("sha256", "ab"), (), contains={"a": Digest("sha1", "cd")})


@dataclass(frozen=True)
class Holder:
    file: SourceFile
    precisions: tuple[Precision, ...] = (Precision.FP16,)
    note: str = ""


def test_a_document_names_its_keys_in_their_order():
    keys = "size file_name=name digest=checksum.value contains"
    assert json.dumps(project(FILE, keys)) == (
        '{"size": 12, "file_name": "net.onnx", "digest": "ab",'
        ' "contains": {"a": {"algorithm": "sha1", "value": "cd"}}}'
    )


def test_an_empty_value_is_null_only_where_the_document_says_so():
    assert project(Holder(FILE), "note also=note?") == {"note": "", "also": None}


def test_nested_values_become_the_types_of_json():
    content = to_json(Holder(FILE))
    assert json.loads(json.dumps(content)) == content
    assert content["precisions"] == ["FP16"]


def test_a_key_that_the_value_does_not_have_is_an_error():
    with pytest.raises(AttributeError, match="colour"):
        project(FILE, "name colour")
