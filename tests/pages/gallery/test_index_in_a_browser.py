"""The index: search, filters, the table, the comparison, and addresses that restore them."""

import json
from itertools import pairwise

import pytest

from fakes.command import json_of, posezoo
from fakes.sites import measurements, written_site
from fakes.zoo import model_yml, omz_yml, write_model
from posezoo.run.measured import measurement_to_json

pytestmark = pytest.mark.slow

CONTROLS = ("button", "checkbox", "combobox", "link", "searchbox", "spinbutton", "textbox")

ALL = [
    "a-detector",
    "first-part",
    "heavy_pose_a",
    "heavy_pose_b",
    "light_pose_a",
    "light_pose_b",
    "pair",
    "second-part",
]


def names(browser):
    return browser.texts("#rows th a")


def check(browser, facet, value):
    browser.run("document.getElementById(`facet-${arguments[0]}`).open = true", facet)
    browser.click(f'#facet-{facet} input[data-value="{facet}:{value}"]')


def test_the_highest_ap_comes_first_and_models_without_one_last(index):
    by_ap = ["heavy_pose_a", "heavy_pose_b", "light_pose_b", "light_pose_a"]
    assert names(index) == by_ap + [name for name in ALL if name not in by_ap]
    assert index.texts("#count") == ["8 of 8 models"]


def test_a_search_shows_the_models_with_all_its_words(index):
    index.type("#q", "pose tensor")
    assert sorted(names(index)) == [
        "first-part",
        "light_pose_a",
        "light_pose_b",
        "pair",
        "second-part",
    ]
    index.type("#q", " zz")
    assert names(index) == []
    assert index.texts("#none") == ["No model passes these filters."]


def test_a_filter_shows_the_models_with_its_value(index):
    for facet, value, left in (
        ("weights", "opened here", ALL[2:6]),
        ("task", "Detection", ["a-detector"]),
        ("family", "heavy_pose", ["heavy_pose_a", "heavy_pose_b"]),
        ("approach", "top-down", ["light_pose_a", "light_pose_b"]),
        ("approach", "bottom-up", ["heavy_pose_a", "heavy_pose_b"]),
        ("framework", "ONNX", ["a-detector", "heavy_pose_a", "heavy_pose_b"]),
        ("license", "https://example.org/terms", ["a-detector"]),
        ("collection", "intel", ["a-detector"]),
    ):
        # Another test clicks with the mouse, which takes twice the time.
        box = f"#facet-{facet} input[data-value='{facet}:{value}']"
        index.run("document.querySelector(arguments[0]).click()", box)
        assert sorted(names(index)) == left, (facet, value)
        index.run("document.querySelector(arguments[0]).click()", box)
        assert sorted(names(index)) == ALL, (facet, value)


def test_two_values_of_a_filter_show_more_models_and_two_filters_fewer(index):
    check(index, "family", "heavy_pose")
    check(index, "family", "light_pose")
    assert len(names(index)) == 4
    check(index, "approach", "top-down")
    assert sorted(names(index)) == ["light_pose_a", "light_pose_b"]


def test_a_precision_shows_a_row_for_each_model_available_in_it(index):
    check(index, "precision", "FP32")
    check(index, "precision", "FP16")
    assert len(names(index)) == 2 * len(ALL)
    assert set(index.texts("#rows th small")) == {"FP16", "FP32"}


def test_ranges_show_the_models_whose_values_lie_between(browser, site):
    browser.open(f"{site}#y=published_AP")
    browser.type("#accuracy_min", "0.6")
    assert sorted(names(browser)) == ["heavy_pose_a", "heavy_pose_b", "light_pose_b"]
    browser.type("#gflops_max", "20")
    assert sorted(names(browser)) == ["heavy_pose_a", "light_pose_b"]


def test_a_heading_sorts_by_its_column_with_unknown_values_last(index):
    index.click('#head [data-sort="gflops"]')
    assert names(index)[:4] == ["light_pose_a", "light_pose_b", "heavy_pose_a", "heavy_pose_b"]
    index.click('#head [data-sort="gflops"]')
    assert names(index)[:4] == ["heavy_pose_b", "heavy_pose_a", "light_pose_b", "light_pose_a"]
    sorted_by = index.run('return document.querySelector("#head [aria-sort]").innerText')
    assert sorted_by.startswith("Operations")
    index.click('#head [data-sort="name"]')
    assert names(index) == ALL


def test_a_value_is_marked_as_measured_or_published(browser, site):
    read_cells = (
        'return Object.fromEntries([...document.querySelectorAll("#rows tr")].map('
        '(row) => [row.querySelector("th a").innerText, row.querySelector(".number").innerText]))'
    )
    browser.open(site)
    cells = browser.run(read_cells)
    assert (cells["heavy_pose_a"], cells["heavy_pose_b"]) == ("0.710", "0.650p")
    assert browser.one("#mixed").is_displayed()
    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    spoken = [node["name"]["value"] for node in nodes if "cell" in node["role"]["value"]]
    assert "0.710" in spoken and "0.650 as published" in spoken
    browser.open(f"{site}#y=published_AP")
    cells = browser.run(read_cells)
    assert (cells["heavy_pose_a"], cells["heavy_pose_b"]) == ("0.700p", "0.650p")
    assert not browser.one("#mixed").is_displayed()


def test_models_are_compared_side_by_side_at_most_four(index):
    assert not index.one("#tray").is_displayed()
    chosen = ["heavy_pose_a", "light_pose_a", "light_pose_b", "a-detector"]
    for name in (*chosen, "first-part"):
        index.click(f'#rows input[data-name="{name}"]')
    assert index.texts("#tray-note") == ["At most 4 models."]
    index.click("#open-compare")
    assert index.texts("#compared thead a") == chosen
    assert index.texts("#compared .best span")[:5] == [
        "0.710best",
        "11.1best",
        "90best",
        "0.700best",
        "1best",
    ]
    index.press("\ue00c")
    index.wait(lambda: not index.one("#compare").is_displayed(), "Escape closes the comparison")
    index.click("#clear-compare")
    assert not index.one("#tray").is_displayed()


def test_an_address_restores_everything_that_was_chosen(browser, site):
    browser.open(site)
    browser.type("#q", "pose")
    check(browser, "approach", "top-down")
    browser.type("#accuracy_min", "0.1")
    browser.click('#head [data-sort="gflops"]')
    browser.choose("#x", "mparams")
    browser.click("#x-log")
    browser.click("#front")
    browser.choose("#color", "framework")
    browser.click('#legend [data-group="TensorFlow Lite"]')
    address = browser.address
    browser.open(address)
    assert names(browser) == ["light_pose_a", "light_pose_b"]
    values = (
        'return ["q", "accuracy_min", "x", "color"].map(id => document.getElementById(id).value)'
    )
    assert browser.run(values) == ["pose", "0.1", "mparams", "framework"]
    checked = 'return ["x-log", "front"].map(id => document.getElementById(id).checked)'
    assert not any(browser.run(checked))
    assert browser.one('#legend [data-group="TensorFlow Lite"][aria-pressed="false"]')
    browser.open(f"{site}#view=compare&compare=pair&compare=light_pose_a")
    assert browser.texts("#compared thead a") == ["pair", "light_pose_a"]


def test_the_address_of_recommend_shows_the_same_models_in_the_same_order(browser, tmp_path):
    for name, ap, gflops in (
        ("fast", 0.61, 2),
        ("slow", 0.8, 9),
        ("good", 0.7, 4),
        ("weak", 0.4, 1),
    ):
        published = {"accuracy": [{"metric": "AP", "value": ap, "dataset": "COCO"}]}
        yml = model_yml(
            published={**published, "gflops": gflops},
            skeleton="coco-17",
            decoder={"name": "simcc"},
        )
        write_model(tmp_path / "models", name, yml)
    own, *_ = measurements(None, 4.0, 1.0, None)
    (tmp_path / "own.json").write_text(json.dumps([measurement_to_json("good", own)]))
    words = ["--models_dir", "models", "--figures", "own.json", "--format", "json"]
    answer = json_of(posezoo("recommend", "--min_ap", "0.6", *words, cwd=tmp_path))
    assert posezoo("gallery", *words, cwd=tmp_path).returncode == 0
    browser.open(f"{tmp_path.as_uri()}/site/{answer['gallery']}")
    assert names(browser) == [model["name"] for model in answer["models"]]
    assert names(browser) == ["good", "slow", "fast"]


def test_going_back_closes_the_comparison(browser, site):
    browser.open(f"{site}#compare=pair&compare=light_pose_a")
    browser.click("#open-compare")
    assert "view=compare" in browser.address
    browser.driver.back()
    browser.wait(lambda: not browser.one("#compare").is_displayed(), "back closes the comparison")
    assert "view" not in browser.address


@pytest.mark.parametrize(
    "nonsense",
    [
        "x=nothing&y=__proto__&sort=<b>&color=constructor&bubble=1",
        "accuracy_min=x&task=%00&compare=none&compare=%FF",
        "%%%",
    ],
)
def test_invalid_parts_of_an_address_are_ignored(browser, site, nonsense):
    browser.open(site)
    title = browser.texts("#chart-title")
    browser.open(f"{site}#{nonsense}")
    assert browser.texts("#chart-title") == title


def test_the_focus_stays_when_a_choice_redraws_the_page(index):
    for selector in (
        '#head [data-sort="gflops"]',
        '#rows input[data-name="pair"]',
        "#facet-approach input",
    ):
        index.run("document.querySelector(arguments[0]).focus()", selector)
        index.press(" ")
        assert index.run("return document.activeElement.matches(arguments[0])", selector), selector


def test_the_chart_shows_an_accuracy_that_the_filtered_models_have(browser, tmp_path):
    top1 = "## Accuracy\n\n| Metric | Value |\n| - | - |\n| Top 1 | 75% |\n\n## Specification\n\n"
    costs = "| Metric | Value |\n| - | - |\n| GFlops | 3 |\n"
    for name, task, card in (
        (
            "finder",
            "detection",
            "## Specification\n\n| Metric | Value |\n| - | - |\n| AP | 50% |\n| GFlops | 2 |\n",
        ),
        ("namer", "classification", top1 + costs),
    ):
        path = write_model(tmp_path / "models", name, omz_yml(task_type=task))
        path.with_name("README.md").write_text(card)
    browser.open(written_site(tmp_path / "site", tmp_path / "models"))
    assert browser.texts("#chart-title") == [
        "AP, of the pipeline if that is known versus operations"
    ]
    check(browser, "task", "Classification")
    assert browser.texts("#chart-title") == ["Top 1 versus operations"]
    assert browser.texts("#accuracy-title") == ["Top 1, share"]


def test_a_registry_without_metrics_shows_its_models(browser, tmp_path):
    file = {**model_yml()["files"][0], "size": "unknown", "max_size": 9}
    write_model(tmp_path / "models", "net", model_yml(files=[file]))
    browser.open(written_site(tmp_path / "site", tmp_path / "models"))
    assert names(browser) == ["net"]
    assert not browser.one("#charted").is_displayed()


def test_every_control_has_an_accessible_name(browser, site):
    browser.open(f"{site}#compare=pair&compare=light_pose_a")
    browser.run('document.querySelectorAll("details").forEach((each) => (each.open = true))')
    browser.click("#open-compare")
    nameless = []
    for _ in range(2):
        nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        controls = [
            node for node in nodes if not node["ignored"] and node["role"]["value"] in CONTROLS
        ]
        assert controls
        nameless += [node for node in controls if not node.get("name", {}).get("value")]
        browser.press("\ue00c")  # behind the dialog, all the rest
        browser.settle()
    assert nameless == []


def test_headings_and_ids_are_in_order(browser, site):
    for page in (site, site.replace("index.html", "models/light_pose_a.html")):
        browser.open(page)
        levels = browser.run(
            'return [...document.querySelectorAll("h1, h2, h3")].map((each) => Number(each.tagName[1]))'
        )
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        ids = browser.run('return [...document.querySelectorAll("[id]")].map((each) => each.id)')
        assert len(ids) == len(set(ids))
