"""The pages are read with a keyboard, with a screen reader and on paper."""

import pytest

from fakes.accessibility import serious_findings
from posezoo.pages.gallery.site_writer import write_site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "page", ["index", "models/movenet-thunder", "models/hrnet-w32", "side_by_side"]
)
def test_a_page_has_no_serious_findings_of_axe(browser, our_pages, tmp_path, page):
    write_site(tmp_path, our_pages)
    assert serious_findings(browser, f"{tmp_path.as_uri()}/{page}.html") == []


def test_each_head_of_a_table_has_a_text_and_what_scrolls_has_a_name(browser, our_pages, tmp_path):
    write_site(tmp_path, our_pages)
    browser.open(f"{tmp_path.as_uri()}/models/movenet-thunder.html")
    empty = "return [...document.querySelectorAll('th')].filter((each) => !each.textContent).length"
    assert browser.run(empty) == 0
    unnamed = """return [...document.querySelectorAll('.scroll')].filter(
        (each) => each.tabIndex !== 0 || !each.ariaLabel).length"""
    assert browser.run(unnamed) == 0


def test_printed_heads_are_text_which_chromium_repeats_on_each_page(index):
    media = {"media": "print"}
    index.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    shown = index.run("""return [...document.querySelectorAll("#head th")].slice(1).map(
        (each) => [...each.childNodes].filter((node) => node.nodeType === 3 || node.checkVisibility())
            .map((node) => node.nodeName + node.textContent))""")
    assert all(texts and not any(text.startswith("BUTTON") for text in texts) for texts in shown), (
        shown
    )
