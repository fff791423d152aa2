"""Models are found by name, by pattern, or all; one bad file never stops the others."""

from __future__ import annotations

import pytest

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.errors import PosezooError, SpecError, UnknownModelError
from posezoo.registry import Registry
from posezoo.spec.model import CompositeSpec, ModelSpec


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "models"
    write_model(root, "pose-b", model_yml())
    write_model(root, "pose-a", model_yml())
    write_model(root, "detector", model_yml(), family="intel")
    write_composite(root, "whole", ["second", "first"])
    write_model(root, "whole/first", model_yml())
    write_model(root, "whole/second", model_yml())
    return root


def names(selection):
    return [spec.name for spec in selection.models]


def test_all_models_come_in_alphabetical_order(root):
    assert names(Registry([root]).select(None)) == ["detector", "first", "pose-a", "pose-b", "second"]


def test_patterns_keep_their_order_and_drop_duplicates(root):
    assert names(Registry([root]).select(["pose-b", "pose-*"])) == ["pose-b", "pose-a"]


def test_patterns_mind_case(root):
    with pytest.raises(UnknownModelError):
        Registry([root]).select(["POSE-*"])


def test_a_composites_name_stands_for_its_parts_in_the_order_they_run_in(root):
    selection = Registry([root]).select(["whole"])
    assert names(selection) == ["second", "first"]
    assert [composite.name for composite in selection.composites] == ["whole"]
    assert selection.models[0].subdirectory == "public/whole/second"


def test_a_part_can_be_had_alone(root):
    assert isinstance(Registry([root]).find("first"), ModelSpec)
    assert isinstance(Registry([root]).find("whole"), CompositeSpec)


def test_an_unknown_name_hints_at_the_nearest(root):
    with pytest.raises(UnknownModelError) as caught:
        Registry([root]).find("pose-aa")
    assert caught.value.hint == "did you mean pose-a?"


def test_a_bad_file_is_set_aside_and_the_others_go_on(root):
    write_model(root, "broken", "files: [")
    selection = Registry([root]).select(None)
    assert len(selection.models) == 5
    assert [problem.line for problem in selection.problems] == [2] or [
        p.line for p in selection.problems
    ] == [1]
    assert "broken" in selection.problems[0].problem


def test_finding_one_model_reads_one_file(root):
    write_model(root, "broken", "files: [")
    assert Registry([root]).find("pose-a").name == "pose-a"
    with pytest.raises(SpecError):
        Registry([root]).find("broken")


def test_a_stage_that_is_no_part_is_named(root):
    write_composite(root, "whole", ["first", "detector"])
    registry = Registry([root])
    with pytest.raises(SpecError, match="whole has no part detector"):
        registry.parts(registry.find("whole"))


def test_the_first_of_several_registries_counts(root, tmp_path):
    mine = tmp_path / "mine"
    write_model(mine, "pose-a", model_yml(description="Mine."))
    assert Registry([mine, root]).find("pose-a").description == "Mine."
    assert Registry([root, mine]).find("pose-a").description == "A small model."


def test_a_folder_with_a_name_that_is_no_models_is_a_problem(root):
    write_model(root, "a b", model_yml())
    assert "no model's" in Registry([root]).select(None).problems[0].problem


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PosezooError, match="no such folder"):
        Registry([tmp_path / "nowhere"]).names()
