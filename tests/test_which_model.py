"""README's table of models for each case follows from the measured rows."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.rows import compare_zoo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def which_model():
    spec = importlib.util.spec_from_file_location("which_model", ROOT / "docs" / "which_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["README.md", "docs/howto/choose_a_model.md"])
def test_the_table_of_a_page_is_drawn_from_the_rows(which_model, page):
    text = (ROOT / page).read_text("utf-8")
    assert which_model.draw_page(page, compare_zoo()) == text


def test_another_figure_of_a_row_changes_the_table(which_model):
    compared = compare_zoo()
    (default,) = (row for row in compared.rows if row.name == "movenet-thunder")
    ap = default.values["AP"]
    worse = replace(default, values={**default.values, "AP": replace(ap, number=0.1)})
    rows = tuple(worse if row is default else row for row in compared.rows)
    before = which_model.draw_block(compared, "docs")
    after = which_model.draw_block(replace(compared, rows=rows), "docs")
    case = "| photos, of one person or several | `"
    assert f"{case}movenet-thunder`" in before
    assert f"{case}movenet-lightning`" in after
