"""Write Markdown; any text that is not marked as Markdown is escaped.

Names, descriptions and addresses come from untrusted model.yml files: they are shown literally,
without markup, HTML or invisible characters, in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from posezoo.core.errors import escape_control_characters

_PLAIN = re.compile(r"https?://[\w.~:/?#@!$&'()*+,;=%-]+", re.ASCII)


class Markdown(str):
    """Text that is already Markdown; all other text is escaped."""

    __slots__ = ()


#: The paragraphs of a page, or of a section of it, in Markdown.
Paragraphs = Iterator[str]


def escape(text: str) -> Markdown:
    """A text as Markdown that shows exactly that text; Markdown is returned unchanged.

    >>> escape("a *bold* <b>claim</b>")
    'a \\\\*bold\\\\* &lt;b&gt;claim&lt;/b&gt;'
    """
    if isinstance(text, Markdown):
        return text
    text = re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", one_line(text))
    # GitHub turns bare addresses into links, including the backslashes, so the address is
    # interrupted.
    text = re.sub(r":(?=//)|(?<=www)\.", r"\\\g<0>", text, flags=re.IGNORECASE)
    # Lists, headings and rules begin only at the start of a line.
    text = re.sub(r"^(?:(?=[-+=])|(\d+)(?=[.)](?:\s|$)))", r"\1\\", text)
    return Markdown(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def format_code(text: str) -> Markdown:
    """A text as code; it is escaped instead if code in a table cannot contain it."""
    line = one_line(text)
    if not line or set(line) & set("`\\|"):
        return escape(text)
    return Markdown(f"`{line}`")


def format_link(address: str) -> Markdown:
    """A link to a web page; escaped text if the address is not safe (``is_safe_url``)."""
    return Markdown(f"<{address}>") if is_safe_url(address) else escape(address)


def format_link_with_text(address: str, text: str) -> Markdown:
    """A text that links to a web page; like ``format_link`` if the address is unsafe."""
    if not is_safe_url(address):
        return format_link(address)
    target = f"<{address}>" if set(address) & set("()") else address
    return Markdown(f"[{escape(text)}]({target})")


def is_safe_url(address: str) -> bool:
    """Whether an address is an http(s) address without characters that Markdown could misread."""
    return _PLAIN.fullmatch(address) is not None


def format_local_link(path: str, text: str) -> Markdown:
    """A link to a file, by a relative path with / between its parts."""
    return Markdown(f"[{escape(text)}]({quote(path)})")


def format_image(path: str, text: str) -> Markdown:
    """An image, by a relative path with / between its parts."""
    return Markdown(f"![{escape(text)}]({quote(path)})")


def format_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Markdown:
    """A table; cells that are not Markdown are escaped."""
    lines = [_row(headers), "|" + " --- |" * len(headers), *map(_row, rows)]
    return Markdown("\n".join(lines))


def format_code_block(language: str, lines: Iterable[str]) -> Markdown:
    """A code block; its fence is longer than any fence in the lines."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markdown(f"{fence}{language}\n{text}\n{fence}")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def one_line(text: str) -> str:
    """A text in one line; invisible characters are shown as Python's escape sequences."""
    return escape_control_characters(" ".join(text.split()))
