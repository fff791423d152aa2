"""What was done for each model, or would be: the lines of a plan, the results, the failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.console.json_projection import to_json
from posezoo.console.report import print_result
from posezoo.core.errors import PosezooError, shorten_digests
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.convert.conversion_plan import PlannedIr
    from posezoo.core.declarations.model import Precision
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.pipeline.plan import Plan


def format_plan(plan: Plan) -> list[str]:
    """One line for each file and each IR, or the reason why the IR cannot be made."""
    from posezoo.core.declarations.routes import describe_obstacle

    spec = plan.resolved.spec
    if plan.obstacle:
        text = describe_obstacle(spec, plan.resolved.route, plan.obstacle)
        return [text.removeprefix(f"{spec.full_name}: ")]
    lines = format_downloads(plan)
    if not spec.is_converted:
        return [*lines, "is published as IR: nothing to convert"]
    by = f" by {plan.program.title}" if plan.program else ""
    if plan.resolved.runs_upstream_code:
        by = " by code that comes with the model"
    for ir in plan.irs:
        lines.append(format_planned_ir(ir, f"convert to {ir.precision}{by}"))
    return lines


def format_downloads(plan: Plan) -> list[str]:
    """A line for each file, after one about a package that the conversion lacks."""
    lines = list(map(format_planned_file, plan.files))
    error = plan.missing_package
    if error:
        lines.insert(0, f"{error.problem}, which the conversion needs: {error.hint}")
    return lines


def format_planned_ir(ir: PlannedIr, action: str) -> str:
    """A line about an IR: whether it is made, and why; ``action`` is the word for making it."""
    if ir.is_up_to_date:
        return f"{ir.precision} is up to date: {ir.xml}"
    return f"would {action}, since {ir.reason}: {ir.xml}"


def format_planned_file(planned: PlannedFile) -> str:
    """A line about what is done with one file."""
    file = planned.file
    if planned.is_unpinned:
        return f"would not download {file.name}: it has no pin; --trust_on_first_use accepts it"
    if not planned.candidate_names:
        return f"{file.name} exists and is verified: {planned.target}"
    size = f"at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
    return (
        f"would download {file.name} ({size} bytes) from {', else '.join(planned.candidate_names)}"
    )


@frozen
class Answer:
    """What was done for a model, or would be; None is not shown."""

    plan: Sequence[str] | None = None  # the lines of a dry run
    files: Sequence[Path] | None = None
    irs: Mapping[Precision, Path] | None = None
    facts: Mapping[str, object] = field(default_factory=dict)  # further keys in JSON
    measurements: Sequence[Mapping[str, object]] = ()  # for posezoo record
    has_proof: bool = False  # whether records of the IR say how they compare with the original

    def to_json(self, name: str) -> dict[str, object]:
        """The object of a model for ``--format json``."""
        shown = {"plan": self.plan, "files": self.files, "irs": self.irs}
        given = {key: to_json(value) for key, value in shown.items() if value is not None}
        proof = _describe_proof(self.irs.values()) if self.irs and self.has_proof else {}
        return {"name": name, **given, **self.facts, **proof}


@dataclass
class JobReport:
    """The results: an answer for each model that succeeded, and a reason for each that failed."""

    answers: list[tuple[str, Answer]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add_failure(self, name: str, error: PosezooError) -> None:
        """Record that the work on this model failed."""
        self.failures.append({"name": name, "reason": error.problem, **error.to_json()})

    @property
    def exit_code(self) -> int:
        """0 if no model failed, else 1."""
        return 1 if self.failures else 0

    @property
    def lines(self) -> list[str]:
        """The steps of a dry run, or the paths of the results."""
        lines: list[str] = []
        for name, answer in self.answers:
            for step in answer.plan or ():
                lines.append(f"{name}: {shorten_digests(step)}")
            lines += map(str, (*(answer.files or ()), *(answer.irs or {}).values()))
        return lines

    def to_json(self) -> dict[str, list[Any]]:
        """The answers and the failures."""
        answers = [answer.to_json(name) for name, answer in self.answers]
        return {"models": answers, "failed": self.failures}

    def print(self, style: str) -> int:
        """Print everything as JSON, or only the paths and planned steps as text; return the exit
        code.
        """
        answer = self.to_json() if style == "json" else None  # it reads the records of IR
        print_result(style, answer, *self.lines)
        return self.exit_code


def _describe_proof(xmls: Iterable[Path]) -> dict[str, str]:
    """How the IR compare with their original, by their records; published IR have none."""
    from posezoo.core.ir.provenance import EQUAL, NOT_COMPARABLE, read_ir_record

    proofs = {record.proof for record in map(read_ir_record, xmls) if record}
    if not proofs:
        return {}
    return {"proof": NOT_COMPARABLE if NOT_COMPARABLE in proofs else EQUAL}
