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
MACHINES = (1, 3, 10, 30, 100)

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

PAGE = """\
<!-- drawn by `make docs` from benchmarks/results/bench_cluster.jsonl: measure again to change it -->
# Beyond one machine

`--cluster local:N` works in N processes of this machine, `--cluster ADDRESS` on the workers of a Dask
cluster. [Work on several machines](../howto/cluster.md) says how to start a cluster. This page gives the cost
of a run, its limits, and the useful number of machines.

## The cost of a model

`benchmarks/bench_cluster.py` measured these costs on {processor}, {cores} cores, OpenVINO {openvino}: a
conversion to FP32 and FP16 with the self-check, by one worker with one thread. Memory is the peak of the
whole process. A worker needs {start_s:.1f} s to start, with the command.

{costs}

One worker uses more than one core at times, because the self-check of a model runs beside its conversion. If
both cores have a worker, each conversion takes {slowdown:.2f} times as long.

## Forty models, measured and predicted

We converted the same 40 models ({kinds}) three times. The simulation knew only the costs above.

{runs}

Two workers were {speedup:.2f} times as fast as one. The IR of all three runs have the same bytes.

## Ten thousand models, simulated

The simulation (`benchmarks/cluster_simulation.py`, plain Python with a fixed seed) lets each worker read a
model's files from the shared store, compute, and write the IR back. The assumptions: machines with 8
workers, 32 GiB of memory and 10 Gbit/s; a failed machine loses its work and is away for five minutes; one
model in a hundred takes five times as long; the scheduler takes {dispatch_ms:.1f} ms for a task
(`benchmarks/bench_task_overhead.py`). Of 100 models, {shares}.

{simulated}

A machine-hour is an hour of one machine, also if it waits. The bottleneck is the resource that alone would
need the longest. More machines make a run shorter at nearly the same cost, until the store is the bottleneck;
further machines only wait.

Conclusions:

- Start with one machine: it converts 10,000 models in {one_machine}.
- Start one worker with one thread for each core: more workers do not make a run faster.
- With many machines the store limits a run. Files that are already in each machine's `--cache_dir` need no
  transfer.
- Failures cost little, because only the model of a lost worker starts again.

## Not covered

The simulation has one kind of machine, no limit on the requests of a store, and no downloads from the
internet. We measured only one machine with two cores, and no run with several machines.
"""  # noqa: E501


def render_page() -> str:
    """The page, from the last recorded run of bench_cluster."""
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
    return PAGE.format(
        **{name: recorded["machine"][name] for name in ("processor", "cores", "openvino")},
        **{name: recorded[name] for name in ("start_s", "slowdown", "speedup")},
        costs=format_table(
            ["Kind", *names.values()],
            [
                (kind, *(_figure(getattr(cost, name)) for name in names))
                for kind, cost in costs.items()
            ],
        ),
        kinds=", ".join(kind for kind in costs if not kind.endswith("-sized")),
        runs=format_table(
            ["Run", "Measured", "Predicted", "Error"],
            [
                (
                    title,
                    f"{run['wall_s']:.1f} s",
                    f"{run['predicted_s']:.1f} s",
                    f"{run['error']:+.0%}",
                )
                for title, run in recorded["runs"].items()
            ],
        ),
        dispatch_ms=dispatch_s * 1000,
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
                    f"{run.machine_hours:.1f}",
                    run.bottleneck,
                    str(run.failures),
                )
            )
    headers = [
        "Store",
        "Machine fails after",
        "Machines",
        "Wall time",
        "Machine-hours",
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
