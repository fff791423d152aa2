"""Formats the comparison of models as text, Markdown, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json

from posezoo.cli.json_projection import project
from posezoo.cli.report import fit_columns
from posezoo.pages.cards.markdown import escape, format_table
from posezoo.pages.facts.bar_chart import describe_measurement_settings
from posezoo.pages.facts.comparison import COLUMNS, ModelComparison

#: The mark after a value, by its origin; a value measured on the published weights has no mark.
_MARKS = {"measured": "", "measured on generated weights": " g", "declared": " d"}


# The keys of the settings in JSON.
_WAYS = "speed_way=speed_setting network_way=network_setting accuracy_way=accuracy_conditions"


def format_text(comparison: ModelComparison) -> str:
    """A table of what decides first and then of the rest that fits, followed by notes."""
    columns = comparison.columns
    numbers = frozenset(range(1, 1 + len(columns)))
    return "\n".join([*fit_columns(_table(comparison), right=numbers), *_notes(comparison)])


def format_markdown(comparison: ModelComparison) -> str:
    """A Markdown table, followed by notes."""
    headers, *rows = _table(comparison)
    notes = "\n".join(f"{escape(note)}  " for note in _notes(comparison)).rstrip()
    return f"{format_table(headers, rows)}\n\n{notes}".rstrip()


def format_json(comparison: ModelComparison) -> str:
    """The JSON object that ``cli.verbs.compare`` describes."""
    answer = {
        "models": [row.as_json for row in comparison.rows],
        **project(comparison, _WAYS),
    }
    return json.dumps(answer, indent=2)


def format_csv(comparison: ModelComparison) -> str:
    """A header line, and one line for each row."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [name for key in COLUMNS for name in (key, f"{key}_origin")]
    writer.writerow(["model", "precision", "target_size", *columns, "license", "people_from"])
    for row in comparison.rows:
        cells: list[object] = []
        for key in COLUMNS:
            value = row.values[key]
            cells += (value.number, str(value.origin)) if value else ("", "")
        subject = (row.model, row.precision.value, row.target_size or "")
        writer.writerow([*subject, *cells, row.license, row.described_people])
    return stream.getvalue().removesuffix("\n")


FORMATS = {"text": format_text, "json": format_json, "csv": format_csv, "markdown": format_markdown}


def _table(comparison: ModelComparison) -> list[tuple[str, ...]]:
    columns = comparison.columns
    titles = (column.heading for column in columns.values())
    rows = [("MODEL", *titles, "PEOPLE FROM", "LICENSE")]
    for row in comparison.rows:
        cells = []
        for key, column in columns.items():
            value = row.values[key]
            cells.append(
                f"{column.in_words(value.number)}{_MARKS[value.origin.value]}" if value else ""
            )
        rows.append((row.name, *cells, row.described_people, row.license))
    return rows


def _notes(comparison: ModelComparison) -> list[str]:
    """Notes on what the marks mean and how the values were measured."""
    origins = {
        value.origin.value for row in comparison.rows for value in row.values.values() if value
    }
    marks = [
        f"{mark.strip()}: {origin}" for origin, mark in _MARKS.items() if mark and origin in origins
    ]
    proofs = [
        f"{row.name}: its IR here was compared with {'; '.join(row.compared_with)}"
        for row in comparison.rows
        if row.compared_with
    ]
    of_model = [
        column.heading
        for key, column in comparison.columns.items()
        if key in ("size_bytes", "gflops", "mparams")
        and any(row.is_counted_alone and row.values[key] for row in comparison.rows)
    ]
    alone = [f"{', '.join(of_model)}: without the detector that finds the people"] * bool(of_model)
    return [*marks, *alone, *describe_measurement_settings(comparison), *proofs]
