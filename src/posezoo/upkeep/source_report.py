"""What posezoo prove --dry_run prints: the answers of the sources of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.console.json_projection import project
from posezoo.console.labels import format_count, join
from posezoo.console.report import align_columns, print_result
from posezoo.lint.output_formats import relative_path
from posezoo.upkeep.source_check import BAD_STATES, CheckedSource, check_sources

if TYPE_CHECKING:
    from posezoo.core.registry import Selection
    from posezoo.core.resolve.stage_context import Context

# Most of the time is spent waiting for answers.
_JOBS = 16
# An unreachable host takes a timeout for each attempt.
_ATTEMPTS = 2
# The exit code if sources only refuse this machine, so that a job can tell that from a lost file.
_REFUSED = 4

#: The keys of a source in JSON.
_ROW = "model file source type host state compared problem line model_yml=path"


def report_sources(
    selection: Selection,
    context: Context,
    style: str,
    *,
    jobs: int | None,
    attempts: int | None,
    quiet: bool,
) -> int:
    """Ask each source of each file, print those that are not good, and the files that have no
    other source.

    Returns:
        The exit code: 1 if a model.yml cannot be read, or a source is dead, changed or unreachable;
        4 if sources only refuse this machine; else 0.
    """
    options = context.download_options
    options = replace(options, jobs=jobs or _JOBS, attempts=attempts or _ATTEMPTS)
    checked = check_sources(selection.models, options, quiet=quiet)
    bad = [each for each in checked if each.state in BAD_STATES]
    lost = _find_lost(checked)
    answer = {
        "sources": [project(each, _ROW) for each in checked],
        "counts": Counter(each.state for each in checked),
        "without_source": [{"model": model, "file": file} for model, file in lost],
        "failed": [project(each, "name=file reason=problem hint") for each in selection.problems],
    }
    lines = [
        *_format_rows(bad),
        *(f"{model}: {file}: no source has it now" for model, file in lost),
    ]
    print_result(style, answer, *lines, _format_counts(checked))
    if selection.problems or any(each.state != "refused" for each in bad):
        return 1
    return _REFUSED if bad else 0


def _find_lost(checked: Sequence[CheckedSource]) -> list[tuple[str, str]]:
    """The files that no source has now: their models and names."""
    states: dict[tuple[str, str], set[str]] = {}
    for each in checked:
        states.setdefault((each.model, each.file), set()).add(each.state)
    return [file for file, found in states.items() if not found & {"good", "unchecked"}]


def _format_rows(bad: Sequence[CheckedSource]) -> Iterator[str]:
    rows = []
    for each in bad:
        place = f"{relative_path(str(each.path))}:{each.line}"
        name = f"{each.model}: {each.file}"
        rows.append((each.state, name, each.host or each.type, f"{place}: {each.problem}"))
    if rows:
        yield from align_columns(rows)


def _format_counts(checked: Sequence[CheckedSource]) -> str:
    counts = Counter(each.state for each in checked)
    parts = [f"{number} {state}" for state, number in counts.most_common()]
    return join(format_count(len(checked), "source"), ", ".join(parts), separator=": ")
