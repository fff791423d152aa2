"""Names that no model has: aliases for a task, and models that the zoo left out."""

import pytest

from fakes.command import posezoo, refusal_alone
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.other_names import read_other_names
from posezoo.core.errors import SpecError, UnknownModelError
from posezoo.core.registry import builtin_models_dir, open_registry


def write_names(root, text):
    root.mkdir(parents=True, exist_ok=True)
    (root / "names.yml").write_text(text)
    return root


@pytest.fixture
def zoo(tmp_path):
    write_names(
        tmp_path / "models",
        "aliases: {pose: good, taken: good}\n"
        "left_out: [{names: ['bad-*'], reason: It is not free., instead: [good]}]\n",
    )
    write_model(tmp_path / "models", "good", model_yml())
    write_model(tmp_path / "models", "taken", model_yml())
    return tmp_path


def test_every_model_that_our_names_point_to_exists():
    names = read_other_names(builtin_models_dir())
    mentioned = [*names.aliases.values()]
    for models in names.left_out:
        mentioned += models.instead
    registry = open_registry()
    assert set(mentioned) <= registry.entries.keys()
    assert registry.default_names == names.defaults
    assert names.aliases.keys() == {
        *("pose", "pose-fast", "pose-many", "pose-measured"),
        *("whole-body", "hands", "feet"),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("openpose", "AlphaPose-SMPL", "mediapipe", "vitpose_huge", "yolov8n_pose", "body_25"),
        *("sapiens-1b", "yolox-tiny-humanart", "LibreYOLO9-s-pose", "efficientpose-rt"),
    ],
)
def test_our_registry_says_why_it_has_no_model_that_people_ask_for(name):
    registry = open_registry()
    assert registry.why_not(name)
    with pytest.raises(UnknownModelError) as caught:
        registry.find(name)
    assert "Instead: " in caught.value.hint


@pytest.mark.parametrize("name", ["yolox-tiny", "yolox-tiny-coco", "nothing", "yolov7-w6-pose"])
def test_nothing_is_said_about_other_names(name):
    assert open_registry().why_not(name) is None


def test_an_alias_is_used_like_the_name_of_its_model(zoo):
    registry = open_registry([zoo / "models"])
    assert registry.find("pose").name == "good"
    assert [spec.name for spec in registry.select(["pose"]).models] == ["good"]
    assert registry.find("taken").name == "taken"


def test_info_says_why_a_model_is_missing(zoo):
    def info(*words):
        return posezoo("info", *words, "--models_dir", "models", cwd=zoo)

    assert "hint: It is not free. Instead: good" in refusal_alone(info("Bad_one"))


@pytest.mark.parametrize(
    "text, field",
    [
        ("aliases: [pose]", "aliases"),
        ("aliases: {pose: ../x}", "aliases.pose"),
        ("left_out: [{names: [x]}]", "left_out[0]"),
        ("other: 1", "other"),
    ],
)
def test_a_mistake_in_names_yml_has_a_position(tmp_path, text, field):
    with pytest.raises(SpecError) as caught:
        read_other_names(write_names(tmp_path, text))
    assert caught.value.field == field
    assert caught.value.line == 1


def test_a_names_yml_of_another_program_is_ignored(zoo):
    write_names(zoo / "models", "- not ours")
    registry = open_registry([zoo / "models"])
    assert registry.find("good").name == "good"
    assert len(registry.select(["*"]).models) == 2
    with pytest.raises(UnknownModelError):
        registry.find("pose")
