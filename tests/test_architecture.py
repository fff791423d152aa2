"""A package imports only packages below it, and no two modules import each other in a cycle.

Every import counts: at the top of a module, inside a function, and for the type checker alone.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

#: Cycles that are still there, each with all of its modules. A cycle that is gone must leave this set.
ALLOWED_CYCLES: set[frozenset[str]] = {frozenset({"zoo.estimators", "zoo.quantizing", "zoo.zoo"})}

#: What each room may use. The picture is drawn in docs/architecture.md.
GROUND = {"errors", "events", "headers", "versions"}
SPEC = GROUND | {"spec"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "events": set(),
    "headers": set(),
    "versions": set(),
    "crew": {"events"},
    "spec": {"errors"},
    "files": SPEC,
    "guard": {"errors"},
    "settings": GROUND,
    "layout": SPEC,
    "working_folder": {"errors"},
    "unpacked": SPEC | {"files", "layout"},
    "registry": SPEC | {"files"},
    "openvino_runtime": GROUND,
    "provenance": SPEC | {"files", "openvino_runtime"},
    "lock": SPEC | {"files", "guard", "layout", "provenance", "registry"},
    "images": GROUND | {"files"},
    "coco": {"errors"},
    "pose": SPEC | {"files"},
    "checkpoints": SPEC,
    "networks": SPEC,
    "complexity": GROUND | {"openvino_runtime"},
    "measured": SPEC | {"files"},
    "notice": SPEC | {"layout", "registry"},
    "pretrained": SPEC | {"checkpoints", "networks"},
    "inference": SPEC | {"openvino_runtime", "files"},
    "estimator": SPEC | {"pose", "inference", "images"},
    "benchmarking": SPEC | {"measured", "inference", "estimator", "images", "pose"},
    "comparison": SPEC | {"measured", "layout"},
    # stages: siblings, they never import each other
    "fetch": SPEC | {"files", "layout", "guard", "crew", "unpacked", "working_folder"},
    "convert": SPEC
    | {"files", "layout", "openvino_runtime", "provenance", "complexity"}
    | {"unpacked", "working_folder"}
    | {"checkpoints", "networks", "pretrained"},
    "draft": SPEC | {"files", "layout", "fetch", "openvino_runtime"},
    "card": SPEC | {"files", "layout", "registry", "pose", "provenance", "measured"},
    "gallery": SPEC | {"files", "layout", "registry", "measured", "comparison", "card"},
    "quantize": SPEC
    | {"files", "layout", "openvino_runtime", "provenance", "images", "pose", "inference", "estimator"}
    | {"convert", "coco", "evaluation", "measured", "working_folder"},
    "verify": SPEC
    | {"files", "layout", "registry", "pose", "provenance", "measured"}
    | {"fetch", "convert", "card", "networks", "complexity", "openvino_runtime"}
    | {"unpacked", "working_folder"},
    "mirror": SPEC | {"files", "layout", "registry", "lock", "notice", "fetch", "verify"},
    "evaluation": SPEC | {"coco", "images", "pose", "estimator", "files", "guard", "measured"},
    "doctor": GROUND | {"settings", "inference"},
    # the top: what puts the stages together
    "zoo": SPEC
    | {"settings", "registry", "layout", "fetch", "convert", "quantize", "card", "pose"}
    | {"estimator", "files", "lock"}
    | {"complexity", "measured", "openvino_runtime", "provenance"},
    "demo": SPEC | {"files", "settings", "images", "pose", "pretrained", "estimator", "zoo"},
    "api": SPEC | {"settings", "registry", "zoo", "estimator", "networks", "pretrained"},
}
TOP = {"cli", "__init__", "__main__"}


def room_of(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def rooms_named_in(code: str) -> set[str]:
    used: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "posezoo":
            parts = node.module.split(".")
            used |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            used |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("posezoo.")}
    return used


def rooms_used(path: Path) -> set[str]:
    return rooms_named_in(path.read_text("utf-8")) - {room_of(path)}


def test_every_room_uses_only_what_lies_below_it():
    for path in sorted(SOURCE.rglob("*.py")):
        if (room := room_of(path)) not in TOP:
            assert rooms_used(path) <= ROOMS[room], (
                f"{path.name}: {room} may not use {rooms_used(path) - ROOMS[room]}"
            )


def test_nothing_below_uses_the_command_line():
    for path in SOURCE.rglob("*.py"):
        if room_of(path) not in TOP:
            assert "cli" not in rooms_used(path), path


def test_the_table_has_no_circle_and_no_room_that_is_gone():
    seen: set[str] = set()
    while remaining := {room for room in ROOMS if room not in seen}:
        free = {room for room in remaining if ROOMS[room] <= seen}
        assert free, f"a circle among {sorted(remaining)}"
        seen |= free
    there = {room_of(path) for path in SOURCE.rglob("*.py")}
    assert set(ROOMS) | TOP == there


def test_every_way_to_import_is_seen():
    code = "def f():\n    from posezoo.fetch.download import download\n    import posezoo.cli.main\nfrom posezoo import card\n"
    assert rooms_named_in(code) == {"fetch", "cli", "card"}
    assert not rooms_named_in(code) <= ROOMS["spec"]


def name_of(path: Path) -> str:
    """A module's name below posezoo; a package has its folder's name, and posezoo itself an empty one."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_named_in(code: str, modules: set[str]) -> set[str]:
    """The modules that a module's imports name, whatever their place in the code.

    ``from package import module`` names that module, not the package.
    """
    used: set[str] = set()
    for node in ast.walk(ast.parse(code)):
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
        name: modules_named_in(path.read_text("utf-8"), set(paths)) - {name} for name, path in paths.items()
    }
    found = cycles_in(imports)
    new, gone = found - ALLOWED_CYCLES, ALLOWED_CYCLES - found
    assert not new, f"modules that import each other in a cycle: {sorted(map(sorted, new))}"
    assert not gone, f"no cycle any more, so remove it from ALLOWED_CYCLES: {sorted(map(sorted, gone))}"


def test_an_import_names_the_module_wherever_it_stands():
    code = (
        "import posezoo\nfrom posezoo.fetch import http\nfrom posezoo.files import CHUNK\n"
        "if TYPE_CHECKING:\n    from posezoo.card import nothing\n"
        "def f():\n    import posezoo.cli.main\n    import requests\n"
    )
    modules = {"", "fetch", "fetch.http", "files", "card", "cli", "cli.main"}
    assert modules_named_in(code, modules) == {"", "fetch.http", "files", "card", "cli.main"}


def test_a_cycle_is_found_over_several_modules():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert cycles_in(imports) == {frozenset("abc")}
    assert not cycles_in({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_every_module_says_what_it_is_for():
    for path in SOURCE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
