"""The facts of a model, its variants and composites."""

from types import SimpleNamespace

import pytest

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.core.registry import Registry
from posezoo.figures.model_facts import ModelFacts, describe_model

COUNTED = "complexity:\n  - {precision: FP32, figures: {gflops: 92.83, mparams: 28.618}}\n"


@pytest.fixture
def facts(tmp_path):
    """The facts of a model of the registry in tmp_path/models."""

    def read(name):
        registry = Registry([tmp_path / "models"])
        model = registry.find(name)
        return ModelFacts(model, registry.parts(model))

    return read


def test_a_composite_has_the_frameworks_licenses_and_size_of_all_its_parts(facts, tmp_path):
    root = tmp_path / "models"
    write_composite(root, "whole", ["first", "second"])
    write_model(root, "whole/first", model_yml())
    write_model(root, "whole/second", model_yml(framework="onnx", license="https://terms.invalid/"))
    whole = facts("whole")
    assert whole.model.stages == ("first", "second")
    assert whole.frameworks == ["onnx", "tflite"]
    assert whole.framework_labels == ["ONNX", "TensorFlow Lite"]
    assert whole.licenses == ["Apache-2.0", "https://terms.invalid/"]
    assert whole.size_bytes == facts("first").size_bytes + facts("second").size_bytes
    assert [model.full_name for model in whole.models] == ["whole", "first", "second"]
    assert facts("first").model.composite == "whole"


def test_a_package_that_contains_several_files_is_transferred_once(facts, tmp_path):
    package = {
        "$type": "npm_package",
        "package": "nets",
        "version": "1.0.0",
        "tarball_size": 5_000_000,
    }
    (alone,) = model_yml()["files"]
    packed = [
        {**alone, "name": name, "source": {**package, "member": name}}
        for name in ("a.bin", "b.bin")
    ]
    write_model(tmp_path / "models", "net", model_yml(files=[alone, *packed]))
    assert facts("net").size_bytes == 3 * alone["size"]
    assert facts("net").download_bytes == 5_000_000 + alone["size"]


def test_limits_follow_from_the_decoder_and_from_the_declaration(facts, tmp_path):
    content = model_yml(decoder={"name": "openpose"}, skeleton="openpose-18", limits="It is slow.")
    write_model(tmp_path / "models", "net", content)
    net = facts("net")
    assert net.approach == "bottom-up"
    assert net.limits[0].startswith("It scales the image to its input size")
    assert net.limits[1:] == ["It is slow."]


def test_the_limits_of_a_composite_with_its_own_detector_name_that_detector(facts, tmp_path):
    root = tmp_path / "models"
    write_composite(
        root, "whole", ["finder", "poser"], decoder={"name": "blazepose"}, skeleton="blazepose-33"
    )
    for name in ("finder", "poser"):
        write_model(root, f"whole/{name}", model_yml())
    (limit,) = facts("whole").limits
    assert limit.startswith("Its part finder finds the people")


def test_what_is_needed_to_run_a_model_includes_its_detector(tmp_path):
    people = {"photo": "finder", "video": "tracking"}
    root = tmp_path / "models"
    write_model(root, "poser", model_yml(decoder={"name": "movenet"}, people=people))
    write_model(root, "finder", model_yml())
    registry = Registry([root])
    facts = describe_model(registry.find("poser"), registry)
    networks = facts.find_availability(SimpleNamespace(find=list))
    assert [part.name for part, _ in networks] == ["poser", "finder"]


def test_facts_without_a_layout_have_no_ir(facts, tmp_path):
    write_model(tmp_path / "models", "net", model_yml())
    assert [*facts("net").ir_records()] == []
