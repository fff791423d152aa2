"""Measurements on a model's card and in the index."""

import pytest

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.core.errors import SpecError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry
from posezoo.pages.cards.model_card import render_card
from posezoo.pages.cards.registry_pages import render_pages
from posezoo.pages.facts.model_facts import ModelFacts

COUNTED = "complexity:\n  - {precision: FP32, figures: {gflops: 92.83, mparams: 28.618}}\n"
HALF = "  - {precision: FP16, figures: {gflops: 92.83, mparams: 28.618}}\n"
QUANTIZED = (
    "  - {precision: FP16-INT8, weights: generated, figures: {gflops: 92.9, mparams: 28.618}}\n"
)
FAST = """\
speed:
  - precision: FP16
    machine: A <b>processor</b>, 2 cores
    settings: {device: CPU, batch: 1}
    figures: {throughput_fps: 31.25, latency_p50_ms: 32}
    tools: {openvino: 2026.4.1}
"""
GOOD = "accuracy:\n  - {precision: FP16, figures: {AP: 0.6464, AR: 0.71}, settings: {dataset: COCO val2017}}\n"


@pytest.fixture
def root(tmp_path):
    write_model(
        tmp_path / "models", "net", model_yml(published={"gflops": 92.8364, "mparams": 28.6})
    )
    return tmp_path / "models"


def measure(root, text, name="net"):
    (root / "public" / name / "measured.yml").write_text(text)


def card(root, name="net", layout=None):
    registry = Registry([root])
    model = registry.find(name)
    return render_card(ModelFacts(model, registry.parts(model), layout))


def rows_of(root, *beginnings):
    """The lines of a card with one of these beginnings."""
    return [line for line in card(root).splitlines() if line.startswith(beginnings)]


def test_counted_complexity_stands_beside_the_published_one(root):
    measure(root, COUNTED + HALF)
    assert rows_of(root, "| GFLOPs", "| MParams") == [
        "| GFLOPs | 92.8364 |",
        "| GFLOPs, counted on the IR | 92.8 (FP32, FP16) |",
        "| MParams | 28.6 |",
        "| MParams, counted on the IR | 28.6 (FP32, FP16) |",
    ]
    index = render_pages(root)["index.md"]
    assert "| GFLOPs | GFLOPs counted | MParams | MParams counted |" in index
    assert "| 92.8364 | 92.8 | 28.6 | 28.6 |" in index


def test_different_counts_and_weights_are_shown_separately(root):
    measure(root, COUNTED + QUANTIZED)
    assert "| 92.8 (FP32); 92.9 (FP16-INT8; generated (random) weights) |" in card(root)


def test_a_quantization_says_how_many_photos_it_used_and_that_the_size_is_a_ratio(root):
    text = "quantization:\n  - {precision: FP16-INT8, figures: {bin_share: 0.438}, "
    measure(root, text + 'settings: {"calibrated on": 12, photos: 5}}\n')
    assert "| FP16-INT8 | 0.438 |" in card(root)
    assert "| Size of the .bin (INT8 / FP32) |" in card(root)
    assert "\nMeasured with: calibrated on 12 photos, compared on 5 other photos.\n" in card(root)


def test_a_flip_is_explained_below_the_table_that_has_one(root):
    claim = {"metric": "AP", "value": 0.65, "dataset": "COCO val2017", "protocol": "single scale"}
    write_model(root, "net", model_yml(published={"accuracy": [claim]}))
    assert "mirror image" not in card(root)
    write_model(root, "net", model_yml(published={"accuracy": [claim, {**claim, "flip": True}]}))
    assert (
        "\n\nWith flip, the results for the image and for its mirror image are averaged.\n"
        in card(root)
    )


def test_measured_accuracy_and_speed_have_a_section_only_if_they_exist(root):
    assert "posezoo benchmark net --models_dir models\n" in card(root)
    measure(root, FAST + GOOD)
    text = card(root)
    assert "posezoo benchmark net" not in text
    assert "## Measured Accuracy\n\nMeasured with the published weights." in text
    assert "\n\n| Precision | AP | AR |\n" in text
    assert "| FP16 | 0.646 | 0.710 |\n\nMeasured with: dataset COCO val2017.\n" in text
    titles = "Precision | Device | Throughput (images/s) | Median latency (ms)"
    assert "## Performance\n\nThese speeds are of the machine below." in text
    assert f"\n\n| {titles} |\n| --- | --- | --- | --- |\n| FP16 | CPU | 31.2 | 32 |\n" in text
    assert (
        "\nMeasured with: A &lt;b&gt;processor&lt;/b&gt;, 2 cores; batch 1; openvino 2026.4.1.\n"
        in text
    )


def test_speeds_of_one_machine_are_one_table_by_precision_device_and_hint(root):
    rows = [
        f"  - {{precision: {precision}, machine: M, settings: {{device: CPU, hint: {hint}, batch: 1}}, "
        f"figures: {{throughput_fps: {fps}, throughput_min_fps: {fps - 1}, throughput_max_fps: {fps + 1}, rounds: 5}}}}\n"
        for precision, hint, fps in (
            ("FP16", "LATENCY", 6.20161),
            ("FP16-INT8", "THROUGHPUT", 1234.5),
        )
    ]
    measure(root, "speed:\n" + "".join(rows))
    table = card(root).partition("## Performance\n\n")[2].splitlines()
    assert table[4:8] == [
        "| FP16 | CPU | LATENCY | 6.20 | 5.20 to 7.20 |",
        "| FP16-INT8 | CPU | THROUGHPUT | 1,230 | 1,230 to 1,240 |",
        "",
        "Measured with: M; batch 1, rounds 5.",
    ]


def test_a_variant_with_several_accuracies_is_one_row(tmp_path):
    files = model_yml()["files"]
    claim = {
        "metric": "AP",
        "value": 0.663,
        "AP50": 0.892,
        "AP75": 0.734,
        "dataset": "COCO val2017",
    }
    published = {"accuracy": [claim, {**claim, "value": 0.684, "flip": True}]}
    variants = {"small": {"files": files}, "large": {"files": files, "published": published}}
    write_model(tmp_path / "models", "net", model_yml(files=None, variants=variants))
    titles = "Variant | Input | AP/AP50/AP75 | AP/AP50/AP75 with flip | Dataset"
    row = "`net@large` | 1, 4, 6, 3 | 0.663/0.892/0.734 | 0.684/0.892/0.734 | COCO val2017"
    assert f"| {titles} |\n| --- | --- | --- | --- | --- |\n| {row} |\n\n" in card(
        tmp_path / "models"
    )


def test_a_card_beside_an_ir_shows_the_complexity_of_that_ir_only(root, tmp_path):
    measure(root, COUNTED + FAST)
    text = card(root, layout=ModelLayout(tmp_path, tmp_path))
    assert "counted on the IR" not in text
    assert "## Performance" in text


def test_each_variant_shows_its_own_measurements(tmp_path):
    files = model_yml()["files"]
    content = model_yml(files=None, variants={"small": {"files": files}, "large": {"files": files}})
    write_model(tmp_path / "models", "net", content)
    rows = [
        f"  - {{tag: {tag}, precision: FP32, figures: {{gflops: {number}}}}}\n"
        for tag, number in (("small", 1.5), ("large", 6.5))
    ]
    measure(tmp_path / "models", "complexity:\n" + "".join(rows))
    text = card(tmp_path / "models")
    assert "| GFLOPs, counted on the IR | 1.50 (FP32) |" in text
    assert (
        "| Variant | Input | GFLOPs |\n| --- | --- | --- |\n| `net@large` | 1, 4, 6, 3 | 6.50 |"
        in text
    )


def test_the_card_of_a_composite_names_the_part_that_was_measured(tmp_path):
    root = tmp_path / "models"
    write_composite(root, "whole", ["part", "rest"])
    for name in ("part", "rest"):
        write_model(root, f"whole/{name}", model_yml())
        measure(root, COUNTED + FAST, f"whole/{name}")
    text = card(root, "whole")
    assert "| GFLOPs of part, counted on the IR | 92.8 (FP32) |" in text
    assert "| Model | Precision | Device |" in text
    assert "| rest | FP16 |" in text


def test_an_error_in_measured_yml_is_reported_with_its_place(root):
    measure(root, "complexity: [{precision: FP32}]")
    with pytest.raises(
        SpecError, match=r"measured\.yml:1:14: complexity\[0\]: the key figures is missing"
    ):
        card(root)


def test_accuracy_measured_with_the_same_protocol_stands_beside_the_published_one(root):
    alike = {
        "metric": "AP",
        "value": 0.65,
        "dataset": "COCO val2017",
        "protocol": "single scale, no flip",
    }
    flipped = {**alike, "value": 0.66, "protocol": "single scale", "flip": True, "converted": 0.655}
    write_model(root, "net", model_yml(published={"accuracy": [alike, flipped]}))
    measure(root, GOOD.replace("settings: {", "settings: {images: 100, "))
    assert rows_of(root, "| Average Precision (AP) | 0.6") == [
        "| Average Precision (AP) | 0.650 (COCO val2017, single scale, no flip) |",
        "| Average Precision (AP) | 0.650 | 0.646 (FP16, 100 images) | COCO val2017 | single scale, no flip |",
        "| Average Precision (AP) | 0.660 | 0.655 (published) | COCO val2017 | single scale, flip |",
    ]


def test_an_accuracy_that_is_only_published_for_the_converted_model_is_not_shown_for_the_original(
    root,
):
    claim = {"metric": "AP", "converted": 0.69, "dataset": "COCO"}
    write_model(root, "net", model_yml(published={"accuracy": [claim]}))
    assert rows_of(root, "| Average Precision (AP) |") == [
        "| Average Precision (AP) | 0.690 (COCO, measured on the converted model) |",
        "| Average Precision (AP) | not published | 0.690 (published) | COCO | measured on the converted model |",
    ]
    write_model(root, "net", model_yml(published={"accuracy": [{"metric": "AP"}]}))
    with pytest.raises(SpecError, match="the key value is missing"):
        card(root)


def test_int8_is_compared_with_fp32(root):
    measure(root, INT8)
    assert "## INT8 Compared with FP32\n\nThe shift of what INT8 detects" in card(root)
    assert "| FP16-INT8 | 0.400 | 44 | 47 |" in card(root)


def test_the_ap_and_the_speed_of_int8_stand_beside_the_ratio_to_floating_point(root):
    accuracy = [
        f"  - {{precision: {precision}, settings: {{images: 17, people_from: {people}, arithmetic: {run}}}, "
        f"figures: {{AP: {ap}}}, intervals: {{AP: [0.3, 0.55]}}}}\n"
        for precision, run, people, ap in (
            ("FP32", "f32", "net", 0.4),
            ("FP16-INT8", "i8", "net", 0.39),
            ("FP16-INT8", "i8", "boxes", 0.5),  # FP32 was not measured in this way
        )
    ]
    speeds = [
        f"  - {{precision: {precision}, machine: M, settings: {{hint: LATENCY, executed_precision: {run}}}, "
        f"figures: {{throughput_fps: {fps}}}}}\n"
        for precision, run, fps in (("FP16", "f32", 10), ("FP16-INT8", "i8", 25))
    ]
    measure(root, "accuracy:\n" + "".join(accuracy) + "speed:\n" + "".join(speeds))
    text = card(root)
    assert "| Precision | People from | Arithmetic | INT8 / FP32 | AP |" in text
    assert "| FP32 | net | f32 |  | 0.400 (0.300 to 0.550) |" in text
    assert "| FP16-INT8 | net | i8 | 0.97 | 0.390 (0.300 to 0.550) |" in text
    assert "| FP16-INT8 | boxes | i8 |  | 0.500 (0.300 to 0.550) |" in text
    assert "| FP16-INT8 | LATENCY | i8 | 2.50 | 25 |" in text
    # People from net are not those of this model's default.
    assert "0.400" not in render_pages(root)["index.md"]


INT8 = (
    "quantization:\n  - {precision: FP16-INT8, figures: {shift_p50_px: 0.4, found_fp32: 44, found_int8: 47}, "
    "settings: {photos: 5}}\n"
)
