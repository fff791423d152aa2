"""Cards are read into sections, tables, links and metrics, ours and foreign ones of any size."""

import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.registry import open_registry
from posezoo.pages.cards.card_reader import (
    MAX_CHARACTERS,
    parse_card,
    to_plain_text,
)
from posezoo.pages.cards.markdown import escape, format_local_link, format_table

CARD = """\
---
license: mit
---
<!-- a note
## no heading
-->
# some-model

## Use Case and High-Level Description

See [its paper](https://papers.invalid/abs/1_(2)) and ![a picture](./assets/a.png "seen").

## Specification

| Metric            | Value    |
|-------------------|----------|
| GFlops            | 15.435   |
| MParams           | 4,099.5  |
| Source framework  | Caffe\\* |

## Accuracy

| Metric                 | Original model | Converted model |
| ---------------------- | -------------: | --------------- |
| Average Precision (AP) | 64.64%         | `64.6`%         |

## Inputs

### Original mode:

Image, name - `data`.

```sh
# no heading
| no | table |
|----|-------|
```

### Converted model

Setext
======
| a \\| b | c
--- | ---
1 |
2 | 3 | 4

[text]: <../LICENSE>
"""


@pytest.fixture(scope="module")
def card():
    return parse_card(CARD)


def test_sections_have_their_lines_and_the_headings_above_them(card):
    assert (card.sections[1].line, card.sections[1].title) == (7, "some-model")
    assert [(section.line, section.path) for section in card.sections[2:]] == [
        (9, ("Use Case and High-Level Description",)),
        (13, ("Specification",)),
        (21, ("Accuracy",)),
        (27, ("Inputs",)),
        (29, ("Inputs", "Original mode:")),
        (39, ("Inputs", "Converted model")),
        (41, ("Setext",)),
    ]
    assert card.sections[6].code == ((33, "sh", "# no heading\n| no | table |\n|----|-------|"),)


def test_a_section_has_its_subsections(card):
    assert card.subsections(card.sections[5]) == card.sections[5:8]


def test_bare_addresses_and_html_links_are_links_but_not_in_code():
    text = '<img src="a.png"> <https://a.invalid/x> https://b.invalid/y).\n```\nhttps://c.invalid\n```\n'
    assert [link.target for link in parse_card(text).links] == [
        "a.png",
        "https://a.invalid/x",
        "https://b.invalid/y",
    ]


@pytest.mark.parametrize(
    "text", ["a | b", "<b>&amp;</b>", "_x_ *y* `z`", "[t](u)", "a\\|b", "mean_values"]
)
def test_escaped_text_is_read_back_unchanged(text):
    assert to_plain_text(escape(text)) == text
    (read,) = parse_card(format_table([text], [[text], [format_local_link("x", text)]])).tables
    assert (read.headers, read.rows[0].cells, read.rows[1].cells) == ((text,), (text,), (text,))
    (link,) = parse_card(format_local_link("a b.txt", text)).links
    assert (link.text, link.target) == (text, "a%20b.txt")


def test_each_of_our_cards_is_read_with_its_metrics():
    for entry in open_registry().entries.values():
        card = parse_card(entry.read().path.with_name("README.md").read_text("utf-8"))
        (specification,) = (
            section for section in card.sections if section.title == "Specification"
        )
        assert specification.tables[0].headers == ("Metric", "Value")
        assert not card.truncation_note


def test_open_model_zoo_s_cards_are_read(shared):
    pages = sorted((shared / "data" / "omz-2021.4" / "models").rglob("*/README.md"))
    cards = {page.parent.name: parse_card(page.read_text("utf-8")) for page in pages}
    assert len(cards) > 250
    with_mparams = [
        card
        for card in cards.values()
        if any("params" in metric.label.casefold() for metric in card.metrics)
    ]
    assert len(with_mparams) > 0.9 * len(cards)
    legal = ("legal information", "legal")
    assert all(
        any(each.title.casefold() in legal for each in card.sections) for card in cards.values()
    )
    founding = cards["higher-hrnet-w32-human-pose-estimation"]
    assert ("Average Precision (AP)", "Converted model", 64.64) in [
        (each.label, each.column, each.value) for each in founding.metrics
    ]
    (converted,) = (each for each in founding.sections if each.path == ("Input", "Converted Model"))
    assert "Channel order is `BGR`" in converted.text


TABLE = "|Metric|b|\n|-|-|\n"


@pytest.mark.parametrize(
    "write",
    [
        lambda: "x| y " * 2_000_000,
        lambda: "[a](b) | c\n" * 900_000,
        lambda: "[a](" * 2_500_000,
        lambda: "<!--" * 2_500_000,
        lambda: "[\\" * 5_000_000,
        lambda: TABLE + "|" + "[\\]" * 500_000 + "|1|",
        lambda: "[" * 10_000_000,
        lambda: "]( " * 3_000_000,
        lambda: "_a" * 5_000_000,
        lambda: "# " * 5_000_000,
        lambda: "#\n" * 5_000_000,
        lambda: "```\n" * 2_500_000,
        lambda: "---\n" * 2_500_000,
        lambda: "href=" * 2_000_000,
        lambda: "<a" * 5_000_000,
        lambda: TABLE + "|a<" * 1_000_000,
        lambda: "|" + "a|" * 1_000_000 + "\n|" + "-|" * 1_000_000 + "\n",
        lambda: TABLE + "|`a`|1,000|\n" * 500_000,
    ],
    ids=range(18),
)
def test_ten_megabytes_and_a_million_cells_are_read_in_bounded_time(write):
    text = write()
    start = time.perf_counter()
    card = parse_card(text)
    cells = sum(len(row.cells) for table in card.tables for row in table.rows)
    assert len(card.metrics) + cells + len(card.sections) <= MAX_CHARACTERS
    assert card.truncation_note.startswith("only its first 262,144 characters were read")
    assert time.perf_counter() - start < HANG_S
