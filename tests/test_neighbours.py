"""The program that installs posezoo beside others: what README says, what counts as moved, and what a smoke test says."""

import importlib
import sys
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.wheels import make_wheel


@pytest.fixture
def neighbours(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    machine = importlib.import_module("machine")
    monkeypatch.setattr(machine, "place", lambda: tmp_path)
    machine.settings.cache_clear()
    yield importlib.import_module("neighbours")
    machine.settings.cache_clear()


def test_the_readme_has_one_line_which_names_what_is_there(neighbours):
    with_run = neighbours.read_install_line(has_opencv=False)
    assert with_run.startswith("pip list ") and with_run.endswith("'.[run]'")
    assert "constraints.txt" not in with_run
    with_opencv = neighbours.read_install_line(has_opencv=True)
    assert with_opencv == with_run.replace("[run]", "[own-opencv]")


def test_a_package_with_another_version_or_without_one_has_moved(neighbours):
    before = {"numpy": "1.26.4", "pip": "25", "protobuf": "4.25.9"}
    after = {"numpy": "2.4.6", "pip": "25", "openvino": "2026.4.1"}
    assert neighbours.name_moved(before, after) == [
        "numpy 1.26.4 -> 2.4.6",
        "protobuf 4.25.9 -> removed",
    ]
    assert neighbours.name_moved(before, before) == []


@pytest.mark.parametrize(
    ("program", "said"), [("pass", ""), ("import no_such_module", "No module named")]
)
def test_a_smoke_test_that_fails_is_shown(neighbours, monkeypatch, tmp_path, program, said):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    (bin_folder / "xvfb-run").write_text('#!/bin/sh\nshift\nexec "$@"\n', "utf-8")
    (bin_folder / "xvfb-run").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    neighbour = neighbours.Neighbour("tiny==1", program)
    shown = neighbours.try_smoke_test(neighbour, tmp_path)
    assert said in shown and bool(shown) == bool(said)


def test_requirements_that_cannot_be_met_together_are_named(neighbours, tmp_path):
    for name, needed in (("arrays-1", ""), ("arrays-2", ""), ("poses-1", "arrays>=2")):
        metadata = f"Requires-Dist: {needed}\n" if needed else ""
        make_wheel(tmp_path, {}, f"{name}-py3-none-any.whl", metadata=metadata)
    (tmp_path / "mine.txt").write_text("arrays==1\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", "."]
    ended = neighbours.run([*pip, "-c", "mine.txt", "poses"], tmp_path)
    said = neighbours.end_of(ended.stdout, neighbours.CONFLICT_LINES)
    assert "poses 1 depends on arrays>=2" in said
    assert "The user requested (constraint) arrays==1" in said


def test_each_neighbour_names_one_version(neighbours):
    for neighbour in neighbours.NEIGHBOURS:
        name, _, version = neighbour.requirement.partition("==")
        assert name and version
        compile(neighbour.smoke_test, str(Path(name)), "exec")
