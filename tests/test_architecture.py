"""A room may use what lies below it, never beside or above: read from every import."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

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


def test_every_module_says_what_it_is_for():
    for path in SOURCE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
