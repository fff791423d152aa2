"""The contributors' table of checks says when each runs, as .ci/run, .ci/nightly and the workflows call it."""

import importlib
import re
import shutil

import pytest

from fakes.checkout import ROOT


@pytest.fixture
def page(monkeypatch, tmp_path):
    """The module that draws it, of a copy of what it reads."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    module = importlib.import_module("checks_page")
    for name in (".ci", ".github"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def replace(path, before, after):
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def rows(page):
    table = page.draw_values()["checks"]
    return dict(re.findall(r"^\| `(.+?)` \|.*\| (.+?) \| .+? \|$", table, re.MULTILINE))


def test_a_check_stands_beside_the_first_moment_at_which_it_runs(page, tmp_path):
    drawn = rows(page)
    assert drawn["make check"] == "each change"
    assert drawn["make environments"] == "each change"
    assert drawn["make environments ENTER=--nightly"] == drawn["make soak"] == "each night"
    assert drawn["make check-rings"] == "each night"
    assert drawn["prove.yml"] == "each week"
    assert drawn["make mutants"] == "by hand"
    replace(tmp_path / ".ci" / "nightly", '"make check-rings" ', "")
    assert rows(page)["make check-rings"] == "by hand"
    replace(tmp_path / ".ci" / "run", "beside make faults", "beside make check-rings")
    assert rows(page)["make check-rings"] == "each change"


def test_a_check_without_a_line_for_its_minutes_is_an_error(page, tmp_path):
    replace(tmp_path / ".ci" / "run", "beside make faults", "beside make mutants-again")
    with pytest.raises(page.CheckError, match=r"cpu_minutes.tsv:1: lacks make mutants-again"):
        page.draw_values()


def test_a_line_for_a_check_that_does_not_exist_is_an_error(page, tmp_path):
    minutes = tmp_path / page.MINUTES
    number = len(minutes.read_text("utf-8").splitlines()) + 1
    minutes.write_text(minutes.read_text("utf-8") + "make nothing\t1\n", "utf-8")
    with pytest.raises(page.CheckError, match=rf"cpu_minutes.tsv:{number}: make nothing does not"):
        page.draw_values()


def test_what_takes_more_than_ten_minutes_is_no_check_of_each_change(page, tmp_path):
    state_minutes(tmp_path / page.MINUTES, "make soak", "10.1")
    assert rows(page)["make soak"] == "each night"
    state_minutes(tmp_path / page.MINUTES, "make faults", "10.1")
    with pytest.raises(page.CheckError, match=r"make faults takes 10\.1 CPU minutes"):
        page.draw_values()


def state_minutes(path, check, minutes):
    text = re.sub(rf"^{check}\t.*$", f"{check}\t{minutes}", path.read_text("utf-8"), flags=re.M)
    path.write_text(text, "utf-8")
