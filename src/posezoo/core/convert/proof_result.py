"""What the proof of an IR says: how each output was compared with that of the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, replace
from typing import Any

from posezoo.core.arrays import NamedArrays
from posezoo.core.events import Int8Comparison, NodeProof
from posezoo.core.ir.provenance import EQUAL, NOT_COMPARABLE, OutputRounding
from posezoo.core.values import frozen

#: If the noise is larger, the outputs of a correct IR and of a wrong one cannot be distinguished.
LARGEST_NOISE = 0.05


@frozen
class OutputDifference:
    """The largest difference of an output and its limit, relative to the output's largest value.

    Attributes:
        noise: the largest change of the original's output if its input is moved by one rounding;
            None if it was not measured, because the difference is small enough without it.
        rounding: for an IR in FP16 how far it differs from the FP32 IR; None if that was not
            measured.
        steps: the names and types of the steps on both sides of which it was compared; empty if it
            was compared directly. The numbers are those of the part behind the last step.
        not_compared: why the numbers prove nothing; empty if they do.
    """

    difference: float
    tolerance: float
    noise: float | None = None
    rounding: OutputRounding | None = None
    steps: tuple[str, ...] = ()
    not_compared: str = ""

    @property
    def is_noisy(self) -> bool:
        """Whether the noise is so large that the numbers prove nothing."""
        # "not <=" instead of ">", so that nan also counts.
        return self.noise is not None and not self.noise <= LARGEST_NOISE

    @property
    def is_wrong(self) -> bool:
        """Whether the difference is an error."""
        # "not <=" instead of ">", so that nan also counts.
        return not (self.not_compared or self.difference <= self.tolerance)

    def describe(self) -> str:
        """How it was compared."""
        if self.not_compared:
            return f"not compared: {self.not_compared}"
        return f"on both sides of {', '.join(self.steps)}" if self.steps else "directly"


@frozen
class SelfCheckResult:
    """The values of a check that an IR passed.

    Attributes:
        unprovable: the outputs whose numbers prove nothing: a rounding changes them too much, or
            they are the same for all images.
        recorded: the differences of the outputs in the registry from those of the original as it is
            read here; empty if the registry has none, or another runtime was available.
        not_compared: why the IR cannot be compared with its original, or some outputs; else empty.
        reduction: a phrase that says what was left out of the whole check; empty if nothing was.
        values: a phrase that says which values the inputs without a declared mean and scale have.
        nodes: the comparison of inner tensors; None if it was not requested.
        int8: the comparison of INT8 with FP16; None for another IR. ``outputs`` is then empty: the
            reference was compared with the IR before it was rounded to INT8.
        computed: the outputs of the IR for each image; they are not recorded.
    """

    reference: str
    measure: str
    inputs: str
    seeds: tuple[int, ...]
    outputs: Mapping[str, OutputDifference]
    unprovable: tuple[str, ...] = ()
    recorded: Mapping[str, OutputDifference] = field(default_factory=dict)
    not_compared: str = ""
    reduction: str = ""
    values: str = ""
    nodes: NodeProof | None = None
    int8: Int8Comparison | None = None
    computed: Sequence[NamedArrays] = field(default=(), repr=False, compare=False)

    @property
    def proof(self) -> str:
        """``EQUAL`` or ``NOT_COMPARABLE``: an IR that differs has no result."""
        return NOT_COMPARABLE if self.not_compared else EQUAL

    def describe_outputs(self) -> dict[str, str]:
        """How each output was compared, by its name."""
        return {name: output.describe() for name, output in self.outputs.items()}

    @property
    def worst_difference(self) -> OutputDifference:
        """The output with the largest difference, of INT8 from FP16; 0 if none was compared."""
        differences = [*self.outputs.values(), *self.recorded.values()]
        if self.int8:
            limit = self.int8.limit
            differences += [OutputDifference(each, limit) for each in self.int8.deviation.values()]
        return max(
            differences, key=lambda output: output.difference, default=OutputDifference(0, 0)
        )

    @property
    def largest_rounding(self) -> tuple[str, OutputRounding] | None:
        """The output that the rounding to FP16 moves furthest, and how far; None if that was not
        measured.
        """
        measured = [
            (name, output.rounding) for name, output in self.outputs.items() if output.rounding
        ]
        return max(measured, key=lambda each: each[1].relative, default=None)

    def to_record(self) -> dict[str, Any]:
        """The values as JSON's types, for provenance.json."""
        record = asdict(replace(self, computed=()))
        del record["computed"]
        return {"proof": self.proof, **record}
