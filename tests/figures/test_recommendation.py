"""Models are recommended by what is known of them, and what is not known is said."""

from dataclasses import replace

import pytest

from fakes.files import model
from posezoo.core.declarations.model import WHOLE_IMAGE, People, Precision
from posezoo.core.pipeline.availability import Availability
from posezoo.figures import recommendation
from posezoo.figures.comparison import COLUMNS, ComparisonRow, MetricSource, SourcedMetric
from posezoo.figures.measured import THIS_MACHINE
from posezoo.figures.recommendation import RequiredValues
from posezoo.run.pipeline_spec import PipelineSpec


def row(name, license="Apache-2.0", people_from="net", found=None, **values):
    metrics = {key: SourcedMetric(value, MetricSource.MEASURED) for key, value in values.items()}
    if "AP" not in metrics and "published_AP" in metrics:
        metrics["pipeline_AP"] = metrics["published_AP"]
    any_ap = metrics.get("AP") or metrics.get("published_AP")
    values = {**dict.fromkeys(COLUMNS), **metrics, "any_AP": any_ap}
    people = People(people_from, people_from)
    return ComparisonRow(
        PipelineSpec(model(name=name), Precision.FP16, people),
        license,
        values,
        is_opened="AP" in metrics,
        people_found={1: 1, 4: 4} if found is None else found,
    )


SMALL = row("small", AP=0.3, single_p50_ms=5.0, latency_p50_ms=40.0, network_p50_ms=1.0)
MIDDLE = row("middle", "MIT", AP=0.4, single_p50_ms=20.0, latency_p50_ms=22.0)
LARGE = row("large", "BSD-3-Clause", AP=0.5, published_AP=0.9, single_p50_ms=60.0)
PUBLISHED = row("published", published_AP=0.75, network_p50_ms=20.0)
SLOW = row("slow", published_AP=0.8, network_p50_ms=70.0)
WITHOUT_AP = row("without", single_p50_ms=1.0)
ALL = [SLOW, PUBLISHED, WITHOUT_AP, SMALL, MIDDLE, LARGE]


def recommend(rows, limits, **places):
    """What is recommended if all files are here, except those of some models."""
    availability = {row.name: Availability(("here",)) for row in rows}
    return recommendation.recommend(rows, limits, availability | places)


def names(rows):
    return [each.model for each in rows]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (RequiredValues(), ["slow", "published", "large", "middle", "small", "without"]),
        (RequiredValues(min_ap=0.4), ["slow", "published", "large", "middle"]),
        (RequiredValues(max_latency_ms=20), ["middle", "small", "without"]),
        (RequiredValues(max_latency_ms=30, people=4), ["middle"]),
        (RequiredValues(licenses=["MIT"]), ["middle"]),
        (RequiredValues(min_ap=0.9), []),
    ],
)
def test_a_published_ap_stands_where_its_value_puts_it_and_an_unknown_one_last(limits, expected):
    assert names(recommend(ALL, limits).rows) == expected


def test_what_the_user_measured_comes_first_whatever_its_ap():
    mine = replace(SMALL.values["single_p50_ms"], record=THIS_MACHINE)
    measured = replace(SMALL, values={**SMALL.values, "single_p50_ms": mine})
    assert names(recommend([SLOW, measured, LARGE], RequiredValues()).rows) == [
        "small",
        "slow",
        "large",
    ]


def test_a_model_whose_ap_was_measured_is_judged_by_it_and_not_by_the_published_one():
    assert recommend([LARGE], RequiredValues(min_ap=0.6)).rows == ()


@pytest.mark.parametrize("found", [1, 2, 5])
def test_a_model_that_finds_fewer_of_several_people_is_not_named(found):
    other = row("other", AP=0.6, latency_p50_ms=9.0, single_p50_ms=5.0, found={1: 1, 4: found})
    for limit in (None, 30):
        answer = recommend([MIDDLE, other], RequiredValues(max_latency_ms=limit, people=4))
        assert (names(answer.rows), answer.unknown) == (["other"] * (found > 4) + ["middle"], {})
        assert answer.miscounting == ({} if found > 4 else {"other": found})
    assert names(recommend([MIDDLE, other], RequiredValues()).rows) == ["other", "middle"]


def test_a_model_that_takes_the_whole_image_finds_one_person_whatever_was_measured():
    whole = row("whole", people_from=WHOLE_IMAGE, AP=0.6, found={})
    assert recommend([whole], RequiredValues(people=4)).miscounting == {"whole": 1}


def test_a_model_that_was_measured_with_one_person_alone_is_not_known_to_find_several():
    alone = row("alone", AP=0.6, single_p50_ms=5.0)
    never = row("never", AP=0.5)
    answer = recommend([alone, never], RequiredValues(people=4))
    assert (names(answer.rows), answer.unknown) == (["never"], {"alone": ["latency"]})
    assert names(recommend([alone, never], RequiredValues()).rows) == ["alone", "never"]


def test_what_runs_here_now_comes_first_then_what_needs_a_host_then_what_needs_more():
    in_an_index = Availability(("npm index",))
    of_a_host = Availability(("models.invalid",))
    of_a_dead_index = Availability(("npm index",), closed=("npm index",))
    incomplete = Availability(("here",), needs=("needs the extra torch",))
    places = {"slow": incomplete, "published": of_a_host, "large": of_a_dead_index}
    answer = recommend(ALL, RequiredValues(), **places, middle=in_an_index)
    assert names(answer.rows) == ["middle", "small", "without", "published", "large", "slow"]
