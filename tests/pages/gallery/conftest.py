"""A browser, and a site to open in it."""

import pytest

from fakes.browser import Browser
from fakes.sites import gathered, pose_zoo, written_site
from posezoo.core.registry import builtin_models_dir
from posezoo.pages.gallery.gallery_pages import render_gallery_pages


@pytest.fixture(scope="session")
def _browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(_browser):
    """A wide, light window; what a test leaves in the console is that test's failure."""
    _browser.emulate()
    yield _browser
    assert _browser.complaints() == []


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The address of a small zoo's index, opened from its folder."""
    return written_site(tmp_path_factory.mktemp("site"), pose_zoo(tmp_path_factory.mktemp("zoo")))


@pytest.fixture(scope="session")
def our_pages():
    """The pages of our own models, which are only read."""
    return render_gallery_pages(gathered(builtin_models_dir()), first=["blazepose-full"])


@pytest.fixture
def index(browser, site):
    """The browser, in which the site's index is open."""
    browser.open(site)
    return browser
