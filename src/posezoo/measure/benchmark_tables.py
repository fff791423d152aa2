"""The results of ``posezoo benchmark`` as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from posezoo.console.json_projection import Json, project
from posezoo.console.labels import format_count
from posezoo.console.report import fit_columns
from posezoo.core.declarations.model import WHOLE_IMAGE
from posezoo.figures.measured import (
    FOUND,
    SHOWN,
    TARGET_SIZE,
    WEIGHTS,
    measurement_to_json,
    read_detector_precision,
)
from posezoo.measure.benchmarking.benchmark_process import ROUNDS
from posezoo.measure.benchmarking.benchmark_result import BenchmarkResult
from posezoo.measure.benchmarking.workloads import NetworkWorkload
from posezoo.poses.people import describe_people

#: What a narrow terminal leaves out comes last.
HEADERS = (
    "MODEL", "PRECISION", "IMAGES/S", "P50 MS", "BATCH", "REQUESTS", "SPREAD", "P90 MS", "P99 MS",
    "CPU MS", "COMPILE S", "MIB", "STREAMS", "DEVICE", "RAN IN",
)  # fmt: skip
_NUMBERS = frozenset({2, 3, *range(6, 12)})

# The keys of results in JSON.
_MODEL = "model=case.model precision=case.precision"
_BEST_BATCH = (
    f"{_MODEL} requests=info.requests batch=info.batch throughput_fps=throughput_fps.median"
)


def format_results(results: Sequence[BenchmarkResult]) -> Iterator[str]:
    """A table; then lines on the best batch sizes, incomplete results, and the machine."""
    if not results:
        return
    yield from fit_columns([HEADERS, *map(_row, results)], right=_NUMBERS)
    for line in dict.fromkeys(filter(None, map(_describe_pipeline, results))):
        yield line
    for best in _best_batches(results):
        throughput = f"{best.throughput_fps.median:.4g} images a second"
        yield f"best batch of {_name(best)}, {_requests(best)}: {best.info.batch}, {throughput}"
    for result in results:
        if len(result.rounds) < ROUNDS:
            yield f"{_name(result)}: only {len(result.rounds)} of {ROUNDS} rounds"
    for line in dict.fromkeys(result.info.machine for result in results):
        yield f"on {line}"


def results_to_json(results: Sequence[BenchmarkResult]) -> Json:
    """The same results as one JSON object."""
    return {
        "measurements": measurements_to_json(results),
        "provenance": [dict(result.info.provenance) for result in results],
        "best_batches": [project(best, _BEST_BATCH) for best in _best_batches(results)],
    }


def measurements_to_json(results: Sequence[BenchmarkResult]) -> list[dict[str, object]]:
    """The results in the format that ``read_measurement_file`` reads."""
    return [measurement_to_json(result.case.model, result.to_measurement()) for result in results]


def _row(result: BenchmarkResult) -> tuple[str, ...]:
    case = result.case
    info = result.info
    throughput = result.throughput_fps
    p50, p90, p99 = (f"{latency:.4g}" for latency in result.latency_ms)
    memory = result.memory_mib
    return (
        f"{case.model}{_size(result)}",
        case.precision.value,
        f"{throughput.median:.4g}",
        p50,
        str(info.batch),
        str(info.requests),
        f"{throughput.least:.4g}-{throughput.greatest:.4g}",
        p90,
        p99,
        f"{result.cpu_ms:.4g}",
        f"{info.compile_s:.2f}",
        "" if memory is None else f"{memory:.0f}",
        str(info.streams or ""),
        info.device,
        info.executed_precision,
    )


def _describe_pipeline(result: BenchmarkResult) -> str:
    case = result.case
    settings = result.info.settings
    parts = [] if case.weights == WEIGHTS[0] else [f"{case.weights} weights"]
    if not isinstance(case.workload, NetworkWorkload):
        shown = settings[SHOWN]
        people = f"people shown: {shown}, found: " if shown else "people: "
        parts.append(f"whole pipeline: {settings['picture']}, {people}{settings[FOUND]}")
        detector = str(settings.get("people_from", WHOLE_IMAGE))
        if detector != WHOLE_IMAGE:
            precision = read_detector_precision(settings)
            parts.append(f"from {describe_people(detector, precision)}")
    return f"{case.model}{_size(result)}: {', '.join(parts)}" if parts else ""


def _best_batches(results: Sequence[BenchmarkResult]) -> Iterator[BenchmarkResult]:
    cases = groupby(
        results,
        lambda each: (each.case.model, str(each.case.precision), each.case.runtime.requests),
    )
    for _, group in cases:
        of_networks = [each for each in group if isinstance(each.case.workload, NetworkWorkload)]
        if len({each.info.batch for each in of_networks}) > 1:
            yield max(of_networks, key=lambda each: each.throughput_fps.median)


def _name(result: BenchmarkResult) -> str:
    case = result.case
    return f"{case.model} ({case.precision}){_size(result)}"


def _size(result: BenchmarkResult) -> str:
    size = result.info.settings.get(TARGET_SIZE)
    return f" at {size}" if size else ""


def _requests(result: BenchmarkResult) -> str:
    return format_count(result.info.requests, "request")
