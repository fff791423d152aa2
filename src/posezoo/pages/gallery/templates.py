"""Pages from templates: all values are escaped, and only the page's own script and style may run.

Each page contains its style and script, which its content security policy allows by their hashes;
it can be opened from a folder, and sends no requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from posezoo.core.errors import import_optional
from posezoo.pages.cards.markdown import one_line

_HERE = Path(__file__).parent
_WEB_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?([/?#][\w.~:/?#@!$&'()*+,;=%\[\]-]*)?", re.ASCII)

#: The files of the index's script, in order.
SCRIPTS = (
    "elements", "rows", "state", "filters", "scales", "chart",
    "legend", "table", "compare", "main", "copy",
)  # fmt: skip


def render_page(name: str, scripts: Sequence[str], **values: Any) -> bytes:
    """A page as UTF-8 bytes.

    Args:
        name: of the template, and of the last of the style sheets in assets/.
        scripts: the names of scripts of assets/, in order.
    """
    template = _environment().get_template(f"{name}.html")
    sheets = "\n".join(read_asset(f"{sheet}.css") for sheet in ("base", "hero", name))
    style = re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", minify(sheets))
    parts = "\n".join(read_asset(f"{part}.js") for part in scripts)
    script = minify(f'(() => {{\n"use strict";\n{parts}\n}})();\n')  # one function scope
    # Only these styles and this script are allowed, and no requests.
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src"
        " data:; base-uri 'none'; form-action 'none'"
    )
    page = template.render(style=_safe(style), script=_safe(script), policy=policy, **values)
    return str(page).encode()


def _safe(text: str) -> Any:
    return import_optional("markupsafe", extra="gallery").Markup(text)


@cache
def _environment() -> Any:
    jinja2 = import_optional("jinja2", extra="gallery")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["web_address"] = is_web_address
    environment.filters["plain"] = one_line
    environment.filters["breakable"] = breakable
    environment.filters["filled_columns"] = non_empty_columns
    return environment


def read_asset(name: str) -> str:
    """A file of assets/."""
    return (_HERE / "assets" / name).read_text("utf-8")


def minify(text: str) -> str:
    """A style sheet or script without indentation and without whole-line comments."""
    lines = [line.strip() for line in text.splitlines()]
    comments = ("//", "/*", "*/")
    return "\n".join(line for line in lines if line and not line.startswith(comments))


def breakable(name: str) -> Any:
    """A name as HTML that breaks into lines only after ``-``, ``_``, ``.`` and ``@``."""
    words = re.split(r"(?<=[-_.@])(?=\w)", name)
    return _safe("<wbr>").join(words)


def to_data_address(jpeg: bytes) -> str:
    """A JPEG as an address that contains it, so that a page needs no other file."""
    return f"data:image/jpeg;base64,{_base64(jpeg)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{_base64(digest)}"


def to_script_json(values: Mapping[str, Any]) -> Any:
    """JSON that is safe inside a script element, whatever text it contains."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _safe(text)


def non_empty_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """The indices of a table's columns that are not empty, and always the first."""
    width = len(rows[0]) if rows else 0
    return [index for index in range(width) if index == 0 or any(row[index] for row in rows)]


def is_web_address(text: str) -> bool:
    """Whether a page may link to an http(s) address: it has no user name or special characters."""
    return _WEB_ADDRESS.fullmatch(text) is not None
