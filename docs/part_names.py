"""Draw docs/named_parts.py: what tables name as text and the code calls nowhere by its name. vulture reads only code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

#: ``package.module:NAME``, of which an f-string has only the end.
_PATH = re.compile(r"[\w.]*:([A-Za-z]\w*)")
#: In the code of the stand-in, which is text.
_IMPORT = re.compile(r"^from posezoo[\w.]* import (\w+)$", re.MULTILINE)
_PATH_IN_JSON = re.compile(r'"[\w.]+:([A-Za-z]\w*)"')

_HEADING = '''"""The parts that tables name as text, and layers that run in their order; `make docs` draws this list for vulture."""

from typing import Any

_: Any = None
'''


def render_page() -> str:
    """The list, as code that names each of them."""
    modules = [*map(_parse, PACKAGE.rglob("*.py"))]
    defined = {name for module in modules for name in _defined_names(module)}
    named = {name for module in modules for name in _named_in_text(module)}
    for path in PACKAGE.rglob("*.json"):
        named.update(_PATH_IN_JSON.findall(path.read_text("utf-8")))
    layers = {
        name for path in (PACKAGE / "networks").rglob("*.py") for name in _layers(_parse(path))
    }
    used = {name for module in modules for name in _used_names(module)}
    listed = (named & defined | layers | {*_solutions()}) - used
    lines = (f"    _.{name}," for name in sorted(listed))
    return "\n".join([_HEADING, "_NAMES = [", *lines, "]", ""])


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _defined_names(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _used_names(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.attr


def _named_in_text(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            path = _PATH.fullmatch(node.value)
            if path:
                yield path[1]
            yield from _IMPORT.findall(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "project":
            words = (each.value for each in node.args if isinstance(each, ast.Constant))
            yield from re.findall(r"\w+", " ".join(map(str, words)))


def _layers(module: ast.Module) -> Iterator[str]:
    """What is set in an ``nn.Sequential``, which runs its layers in their order: their names are the keys of
    checkpoints. One may be a class, or a layer of another one.
    """
    for node in ast.walk(module):
        is_sequence = isinstance(node, ast.ClassDef) and "nn.Sequential" in map(
            ast.unparse, node.bases
        )
        for inner in ast.walk(node):
            if not (isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)):
                continue
            if is_sequence or isinstance(inner.value, ast.Attribute):
                yield inner.attr


def _solutions() -> Iterator[str]:
    """What scripts for MediaPipe use of our modules: names, methods, and parameters."""
    from posezoo.solutions.stand_in import SOLUTIONS

    for name in (*SOLUTIONS, "image", "solution"):
        module = _parse(PACKAGE / "solutions" / f"{name}.py")
        yield from (each for each in _defined_names(module) if not each.startswith("_"))
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                yield from (each.arg for each in (*node.args.args, *node.args.kwonlyargs))
