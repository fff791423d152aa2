"""One HTML page about models: a chart, a table for each task, and a card of each model.

The page has no script and needs no other file: it opens from a folder, and sends no requests.
Names, descriptions and addresses come from untrusted model.yml files, and are shown as text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from posezoo.console.labels import format_megabytes
from posezoo.core.files.output_file import HTML_PAGE
from posezoo.core.layout import ModelLayout
from posezoo.core.license_notice import read_copyright_line
from posezoo.core.regular_files import read_regular_bytes
from posezoo.figures.comparison import compare_models
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.figures.model_facts import ModelFacts, unique
from posezoo.figures.scatter_chart import draw_chart
from posezoo.pages.cards.markdown import is_safe_url, one_line
from posezoo.pages.cards.model_tables import (
    CHART_LEGEND,
    ModelTable,
    describe_figures,
    tabulate_models,
)
from posezoo.pages.cards.usage_section import (
    PICTURE,
    credit_picture,
    describe_picture,
    format_shortest_command,
)

#: The largest picture of a registry that the page contains.
MAX_PICTURE_BYTES = 200_000

_STYLE = """\
body{font:16px/1.5 sans-serif;color:#212529;max-width:72rem;margin:auto;padding:1rem}
a{color:#1864ab}
svg{max-width:100%;height:auto}
p.note{font-size:.85rem;color:#495057}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.3rem .6rem;text-align:left;border-bottom:1px solid #dee2e6}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1rem}
article{border:1px solid #dee2e6;border-radius:.4rem;padding:1rem;overflow-wrap:anywhere}
article h3{margin:0}
article img{max-width:100%}
pre{background:#f1f3f5;padding:.5rem;white-space:pre-wrap}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem .6rem}
dt{font-weight:600}
dd{margin:0}
"""


def render_html_page(models: Sequence[ModelFacts], layout: ModelLayout) -> str:
    """The page about models, with the measurements of their registries; ``layout`` has the folders
    of their IR, whose sizes are on the cards.
    """
    compared = compare_models(models, layout, MeasurementSelection())
    digest = hashlib.sha256(_STYLE.encode()).digest()
    style_hash = base64.b64encode(digest).decode()
    # Nothing may run or be loaded, whatever a model.yml contains.
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:"
    parts = [
        f'{HTML_PAGE.signs[0]}\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Models</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Models</h1>",
    ]
    if chart := draw_chart(compared):
        parts += ["<h2>AP and speed</h2>", chart, _note(CHART_LEGEND)]
    for table in tabulate_models(models, compared):
        parts += [f"<h2>{_text(table.title)}</h2>", _render_table(table)]
    parts += [_note(describe_figures(compared).replace("`", ""))]
    parts += ['<h2>Cards</h2>\n<div class="cards">', *map(_render_card, models), "</div>"]
    return "\n".join([*parts, "</body>\n</html>\n"])


def _text(text: str) -> str:
    return escape(one_line(text))


def _note(text: str) -> str:
    return f'<p class="note">{_text(text)}</p>'


def _link(address: str) -> str:
    if not is_safe_url(address):
        return _text(address)
    return f'<a href="{escape(address)}" rel="noreferrer nofollow">{escape(address)}</a>'


def _render_table(table: ModelTable) -> str:
    rows = [_render_row(("Model", "Download", "License", *table.headers), "th")]
    for row in table.rows:
        facts = row.facts
        part = "↳ " * bool(facts.model.composite)
        link = f'{part}<a href="#{_text(facts.name)}">{_text(facts.name)}</a> {_text(row.details)}'
        cells = (row.download, ", ".join(facts.licenses), *row.figures)
        rows.append(_render_row(map(_text, cells), "td", first=link))
    title = _text(table.title)
    lines = "\n".join(rows)
    return (
        f'<div class="scroll" role="group" aria-label="Table: {title}" tabindex="0"><table>\n'
        f"{lines}\n</table></div>"
    )


def _render_row(cells: Iterable[str], tag: str, *, first: str = "") -> str:
    shown = [*filter(None, [first]), *cells]
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in shown)}</tr>"


def _render_card(facts: ModelFacts) -> str:
    name = _text(facts.name)
    parts = [f'<article id="{name}">\n<h3>{name}</h3>', *_render_picture(facts)]
    if facts.model.deprecated:
        parts.append(f"<p><strong>This model is {_text(str(facts.model.deprecated))}.</strong></p>")
    parts.append(f"<p>{_text(facts.model.description)}</p>")
    if facts.usual_precision:
        command = format_shortest_command(facts, facts.usual_precision)
        parts.append(f"<pre><code>{_text(command)}</code></pre>")
    described = [
        f"<dt>{title}</dt><dd>{value}</dd>" for title, value in _list_facts(facts) if value
    ]
    limits = [f"<p>{_text(limit)}</p>" for limit in facts.limits]
    return "\n".join([*parts, f"<dl>{''.join(described)}</dl>", *limits, "</article>"])


def _list_facts(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    """The titles and values of a card, as HTML."""
    skeleton = facts.skeleton
    yield "Download", _text(facts.described_download)
    yield "Published files", _text(format_megabytes(facts.size_bytes))
    yield "License", ", ".join(map(_link, facts.licenses)) or "not declared"
    holders = unique(read_copyright_line(part) for part in facts.parts)
    yield "Copyright", "<br>".join(map(_text, holders))
    yield "Approach", _text(facts.approach)
    if skeleton and skeleton.keypoints:
        yield "Keypoints", _text(f"{len(skeleton.keypoints)}, {skeleton.name}")
    yield "IR precisions", _text(", ".join(facts.precisions))
    yield "Source framework", _text(", ".join(facts.framework_labels))
    yield "Parts", _text(", ".join(facts.model.stages))
    for title, key in (("Origin", "repository"), ("Paper", "paper")):
        addresses = unique(getattr(part.origin, key) for part in facts.parts)
        yield title, "<br>".join(map(_link, addresses))


def _render_picture(facts: ModelFacts) -> Iterator[str]:
    """The picture of a registry that shows what a model finds; nothing if it has no JPEG of up to
    ``MAX_PICTURE_BYTES``.
    """
    path = facts.model.path.with_name(PICTURE)
    if facts.is_variant or not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
        return
    jpeg = read_regular_bytes(path)
    if jpeg.startswith(b"\xff\xd8\xff"):
        data = base64.b64encode(jpeg).decode()
        shown = _text(describe_picture(facts))
        yield f'<img src="data:image/jpeg;base64,{data}" alt="{shown}">'
        yield _note(credit_picture(facts).strip("*"))
