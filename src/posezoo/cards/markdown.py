"""Markdown, with strangers' text in it: what is not Markdown by our own hand is escaped.

Names, descriptions and addresses come out of model.yml files that anybody may have written. They are
drawn as they are written: no markup, no HTML, no invisible characters, one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

_PLAIN = re.compile(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", re.ASCII)


class Markdown(str):
    """Text that is Markdown already; every other text is escaped before it is drawn."""

    __slots__ = ()


def escape(text: str) -> Markdown:
    """A text as Markdown that shows exactly that text; Markdown stays as it is.

    >>> escape("a *bold* <b>claim</b>")
    'a \\\\*bold\\\\* &lt;b&gt;claim&lt;/b&gt;'
    """
    if isinstance(text, Markdown):
        return text
    text = re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", one_line(text))
    # GitHub makes links of bare addresses, and takes what we escape in them as their own.
    text = re.sub(r":(?=//)|(?<=www)\.", r"\\\g<0>", text, flags=re.IGNORECASE)
    # What opens a list, a heading or a rule does so only where a line begins.
    text = re.sub(r"^([-+=]|\d+(?=[.)](\s|$)))", _escaped_start, text)
    return Markdown(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def format_code(text: str) -> Markdown:
    """A text in the letters of code; escaped instead where code, in a table, cannot hold it."""
    line = one_line(text)
    return escape(text) if not line or set(line) & set("`\\|") else Markdown(f"`{line}`")


def format_link(address: str) -> Markdown:
    """A link to a web page; escaped text where it is no http(s) address without tricks."""
    return Markdown(f"<{address}>") if is_safe_url(address) else escape(address)


def format_link_with_text(address: str, text: str = "") -> Markdown:
    """A text that links to a web page; ``link`` where there is no text, or no address without tricks."""
    if not text or not is_safe_url(address):
        return format_link(address)
    target = f"<{address}>" if set(address) & set("()") else address
    return Markdown(f"[{escape(text)}]({target})")


def is_safe_url(address: str) -> bool:
    """Whether an address is an http(s) address that Markdown takes for nothing else."""
    return _PLAIN.fullmatch(address) is not None


def format_local_link(path: str, text: str) -> Markdown:
    """A link to a file beside the page, by a relative path with / between its parts."""
    return Markdown(f"[{escape(text)}]({quote(path)})")


def format_image(path: str, text: str) -> Markdown:
    """A picture beside the page, by a relative path with / between its parts."""
    return Markdown(f"![{escape(text)}]({quote(path)})")


def format_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Markdown:
    """A table; cells that are not Markdown are escaped."""
    lines = [_row(headers), "|" + " --- |" * len(headers), *map(_row, rows)]
    return Markdown("\n".join(lines))


def format_code_block(language: str, lines: Iterable[str]) -> Markdown:
    """Lines of code that can be copied; no line of them ends the block."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markdown(f"{fence}{language}\n{text}\n{fence}")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def _escaped_start(found: re.Match[str]) -> str:
    start = found.group()
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def one_line(text: str) -> str:
    """A text in one line of visible characters; others are shown as they are escaped in Python."""
    visible = (each if each.isprintable() else ascii(each)[1:-1] for each in " ".join(text.split()))
    return "".join(visible)
