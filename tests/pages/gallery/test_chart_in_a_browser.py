"""The chart: its marks, mouse and keyboard, and its look on all screens."""

from urllib.parse import unquote

import pytest

from fakes.sites import MACHINE, pose_zoo, written_site
from posezoo.core.declarations.model import Precision
from posezoo.run.measured import Measurement, update_measured_yml

pytestmark = pytest.mark.slow

ARROW_RIGHT, ARROW_LEFT, END = "\ue014", "\ue012", "\ue010"

MARKS = [
    f"{name} FP16" for name in ("heavy_pose_a", "heavy_pose_b", "light_pose_a", "light_pose_b")
]


def marks(browser):
    return browser.run(
        'return [...document.querySelectorAll(".mark")].map(each => each.dataset.key).sort()'
    )


def label(browser, key):
    return browser.run(
        'return [...document.querySelectorAll(".mark")].find(e => e.dataset.key === arguments[0]).getAttribute("aria-label")',
        key,
    )


def test_a_model_with_both_values_has_a_mark_labelled_with_them(index):
    assert index.texts("#chart-title") == ["AP, of the pipeline if that is known versus operations"]
    assert marks(index) == MARKS
    assert index.texts("#chart-count") == [
        "4 of 8 models shown, as FP16; 4 without both values are only in the table; "
        "filled marks: measured, pale marks: as published"
    ]
    assert label(index, "heavy_pose_a FP16") == (
        "heavy_pose_a FP16: Measured AP 0.710 share, measured; "
        "Operations 20 GFLOPs, measured; heavy_pose"
    )


def test_a_published_ap_is_told_apart_by_label_shade_and_whisker(index):
    assert label(index, "heavy_pose_b FP16").startswith(
        "heavy_pose_b FP16: Published AP 0.650 share, as published; "
    )
    pale = "e => getComputedStyle(e.querySelector('.shape')).fillOpacity < 0.3"
    for told in (pale, "e => !e.querySelector('.whisker')"):
        found = (
            f"return [...document.querySelectorAll('.mark')].filter({told}).map(e => e.dataset.key)"
        )
        assert index.run(found) == ["heavy_pose_b FP16"]


def test_models_of_others_are_in_the_chart_of_published_ap_only(browser, tmp_path):
    zoo = pose_zoo(tmp_path)
    (zoo / "outside_references.yml").write_text(
        "- license: AGPL-3.0\n"
        "  source: https://docs.publisher.invalid/models\n"
        "  protocol: COCO val2017\n"
        "  models:\n"
        "    - {name: other_a, published_AP: 0.572, gflops: 7.5}\n"
        "    - {name: other_b, published_AP: 0.63}\n"
    )
    site = written_site(tmp_path / "site", zoo)
    browser.open(f"{site}#y=published_AP&x=gflops")
    (known, unknown) = browser.run(
        'return [...document.querySelectorAll(".outside path")].map(each => each.getAttribute("d"))'
    )
    assert known.endswith("Z") and "H" in unknown  # a diamond, and a line where x is not known
    assert browser.texts(".outside title") == [
        f"{name}: AP {ap}, as docs.publisher.invalid states; AGPL-3.0, not in this registry"
        for name, ap in (("other_a", "0.572"), ("other_b", "0.630"))
    ]
    (note,) = browser.texts("#chart-outside")
    assert "docs.publisher.invalid (AGPL-3.0; COCO val2017)" in note
    browser.open(f"{site}#y=AP")
    assert browser.run('return document.querySelectorAll(".outside").length') == 0
    assert browser.run('return document.getElementById("chart-outside").hidden')


def test_values_of_different_scopes_have_no_pareto_front(browser, site):
    browser.open(f"{site}#y=published_AP&x=throughput_fps")
    assert len(marks(browser)) == 3
    assert browser.run('return document.querySelector(".front")') is None
    (count,) = browser.texts("#chart-count")
    assert count.endswith(
        "no front: one value is of the whole pipeline, the other of the network alone"
    )


def test_the_settings_are_shown_beside_each_measured_axis(browser, tmp_path):
    models = pose_zoo(tmp_path)
    figures = {"throughput_fps": 50, "latency_p50_ms": 20}
    people = {"pipeline": "read, found, drawn", "people_from": "nanodet-g", "shown": 1}
    speeds = [
        Measurement("speed", Precision.FP16, figures, machine=MACHINE, settings=settings)
        for settings in ({"device": "CPU"}, people)
    ]
    update_measured_yml(models / "public" / "light_pose_a" / "measured.yml", speeds)
    site = written_site(tmp_path / "site", models)
    for key in ("latency_p50_ms", "single_p50_ms", "network_fps", "network_p50_ms", "any_AP"):
        browser.open(f"{site}#y=published_AP&x={key}")
        assert browser.one("#ways").is_displayed(), key
    browser.open(f"{site}#y=published_AP&x=gflops")
    assert not browser.one("#ways").is_displayed()


def test_measured_and_published_ap_have_a_pareto_front_each(index):
    assert index.texts(".front title") == [
        "Pareto front of 3 models, light_pose_a to heavy_pose_a, AP measured",
        "Pareto front of 1 model, heavy_pose_b, AP as published",
    ]
    index.choose("#y", "mparams")
    assert index.texts(".front title") == ["Pareto front of 1 model, light_pose_a"]
    index.click("#front")
    assert index.texts(".front title") == []


def test_a_logarithmic_axis_puts_equal_factors_at_equal_distances(browser, site):
    places = """
        return ["light_pose_a", "light_pose_b", "heavy_pose_a", "heavy_pose_b"].map((name) => {
          const box = [...document.querySelectorAll(".mark")].find((e) => e.dataset.key.startsWith(name)).getBoundingClientRect();
          return box.x + box.width / 2;
        })"""
    browser.open(f"{site}#x=gflops&y=published_AP&bubble=none")
    one, two, twenty, forty = browser.run(places)
    assert abs((two - one) - (forty - twenty)) < 1
    browser.click("#x-log")
    one, two, twenty, forty = browser.run(places)
    assert abs((forty - twenty) - 20 * (two - one)) < 8


def test_the_area_of_a_bubble_is_proportional_to_its_value(browser, site):
    widths = 'return [...document.querySelectorAll(".mark[data-key^=light] .shape")].map(e => e.getBBox().width).sort((a, b) => a - b)'
    browser.open(f"{site}#x=gflops&bubble=mparams")
    small, large = browser.run(widths)
    assert large > small
    browser.choose("#bubble", "none")
    small, large = browser.run(widths)
    assert large == small


def test_a_click_on_the_legend_hides_a_family_with_shift_all_others(browser, site):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.open(site)
    browser.click('#legend [data-group="heavy_pose"]')
    assert marks(browser) == MARKS[2:]
    browser.click('#legend [data-group="heavy_pose"]')
    assert marks(browser) == MARKS
    entry = browser.one('#legend [data-group="heavy_pose"]')
    ActionChains(browser.driver).key_down(Keys.SHIFT).click(entry).key_up(Keys.SHIFT).perform()
    browser.settle()
    assert marks(browser) == MARKS[:2]


def test_the_hover_card_shows_the_values_of_a_model(browser, site):
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(site)
    ActionChains(browser.driver).move_to_element(
        browser.one('.mark[data-key="heavy_pose_a FP16"] .shape')
    ).perform()
    browser.settle()
    (card,) = browser.texts("#card")
    assert card.replace("\n\n", "\n").startswith("heavy_pose_a\nFP16 · 4 × 6 · ONNX · Apache-2.0\n")
    assert "Measured AP\t0.710 share\tmeasured; 95 % interval 0.660 to 0.760" in card
    assert "Published AP\t0.700 share\tas published" in card
    assert "Weights\t30 million\tmeasured" in card


def test_the_first_tap_shows_the_card_and_the_second_opens_the_page(browser, site):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    def tap():
        mark = browser.one('.mark[data-key="light_pose_b FP16"] .shape')
        actions = ActionBuilder(browser.driver, mouse=PointerInput("touch", "finger"))
        actions.pointer_action.move_to(mark).pointer_down().pointer_up()
        actions.perform()
        browser.settle()

    browser.open(site)
    tap()
    assert browser.address == site
    assert browser.texts("#card strong") == ["light_pose_b"]
    tap()
    browser.wait(lambda: browser.address.endswith("/models/light_pose_b.html"), "the page opens")


def test_a_click_on_a_mark_opens_the_models_page(index):
    index.click('.mark[data-key="light_pose_b FP16"] .shape')
    index.wait(lambda: index.address.endswith("/models/light_pose_b.html"), "the page opens")
    assert index.texts("h1") == ["light_pose_b"]


def test_the_keyboard_moves_from_mark_to_mark_and_opens_a_page(index):
    focusable = index.run(
        'return [...document.querySelectorAll(".mark")].filter(e => e.tabIndex === 0).length'
    )
    assert focusable == 1
    index.run("document.querySelector(\".mark[tabindex='0']\").focus()")
    current = "return document.activeElement.dataset.key"
    assert index.run(current) == "light_pose_a FP16"
    index.press(ARROW_RIGHT)
    assert index.run(current) == "light_pose_b FP16"
    assert index.one("#card").is_displayed()
    index.press(END)
    assert index.run(current) == "heavy_pose_b FP16"
    index.press("c")
    assert "compare=heavy_pose_b" in unquote(index.address)
    assert index.run(current) == "heavy_pose_b FP16"
    index.press(ARROW_LEFT)
    index.press("\n")
    index.wait(lambda: index.address.endswith("/models/heavy_pose_a.html"), "Enter opens the page")


def test_the_chart_says_so_if_no_model_has_both_values(browser, site):
    browser.open(f"{site}#task=Detection")
    assert browser.texts("#chart-none") == [
        "No model has both values: choose other axes, or remove filters."
    ]


def test_the_page_follows_the_preferred_colours(index):
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = index.run(ground)
    index.emulate(scheme="dark")
    assert index.run(ground) != light


def test_text_has_enough_contrast_in_light_and_dark(browser, site):
    contrast = """
        const light = (color) => {
          const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const paper = light(getComputedStyle(document.querySelector(".panel")).backgroundColor);
        const ratio = (each) => {
          const style = getComputedStyle(each);
          const own = light(each instanceof SVGElement ? style.fill : style.color);
          return (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05);
        };
        return [...document.querySelectorAll("#chart text, .entry span, td, th, p, small, label, summary, a")]
          .filter((each) => each.checkVisibility() && !each.closest("dialog, .mark, .choices .none")).filter((each) => ratio(each) < 4.5).map((each) => `${each.outerHTML.slice(0, 80)} ${ratio(each)}`)"""
    for scheme in ("light", "dark"):
        browser.emulate(scheme=scheme)
        browser.open(site)
        assert browser.run(contrast) == [], scheme


def test_filters_are_not_printed(index):
    index.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    index.settle()
    assert not index.one("#filters").is_displayed()
    assert index.one("#chart svg").is_displayed()
