"""The JSON Schema that editors use sees every mistake of structure that our reader sees."""

from functools import cache

import pytest
import yaml
from docs.json_schema import composite_schema, model_schema

from fakes.bad_files import FILE, STRUCTURAL
from fakes.zoo import model_yml
from posezoo.core.declarations.model_yml import COMPOSITE_KEYS, MODEL_KEYS
from posezoo.core.registry import builtin_models_dir


@cache
def validator(*, of_composite=False):
    # Its import takes 2 s, which only the process that runs these tests spends.
    from jsonschema import Draft202012Validator

    schema = composite_schema() if of_composite else model_schema()
    return Draft202012Validator(schema)


def test_both_are_schemas_and_know_every_key():
    for schema in (model_schema(), composite_schema()):
        validator().check_schema(schema)
    assert set(model_schema()["properties"]) == {key.name for key in MODEL_KEYS} | {"variants"}
    assert set(composite_schema()["properties"]) == {key.name for key in COMPOSITE_KEYS}


def test_a_mistake_of_structure_is_seen_by_the_schema_too():
    unseen = [
        name
        for name, failed in STRUCTURAL.items()
        if validator().is_valid(yaml.safe_load(failed.content))
    ]
    assert unseen == []


@pytest.mark.parametrize(
    "name", ["größe.txt", ".hidden", "ckpt/a.b.c", "FP16-INT8/a.xml", "a..b", "console.txt", "x b"]
)
def test_names_that_are_safe_are_safe_to_the_schema(name):
    assert validator().is_valid(model_yml(files=[{**FILE, "name": name}]))


@pytest.mark.parametrize(
    "failed",
    [
        {"task_type": "detection", "stages": []},
        {"task_type": "detection", "stages": ["../x"]},
        {"task_type": "detection", "stages": ["a"], "stages_order": ["a"]},
        {"task_type": "detection", "files": []},
        {"stages": ["a"]},
    ],
)
def test_a_bad_composite_is_seen(failed):
    assert not validator(of_composite=True).is_valid(failed)


def test_every_file_of_our_registry_and_of_open_model_zoo_is_right(shared):
    roots = (builtin_models_dir(), shared / "data" / "omz-2021.4" / "models")
    files = [path for root in roots for path in sorted(root.rglob("*model.yml"))]
    assert len(files) > 294
    for path in files:
        schema = validator(of_composite=path.name != "model.yml")
        errors = schema.iter_errors(yaml.load(path.read_bytes(), yaml.CSafeLoader))
        assert [error.message for error in errors] == [], path
