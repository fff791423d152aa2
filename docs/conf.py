"""Sphinx reads this for ``make site``; decisions/README.md says why (0014)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

import posezoo

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Of this folder, site_pages is imported.
sys.path.append(str(Path(__file__).parent))

project = "posezoo"
author = copyright = "The posezoo developers"
release = posezoo.version()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Sphinx starts in the root of the repository, so that links between these pages hold there and on
# the site.
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "models/**.md",
    "benchmarks/README.md",
    "demos/**/README.md",
    "tools/downloader/README.md",
]
exclude_patterns = [".*", "build", "src", "tests", "quickstart", "wheels"]
# A card is found by the table of models and by the search.
suppress_warnings = ["toc.not_included"]

myst_heading_anchors = 4
# Flags keep their two hyphens.
smartquotes = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_class_signature = "separated"

html_theme = "furo"
html_title = f"posezoo {release}"
html_static_path = ["site/site.css"]
html_css_files = ["site.css"]
html_extra_path = ["site/index.html"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


_FOR_KEYBOARDS = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<div class="table-wrapper': '<div tabindex="0" role="group" aria-label="Table" class="table-wrapper',
    "<pre>": '<pre tabindex="0">',
    '<p><img alt="AP against': '<p tabindex="0"><img alt="AP against',
}


def setup(app: Sphinx) -> None:
    """Sphinx calls this before it reads the pages."""
    app.connect("source-read", read_directives)
    app.connect("doctree-resolved", let_names_in_tables_break)
    app.connect("html-page-context", let_keyboards_scroll, priority=900)  # after the theme


def let_keyboards_scroll(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """What scrolls gets the focus of a keyboard and a name, and captions of lists their level."""
    for part in ("body", "furo_navigation_tree"):
        text = context.get(part) or ""
        for old, new in _FOR_KEYBOARDS.items():
            text = text.replace(old, new)
        context[part] = text


def read_directives(_app: Sphinx, page: str, source: list[str]) -> None:
    """Of the page that has the names of the API, read the directives that they are drawn from; of
    others, draw what only the site shows.
    """
    from site_pages import fill_marks

    source[0] = fill_marks(source[0])
    if page == "docs/reference/api":
        region = re.compile(r"<!-- directives\n(.*?)-->.*?<!-- end -->", re.DOTALL)
        source[0] = region.sub(r"```{eval-rst}\n\1```", source[0])


def let_names_in_tables_break(_app: Sphinx, page: nodes.document, _name: str) -> None:
    """In narrow columns, the names of models break into lines after ``_`` and ``@``, not inside a
    word.
    """
    links = [link for table in page.findall(nodes.table) for link in table.findall(nodes.reference)]
    for text in [text for link in links for text in link.findall(nodes.Text)]:
        words = re.split(r"(?<=[_@])(?=\w)", text)
        pieces: list[nodes.Node] = [nodes.Text(words[0])]
        for word in words[1:]:
            pieces += [nodes.raw("", "<wbr>", format="html"), nodes.Text(word)]
        text.parent.replace(text, pieces)
