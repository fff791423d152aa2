"""The result of several rounds: medians and ranges, and the measurement for measured.yml."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import median

import numpy as np

from posezoo.core.values import frozen
from posezoo.core.versions import package_versions
from posezoo.figures.measured import WEIGHTS, Measurement, Scalar, digest_irs
from posezoo.measure.benchmarking.workloads import BenchmarkCase, WorkloadInfo


@frozen
class BenchmarkRound:
    """The measurements of one round.

    Attributes:
        throughput_fps: images per second.
        latencies_ms: the time of each inference, or of each image through the whole pipeline.
        cpu_ms: the time that all threads of its process computed, divided by the images.
        memory_mib: the peak memory of its process so far; None if the system does not report it.
    """

    throughput_fps: float
    latencies_ms: tuple[float, ...]
    cpu_ms: float
    memory_mib: float | None


@frozen
class MedianRange:
    """The minimum, median and maximum of several rounds."""

    least: float
    median: float
    greatest: float

    @classmethod
    def from_values(cls, values: Sequence[float]) -> MedianRange:
        """The range of one or more values."""
        return cls(min(values), median(values), max(values))


@frozen
class BenchmarkResult:
    """The rounds of one case so far.

    Attributes:
        rounds: in order, without the warm-up; at least one.
    """

    case: BenchmarkCase
    info: WorkloadInfo
    rounds: tuple[BenchmarkRound, ...]

    @property
    def throughput_fps(self) -> MedianRange:
        """Images per second, over the rounds."""
        return MedianRange.from_values([measured.throughput_fps for measured in self.rounds])

    @property
    def latency_ms(self) -> tuple[float, float, float]:
        """p50, p90 and p99 over the inferences of all rounds; for a batch, the time of the whole
        batch.
        """
        latencies = np.concatenate([measured.latencies_ms for measured in self.rounds])
        p50, p90, p99 = map(float, np.percentile(latencies, (50, 90, 99)))
        return p50, p90, p99

    @property
    def cpu_ms(self) -> float:
        """The CPU time of an image, over the rounds. It counts on the host alone."""
        return median(measured.cpu_ms for measured in self.rounds)

    @property
    def memory_mib(self) -> float | None:
        """The peak memory of its process; None if the system does not report it."""
        return self.rounds[-1].memory_mib

    @property
    def settings(self) -> dict[str, Scalar]:
        """The settings that affect the values, besides the model and the machine."""
        runtime = self.case.runtime
        info = self.info
        settings: dict[str, Scalar] = {"device": info.device}
        if runtime.device != info.device:
            settings["device_asked"] = runtime.device
        settings["inference_precision"] = runtime.inference_precision
        settings["executed_precision"] = info.executed_precision
        settings["requests"] = info.requests
        settings["streams"] = info.streams
        settings["hint"] = runtime.hint
        if runtime.threads:
            settings["threads"] = runtime.threads
        return settings | dict(info.settings)

    def to_measurement(self) -> Measurement:
        """The result, of today, for measured.yml."""
        throughput = self.throughput_fps
        p50, p90, p99 = self.latency_ms
        metrics = {
            "throughput_fps": throughput.median,
            "throughput_min_fps": throughput.least,
            "throughput_max_fps": throughput.greatest,
            "latency_p50_ms": p50,
            "latency_p90_ms": p90,
            "latency_p99_ms": p99,
            "cpu_ms": self.cpu_ms,
            "compile_s": self.info.compile_s,
            "rounds": len(self.rounds),
        }
        if self.memory_mib is not None:
            metrics["memory_mib"] = self.memory_mib
        weights = self.case.weights
        return Measurement(
            kind="speed",
            precision=self.case.precision,
            figures=metrics,
            machine=self.info.machine,
            settings=self.settings,
            weights=weights,
            tools=package_versions("openvino", "posezoo"),
            date=date.today().isoformat(),
            irs=digest_irs(self.case.workload.irs) if weights == WEIGHTS[0] else "",
        )
