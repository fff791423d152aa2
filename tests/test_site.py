"""`make site`: every page is drawn without a warning, works from a folder, and loads nothing from outside."""

import re
import sys

import pytest

from fakes.accessibility import serious_findings
from fakes.browser import BROKEN_NAMES, Browser
from fakes.command import assert_success, run_process
from fakes.pages import ROOT
from fakes.when_used import needs
from posezoo.cli.main import VERBS
from posezoo.lint.recomputation import ARTIFACT_RULES
from posezoo.lint.rules import load_rules

#: Scripts, styles, fonts, images and frames; a link that a reader clicks is none of them.
LOADED = re.compile(
    r"<(?:script|link|img|source|iframe)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"|url\(((?:https?:)?//.*?)\)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    needs("sphinx")
    folder = tmp_path_factory.mktemp("site")
    flags = ["--fail-on-warning", "--quiet", "--builder", "html", "--conf-dir", "docs"]
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *flags,
        "--doctree-dir",
        folder / "doctrees",
        ".",
        folder / "html",
    ]
    ended = run_process(command, cwd=ROOT, timeout=300)
    assert_success(ended)
    return folder / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def resize(browser, width):
    """The screen of a phone, whose scroll bars take no room, or of a desktop."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def test_every_page_is_reached_from_the_index(site):
    index = (site / "docs" / "index.html").read_text("utf-8")
    for page in [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/[efhrt]*/*.md")]:
        if page.name != "index.md":
            name = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
            assert f'href="{name}"' in index, f"docs/index.md does not list {name}"


def test_it_has_the_whole_help_and_all_rules_which_the_repository_leaves_to_the_commands(site):
    help_page = (site / "docs" / "cli.html").read_text("utf-8")
    assert [verb for verb in VERBS if f'id="posezoo-{verb}"' not in help_page] == []
    rules_page = (site / "docs" / "rules.html").read_text("utf-8")
    rules = {**load_rules(), **ARTIFACT_RULES}
    assert [rule for rule in rules if f'<span class="pre">{rule}</span>' not in rules_page] == []


def test_no_page_loads_anything_from_outside(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not LOADED.findall(path.read_text("utf-8")), path


def test_it_reads_on_narrow_and_wide_screens_and_the_search_needs_no_server(site, browser):
    browser.open(f"file://{site}/index.html")
    browser.wait(lambda: browser.address.endswith("docs/index.html"), "the way to the first page")
    for page in (*sorted(site.glob("docs/**/*.html")), site / "models" / "index.html"):
        browser.open(f"file://{page}")
        for width in (390, 1200):
            resize(browser, width)
            assert browser.run("return document.documentElement.scrollWidth") <= width, (
                f"{page} at {width} px"
            )
        assert all(url.startswith("file:") for url in browser.requests())
        assert browser.complaints() == []
    browser.open(f"file://{site}/search.html?q=interlaced")
    browser.wait(
        lambda: any("From a video" in each for each in browser.texts("#search-results a")),
        "the result",
    )


def test_the_table_of_models_is_readable_on_narrow_and_wide_screens(site, browser):
    hidden = """
        const table = document.querySelector(".table-wrapper");
        return table.scrollWidth - table.clientWidth;
    """
    for width in (390, 1200):
        resize(browser, width)
        browser.open(f"file://{site}/models/index.html")
        assert browser.run(hidden) <= 0, width
        assert browser.run(BROKEN_NAMES, "td a") == [], width


@pytest.mark.parametrize("page", ["docs/index", "docs/accuracy", "models/index"])
def test_a_page_has_no_serious_findings_of_axe(site, browser, page):
    assert serious_findings(browser, f"file://{site}/{page}.html") == []
