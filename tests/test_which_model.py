"""README's table of models follows from the rows of the registry, and from which_model.yml."""

import importlib.util
import re
from dataclasses import replace

import pytest

from fakes.checkout import ROOT
from fakes.rows import compare_zoo
from posezoo.core.declarations.other_names import read_other_names
from posezoo.core.registry import builtin_models_dir, open_registry

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def which_model():
    spec = importlib.util.spec_from_file_location("which_model", ROOT / "docs" / "which_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_drawn_from_the_rows(which_model):
    assert which_model.draw_values(compare_zoo())["models"] in README


def test_another_figure_of_a_row_changes_the_table(which_model):
    compared = compare_zoo()
    assert "0.77 (" not in which_model.draw_values(compared)["models"]
    (row,) = (row for row in compared.rows if row.name == "movenet-thunder")
    better = replace(row.values["AP"], number=0.77)
    other = replace(row, values={**row.values, "AP": better})
    rows = tuple(other if each is row else each for each in compared.rows)
    after = which_model.draw_values(replace(compared, rows=rows))["models"]
    assert "| `movenet-thunder` | npm's registry |  | 0.77 (" in after


def test_the_table_has_six_rows_that_begin_with_the_list_of_defaults(which_model):
    defaults = list(read_other_names(builtin_models_dir()).defaults)
    assert [*which_model.ROWS.values()][: len(defaults)] == defaults
    assert len(which_model.ROWS) == 6


def test_the_page_of_exports_says_of_each_row_what_its_programs_find(which_model):
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    for model in which_model.list_models():
        assert re.search(rf"^\| `{model}` \|.*(\d of \d|refused|not run)", page, re.MULTILINE), (
            model
        )


def test_the_page_names_the_first_of_all_models_as_the_one_with_the_highest_published_ap():
    page = (ROOT / "docs" / "howto" / "choose_a_model.md").read_text("utf-8")
    models = (ROOT / "models" / "index.md").read_text("utf-8")
    first = re.search(r"^\| \[([\w.-]+)\]", models, re.MULTILINE)[1]
    assert re.search(rf"^\| the highest published AP .*\| `{first}` \|$", page, re.MULTILINE)


def test_every_alias_stands_with_its_model_on_the_first_page_or_on_that_of_other_needs():
    pages = README + (ROOT / "docs" / "howto" / "choose_a_model.md").read_text("utf-8")
    aliases = read_other_names(builtin_models_dir()).aliases
    for name, model in aliases.items():
        assert f"| `{name}`: {model}" in pages
    names = {*re.findall(r"^\|[^|]+\| `([a-z][\w.-]+)", pages, re.MULTILINE)} - {"posezoo"}
    assert all(open_registry().find(name) for name in names)
    assert len(names) >= 12
