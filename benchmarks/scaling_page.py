"""Draws docs/explanations/scaling.md: measured costs, and the simulation of 10,000 models."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cluster_simulation import Cluster, Task, simulate
from harness import RESULTS

from posezoo.pages.cards.markdown import format_table

MODELS = 10_000
MACHINES = (1, 10, 100)

#: How many of 100 models are of each kind: most models of a zoo are small.
SHARES = {
    "onnx": 30,
    "tflite": 25,
    "tflite-int8": 15,
    "tensorflow": 10,
    "resnet50-sized": 15,
    "hrnet-sized": 5,
}

#: 10 Gbit/s of network. A failed machine is away for five minutes; one task in a hundred takes five
#: times as long.
MACHINE = Cluster(
    machines=1,
    workers=8,
    memory_mib=32 * 1024,
    network_mb_s=1250,
    repair_s=300,
    straggler_share=0.01,
    straggler_factor=5,
)

#: Bandwidth of the store in MB/s, and hours until a machine fails, in the mean; half an hour is for
#: machines that a provider may take away at any time.
SCENARIOS = ((1000.0, 200.0), (10000.0, 200.0), (1000.0, 0.5))


def draw_values() -> Mapping[str, Any]:
    """The figures of the page, from the last recorded run of bench_cluster."""
    recorded = _last_record("bench_cluster")
    dispatch_s = _last_record("bench_task_overhead")["ms"]["median"] / 1000
    costs = {kind: Task(**cost) for kind, cost in recorded["costs"].items()}
    simulated, one_machine = simulate_many(costs, recorded, dispatch_s)
    names = {
        "read_mb": "Reads, MB",
        "compute_s": "Computes, s",
        "write_mb": "Writes, MB",
        "memory_mib": "Memory, MiB",
    }
    return dict(
        **{name: recorded["machine"][name] for name in ("processor", "cores", "openvino")},
        **{name: recorded[name] for name in ("start_s", "slowdown", "speedup")},
        costs=format_table(
            ["Kind", *names.values()],
            [
                (kind, *(_figure(getattr(cost, name)) for name in names))
                for kind, cost in costs.items()
            ],
        ),
        errors=", ".join(f"{run['error']:+.0%}" for run in recorded["runs"].values()),
        shares=", ".join(f"{share} are {kind}" for kind, share in SHARES.items()),
        simulated=simulated,
        one_machine=one_machine,
    )


def simulate_many(
    costs: Mapping[str, Task], recorded: Mapping[str, Any], dispatch_s: float
) -> tuple[str, str]:
    """The table of simulated runs, and the wall time of one machine."""
    kinds = random.Random(0).choices(list(SHARES), weights=list(SHARES.values()), k=MODELS)
    tasks = [costs[kind] for kind in kinds]
    rows: list[Sequence[str]] = []
    for store_mb_s, hours_between_failures in SCENARIOS:
        for machines in MACHINES:
            cluster = replace(
                MACHINE,
                machines=machines,
                store_mb_s=store_mb_s,
                hours_between_failures=hours_between_failures,
                start_s=recorded["start_s"],
                slowdown=recorded["slowdown"],
                dispatch_s=dispatch_s,
            )
            run = simulate(tasks, cluster)
            rows.append(
                (
                    f"{store_mb_s / 1000:g} GB/s",
                    f"{hours_between_failures:g} h",
                    str(machines),
                    _duration(run.wall_s),
                    run.bottleneck,
                    str(run.failures),
                )
            )
    headers = [
        "Store",
        "Machine fails after",
        "Machines",
        "Wall time",
        "Bottleneck",
        "Failures",
    ]
    return format_table(headers, rows), rows[0][3]


def _last_record(name: str) -> dict[str, Any]:
    lines = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    record: dict[str, Any] = json.loads(lines[-1])
    return record


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
