"""The JSON Schema that editors use sees every mistake of structure that our reader sees."""

from functools import cache

import pytest
import yaml
from docs.json_schema import composite_schema, model_schema

from fakes.bad_files import FILE, INPUT, NPM, STRUCTURAL, WHEEL
from fakes.zoo import as_yaml, model_yml, omz_yml
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
    "good",
    [
        model_yml(),
        omz_yml(),
        model_yml(files=[{**FILE, "source": ["file:///x", {"$type": "file", "path": "x"}, WHEEL, NPM]}]),
        model_yml(files=[{**FILE, "checksum": {"$type": "sha256", "value": "0" * 64}}]),
        model_yml(inputs=[{**INPUT, "shape": [-1, 4, 6, 3], "mean": [1, 2.5, 3], "scale": [1, 2, 3]}]),
        model_yml(decoder={"name": "x", "deep": True, "rate": 0.5}, compute_types=["bf16"], self_check={"tolerance": {"*": 1e-3}, "reason": "x"}),
        model_yml(files=None, network={"name": "x"}, variants={"a": {"files": [FILE], "checkpoint": "net.tflite"}, "b1": {"files": [FILE], "checkpoint": "net.tflite", "inputs": [{"shape": [1, 2, 3, 3]}]}}),
        model_yml(files=[{**FILE, "size": "unknown", "max_size": 9, "checksum": "unknown"}], license_note="Unclear."),
        model_yml(files=[{"name": "a.zip", "size": 9, "source": "https://x.invalid/a", "contains": {"a": {"$type": "sha1", "value": "0" * 40}, "b": {"$type": "sha1", "value": "0" * 8}}}]),
        model_yml(published={"accuracy": [{"metric": "AP", "value": 0.5, "AP50": 0.6, "AP75": 1, "converted": 0.4, "flip": True, "dataset": "x", "protocol": "y"}, {"metric": "MPJPE", "value": 100.45}], "gflops": 1, "mparams": 0.5, "known_difference": "x"}, training={"command": "https://x.invalid/a", "log": "https://x.invalid/b"}),
        model_yml(deprecated={"since": "2026-01-31", "use": "other"}, limits="x", outputs=[{"name": "x", "shape": [1], "original": "y"}]),
        model_yml(network={"name": "x", "width": 32, "deep": True, "mode": "bilinear"}, checkpoint="net.tflite"),
        model_yml(quantization={"preset": "mixed", "subset_size": 10, "model_type": "transformer", "max_shift_px": 8, "min_agreement": 0.5, "in_float": [{"types": ["MVN"], "reason": "x"}, {"layers": ["a/*"], "reason": "y"}]}),
        omz_yml(quantizable=True, quantized="INT8", model_info={"labels": ["a", 1, True], "nested": {"x": [[1.5]]}}),
    ],
)  # fmt: skip
def test_what_is_right_is_right_to_the_schema(good):
    assert [error.message for error in validator().iter_errors(yaml.safe_load(as_yaml(good)))] == []


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
