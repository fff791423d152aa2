"""Draw docs/reference/api.md: in the repository, the names of the API; on the site, Sphinx reads the
directives in its comments instead, which also show signatures and docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
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
    rows = []
    lists = []
    for kind, name, options in _DIRECTIVE.findall(directives):
        if kind == "module":
            lists.append(_list_names(name, options))
        else:
            rows.append(_row(name, _find(name)))
    table = "\n".join(["| name | what it is |", "|---|---|", *rows]) if rows else ""
    drawn = "\n\n".join(filter(None, [table, *lists]))
    return f"<!-- directives\n{directives}-->\n\n{drawn}\n\n<!-- end -->\n"


def _list_names(name: str, options: str) -> str:
    """The names of a module, whose docstrings only the site and ``help()`` show."""
    module = importlib.import_module(name)
    shown = next((f"posezoo.{each}" for each in dir(posezoo) if _is_home(each, module)), name)
    excluded = ", ".join(re.findall(r":exclude-members: (.*)", options)).split(", ")
    members = [each for each in _members(module) if each not in excluded]
    code = [each for each in members if _is_code(getattr(module, each))]
    names = ", ".join(f"`{each}`" for each in code)
    return textwrap.fill(f"`{shown}`: {names}", 120, break_on_hyphens=False)


def _is_code(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


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
