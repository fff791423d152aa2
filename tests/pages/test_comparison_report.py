"""A comparison of models as text, Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest

from posezoo.core.declarations.model import Precision
from posezoo.pages.comparison_report import FORMATS
from posezoo.pages.facts.comparison import (
    COLUMNS,
    ComparisonRow,
    MetricSource,
    ModelComparison,
    SourcedMetric,
)


@pytest.fixture
def comparison() -> ModelComparison:
    values = dict.fromkeys(COLUMNS) | {
        "published_AP": SourcedMetric(0.428, MetricSource.DECLARED, "COCO val2017"),
        "gflops": SourcedMetric(15.435, MetricSource.MEASURED, ""),
    }
    return ModelComparison((ComparisonRow("light", Precision.FP16, "Apache-2.0", values),))


def test_text_and_markdown_mark_declared_values_and_leave_unknown_ones_empty(comparison):
    header, row, note = FORMATS["text"](comparison).splitlines()
    assert header.split() == [
        *("MODEL", "PUBLISHED", "AP", "GFLOPS", "PEOPLE", "FROM", "LICENSE"),
    ]
    assert row.split() == ["light", "0.428", "d", "15.44", "the", "model", "Apache-2.0"]
    assert note == "d: declared"
    table = FORMATS["markdown"](comparison)
    assert "| 0.428 d |" in table
    assert table.endswith("d: declared")


def test_json_has_the_origin_of_each_value(comparison):
    (row,) = json.loads(FORMATS["json"](comparison))["models"]
    assert (row["model"], row["precision"], row["license"]) == ("light", "FP16", "Apache-2.0")
    assert (row["people_from"], row["AP"]) == ("the model", None)
    assert row["published_AP"] == {"number": 0.428, "origin": "declared", "how": "COCO val2017"}
    assert row["size_bytes"] is None


def test_csv_has_a_column_for_the_origin_of_each_value(comparison):
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"](comparison)))
    assert (row["gflops"], row["gflops_origin"], row["mparams"]) == ("15.435", "measured", "")
