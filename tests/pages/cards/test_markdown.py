"""Text of any origin is shown as it is written, without effect on the page."""

from __future__ import annotations

import pytest

from posezoo.pages.cards.markdown import (
    Markdown,
    escape,
    format_code,
    format_link,
    format_link_with_text,
    format_local_link,
    format_table,
)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("plain words, (and more): 9.4 MB", "plain words, (and more): 9.4 MB"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("[text](javascript:alert)", r"\[text\](javascript:alert)"),
        ("![image](x)", r"!\[image\](x)"),
        ("*bold* _it_ `code` ~gone~", r"\*bold\* \_it\_ \`code\` \~gone\~"),
        ("a | b\n--- | ---", r"a \| b --- \| ---"),
        ("a\\|b", r"a\\\|b"),
        ("# heading\n\n- item", r"\# heading - item"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("===", r"\==="),
        ("$x$", r"\$x\$"),
        (
            "see https://models.invalid and www.invalid",
            r"see https\://models.invalid and www\.invalid",
        ),
        ("left\u202eright\x1b[31m", r"left\\u202eright\\x1b\[31m"),
    ],
)
def test_a_text_is_escaped(text, drawn):
    assert escape(text) == drawn


def test_markdown_is_not_escaped_twice():
    assert escape(escape("a*b")) == r"a\*b"
    assert isinstance(escape("a"), Markdown)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("input_1", "`input_1`"),
        ("a`b", r"a\`b"),
        ("a|b", r"a\|b"),
        ("two\nlines", "`two lines`"),
        ("", ""),
    ],
)
def test_text_that_code_cannot_hold_is_escaped(text, drawn):
    assert format_code(text) == drawn


@pytest.mark.parametrize(
    ("address", "drawn"),
    [
        ("https://models.invalid/a_b?c=d#e", "<https://models.invalid/a_b?c=d#e>"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://models.invalid/><b>", r"https\://models.invalid/&gt;&lt;b&gt;"),
        ("https://models.invalid/ [x](y)", r"https\://models.invalid/ \[x\](y)"),
        ("", ""),
    ],
)
def test_only_a_plain_web_address_becomes_a_link(address, drawn):
    assert format_link(address) == drawn


def test_a_link_to_a_file_is_quoted():
    assert format_local_link("../a (b)/c#d.txt", "[x]") == r"[\[x\]](../a%20%28b%29/c%23d.txt)"


def test_no_cell_adds_a_column():
    drawn = format_table(("A|B", "C"), [("a | b", format_code("x|y")), ("<td>", "")])
    assert drawn.splitlines() == [
        r"| A\|B | C |",
        "| --- | --- |",
        r"| a \| b | x\|y |",
        "| &lt;td&gt; |  |",
    ]


@pytest.mark.parametrize(
    ("address", "text", "drawn"),
    [
        ("https://models.invalid/log", "the *log*", r"[the \*log\*](https://models.invalid/log)"),
        ("https://models.invalid/a_(b)", "log", "[log](<https://models.invalid/a_(b)>)"),
        ("javascript:alert(1)", "log", "javascript:alert(1)"),
        ("", "log", ""),
    ],
)
def test_a_text_links_to_a_web_page_only(address, text, drawn):
    assert format_link_with_text(address, text) == drawn
