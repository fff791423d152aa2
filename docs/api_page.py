"""Draw docs/reference/api.md: in the repository, the names of the API; on the site, Sphinx reads the
directives in its comments instead, which also show signatures and docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import posezoo

PAGE = Path(__file__).with_name("reference") / "api.md"

_REGION = re.compile(r"<!-- directives\n(.*?)-->\n.*?<!-- end -->\n", re.DOTALL)
_DIRECTIVE = re.compile(r"\.\. auto(function|class|module):: (\S+)((?:\n   :.*)*)", re.MULTILINE)


def render_page() -> str:
    """The page, with a table of names below each block of directives."""
    return _REGION.sub(lambda region: _draw_region(region[1]), PAGE.read_text("utf-8"))


def _draw_region(directives: str) -> str:
    rows = [row for directive in _DIRECTIVE.findall(directives) for row in _rows(*directive)]
    table = "\n".join(["| name | what it is |", "|---|---|", *rows])
    return f"<!-- directives\n{directives}-->\n\n{table}\n\n<!-- end -->\n"


def _rows(kind: str, name: str, options: str) -> Iterator[str]:
    if kind != "module":
        yield _row(name, _find(name))
        return
    module = importlib.import_module(name)
    shown = next((f"posezoo.{each}" for each in dir(posezoo) if _is_home(each, module)), name)
    excluded = re.findall(r":exclude-members: (.*)", options)
    for member in _members(module):
        value = getattr(module, member)
        is_code = inspect.isclass(value) or inspect.isfunction(value)
        if is_code and member not in ", ".join(excluded).split(", "):
            yield _row(f"{shown}.{member}", value)


def _is_home(name: str, module: ModuleType) -> bool:
    return getattr(posezoo, name) is module


def _members(module: ModuleType) -> list[str]:
    """The names that Sphinx shows of a module: those of its ``__all__``, or made in it."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return listed
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]


def _find(name: str) -> object:
    path, _, last = name.rpartition(".")
    return getattr(importlib.import_module(path), last)


def _row(name: str, value: object) -> str:
    described = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.:]) (?=[A-Z])", described)[0]
    # Its code is marked as in reStructuredText.
    text = sentence.replace("``", "`").replace("|", r"\|")
    return f"| `{name}` | {text} |"
