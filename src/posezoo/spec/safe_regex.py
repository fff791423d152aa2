"""Which regular expressions of a model.yml are safe: those that never take exponential time.

Python's ``re`` backtracks: with a nested repetition such as ``(a+)+b``, a text of thirty characters takes
hours, and the match cannot be interrupted. So each pattern is scanned once from left to right. Only a
character, a class, or a fixed text may be repeated. Features that make such a scan unreliable are refused:
back references, conditions, verbose and dot-all patterns. All 160 patterns of Open Model Zoo pass. A pattern
such as ``.*x.*y`` can still take polynomial time on a long line: patterns are applied with a time limit.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

MAX_LENGTH = 1000
#: The most repetitions and optional parts; the patterns of Open Model Zoo have at most nine.
MAX_REPETITIONS = 12

#: A fixed text. Most patterns are one, and compiling all of Open Model Zoo's takes 30 ms.
_LITERAL = re.compile(r"(?:[^\\()\[\]{}|*+?^$.]|\\[^\w\s])*")

_TOKEN = re.compile(
    r"""
    # (.|\n)*: one character or the other, they exclude each other
      (?P<anything>\((?:\?:)?(?:\.\|\\n|\\n\|\.)\)[*+]\??)
    | (?P<literal>
          \\[^1-9kgx0-9] | \\x[0-9a-fA-F]{2}
        | \[\^?\]?(?:\\.|[^\]\\])*\]
        | [^\\()\[|*+?{] | \{(?!\d*,?\d*\})
      )
    | (?P<open>\((?:\?(?:[:=!]|<[=!]|P<\w+>|[aim]+\))|(?!\?)))
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<optional>\?\??)
    | (?P<repeat>(?:[*+]|\{\d*,?\d*\})\??)
    """,
    re.VERBOSE | re.DOTALL,
)


def explain_unsafe_regex(pattern: str) -> str:
    """Why a pattern is refused; empty if it is safe."""
    if len(pattern) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if _LITERAL.fullmatch(pattern):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning for classes such as [[a]
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    return next(_objections(pattern), "")


def _objections(pattern: str) -> Iterator[str]:
    varies = [False]  # for each open group: whether it can match a text in more than one way
    closed = False  # whether the part before the next quantifier varies
    position = repetitions = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            yield f"uses a construct that is not allowed here, at character {position + 1}"
            return
        position, kind = token.end(), token.lastgroup
        if kind == "open":
            # Flags for the whole pattern, such as (?m), open no group.
            varies += [] if token[0].endswith(")") else [False]
            closed = False
        elif kind == "close":
            closed = varies.pop()
            varies[-1] = varies[-1] or closed
        elif kind == "either":
            varies[-1] = True
        elif kind in ("optional", "repeat", "anything"):
            if kind == "repeat" and closed:
                yield "has nested repetitions: some texts would make the search run almost endlessly"
            varies[-1], closed = True, True
            repetitions += 1
        else:
            closed = False
    if repetitions > MAX_REPETITIONS:
        yield f"has more than {MAX_REPETITIONS} repetitions and optional parts"
