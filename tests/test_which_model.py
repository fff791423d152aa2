"""README's tables of models follow from the rows of the registry, and from which_model.yml."""

import importlib.util
import re
from dataclasses import replace

import pytest

from fakes.checkout import ROOT
from fakes.rows import compare_zoo
from posezoo.core.declarations.other_names import read_other_names
from posezoo.core.registry import builtin_models_dir, open_registry
from posezoo.export.decoded import with_decoding


@pytest.fixture(scope="module")
def which_model():
    spec = importlib.util.spec_from_file_location("which_model", ROOT / "docs" / "which_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_drawn_from_the_rows(which_model):
    text = (ROOT / "README.md").read_text("utf-8")
    assert all(drawn in text for drawn in which_model.draw_values(compare_zoo()).values())


def test_another_figure_of_a_row_changes_the_tables(which_model):
    compared = compare_zoo()
    before = which_model.draw_values(compared)["measured"]
    assert "| `movenet-thunder` | 0.36 (0.28 to 0.47) | 21, 37 | 1 | 52, 107 | 19 MB |" in before
    (default,) = (row for row in compared.rows if row.name == "movenet-thunder")
    larger = replace(default.values["transfer_bytes"], number=77e6)
    other = replace(default, values={**default.values, "transfer_bytes": larger})
    rows = tuple(other if row is default else row for row in compared.rows)
    after = which_model.draw_values(replace(compared, rows=rows))["measured"]
    assert "| 52, 107 | 77 MB |" in after


def test_each_row_says_to_which_programs_it_exports(which_model):
    registry = open_registry()
    for row, exports in which_model.MEASURED.values():
        part = registry.parts(registry.find(row.split()[0]))[-1]
        assert with_decoding(part, registry.composite_of(part).decoder).decoding
        assert exports.startswith("C++, folder") and "ONNX" in exports
        assert ("no ONNX in INT8" in exports) == ("INT8" in row)


def test_the_page_of_exports_says_of_each_row_what_its_programs_find(which_model):
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    for model in which_model.list_models():
        assert re.search(rf"^\| `{model}` \|.*(\d of \d|refused|not run)", page, re.MULTILINE), (
            model
        )


def test_every_alias_stands_on_the_first_page_and_one_command_mirrors_its_table(which_model):
    aliases = read_other_names(builtin_models_dir()).aliases
    text = (ROOT / "README.md").read_text("utf-8").replace("\n", " ")
    for name, model in aliases.items():
        assert f"| `{name}`: {model} |" in text
    (mirrored,) = re.findall(r"`posezoo mirror create DIR ([^`]+)`", text)
    assert mirrored.split() == [*which_model.ASKERS.values()]
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
