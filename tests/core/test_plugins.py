"""Tables of parts that are built in or come with installed packages."""

import ast
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

from fakes.plugin_package import plugin_package
from posezoo.core.convert.formats import FORMATS
from posezoo.core.download.source_types import SOURCE_TYPES
from posezoo.core.errors import PluginError
from posezoo.core.plugins import LazyTable
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.export.targets import TARGETS
from posezoo.poses.decoders import DECODERS


@pytest.fixture
def table(tmp_path):
    """Text parts: one is built in; a package with the given code and entry points is installed."""
    with ExitStack() as installed:

        def make(code="WAVE = 'wave'", **entry_points):
            lines = [f"posezoo.verbs: {name} = {value}" for name, value in entry_points.items()]
            fixed = "BUILT_IN = 'built in'"
            installed.enter_context(
                plugin_package(tmp_path, *lines, name="wavy", wavy=code, fixed=fixed)
            )
            return LazyTable("posezoo.verbs", str, {"fixed": "fixed:BUILT_IN"})

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


def records_in(code):
    """The public constants that a module makes by a call, such as ``DECODER = BoxDecoder(...)``."""
    names = []
    for node in ast.parse(code).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if getattr(target, "id", "_").isupper() and not target.id.startswith("_"):
                names.append(target.id)
    return names


def records_beside(parts):
    """``module:NAME`` of each record of a table's type in the folders with those that it names."""
    found = {}
    for package in {path.partition(":")[0].rpartition(".")[0] for path in parts.builtin.values()}:
        for path in Path(import_module(package).__file__).parent.glob("*.py"):
            for name in records_in(path.read_text("utf-8")):
                part = getattr(import_module(f"{package}.{path.stem}"), name)
                if isinstance(part, parts.part_type):
                    found[f"{package}.{path.stem}:{name}"] = part
    return found


@pytest.mark.parametrize(
    ("parts", "home"),
    [
        (DECODERS, "DECODERS of poses/decoders.py"),
        (GRAPHS, "GRAPHS of export/decoded/graphs.py"),
        (SOURCE_TYPES, "SOURCE_TYPES of core/download/source_types.py, or posezoo/__init__.py"),
        (FORMATS, "posezoo/__init__.py"),
        (TARGETS, "TARGETS of export/targets.py"),
    ],
    ids=lambda each: getattr(each, "group", ""),
)
def test_each_record_has_a_line_in_its_table(parts, home):
    pytest.importorskip("torch", reason="needs torch")  # which some modules import
    found = records_beside(parts)
    used = [part for _, part in parts.items()]
    inner = [other for part in used for other in getattr(part, "by_file_name", {}).values()]
    missing = {name for name, part in found.items() if part not in [*used, *inner]}
    assert set(parts.builtin.values()) <= set(found)
    assert not missing, f"add a line for {missing} to {home}: posezoo does not know it"
