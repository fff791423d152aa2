"""What was done for each model, or would be: the results, the plans, the failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.console.json_projection import to_json
from posezoo.console.labels import format_count
from posezoo.console.report import print_result
from posezoo.core.errors import PosezooError, shorten_digests
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.convert.conversion_plan import PlannedIr
    from posezoo.core.declarations.model import Precision
    from posezoo.core.download.model_download import PlannedFile
    from posezoo.core.pipeline.plan import Plan


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
    plans: list[Plan] = field(default_factory=list)  # of a dry run

    def add_failure(self, name: str, error: PosezooError) -> None:
        """Record that the work on this model failed."""
        self.failures.append({"name": name, "reason": error.problem, **error.to_json()})

    @property
    def exit_code(self) -> int:
        """1 if a model failed, or if something prevents a plan; else 0."""
        is_prevented = not all(plan.is_possible for plan in self.plans)
        return 1 if self.failures or is_prevented else 0

    @property
    def lines(self) -> list[str]:
        """The steps of a dry run, or the paths of the results."""
        lines: list[str] = []
        for name, answer in self.answers:
            for step in answer.plan or ():
                lines.append(f"{name}: {shorten_digests(step)}")
            lines += map(str, (*(answer.files or ()), *(answer.irs or {}).values()))
        return [*lines, *self._count_downloads()]

    def _count_downloads(self) -> Iterator[str]:
        """A line about the files that all plans together would download."""
        missing = sum(len(plan.missing_files) for plan in self.plans)
        if missing:
            models = format_count(len(self.plans), "model")
            size = sum(plan.download_size for plan in self.plans)
            yield f"{models}: {format_count(missing, 'file')} to download, {size:,} bytes"

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
