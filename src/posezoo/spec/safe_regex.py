"""Which regular expressions of a model.yml are safe: those that never take exponential time.

Python's ``re`` backtracks: with a nested repetition such as ``(a+)+b``, a text of thirty characters takes
hours, and the match cannot be interrupted. So only a character, a class, or a fixed text may be repeated.
Features that would hide a repetition are refused: back references, conditions, verbose and dot-all patterns.
All 160 patterns of Open Model Zoo pass. A pattern such as ``.*x.*y`` can still take polynomial time on a long
line: patterns are applied with a time limit.
"""

from __future__ import annotations

import re
import warnings

MAX_LENGTH = 1000
#: The most repetitions and optional parts; the patterns of Open Model Zoo have at most nine.
MAX_REPETITIONS = 12

#: A fixed text. Most patterns are one, and compiling all of Open Model Zoo's takes 30 ms.
_LITERAL = re.compile(r"(?:[^\\()\[\]{}|*+?^$.]|\\[^\w\s])*")
#: What matches one character: an escape, a class, (.|\n) if it is repeated, or { that opens no repetition;
#: and what matches none: flags for the whole pattern, such as (?m).
_CHARACTER = re.compile(
    r"\\x[0-9a-fA-F]{2}|\\[^0-9kgx]|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?!\d*,?\d*\})"
    r"|\((?:\?:)?(?:\.\|\\n|\\n\|\.)\)(?=[*+])|\(\?[aim]+\)",
    re.DOTALL,
)
_GROUP_KIND = re.compile(r"\(\?(?:[:=!]|<[=!]|P<\w+>)")
_INNER_GROUP = re.compile(r"\(([^()]*)\)")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})\??")
_NESTED = re.compile(rf"{_QUANTIFIER.pattern}(?:[*+]|\{{\d*,?\d*\}})")


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
    # The same pattern of letters, groups and quantifiers alone; each stays at its position.
    text = _CHARACTER.sub(lambda match: "x" * len(match[0]), pattern)
    text = _GROUP_KIND.sub(lambda match: "x" * (len(match[0]) - 1) + "(", text)
    if refused := re.search(r"\\|\(\?", text):
        return f"uses a construct that is not allowed here, at character {refused.start() + 1}"
    repetitions = len(_QUANTIFIER.findall(text))
    while not _NESTED.search(text) and (group := _INNER_GROUP.search(text)):
        # A group that can match a text in more than one way counts as an optional letter.
        varies = "|" in group[1] or _QUANTIFIER.search(group[1])
        text = text[: group.start()] + ("x?" if varies else "x") + text[group.end() :]
    if _NESTED.search(text):
        return "has nested repetitions: some texts would make the search run almost endlessly"
    if repetitions > MAX_REPETITIONS:
        return f"has more than {MAX_REPETITIONS} repetitions and optional parts"
    return ""
