"""One piece of work for each selected model: one model's failure never stops the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import PosezooError, UnpinnedFileError
from posezoo.workers.threads import CancelCheck, map_ordered

if TYPE_CHECKING:
    from posezoo.cli.report import Console
    from posezoo.registry import Selection
    from posezoo.spec.model import ModelSpec


@dataclass(slots=True)
class JobReport:
    """What came out: an answer for each model that went well, a reason for each that did not."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 where all went well, else 1."""
        return 1 if self.failures else 0

    def print(self, style: str) -> None:
        """Answer on the standard output: everything as JSON, or as text the paths or planned steps alone."""
        if style == "json":
            print(json.dumps({"models": self.answers, "failed": self.failures}, indent=2))
            return
        for answer in self.answers:
            for line in answer.get("plan", ()):
                print(f"{answer['name']}: {line}")
            for path in answer.get("files", ()):
                print(path)
            for path in answer.get("irs", {}).values():
                print(path)


def run_for_each(
    selection: Selection,
    work: Callable[[ModelSpec], dict[str, Any]],
    console: Console,
    *,
    skip_unpinned: bool = False,
) -> JobReport:
    """Do the work for each model, tell failures as they come, and list them at the end.

    With ``skip_unpinned``, as where all models were asked for, those that have no pin are told in one line.
    """
    return run_in_parallel(selection, lambda spec, _: work(spec), console, skip_unpinned=skip_unpinned)


def run_in_parallel(
    selection: Selection,
    work: Callable[[ModelSpec, CancelCheck], dict[str, Any]],
    console: Console,
    *,
    skip_unpinned: bool = False,
    at_once: int = 1,
) -> JobReport:
    """``run_for_each``, several models at once; the work asks now and then whether the run is being ended."""
    report, skipped = JobReport(), list[str]()
    for problem in selection.problems:
        name = Path(problem.file).parent.name
        report.failures.append({"name": name, "reason": problem.problem, "hint": problem.hint})
    for composite in selection.composites:
        if composite.deprecated is not None:  # of models, the download tells
            console.warn(f"{composite.name}: {composite.deprecated}")
    outcomes = map_ordered(partial(_outcome, work), selection.models, at_once)
    for spec, outcome in zip(selection.models, outcomes, strict=True):
        if not isinstance(outcome, PosezooError):
            report.answers.append({"name": spec.full_name, **outcome})
            continue
        if skip_unpinned and isinstance(outcome, UnpinnedFileError):
            skipped.append(spec.full_name)
        else:
            console.print_error(outcome)
        report.failures.append({"name": spec.full_name, "reason": outcome.problem, "hint": outcome.hint})
    failed = [failure["name"] for failure in report.failures if failure["name"] not in skipped]
    if skipped:
        console.warn("SKIPPED (no pin): " + ", ".join(skipped))
    if failed and len(selection.models) + len(selection.problems) > 1:
        reasons = {failure["name"]: failure["reason"] for failure in report.failures}
        for name in failed:
            reason = reasons[name].removeprefix(f"{name}: ")
            console.warn(f"FAILED: {name}: {reason}")
    return report


def _outcome(
    work: Callable[[ModelSpec, CancelCheck], dict[str, Any]], spec: ModelSpec, check: CancelCheck
) -> dict[str, Any] | PosezooError:
    try:
        return work(spec, check)
    except PosezooError as error:
        return error
    except OSError as error:  # what no room below translated: a folder that we may not look into
        return PosezooError(f"{error.filename or spec.full_name}: {error.strerror or error}")
