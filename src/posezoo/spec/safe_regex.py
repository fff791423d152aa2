"""Which regular expressions of a model.yml may be applied: those that no text can make explode.

Python's ``re`` goes back and tries again; where a repetition is repeated, as in ``(a+)+b``, thirty
characters keep it busy for hours, and nothing interrupts it. So a pattern is read here, once, left to
right: what is repeated must be a character, a class, or a fixed text, and what makes a scan like this one
unreliable (back references, conditions, verbose and dot-all patterns) is refused. All 160 patterns of Open
Model Zoo pass. What is left is polynomial, ``.*x.*y`` on one long line: for that, a time limit stands where
patterns are applied.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

MAX_LENGTH = 1000
#: Of repetitions and optional parts; of Open Model Zoo the pattern with most has nine.
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
    """Why a pattern is not applied to any text; empty when it is."""
    if len(pattern) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if _LITERAL.fullmatch(pattern):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of FutureWarning, for classes such as [[a]
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    return next(_objections(pattern), "")


def _objections(pattern: str) -> Iterator[str]:
    varies = [False]  # of each open group: whether its text can be matched in more than one way
    closed = False  # what the next quantifier would repeat varies
    position = repetitions = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            yield f"uses what is not allowed here, at character {position + 1}"
            return
        position, kind = token.end(), token.lastgroup
        if kind == "open":
            # Flags for the whole pattern, (?m), open nothing.
            varies += [] if token[0].endswith(")") else [False]
            closed = False
        elif kind == "close":
            closed = varies.pop()
            varies[-1] = varies[-1] or closed
        elif kind == "either":
            varies[-1] = True
        elif kind in ("optional", "repeat", "anything"):
            if kind == "repeat" and closed:
                yield "repeats what varies in itself, which some text makes take for ever"
            varies[-1], closed = True, True
            repetitions += 1
        else:
            closed = False
    if repetitions > MAX_REPETITIONS:
        yield f"has more than {MAX_REPETITIONS} repetitions and optional parts"
