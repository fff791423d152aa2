"""Tables of parts that are built in or come with installed packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import posezoo
from fakes.plugin_package import plugin_package
from posezoo.core.download.source_types import SOURCE_TYPES
from posezoo.core.errors import PluginError
from posezoo.core.plugins import LazyTable
from posezoo.export.targets import TARGETS
from posezoo.poses.decoders import DECODERS

SOURCE = Path(posezoo.__file__).parent


@pytest.fixture
def table(tmp_path):
    """Text parts: one is built in; a package with the given code and entry points is installed."""
    with ExitStack() as installed:

        def make(code: str = "WAVE = 'wave'", **entry_points: str) -> LazyTable[str]:
            lines = [f"posezoo.texts: {name} = {value}" for name, value in entry_points.items()]
            fixed = "BUILT_IN = 'built in'"
            installed.enter_context(
                plugin_package(tmp_path, *lines, name="wavy", wavy=code, fixed=fixed)
            )
            return LazyTable("posezoo.texts", str, {"fixed": "fixed:BUILT_IN"})

        yield make


def test_a_plugin_is_found_by_its_name_and_listed_after_the_built_in_parts(table):
    texts = table(wave="wavy:WAVE")
    assert (texts.find("fixed"), texts.find("wave"), texts.find("other")) == (
        "built in",
        "wave",
        None,
    )
    assert texts.names() == ("fixed", "wave")
    assert dict(texts.items()) == {"fixed": "built in", "wave": "wave"}


def test_a_plugin_does_not_replace_a_built_in_part(table):
    texts = table(fixed="wavy:WAVE")
    assert texts.find("fixed") == "built in"
    assert texts.names() == ("fixed",)


def test_neither_a_built_in_name_nor_a_list_imports_a_plugin(table, tmp_path):
    texts = table(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()", wave="wavy:WAVE"
    )
    assert texts.find("fixed") == "built in"
    assert texts.names() == ("fixed", "wave")
    assert not Path(tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("", "cannot be imported: AttributeError"),
        ("WAVE = 3", "is not a str"),
    ],
)
def test_a_plugin_that_does_not_load_is_named_with_its_package(table, code, problem):
    with pytest.raises(PluginError, match=problem) as caught:
        table(code, wave="wavy:WAVE").find("wave")
    assert "the package wavy" in caught.value.problem
    assert caught.value.hint == "update or remove wavy"


def records_in(code: str, module: str, names: set[str]) -> Iterator[str]:
    """``module:NAME`` of each record with one of these names that a module makes."""
    for node in ast.parse(code).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if getattr(target, "id", "") in names:
                yield f"{module}:{target.id}"


@pytest.mark.parametrize("parts", [SOURCE_TYPES, TARGETS, DECODERS], ids=lambda parts: parts.group)
def test_each_record_has_a_line_in_its_table(parts):
    named = set(parts.builtin.values())
    names = {path.partition(":")[2] for path in named}
    packages = {path.rpartition(".")[0] for path in named}
    made = set()
    for path in SOURCE.rglob("*.py"):
        module = ".".join(["posezoo", *path.relative_to(SOURCE).with_suffix("").parts])
        if module.rpartition(".")[0] in packages:
            made |= set(records_in(path.read_text("utf-8"), module, names))
    missing = made - named
    assert not missing, f"no table names {missing}: nobody can use it"
    assert made == named


def test_a_record_without_a_line_would_be_found():
    code = "A = Kind()\nB: object = Kind()\nC = Kind[int]()\nD = 1\ne = Kind()\n"
    assert list(records_in(code, "m", {"A", "B", "C", "D"})) == ["m:A", "m:B", "m:C"]
