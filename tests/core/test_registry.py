"""Models are found by name, by pattern, or all; one bad file never stops the others."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.core.declarations.model import License
from posezoo.core.errors import PosezooError, SpecError, UnknownModelError
from posezoo.core.license_notice import read_copyright_line
from posezoo.core.registry import (
    Registry,
    format_command,
    open_registry,
    registry_root,
)


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
    assert names(Registry([root]).select(None)) == [
        "detector",
        "first",
        "pose-a",
        "pose-b",
        "second",
    ]


def test_patterns_keep_their_order_and_drop_duplicates(root):
    assert names(Registry([root]).select(["pose-b", "pose-*"])) == ["pose-b", "pose-a"]


def test_patterns_mind_case(root):
    with pytest.raises(UnknownModelError, match="no model is called 'POSE-"):
        Registry([root]).select(["POSE-*"])


def test_a_composites_name_stands_for_its_parts_in_the_order_they_run_in(root):
    selection = Registry([root]).select(["whole"])
    assert names(selection) == ["second", "first"]
    assert [composite.name for composite in selection.composites] == ["whole"]
    assert selection.models[0].subdirectory == "public/whole/second"


def test_an_unknown_name_hints_at_a_name_that_begins_with_it():
    with pytest.raises(UnknownModelError) as caught:
        open_registry().find("higher-hrnet-w32")
    assert caught.value.hint == "did you mean higher-hrnet-w32-human-pose-estimation?"


def test_a_composite_of_another_registry_keeps_its_parts(root, tmp_path):
    other = Registry([root])
    registry = Registry([tmp_path / "elsewhere"])
    parts = registry.parts(other.find("whole"))
    assert parts == other.parts(other.find("whole"))
    assert registry.composite_of(parts[0]).name == "whole"


def test_weights_beside_the_user_have_no_copyright_line_and_no_registry():
    spec = replace(open_registry().find("person-detection-retail-0013"), path=Path("mine.pth"))
    assert read_copyright_line(replace(spec, license=License())) == ""
    assert format_command("get", spec) == "posezoo get mine.pth"


def test_finding_one_model_reads_one_file(root):
    write_model(root, "broken", "files: [\n")
    assert Registry([root]).find("pose-a").name == "pose-a"
    with pytest.raises(SpecError):
        Registry([root]).find("broken")


def test_a_stage_that_is_no_part_is_named(root):
    write_composite(root, "whole", ["first", "detector"])
    registry = Registry([root])
    with pytest.raises(SpecError, match="whole has no part detector"):
        registry.parts(registry.find("whole"))


def test_the_first_of_several_registries_counts(root, tmp_path):
    actual = tmp_path / "mine"
    write_model(actual, "pose-a", model_yml(description="Mine."))
    assert Registry([actual, root]).find("pose-a").description == "Mine."
    assert Registry([root, actual]).find("pose-a").description == "A small model."


@pytest.fixture
def tagged(root):
    file = model_yml()["files"]
    write_model(
        root,
        "tagged",
        model_yml(files=None, variants={tag: {"files": file} for tag in ("b1", "a2", "a3")}),
    )
    return Registry([root])


def full_names(selection):
    return [spec.full_name for spec in selection.models]


def test_a_name_a_glob_and_all_stand_for_the_default_variant(tagged):
    for patterns in (["tagged"], ["tag*"], ["tagged@b1"]):
        assert full_names(tagged.select(patterns)) == ["tagged"]
    assert [name for name in full_names(tagged.select(None)) if "tagged" in name] == ["tagged"]
    assert tagged.find("tagged").tag == "b1"


def test_a_pattern_with_a_tag_stands_for_those_variants_in_their_order(tagged):
    assert full_names(tagged.select(["tagged@*"])) == ["tagged", "tagged@a2", "tagged@a3"]
    assert full_names(tagged.select(["tagged@a*", "tagged@*"])) == [
        "tagged@a2",
        "tagged@a3",
        "tagged",
    ]
    assert full_names(tagged.select(["*@a3"])) == ["tagged@a3"]
    assert tagged.find("tagged@a2").subdirectory == "public/tagged@a2"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("tagged@a4", "a2"), ("pose-a@a2", "it has no variants"), ("taged@a2", "did you mean tagged?"), ("tagged@", "b1, a2, a3")],
)  # fmt: skip
def test_an_unknown_tag_hints_at_those_that_there_are(tagged, name, hint):
    for ask in (tagged.find, lambda name: tagged.select([name])):
        with pytest.raises(UnknownModelError) as caught:
            ask(name)
        assert hint in caught.value.hint
    assert not tagged.matches_any(name)


def test_a_tag_of_a_model_that_cannot_be_read_is_its_problem(root):
    write_model(root, "broken", "files: [\n")
    registry = Registry([root])
    assert registry.matches_any("broken@x")
    assert len(registry.select(["broken@x"]).problems) == 1


def test_a_root_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PosezooError, match="does not exist"):
        Registry([tmp_path / "nowhere"]).names()


def test_a_part_of_two_composites_is_a_problem_of_both(root):
    write_composite(root, "other", ["first"])
    write_model(root, "other/first", model_yml())
    registry = Registry([root])
    for composite in ("whole", "other"):
        with pytest.raises(SpecError, match="the name first is also used by"):
            registry.parts(registry.find(composite))


def test_names_that_are_one_where_case_is_ignored_are_both_told(root):
    write_model(root, "POSE-a", model_yml())
    problems = Registry([root]).select().problems
    assert {problem.file.split("/")[-2] for problem in problems} == {"POSE-a", "pose-a"}


def test_the_names_are_those_of_models_with_parts_and_without_composites(root):
    write_model(root, "a b", model_yml())
    assert Registry([root]).names() == ["detector", "first", "pose-a", "pose-b", "second"]


def test_problems_are_those_of_every_file(root):
    write_model(root, "broken", "files: [\n")
    write_composite(root, "whole", ["first", "gone"])
    selection = Registry([root]).select()
    told = " ".join(problem.problem for problem in selection.problems)
    assert "broken" in told
    assert "whole has no part gone" in told
    assert "whole" not in [composite.name for composite in selection.composites]


def test_models_are_found_at_any_depth_as_by_open_model_zoos_tools(tmp_path):
    for folder in ("pose", "public/face", "intel/body", "vendor/2026/hand", "vendor/both/part-a"):
        path = write_model(tmp_path, f"models/{folder}", model_yml(), family="")
    path.parent.with_name("composite-model.yml").write_text(
        "task_type: detection\nstages: [part-a]"
    )
    write_model(tmp_path, "models/.git/old", model_yml(), family="")
    registry = Registry([tmp_path / "models"])
    assert {entry.name: entry.family for entry in registry.entries.values()} == {
        "body": "intel", "both": "public", "face": "public", "hand": "public", "part-a": "public",
        "pose": "public",
    }  # fmt: skip
    for name, folder in (("pose", "pose"), ("hand", "vendor/2026/hand"), ("both", "vendor/both")):
        assert registry.find(name).subdirectory == folder
        assert registry_root(registry.find(name)) == tmp_path / "models"
    assert registry.find("part-a").composite == "both"
    assert names(registry.select(["both"])) == ["part-a"]


def test_a_variant_lies_beside_its_model_wherever_that_is(tmp_path):
    files = model_yml()["files"]
    variants = {tag: {"files": files} for tag in ("a", "b")}
    write_model(tmp_path, "zoo/vendor/pose", model_yml(files=None, variants=variants), family="")
    spec = Registry([tmp_path / "zoo"]).find("pose@b")
    assert spec.subdirectory == "vendor/pose@b"
    assert registry_root(spec) == tmp_path / "zoo"


def test_two_models_of_one_name_name_both_files_and_other_models_work(tmp_path):
    paths = [write_model(tmp_path, f"zoo/{folder}/pose", model_yml(), family="") for folder in "ab"]
    write_model(tmp_path, "zoo/c", model_yml(), family="")
    selection = Registry([tmp_path / "zoo"]).select(None)
    assert names(selection) == ["c"]
    assert all(str(path) in selection.problems[0].problem for path in paths)


def test_links_to_folders_are_followed_but_no_circle_of_them(root):
    (root / "other").symlink_to(root / "public" / "pose-a")
    (root / "circle").symlink_to(root)
    (root / "up").symlink_to("..")
    registry = Registry([root])
    assert registry.select(None).problems == ()
    assert registry.find("other").subdirectory == "other"


def test_where_no_model_lies_it_is_said_where_one_would(root, tmp_path):
    assert Registry([root / "public" / "pose-a"]).empty_message.endswith(
        f"a model is a model.yml in a folder of its name; did you mean {root / 'public'}?"
    )
    nothing = tmp_path / "new" / "zoo"
    nothing.mkdir(parents=True)
    with pytest.raises(UnknownModelError) as caught:
        Registry([nothing]).find("pose-a")
    assert (
        caught.value.hint
        == f"no model found in {nothing}; a model is a model.yml in a folder of its name"
    )
    assert Registry([nothing, root]).empty_message == ""


@pytest.mark.parametrize(
    ("line", "holder"),
    [
        ("Copyright (c) 2019 HRNet", True),
        ("Copyright (c) 2020, Jane Doe. All rights reserved.", True),
        ("Copyright <YEAR> <COPYRIGHT HOLDER>", False),
        ("Copyright [yyyy] [name of copyright owner]", False),
        ("Copyright (c) {{ year }} {{ organization }}", False),
        ("Copyright (c) 2019. All rights reserved", False),
        ("MIT License", False),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 3\nCopyright (C) 2007 FSF", False),
    ],
)
@pytest.mark.parametrize("title", ["", "MIT License\n\n", "The MIT License (MIT)\n\n"])
def test_a_license_text_names_its_holder_in_its_first_line_or_below_its_name(
    tmp_path, title, line, holder
):
    write_model(tmp_path / "models", "net", model_yml(license={"spdx": "MIT", "text": "MIT-X.txt"}))
    (tmp_path / "licenses" / "MIT-X.txt").write_text(f"{title}{line}\n\nMIT License\n")
    assert read_copyright_line(Registry([tmp_path / "models"]).find("net")) == (
        line if holder else ""
    )


def test_a_part_may_lie_in_the_folder_of_another_composite(root):
    write_composite(root, "twin", ["first", "own"])
    write_model(root, "twin/own", model_yml())
    registry = Registry([root])
    assert [part.name for part in registry.parts(registry.find("twin"))] == ["first", "own"]
    selected = registry.select(["twin"])
    assert [spec.name for spec in selected.models] == ["first", "own"]
    assert registry.composite_of(selected.models[0]).name == "whole"
