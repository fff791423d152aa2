"""The data of the gallery: each model with its metrics and their origins."""

import pytest

from fakes.sites import gathered, pose_zoo
from fakes.zoo import model_yml, omz_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.pages.facts.comparison import COLUMNS, MetricSource
from posezoo.pages.gallery.gallery_data import name_family

CARD = """\
# net

## Specification

| Metric           | Value   |
|------------------|---------|
| Type             | Detection |
| GFlops           | 15.435  |
| MParams          | 4.099   |
| Average Precision (AP) | 42.8% |

## Accuracy

| Metric | Original model | Converted model |
| ------ | -------------- | --------------- |
| Top 1  | 0.81           | 0.80            |
| Top 5  | 95.36%         | 95.1%           |

## Input

| Metric | Value |
| ------ | ----- |
| mAP    | 99%   |
"""


def by_name(rows):
    return {entry.name: entry for entry in rows.entries}


def test_every_model_composite_and_part_has_an_entry(tmp_path):
    rows = gathered(pose_zoo(tmp_path))
    assert [entry.name for entry in rows.entries] == [
        "a-detector",
        "first-part",
        "heavy_pose_a",
        "heavy_pose_b",
        "light_pose_a",
        "light_pose_b",
        "pair",
        "second-part",
    ]
    pair = by_name(rows)["pair"]
    assert [part.name for part in pair.facts.parts] == ["first-part", "second-part"]
    assert pair.facts.download_bytes == 6


def test_a_variant_has_its_own_entry_and_metrics(tmp_path):
    published = [{"accuracy": [{"metric": "AP", "value": value}]} for value in (0.7, 0.5)]
    files = model_yml()["files"]
    variants = {
        "aa": {"files": files, "published": published[0]},
        "bb": {"files": files, "published": published[1], "inputs": [{"shape": [1, 2, 3, 3]}]},
    }
    write_model(
        tmp_path / "models", "net", model_yml(files=None, published=None, variants=variants)
    )
    first, second = gathered(tmp_path / "models").entries
    assert (first.name, second.name, second.page) == ("net", "net@bb", "models/net@bb.html")
    assert (first.published["published_AP"].number, second.published["published_AP"].number) == (
        0.7,
        0.5,
    )
    assert (first.input_size, second.input_size) == ("4x6", "2x3")


def test_a_measured_accuracy_stands_beside_the_published_one(tmp_path):
    heavy = by_name(gathered(pose_zoo(tmp_path)))["heavy_pose_a"]
    measured = heavy.measured[Precision.FP16]["AP"]
    assert (measured.number, measured.origin) == (0.71, MetricSource.MEASURED)
    published = heavy.published["published_AP"]
    assert (published.number, published.origin) == (0.70, MetricSource.DECLARED)
    assert published.conditions == "COCO val2017"


def test_the_metrics_of_a_foreign_registry_are_those_of_its_cards(tmp_path):
    path = write_model(tmp_path / "models", "net", omz_yml())
    path.with_name("README.md").write_text(CARD)
    rows = gathered(tmp_path / "models")
    (net,) = rows.entries
    values = {key: value.number for key, value in net.published.items()}
    of_card = {"gflops": 15.435, "mparams": 4.099, "published_AP": 0.428, "Top 1": 0.81}
    assert values == {**of_card, "any_AP": 0.428}
    assert list(rows.axes)[-1] == "Top 1"
    labels = [metric.label for metric in net.from_card]
    assert labels[:3] == ["GFlops", "MParams", "Average Precision (AP)"]
    assert labels[3:] == ["Top 1", "Top 1", "Top 5", "Top 5"]


@pytest.mark.parametrize(
    "card", [b"", b"\xff\xfe| a |", b"| Metric | Value |\n|-|-|\n| AP | many |", b"# x\n" * 20_000]
)
def test_a_card_without_metrics_is_accepted(tmp_path, card):
    path = write_model(tmp_path / "models", "net", omz_yml())
    path.with_name("README.md").write_bytes(card)
    (net,) = gathered(tmp_path / "models").entries
    assert net.published == {}


@pytest.mark.parametrize(
    "content", [b"", b"<svg onload=alert(1)>", b"\xff\xd8\xff" + bytes(200_000)]
)
def test_a_picture_that_is_no_small_jpeg_is_not_shown(tmp_path, content):
    path = write_model(tmp_path / "models", "net", model_yml())
    path.with_name("example.jpg").write_bytes(content)
    assert gathered(tmp_path / "models").entries[0].pictures == ()


def test_a_picture_is_of_the_default_variant(tmp_path):
    variants = {tag: {"files": model_yml()["files"]} for tag in ("aa", "bb")}
    path = write_model(tmp_path / "models", "net", model_yml(files=None, variants=variants))
    path.with_name("example.jpg").write_bytes(b"\xff\xd8\xff")
    default, other = gathered(tmp_path / "models").entries
    assert [picture.description for picture in default.pictures] == ["what net finds in two photos"]
    assert other.pictures == ()


@pytest.mark.slow
def test_open_model_zoos_2021_models_have_the_metrics_of_their_cards(shared):
    rows = gathered(shared / "data" / "omz-2021.4" / "models")
    entries = by_name(rows)
    assert len([entry for entry in rows.entries if not entry.facts.model.stages]) == 283
    single = entries["single-human-pose-estimation-0001"].published
    assert [single[key].number for key in ("published_AP", "gflops", "mparams")] == [
        0.6904,
        60.125,
        33.165,
    ]
    assert sum("gflops" in entry.published for entry in rows.entries) > 250
    assert (
        sum(any(rows.axes[key].accuracy for key in entry.published) for entry in rows.entries) > 150
    )


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("simple_pose_resnet18_v1b", "simple_pose"),
        ("human-pose-estimation-0001", "human-pose"),
        ("efficientnet-b0", "efficientnet"),
        ("yolo-v3-tf", "yolo"),
        ("resnet-50-tf", "resnet"),
        ("blazepose", "blazepose"),
        ("3d-net", "3d"),
        ("i3d-rgb-tf", "i3d"),
    ],
)
def test_a_family_is_the_common_part_of_the_names_of_one_design(name, family):
    assert name_family(name) == family


def test_accuracies_are_shown_as_shares_and_larger_ones_are_better():
    for name in ("AP", "published_AP"):
        axis = COLUMNS[name]
        assert (axis.unit, axis.factor, axis.accuracy) == ("share", 1, True)
        assert axis.more
        assert not axis.log
    costs = {name for name, axis in COLUMNS.items() if not axis.more}
    assert {"latency_p50_ms", "gflops", "mparams"} <= costs
    assert "throughput_fps" not in costs
