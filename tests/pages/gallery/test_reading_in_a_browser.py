"""Pages as a reader sees them: on wide and narrow screens, with the keyboard, and with the copy button."""

import pytest

from fakes.browser import BROKEN_NAMES
from posezoo.pages.gallery.site_writer import write_site

pytestmark = pytest.mark.slow

PAGES = (
    *("index.html", "side_by_side.html", "models/movenet-thunder.html"),
    *("models/simple_pose_resnet152_v1d@2f544338.html", "models/blazepose-full.html"),
    "models/rtmw-l.html",  # has the widest skeleton
)

NAMES = "h1, h2 a, tbody th a, .entry span, .choices span, header p a, ol a"


@pytest.fixture(scope="module")
def zoo_site(our_pages, tmp_path_factory):
    """The folder of the site of our own models."""
    folder = tmp_path_factory.mktemp("zoo")
    write_site(folder, our_pages)
    return folder


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_no_page_is_wider_than_the_screen_and_no_name_breaks_inside_a_word(
    browser, zoo_site, width
):
    browser.emulate(width=width, height=844)
    for page in PAGES:
        browser.open((zoo_site / page).as_uri())
        assert browser.run("return document.documentElement.scrollWidth") <= width, page
        assert browser.run(BROKEN_NAMES, NAMES) == [], page
        assert browser.requests() == [(zoo_site / page).as_uri()]


def test_the_table_of_models_fits_a_screen_of_1200_pixels(browser, zoo_site):
    browser.emulate(width=1200)
    browser.open((zoo_site / "index.html").as_uri())
    box = "const box = document.querySelector('#table .scroll'); return box.scrollWidth - box.clientWidth"
    assert browser.run(box) <= 0


def test_a_phone_shows_twenty_models_as_cards_and_the_others_on_request(browser, zoo_site):
    browser.emulate(width=390, height=844)
    browser.open((zoo_site / "index.html").as_uri())
    assert browser.run("return document.documentElement.scrollHeight") < 7000
    assert len(browser.texts("#rows th a")) == 20
    label = "getComputedStyle(document.querySelector('#rows td.number'), '::before').content"
    assert browser.run(f"return {label}") == '"Published AP (share)"'
    browser.click("#all-rows")
    assert len(browser.texts("#rows th a")) > 50
    browser.emulate(width=1200)
    display = "getComputedStyle(document.querySelector('#rows tr')).display"
    assert browser.run(f"return {display}") == "table-row"


def test_picture_and_command_are_on_the_first_screen(browser, zoo_site):
    bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom"
    for width, height in ((1200, 900), (390, 844)):
        browser.emulate(width=width, height=height)
        for page in ("index.html", "models/blazepose-full.html"):
            browser.open((zoo_site / page).as_uri())
            assert browser.run("return document.querySelector('.hero img').naturalWidth") > 500
            for selector in (".hero img", ".hero .command", ".hero .facts"):
                assert browser.run(bottom, selector) <= height, f"{page}: {selector}"


@pytest.mark.parametrize("page", ["index.html", "side_by_side.html", "models/movenet-thunder.html"])
def test_the_button_copies_the_command_with_the_keyboard(browser, zoo_site, page):
    browser.open((zoo_site / page).as_uri())
    browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    browser.run("document.querySelector('.copy').focus()")
    browser.press("\n")
    assert browser.run("return window.copied") == browser.texts(".command code")[0]
    assert browser.texts(".copy")[0] == "Copied"


def test_without_a_clipboard_the_command_is_selected(browser, zoo_site):
    browser.open((zoo_site / "models/blazepose-full.html").as_uri())
    browser.run("navigator.clipboard.writeText = async () => { throw new Error('refused'); }")
    browser.click(".copy")
    assert browser.run("return String(getSelection())") == "posezoo run blazepose-full"
    assert browser.texts(".copy")[0] in ("Copied", "Press Ctrl+C")


def test_without_javascript_pictures_and_commands_are_there_and_buttons_are_not(browser, zoo_site):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get((zoo_site / "models/blazepose-full.html").as_uri())
        assert browser.one(".hero img").is_displayed()
        assert browser.one(".command code").text == "posezoo run blazepose-full"
        assert not browser.one(".copy").is_displayed()
        browser.driver.get((zoo_site / "index.html").as_uri())
        assert browser.one(".hero img").is_displayed()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
