"""The modules of a source tree as nodes of their syntax trees."""

from __future__ import annotations

import ast
import gc
from functools import cache

IMPORTS = (ast.Import, ast.ImportFrom)


#: Where a statement has other statements, its handlers of exceptions, or its cases of a match.
BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


@cache
def tree_of(code: str) -> ast.Module:
    """A module, parsed."""
    # A tree has thousands of objects without garbage among them: the collector, which looks at them again and again
    # while they become more, takes longer than the parser.
    gc.disable()
    try:
        return ast.parse(code)
    finally:
        gc.enable()


@cache
def nodes_in(code: str) -> tuple[ast.AST, ...]:
    """All nodes of a module, which is the first of them, in the order of ``ast.walk``, which takes longer."""
    found: list[ast.AST] = [tree_of(code)]
    gc.disable()
    try:
        for node in found:
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    found += [each for each in value if isinstance(each, ast.AST)]
                elif isinstance(value, ast.AST):
                    found.append(value)
    finally:
        gc.enable()
    return tuple(found)


@cache
def imports_in(code: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Every import, at the top of the module or inside a function. Only statements are looked at."""
    blocks: list[ast.AST] = [tree_of(code)]
    for node in blocks:
        for name in BLOCKS:
            value = getattr(node, name, ())
            if isinstance(value, list):  # the body of a lambda or of a condition is an expression
                blocks += value
    return tuple(node for node in blocks if isinstance(node, IMPORTS))
