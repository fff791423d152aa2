"""What came out of several rounds: medians and their spread, and the measurement that measured.yml takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

import numpy as np

from posezoo.benchmarking.machine_info import describe_machine
from posezoo.benchmarking.timed_round import BenchmarkRound
from posezoo.benchmarking.workloads import BenchmarkCase, LoadedWorkload, NetworkWorkload
from posezoo.measured import Measurement, Scalar
from posezoo.spec.model import Precision
from posezoo.versions import package_version

_PERCENTILES = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class MedianRange:
    """The least, the median and the greatest of what rounds gave."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """What one case gave, so far.

    Attributes:
        case: what was measured.
        ready: what it became where it ran; its ``work`` is gone.
        rounds: in their order, the warm-up not among them; one at least.
    """

    case: BenchmarkCase
    ready: LoadedWorkload
    rounds: tuple[BenchmarkRound, ...]

    @property
    def throughput_fps(self) -> MedianRange:
        """Pictures a second, over the rounds."""
        found = [each.throughput_fps for each in self.rounds]
        return MedianRange(min(found), median(found), max(found))

    @property
    def latency_ms(self) -> tuple[float, float, float]:
        """p50, p90 and p99 over the inferences of all rounds; of a batch, of all its pictures together."""
        every = np.concatenate([each.latencies_ms for each in self.rounds])
        p50, p90, p99 = (float(each) for each in np.percentile(every, _PERCENTILES))
        return p50, p90, p99

    @property
    def memory_mib(self) -> float | None:
        """The most memory that its process held; None where nobody tells."""
        return self.rounds[-1].memory_mib

    @property
    def batch(self) -> int:
        """How many pictures an inference took."""
        return self.ready.images

    @property
    def machine(self) -> str:
        """Where it was measured, in one line."""
        return describe_machine(self.ready.hardware)

    @property
    def metrics(self) -> dict[str, float]:
        """By the names that measured.yml has for them."""
        throughput, (p50, p90, p99) = self.throughput_fps, self.latency_ms
        figures = {
            "throughput_fps": throughput.median,
            "throughput_min_fps": throughput.least,
            "throughput_max_fps": throughput.greatest,
            "latency_p50_ms": p50,
            "latency_p90_ms": p90,
            "latency_p99_ms": p99,
            "compile_s": self.ready.compile_s,
            "rounds": len(self.rounds),
        }
        return figures if self.memory_mib is None else {**figures, "memory_mib": self.memory_mib}

    @property
    def settings(self) -> dict[str, Scalar]:
        """What its figures depend on besides the model and the machine."""
        runtime, ready = self.case.runtime, self.ready
        hint: str = runtime.to_openvino_config().get("PERFORMANCE_HINT", "NONE")
        return {
            "device": ready.device,
            **({"device_asked": runtime.device} if runtime.device != ready.device else {}),
            "inference_precision": runtime.inference_precision,
            "executed_precision": ready.executed_precision,
            "requests": ready.requests,
            "streams": ready.streams,
            "hint": hint,
            **({"threads": runtime.threads} if runtime.threads else {}),
            **ready.settings,
        }


def create_speed_measurement(result: BenchmarkResult, day: date) -> Measurement:
    """A result as ``posezoo record`` takes it.

    Args:
        result: of a model of the zoo; of an IR whose precision nobody knows it is taken for FP32.
        day: when it was measured.
    """
    case = result.case
    return Measurement(
        kind="speed",
        precision=case.precision or Precision.FP32,
        figures=result.metrics,
        machine=result.machine,
        settings=result.settings,
        weights=case.weights,
        tools={name: package_version(name) for name in ("openvino", "posezoo") if package_version(name)},
        date=day.isoformat(),
    )


def select_best_batch(results: Sequence[BenchmarkResult]) -> BenchmarkResult | None:
    """The result with the most pictures a second among those of several batches; None where there is one.

    Args:
        results: of one model, that differ in the batch alone.
    """
    if len({result.batch for result in results if isinstance(result.case.subject, NetworkWorkload)}) < 2:
        return None
    return max(results, key=lambda each: each.throughput_fps.median)
