"""The modules of a source tree as nodes of their syntax trees."""

from __future__ import annotations

import ast
from functools import cache


@cache
def nodes_in(code: str) -> tuple[ast.AST, ...]:
    """All nodes of a module, which is the first of them."""
    return tuple(ast.walk(ast.parse(code)))


def imports_in(code: str) -> list[ast.Import | ast.ImportFrom]:
    """Every import, at the top of the module or inside a function."""
    return [node for node in nodes_in(code) if isinstance(node, ast.Import | ast.ImportFrom)]
