"""Draws what docs/howto/cluster.md says of costs: measured, and the simulation of 10,000 models."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster_simulation import Cluster, Task, simulate
from harness import RESULTS

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
    machine = recorded["machine"]
    name = machine["processor"].split(" (")[0]  # without its features
    return {
        "machine": f"{name}, {machine['cores']} cores, OpenVINO {machine['openvino']}",
        "speedup": recorded["speedup"],
        "costs": ", ".join(
            f"{kind} {cost.compute_s:.2g} s and {cost.memory_mib:,.0f} MiB"
            for kind, cost in costs.items()
        ),
        "errors": ", ".join(f"{run['error']:+.0%}" for run in recorded["runs"].values()),
        "simulated": simulate_many(costs, recorded, dispatch_s),
    }


def simulate_many(costs: Mapping[str, Task], recorded: Mapping[str, Any], dispatch_s: float) -> str:
    """The wall times with each number of machines, a line for each store and rate of failures."""
    kinds = random.Random(0).choices(list(SHARES), weights=list(SHARES.values()), k=MODELS)
    tasks = [costs[kind] for kind in kinds]
    lines = []
    for store_mb_s, hours_between_failures in SCENARIOS:
        times = []
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
            minutes = simulate(tasks, cluster).wall_s / 60
            times.append(f"{minutes:.1f} min with {machines}")
        store = f"a store of {store_mb_s / 1000:g} GB/s"
        failures = f"a failure of each machine in {hours_between_failures:g} h"
        lines.append(f"- {store}, {failures}: {', '.join(times)}")
    return "\n".join(lines)


def _last_record(name: str) -> dict[str, Any]:
    lines = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    record: dict[str, Any] = json.loads(lines[-1])
    return record
