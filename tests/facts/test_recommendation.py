"""Models are recommended by what is known of them, and what is not known is said."""

from __future__ import annotations

import pytest

from posezoo.facts.comparison import COLUMNS, ComparisonRow, MetricSource, SourcedMetric
from posezoo.facts.recommendation import (
    BY_AP,
    BY_GFLOPS,
    BY_LATENCY,
    PERMISSIVE,
    RequiredValues,
    recommend,
)
from posezoo.spec.model import Precision


def row(name, license="Apache-2.0", **values):
    metrics = {key: SourcedMetric(value, MetricSource.MEASURED) for key, value in values.items()}
    return ComparisonRow(name, Precision.FP16, license, {**dict.fromkeys(COLUMNS), **metrics})


SMALL = row("small", published_AP=0.6, network_p50_ms=5.0, gflops=1.0)
MIDDLE = row("middle", "MIT", published_AP=0.7, network_p50_ms=20.0, gflops=9.0)
LARGE = row("large", "BSD-3-Clause", published_AP=0.8, network_p50_ms=60.0, gflops=8.0)
UNTIMED = row("untimed", published_AP=0.75, gflops=2.0)
ALL = [LARGE, MIDDLE, SMALL]


def names(answer):
    return [candidate.row.model for candidate in answer.models]


@pytest.mark.parametrize(
    "rows, limits, ranking, ranked",
    [
        (ALL, RequiredValues(), BY_LATENCY, ["small", "middle", "large"]),
        (ALL, RequiredValues(min_ap=0.7), BY_LATENCY, ["middle", "large"]),
        (ALL, RequiredValues(max_latency_ms=20), BY_AP, ["middle", "small"]),
        # One model without a latency, and all are ranked by GFLOPs.
        ([*ALL, UNTIMED], RequiredValues(min_ap=0.7), BY_GFLOPS, ["untimed", "large", "middle"]),
        (ALL, RequiredValues(licenses=["MIT"]), BY_LATENCY, ["middle"]),
        (ALL, RequiredValues(licenses=PERMISSIVE), BY_LATENCY, ["small", "middle", "large"]),
        (ALL, RequiredValues(min_ap=0.9), BY_LATENCY, []),
    ],
)
def test_the_limits_decide_which_models_come_first(rows, limits, ranking, ranked):
    answer = recommend(rows, limits)
    assert (names(answer), answer.ranking, answer.unknown) == (ranked, ranking, {})


def test_a_model_that_may_meet_the_limits_is_named_with_what_is_not_known():
    answer = recommend([*ALL, UNTIMED, row("new")], RequiredValues(min_ap=0.7, max_latency_ms=30))
    assert names(answer) == ["middle"]
    assert answer.unknown == {"untimed": ["latency"], "new": ["AP", "latency"]}


def test_the_published_accuracy_counts_before_ours_of_a_few_photos():
    (candidate,) = recommend(
        [row("one", AP=0.4, published_AP=0.7)], RequiredValues(min_ap=0.5)
    ).models
    assert candidate.ap.number == 0.7
    assert recommend([row("one", AP=0.4)], RequiredValues(min_ap=0.5)).models == ()


@pytest.mark.parametrize(
    "license, is_permissive",
    [
        ("Apache-2.0, BSD-3-Clause", True),
        ("Apache-2.0, AGPL-3.0-only", False),
        ("LicenseRef-unclear", False),
        ("", False),
    ],
)
def test_each_license_of_a_model_and_its_parts_must_be_accepted(license, is_permissive):
    answer = recommend([row("one", license)], RequiredValues(licenses=PERMISSIVE))
    assert names(answer) == ["one"] * is_permissive
