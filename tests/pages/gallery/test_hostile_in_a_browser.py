"""Names, descriptions, metrics and cards may be hostile: they are shown as text and never run."""

import http.server
import threading
from functools import partial

import pytest

from fakes.sites import measurements, pose_zoo, written_site
from fakes.zoo import model_yml, omz_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.run.measured import Measurement, update_measured_yml

pytestmark = pytest.mark.slow

END = "\ue010"

TRICKS = (
    "</script><script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "<!--<script>",
    "[a](javascript:window.ran=3) **b** `c` | d",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} &lt;b&gt;",
    "' onfocus='window.ran = 4' autofocus='",
    "<svg onload=window.ran=5><style>*{display:none}</style>",
)
TRICK = " ".join(TRICKS)
ADDRESS = 'https://example.org/?a="><script>window.ran=6</script>'

HOSTILE_CARD = f"""\
# {TRICK}

## Specification

| Metric | Value |
| ------ | ----- |
| GFlops {TRICKS[1]} | 15 |
| AP {TRICKS[0]} | 50% |
| {TRICKS[6]} | 3 |
"""


def hostile_zoo(root):
    """Hostile text in every field, and what else would be refused left as it is."""
    models = root / "models"
    accuracy = {"metric": "AP", "value": 0.5, "dataset": TRICK, "protocol": TRICK}
    content = model_yml(
        description=TRICK,
        published={"accuracy": [accuracy], "gflops": 1.5, "known_difference": TRICK},
        license_note=TRICK,
        origin={"repository": ADDRESS, "paper": ADDRESS},
        training={"command": ADDRESS, "log": ADDRESS},
        inputs=[{"name": TRICK, "shape": [1, 4, 6, 3], "layout": "NHWC", "color": "RGB"}],
        outputs=[{"name": TRICK, "shape": [1, 5], "note": TRICK}],
    )
    path = write_model(models, "hostile", content)
    (root / "licenses" / "Apache-2.0-Tests.txt").write_text(f"Copyright 2026 {TRICK}\n")
    metrics = {"throughput_fps": 9.0, "latency_p50_ms": 100.0}
    speed = Measurement(
        "speed", Precision.FP16, metrics, machine=TRICK, settings={TRICKS[0]: TRICK}
    )
    update_measured_yml(path.with_name("measured.yml"), [*measurements(0.4, 1.0, 2.0, None), speed])
    path = write_model(
        models, "hostile-card", omz_yml(description=TRICK, license=ADDRESS, task_type="detection")
    )
    path.with_name("README.md").write_text(HOSTILE_CARD)
    write_model(models, "hostile-pair/one-part", model_yml(description=TRICK))
    write_composite(models, "hostile-pair", ["one-part"], description=TRICK)
    return models


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The address of a hostile zoo's index."""
    return written_site(
        tmp_path_factory.mktemp("site"), hostile_zoo(tmp_path_factory.mktemp("zoo"))
    )


def assert_harmless(browser):
    assert browser.run("return window.ran") is None
    assert (
        browser.run(
            'return document.querySelectorAll("img, iframe, object, embed, svg style").length'
        )
        == 0
    )
    assert browser.run("return document.scripts.length + document.styleSheets.length") <= 3
    assert (
        browser.run(
            'return [...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length'
        )
        == 0
    )
    assert (
        browser.run(
            "return [...document.links].map(each => each.protocol).filter(each => !['file:', 'https:'].includes(each))"
        )
        == []
    )


def test_an_index_shows_hostile_text_as_text(browser, hostile):
    browser.open(hostile)
    assert sorted(browser.texts("#rows th a")) == [
        "hostile",
        "hostile-card",
        "hostile-pair",
        "one-part",
    ]
    browser.run('document.querySelectorAll("details").forEach((each) => (each.open = true))')
    browser.run('document.querySelector(".mark").focus()')
    browser.press(END)
    assert browser.one("#card").is_displayed()
    for name in ("hostile", "hostile-card"):
        browser.click(f'#rows input[data-name="{name}"]')
    browser.click("#open-compare")
    assert TRICKS[0] in browser.texts("#compared .words")[0]
    assert_harmless(browser)


def test_hostile_text_in_an_address_is_harmless(browser, hostile):
    from urllib.parse import quote

    keys = ("task", "hide", "compare", "sort", "x", "color", "bubble", "accuracy_min", "view")
    for keys_of_address in (["q"], keys):
        browser.open(f"{hostile}#{'&'.join(f'{key}={quote(TRICK)}' for key in keys_of_address)}")
        assert_harmless(browser)


@pytest.mark.parametrize("name", ["hostile", "hostile-card", "hostile-pair", "one-part"])
def test_a_page_shows_hostile_text_as_text(browser, hostile, name):
    browser.open(hostile.replace("index.html", f"models/{name}.html"))
    assert_harmless(browser)
    assert browser.texts(".hero .facts + p")[0] == TRICK
    if name == "hostile":
        (shown,) = browser.texts("body")
        assert shown.count(TRICKS[4]) >= 8
        assert ADDRESS in shown


def test_invisible_and_bidirectional_characters_are_shown_as_escapes(browser, tmp_path):
    path = write_model(tmp_path / "models", "net", omz_yml())
    card = "## Specification\n\n| Metric | Value |\n| - | - |\n| a \u202egnp.exe \u200bb | 1 |\n"
    path.with_name("README.md").write_text(card, "utf-8")
    site = written_site(tmp_path / "site", tmp_path / "models")
    browser.open(site.replace("index.html", "models/net.html"))
    assert "a \\u202egnp.exe \\u200bb" in browser.texts("td")


def test_no_request_leaves_a_site_opened_from_its_folder(browser, site):
    browser.open(site)
    browser.click("#how summary")
    browser.click('.mark[data-key="light_pose_b FP16"] .shape')
    browser.wait(
        lambda: browser.address.endswith(".html") and "models/" in browser.address, "the page opens"
    )
    browser.settle()
    folder = site.removesuffix("index.html")
    assert browser.requests() == [site, f"{folder}models/light_pose_b.html"]


def test_only_pages_are_requested_from_a_server(browser, tmp_path):
    written_site(tmp_path / "site", pose_zoo(tmp_path))
    requested = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            requested.append((self.path, int(code)))

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=tmp_path / "site")
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_port}/#compare=pair")
        assert len(browser.texts("#rows tr")) == 8
        browser.click('#rows a[href="models/pair.html"]')
        browser.wait(lambda: "models/" in browser.address, "the page opens")
        browser.settle()
        assert requested == [("/", 200), ("/models/pair.html", 200)]
    finally:
        server.shutdown()
        server.server_close()


def test_only_the_script_of_the_page_may_run(browser, site):
    browser.open(site)
    browser.run(
        'const script = document.createElement("script"); script.textContent = "window.ran = 7"; document.body.append(script)'
    )
    assert browser.run("return window.ran") is None
    (complaint,) = browser.complaints()
    assert "Content Security Policy" in complaint
