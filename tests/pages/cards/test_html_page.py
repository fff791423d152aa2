"""The HTML page about models: what it shows, and that it runs, loads and requests nothing."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from fakes.accessibility import serious_findings
from fakes.browser import Browser
from fakes.zoo import model_yml, omz_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.figures.measured import Measurement, update_measured_yml
from posezoo.pages.cards.html_page import MAX_PICTURE_BYTES, render_html_page
from posezoo.pages.verbs.filter_flags import facts_of

JPEG = b"\xff\xd8\xff" + bytes(range(256))

#: Texts that would run, load or close something if they were not shown as text.
TRICKS = (
    "</style></script><script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "<!--<script>",
    "' onfocus='window.ran = 4' autofocus='",
    "<svg onload=window.ran=5><style>*{display:none}</style>",
)
TRICK = " ".join(TRICKS)
ADDRESS = 'https://example.org/?a="><script>window.ran=6</script>'


class Page(HTMLParser):
    """The elements of a page with their attributes, and all of its text."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(root):
    registry = open_registry([root])
    models = facts_of(registry.select(), registry)
    nowhere = root / "nowhere"
    return render_html_page(models, ModelLayout(nowhere, nowhere))


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


def write_measured(models, name, ap, fps, published=None):
    accuracy = [{"metric": "AP", "value": published, "dataset": "COCO"}] if published else []
    content = model_yml(published={"accuracy": accuracy}, skeleton="coco-17")
    path = write_model(models, name, content)
    settings = {"pipeline": "read, found, drawn", "shown": 1}
    speed = {"throughput_fps": fps, "latency_p50_ms": 1000 / fps}
    found = [Measurement("speed", Precision.FP16, speed, machine="M", settings=settings)]
    if ap:
        found.append(Measurement("accuracy", Precision.FP16, {"AP": ap}))
    update_measured_yml(path.with_name("measured.yml"), found)
    return path


def test_each_model_has_a_row_that_leads_to_its_card(models):
    write_model(models, "alone", model_yml(skeleton="coco-17", description="Finds one person."))
    write_model(models, "finder", omz_yml(task_type="detection"))
    write_composite(models, "whole", ["part"])
    write_model(models, "whole/part", model_yml())
    page = Page(page_of(models))
    names = ["alone", "finder", "part", "whole"]
    assert sorted(each["id"] for each in page.all("article")) == names
    links = [each["href"] for each in page.all("a") if each["href"].startswith("#")]
    assert sorted(links) == [f"#{name}" for name in names]
    assert page.text.count("Detection") == 1
    for shown in ("Finds one person.", "17, coco-17", "Copyright 2026 The tests", "posezoo get"):
        assert shown in page.text, shown


def test_the_chart_has_the_measured_models_and_the_table_all(models):
    write_measured(models, "slow", 0.6, 10, published=0.9)
    write_measured(models, "fast", 0.5, 100)
    write_measured(models, "stated", None, 50, published=0.8)
    text = Page(page_of(models)).text
    chart = text[text.index("AP and speed") : text.index("Human pose estimation")]
    assert "AP, measured by posezoo" in chart
    assert re.findall(r"(\w+): AP ([\d.]+)", chart) == [("slow", "0.600"), ("fast", "0.500")]
    assert "0.800 published: COCO" in text


def test_a_picture_of_the_registry_is_in_the_page_but_no_other_file(models):
    small = write_model(models, "small", model_yml()).with_name("example.jpg")
    small.write_bytes(JPEG)
    large = write_model(models, "large", model_yml()).with_name("example.jpg")
    large.write_bytes(JPEG.ljust(MAX_PICTURE_BYTES + 1))
    write_model(models, "text", model_yml()).with_name("example.jpg").write_text("<svg>")
    (picture,) = Page(page_of(models)).all("img")
    head, _, data = picture["src"].partition(",")
    assert (head, base64.b64decode(data)) == ("data:image/jpeg;base64", JPEG)
    assert picture["alt"] == "what small finds in two photos"


def hostile_zoo(models):
    """Hostile text in every field that the page shows."""
    accuracy = {"metric": "AP", "value": 0.5, "dataset": TRICK, "protocol": TRICK}
    content = model_yml(
        description=TRICK,
        limits=TRICK,
        published={"accuracy": [accuracy]},
        origin={"repository": ADDRESS, "paper": ADDRESS},
        deprecated={"since": "1.0", "use": "other"},
    )
    path = write_model(models, "hostile", content)
    (models.parent / "licenses" / "Apache-2.0-Tests.txt").write_text(f"Copyright 2026 {TRICK}\n")
    speed = {"throughput_fps": 9.0, "latency_p50_ms": 100.0}
    settings = {"pipeline": TRICK, TRICKS[0]: TRICK, "shown": 1}
    of_us = Measurement("speed", Precision.FP16, speed, machine=TRICK, settings=settings)
    update_measured_yml(path.with_name("measured.yml"), [of_us])
    write_model(models, "other", omz_yml(description=TRICK, license=ADDRESS))
    return models


def test_hostile_text_is_shown_as_text(models):
    page = Page(page_of(hostile_zoo(models)))
    assert page.text.count(TRICKS[1]) >= 3
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    assert len(page.all("style")) == 1
    assert {each["href"][:1] for each in page.all("a")} == {"#"}, "no link to an unsafe address"
    handlers = [key for _, attributes in page.elements for key in attributes if key[:2] == "on"]
    assert handlers == []


def test_the_policy_of_the_page_allows_its_style_alone(models):
    write_model(models, "alone", model_yml())
    content = page_of(models)
    policy = Page(content).all("meta")[1]["content"]
    style = re.findall("<style>(.*?)</style>", content, re.DOTALL)[0]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def test_a_browser_runs_and_requests_nothing_of_a_hostile_page(browser, models, tmp_path):
    (tmp_path / "page.html").write_text(page_of(hostile_zoo(models)), "utf-8")
    browser.emulate()
    browser.open((tmp_path / "page.html").as_uri())
    assert browser.run("return window.ran") is None
    assert browser.run("return document.scripts.length") == 0
    assert browser.complaints() == []
    background = browser.run("return getComputedStyle(document.querySelector('article')).padding")
    assert background == "16px", "the page's own style is used"


def test_axe_finds_no_serious_problem_in_the_page_of_our_models(browser, tmp_path):
    registry = open_registry()
    facts = facts_of(registry.select(), registry)
    page = render_html_page(facts, ModelLayout(tmp_path, tmp_path))
    (tmp_path / "page.html").write_text(page, "utf-8")
    assert serious_findings(browser, (tmp_path / "page.html").as_uri()) == []
