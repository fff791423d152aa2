"""A package imports only packages below it, and no two modules import each other in a cycle.

Every import counts: at the top of a module, inside a function, and for the type checker alone.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"
parse = cache(ast.parse)

#: From the ground up: a package, or a module beside the packages, imports only from rows
#: above its own.
LAYERS: tuple[set[str], ...] = (
    {"arrays", "regular_files", "user_folders", "values"},
    {"errors", "events", "http_headers", "versions"},
    {"console", "event_log", "plugins"},
    {"checkpoints", "settings", "spec", "workers"},
    {"layout", "networks", "pose"},
    {"coco", "files", "ir"},
    {"images", "measured"},
    {"registry"},
    {"download", "lockfile"},
    {"resolve"},
    {"convert"},
    {"facts"},
    {"cards", "draft", "license_notice", "runtime", "verify"},
    {
        "benchmarking",
        "bom",
        "doctor",
        "evaluation",
        "export",
        "gallery",
        "lint",
        "mirror",
        "oci",
        "removal",
    },
    {"quantize"},
    {"pipeline"},
    {"api", "video"},
    {"cli"},
    {"__init__", "__main__"},
)


def package_of(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def packages_named_in(code: str) -> set[str]:
    used: set[str] = set()
    for node in ast.walk(parse(code)):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[0] == "posezoo"
        ):
            parts = node.module.split(".")
            used |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            used |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("posezoo.")
            }
    return used


def test_every_package_imports_only_packages_below_it():
    below: set[str] = set()
    for layer in LAYERS:
        for path in sorted(SOURCE.rglob("*.py")):
            if (package := package_of(path)) in layer:
                upward = packages_named_in(path.read_text("utf-8")) - below - {package}
                assert not upward, (
                    f"{path.relative_to(SOURCE)} may not import {', '.join(sorted(upward))}"
                )
        below |= layer


def test_the_wheel_gets_each_package():
    parser = configparser.ConfigParser()
    parser.read(SOURCE.parents[1] / "setup.cfg", encoding="utf-8")
    listed = parser["options"]["packages"].split()
    folders = [path.parent.relative_to(SOURCE.parent) for path in SOURCE.rglob("__init__.py")]
    missing = {".".join(folder.parts) for folder in folders} - set(listed)
    assert not missing, f"add to packages in setup.cfg: {', '.join(sorted(missing))}"


def test_the_layers_name_each_package_once_and_none_that_is_gone():
    named = sorted(package for layer in LAYERS for package in layer)
    assert named == sorted({package_of(path) for path in SOURCE.rglob("*.py")})


def test_the_page_lists_the_packages_by_layer():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (\w+)/? \|", page, re.MULTILINE)
    expected = [
        (str(number), name) for number, layer in enumerate(LAYERS, 1) for name in sorted(layer)
    ]
    assert rows == [row for row in expected if row[1] not in ("__init__", "__main__")]


def test_the_modules_that_the_page_names_exist():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py|/))`", page)
    assert len(named) > 20
    assert [
        name
        for name in named
        if not any((top / name).exists() for top in (SOURCE, SOURCE.parents[1]))
    ] == []


def test_every_way_to_import_is_seen():
    code = "def f():\n    from posezoo.core.download.http import open_url\n    import posezoo.cli.main\nfrom posezoo import cards\n"
    assert packages_named_in(code) == {"download", "cli", "cards"}


def name_of(path: Path) -> str:
    """A module's name below posezoo; a package has its folder's name, and posezoo itself an empty one."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_named_in(code: str, modules: set[str]) -> set[str]:
    """The modules that a module's imports name, whatever their place in the code.

    ``from package import module`` names that module, not the package.
    """
    used: set[str] = set()
    for node in ast.walk(parse(code)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not read"
            top, _, package = (node.module or "").partition(".")
            if top == "posezoo":
                named = {f"{package}.{alias.name}".removeprefix(".") for alias in node.names}
                used |= {name if name in modules else package for name in named}
        elif isinstance(node, ast.Import):
            names = (alias.name.partition(".") for alias in node.names)
            used |= {name for top, _, name in names if top == "posezoo"}
    return used


def cycles_in(imports: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules of which each reaches each other one over imports."""
    reached = {module: {module} for module in imports}
    for module, seen in reached.items():
        on_wait = [module]
        while on_wait:
            new = imports.get(on_wait.pop(), set()) - seen
            seen |= new
            on_wait += new
    groups = (
        frozenset(other for other in reached[module] if module in reached.get(other, ()))
        for module in imports
    )
    return {group for group in groups if len(group) > 1}


def test_no_modules_import_each_other_in_a_cycle():
    paths = {name_of(path): path for path in SOURCE.rglob("*.py")}
    imports = {
        name: modules_named_in(path.read_text("utf-8"), set(paths)) - {name}
        for name, path in paths.items()
    }
    cycles = sorted(map(sorted, cycles_in(imports)))
    assert not cycles, f"modules that import each other in a cycle: {cycles}"


def test_no_verb_imports_another():
    verbs = {name_of(path) for path in (SOURCE / "cli" / "verbs").glob("[a-z]*.py")}
    assert len(verbs) > 20
    for path in (SOURCE / "cli" / "verbs").glob("[a-z]*.py"):
        others = verbs & modules_named_in(path.read_text("utf-8"), verbs) - {name_of(path)}
        assert not others, f"{path.name} imports {others}: what verbs share belongs into cli/"


def test_no_command_of_open_model_zoo_imports_a_verb():
    verbs = {name_of(path) for path in (SOURCE / "cli" / "verbs").glob("[a-z]*.py")}
    for path in (SOURCE / "cli" / "omz").glob("[a-z]*.py"):
        imported = verbs & modules_named_in(path.read_text("utf-8"), verbs)
        assert not imported, f"{path.name} imports {imported}: what they share belongs into cli/"


def test_an_import_names_the_module_wherever_it_stands():
    code = (
        "import posezoo\nfrom posezoo.core.download import http\nfrom posezoo.core.files import CHUNK\n"
        "if TYPE_CHECKING:\n    from posezoo.pages.cards import nothing\n"
        "def f():\n    import posezoo.cli.main\n    import requests\n"
    )
    modules = {"", "download", "download.http", "files", "cards", "cli", "cli.main"}
    assert modules_named_in(code, modules) == {"", "download.http", "files", "cards", "cli.main"}


def test_a_cycle_is_found_over_several_modules():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert cycles_in(imports) == {frozenset("abc")}
    assert not cycles_in({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_every_module_says_what_it_is_for():
    for path in SOURCE.rglob("*.py"):
        assert ast.get_docstring(parse(path.read_text("utf-8"))), path


def test_only_the_pipeline_transfers_files_of_stores():
    """A download may read a file at an address, as from any server."""
    importers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if "files.stores" in modules_named_in(path.read_text("utf-8"), {"files.stores"})
    }
    assert importers == {
        "download/candidates.py",
        "pipeline/get.py",
        "pipeline/store_transfers.py",
    }
