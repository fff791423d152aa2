"""The table of a card: accuracy and who measured it, cost, and a time on one machine."""

import pytest

from fakes.zoo import model_yml, write_model
from posezoo.core.errors import SpecError
from posezoo.core.registry import Registry
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.cards.model_card import render_card
from posezoo.pages.cards.registry_pages import render_pages

COUNTED = "complexity:\n  - {precision: FP32, figures: {gflops: 92.83, mparams: 28.618}}\n"
MACHINE = "A <b>processor</b> (family 25, avx2, avx512f), 2 cores, Linux"
FAST = f"""\
speed:
  - precision: FP16
    machine: {MACHINE}
    settings: {{device: CPU, batch: 1, executed_precision: f32}}
    figures: {{throughput_fps: 31.25, latency_p50_ms: 32}}
"""
GOOD = (
    "accuracy:\n  - {precision: FP16, figures: {AP: 0.6464}, intervals: {AP: [0.5, 0.7]},"
    " settings: {dataset: person_keypoints, images: 17, arithmetic: f32}}\n"
)


@pytest.fixture
def root(tmp_path):
    write_model(
        tmp_path / "models", "net", model_yml(published={"gflops": 92.8364, "mparams": 28.6})
    )
    return tmp_path / "models"


def measure(root, text, name="net"):
    (root / "public" / name / "measured.yml").write_text(text)


def rows_of(root, name="net"):
    """The rows of the table, by their titles."""
    registry = Registry([root])
    model = registry.find(name)
    text = render_card(ModelFacts(model, registry.parts(model)))
    table = text.partition("\n## Specification\n")[2].partition("\n\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(title, value) for title, value in rows if title not in ("Metric", "---")]


def test_costs_are_those_that_are_published_or_else_counted(root):
    measure(root, COUNTED)
    assert ("GFLOPs", "92.8364") in rows_of(root) and ("MParams", "28.6") in rows_of(root)
    write_model(root, "net", model_yml())
    assert ("GFLOPs", "92.8 (counted on the IR)") in rows_of(root)
    assert ("MParams", "28.6 (counted on the IR)") in rows_of(root)


def test_the_index_has_published_and_counted_costs(root):
    measure(root, COUNTED)
    index = render_pages(root)["index.md"]
    assert "| GFLOPs | GFLOPs counted | MParams | MParams counted |" in index
    assert "| 92.8364 | 92.8 | 28.6 | 28.6 |" in index


def test_each_accuracy_says_of_what_and_by_whom_it_is(root):
    claim = {"metric": "AP", "value": 0.65, "dataset": "COCO val2017", "converted": 0.645}
    write_model(root, "net", model_yml(published={"accuracy": [claim, {**claim, "flip": True}]}))
    measure(root, GOOD)
    assert [value for title, value in rows_of(root) if title == "Average Precision (AP)"] == [
        "0.650, 0.645 converted (published: COCO val2017)",
        "0.650, 0.645 converted (published: COCO val2017, flip)",
        "0.646 (0.500 to 0.700) (measured by posezoo: 17 images of person\\_keypoints, FP16 in f32)",
    ]


def test_the_time_is_of_one_named_machine_and_type(root):
    assert "Milliseconds" not in dict(rows_of(root))
    measure(root, FAST)
    machine = "A &lt;b&gt;processor&lt;/b&gt; avx512f, 2 cores"
    assert dict(rows_of(root))["Milliseconds"] == (
        f"32: the network alone (FP16 in f32, {machine})"
    )
    of_pipeline = FAST.replace("batch: 1", "pipeline: read, shown: 1").replace("ms: 32", "ms: 40")
    measure(root, FAST + of_pipeline.removeprefix("speed:\n"))
    assert dict(rows_of(root))["Milliseconds"].startswith("40: a photo of one person (FP16 in f32")
    random = FAST.replace("    figures", "    weights: generated\n    figures")
    measure(root, random)
    assert dict(rows_of(root))["Milliseconds"].endswith(", generated weights)")


def test_an_error_in_measured_yml_is_reported_with_its_place(root):
    measure(root, "complexity: [{precision: FP32}]")
    with pytest.raises(
        SpecError, match=r"measured\.yml:1:14: complexity\[0\]: the key figures is missing"
    ):
        rows_of(root)
