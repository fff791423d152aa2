"""The modules of a source tree as nodes of their syntax trees."""

from __future__ import annotations

import ast
import gc
from functools import cache

IMPORTS = (ast.Import, ast.ImportFrom)


@cache
def nodes_in(code: str) -> tuple[ast.AST, ...]:
    """All nodes of a module, which is the first of them."""
    # A tree has thousands of objects without garbage among them: the collector, which looks at them again and again
    # while they become more, takes longer than the parser.
    gc.disable()
    try:
        return tuple(ast.walk(ast.parse(code)))
    finally:
        gc.enable()


@cache
def imports_in(code: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Every import, at the top of the module or inside a function."""
    return tuple(node for node in nodes_in(code) if isinstance(node, IMPORTS))
