"""Work on each selected model: failures are printed as they come, and listed at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import PosezooError, UnpinnedFileError
from posezoo.pipeline.for_each import for_each
from posezoo.workers.threads import CancelCheck

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
        """0 if all went well, else 1."""
        return 1 if self.failures else 0

    def add_failure(self, name: str, error: PosezooError) -> None:
        """Report that the work on this model failed."""
        self.failures.append({"name": name, "reason": error.problem, "hint": error.hint})

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
    work: Callable[[ModelSpec, CancelCheck], dict[str, Any]],
    console: Console,
    *,
    skip_unpinned: bool = False,
    jobs: int = 1,
) -> JobReport:
    """Do the work for each model; with ``skip_unpinned``, models without a pin share one line.

    If there are several ``jobs``, the work calls its second argument now and then.
    """
    report, skipped = JobReport(), list[str]()
    for problem in selection.problems:
        name = Path(problem.file).parent.name
        report.add_failure(name, problem)
    for composite in selection.composites:
        if composite.deprecated is not None:  # for models, the download says so
            console.warn(f"{composite.name}: {composite.deprecated}")
    for outcome in for_each(selection.models, work, jobs=jobs):
        name, error = outcome.item.full_name, outcome.error
        if error is None:
            report.answers.append({"name": name, **(outcome.result or {})})
            continue
        if skip_unpinned and isinstance(error, UnpinnedFileError):
            skipped.append(name)
        else:
            console.print_error(error)
        report.add_failure(name, error)
    failed = [failure for failure in report.failures if failure["name"] not in skipped]
    if skipped:
        console.warn("SKIPPED (no pin): " + ", ".join(skipped))
    if failed and len(selection.models) + len(selection.problems) > 1:
        for failure in failed:
            reason = failure["reason"].removeprefix(f"{failure['name']}: ")
            console.warn(f"FAILED: {failure['name']}: {reason}")
    return report
