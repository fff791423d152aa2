"""What ``posezoo benchmark`` found, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from posezoo.benchmarking import (
    BenchmarkResult,
    NetworkWorkload,
    SpeedComparison,
    compare_results,
    create_speed_measurement,
    select_best_batch,
)
from posezoo.cli.terminal_text import align_columns
from posezoo.measured import WEIGHTS, measurement_to_json

HEADERS = (
    "IMAGES/S", "SPREAD", "P50 MS", "P90 MS", "P99 MS", "COMPILE S", "MIB",
    "BATCH", "REQUESTS", "STREAMS", "DEVICE", "RAN IN", "PRECISION", "MODEL",
)  # fmt: skip


def format_results(results: Sequence[BenchmarkResult], *, is_compared: bool, rounds: int) -> Iterator[str]:
    """A table, and what there is to say of it."""
    if not results:
        return
    yield from align_columns([HEADERS, *map(_row, results)], right=frozenset(range(7)))
    for best in _bests(results):
        throughput = f"{best.throughput_fps.median:.4g} images a second"
        yield f"best batch of {_name(best)}, {_requests(best)}: {best.batch}, {throughput}"
    if is_compared:
        yield from map(_comparison_line, _comparisons(results))
    for result in results:
        if len(result.rounds) < rounds:
            yield f"{_name(result)}: {len(result.rounds)} of {rounds} rounds only"
    for line in dict.fromkeys(result.machine for result in results):
        yield f"on {line}"


def results_to_json(results: Sequence[BenchmarkResult], today: date, *, is_compared: bool) -> dict[str, Any]:
    """The same for programs."""
    return {
        "measurements": [
            measurement_to_json(result.case.model, create_speed_measurement(result, today))
            for result in results
        ],
        "best_batches": [
            {
                **_named(best),
                "requests": best.ready.requests,
                "batch": best.batch,
                "throughput_fps": best.throughput_fps.median,
            }
            for best in _bests(results)
        ],
        "comparisons": [
            {
                **_named(each.other),
                "settings": each.other.settings,
                "ratio": {
                    "least": each.ratio.least,
                    "median": each.ratio.median,
                    "greatest": each.ratio.greatest,
                },
            }
            for each in (_comparisons(results) if is_compared else ())
        ],
    }


def _row(each: BenchmarkResult) -> tuple[str, ...]:
    throughput, ready = each.throughput_fps, each.ready
    return (
        f"{throughput.median:.4g}",
        f"{throughput.least:.4g}-{throughput.greatest:.4g}",
        *(f"{latency:.4g}" for latency in each.latency_ms),
        f"{ready.compile_s:.2f}",
        "" if each.memory_mib is None else f"{each.memory_mib:.0f}",
        str(each.batch),
        str(ready.requests),
        str(ready.streams or ""),
        ready.device,
        ready.executed_precision,
        each.case.precision.value if each.case.precision else "",
        each.case.model
        + ("" if each.case.weights == WEIGHTS[0] else f" ({each.case.weights} weights)")
        + ("" if isinstance(each.case.subject, NetworkWorkload) else _pipeline(each)),
    )


def _pipeline(each: BenchmarkResult) -> str:
    said = each.ready.settings
    return f" (whole pipeline: {said['picture']}, people: {said['people']})"


def _comparison_line(each: SpeedComparison) -> str:
    ratio, pairs = each.ratio, len(each.base.rounds)
    return (
        f"{_name(each.other)}, {_how(each.other)}: {ratio.median:.3f} times as fast as {_name(each.base)}, "
        f"{_how(each.base)} ({ratio.least:.3f} to {ratio.greatest:.3f}, {pairs} pairs of rounds)"
    )


def _bests(results: Sequence[BenchmarkResult]) -> Iterator[BenchmarkResult]:
    def question(each: BenchmarkResult) -> tuple[str, str, int]:
        return each.case.model, str(each.case.precision), each.case.runtime.requests

    for _, several in groupby(results, question):
        if best := select_best_batch([*several]):
            yield best


def _comparisons(results: Sequence[BenchmarkResult]) -> list[SpeedComparison]:
    return [compare_results(results[0], other) for other in results[1:]]


def _named(each: BenchmarkResult) -> dict[str, str | None]:
    precision = each.case.precision
    return {"model": each.case.model, "precision": precision.value if precision else None}


def _name(each: BenchmarkResult) -> str:
    return f"{each.case.model}{f' ({each.case.precision})' if each.case.precision else ''}"


def _how(each: BenchmarkResult) -> str:
    return f"batch {each.batch}, {_requests(each)}"


def _requests(each: BenchmarkResult) -> str:
    count = each.ready.requests
    return f"{count} request{'s' * (count > 1)}"
