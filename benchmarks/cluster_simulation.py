"""Simulates the conversion of many models on several machines that share a store; plain Python,
seeded.

A task reads its files from the store, computes, and writes its results to the store. Transfers that
are active at the same time share the store's bandwidth equally, and none is faster than a worker's
share of its machine's network. A machine that fails loses the tasks it works on; they start again
elsewhere, and the machine comes back later. A straggler is a task that takes several times as long
to compute.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial


@dataclass(frozen=True, slots=True)
class Task:
    """What one model needs: bytes in MB, CPU seconds of one core, memory in MiB."""

    read_mb: float
    compute_s: float
    write_mb: float
    memory_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The machines and what they share.

    Attributes:
        workers: processes with one thread, on each machine.
        memory_mib: memory of each machine; its tasks at any time fit into it.
        store_mb_s: bandwidth of the store, for all machines together; inf: files are on a local
            disk.
        network_mb_s: bandwidth of one machine.
        start_s: how long a worker takes from its start to its first task.
        dispatch_s: how long the scheduler takes for one task; it handles one after the other.
        slowdown: how much longer a task computes if all workers of its machine are busy.
        hours_between_failures: mean time until a machine fails; inf: never.
        repair_s: how long a failed machine is away.
        straggler_share, straggler_factor: this share of the tasks computes this many times as long.
    """

    machines: int
    workers: int = 1
    memory_mib: float = math.inf
    store_mb_s: float = math.inf
    network_mb_s: float = math.inf
    start_s: float = 0.0
    dispatch_s: float = 0.0
    slowdown: float = 1.0
    hours_between_failures: float = math.inf
    repair_s: float = 300.0
    straggler_share: float = 0.0
    straggler_factor: float = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run takes.

    Attributes:
        wall_s: from the start to the last result.
        bounds_s: the wall time that each resource alone would need; the largest is the bottleneck.
        lost_s: computing seconds that failures discarded.
        failures: how many machines failed.
    """

    wall_s: float
    bounds_s: dict[str, float]
    lost_s: float
    failures: int

    @property
    def bottleneck(self) -> str:
        """The resource whose bound is the largest."""
        return max(self.bounds_s, key=lambda name: self.bounds_s[name])


@dataclass(slots=True)
class _Job:
    task: Task
    compute_s: float
    machine: _Machine | None = None
    attempt: int = 0  # an event of a lost attempt is ignored
    computes_since: float | None = None


@dataclass(slots=True, eq=False)
class _Machine:
    free_workers: int
    free_mib: float
    jobs: list[_Job] = field(default_factory=list)


def simulate(
    tasks: Sequence[Task], cluster: Cluster, seed: int = 0, kill_worker_at_s: float | None = None
) -> Outcome:
    """Simulate a run of all tasks, in their order.

    Args:
        seed: decides which tasks are stragglers, and when machines fail.
        kill_worker_at_s: one busy worker is killed at this time; a new process replaces it.

    Raises:
        ValueError: a task needs more memory than a machine has.
    """
    if any(task.memory_mib > cluster.memory_mib for task in tasks):
        raise ValueError("a task needs more memory than a machine has")
    run = _Run(tasks, cluster, random.Random(seed))
    if kill_worker_at_s is not None:
        run.at(kill_worker_at_s, run.kill_worker)
    run.until_done()
    return Outcome(
        wall_s=run.clock_s,
        bounds_s=_bounds(run.jobs, cluster),
        lost_s=run.lost_s,
        failures=run.failures,
    )


class _Run:
    """The state of a run: what waits, what happens next, and which transfers are active."""

    def __init__(self, tasks: Sequence[Task], cluster: Cluster, chance: random.Random) -> None:
        self.cluster, self.chance = cluster, chance
        self.jobs = [_Job(task, task.compute_s * self._straggling()) for task in tasks]
        self.clock_s, self.lost_s, self.failures, self.done = 0.0, 0.0, 0, 0
        self._waiting = deque(self.jobs)
        self._machines = [_Machine(0, cluster.memory_mib) for _ in range(cluster.machines)]
        self._scheduler_free_s = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        # All active transfers are equally fast. What one of them has moved since the start of the
        # run:
        self._moved_mb = 0.0
        # A transfer ends when that sum reaches its first item.
        self._transfers: list[tuple[float, int, _Job, Callable[[_Job], None]]] = []
        for machine in self._machines:
            for _ in range(cluster.workers):
                self.at(cluster.start_s, partial(self._add_worker, machine))
            self._schedule_failure(machine, 0.0)

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Do something at a time of the simulated clock."""
        heapq.heappush(self._events, (time_s, next(self._order), action))

    def until_done(self) -> None:
        """Let events and transfers happen in their order until no task is left."""
        while self.done < len(self.jobs):
            rate = self._transfer_rate()
            next_transfer_s = math.inf
            if self._transfers:
                next_transfer_s = self.clock_s + (self._transfers[0][0] - self._moved_mb) / rate
            next_event_s = self._events[0][0] if self._events else math.inf
            now_s = min(next_transfer_s, next_event_s)
            self._moved_mb += rate * (now_s - self.clock_s)
            self.clock_s = now_s
            if next_transfer_s <= next_event_s:
                _, _, job, then = heapq.heappop(self._transfers)
                then(job)
            else:
                heapq.heappop(self._events)[2]()

    def kill_worker(self) -> None:
        """Kill one worker that works on a task."""
        for machine in self._machines:
            if machine.jobs:
                self._lose(machine.jobs[0])
                machine.free_workers -= 1
                self.at(self.clock_s + self.cluster.start_s, partial(self._add_worker, machine))
                break
        self._give_work()

    def _straggling(self) -> float:
        is_straggler = self.chance.random() < self.cluster.straggler_share
        return self.cluster.straggler_factor if is_straggler else 1.0

    def _transfer_rate(self) -> float:
        if not self._transfers:
            return 0.0
        fastest = self.cluster.network_mb_s / self.cluster.workers
        return min(fastest, self.cluster.store_mb_s / len(self._transfers))

    def _add_worker(self, machine: _Machine) -> None:
        machine.free_workers += 1
        self._give_work()

    def _give_work(self) -> None:
        for machine in self._machines:
            while (
                self._waiting
                and machine.free_workers
                and self._waiting[0].task.memory_mib <= machine.free_mib
            ):
                job = self._waiting.popleft()
                job.machine, job.attempt = machine, job.attempt + 1
                machine.jobs.append(job)
                machine.free_workers -= 1
                machine.free_mib -= job.task.memory_mib
                self._scheduler_free_s = (
                    max(self._scheduler_free_s, self.clock_s) + self.cluster.dispatch_s
                )
                self._at_for(job, self._scheduler_free_s, self._read)

    def _at_for(self, job: _Job, time_s: float, action: Callable[[_Job], None]) -> None:
        attempt = job.attempt

        def act() -> None:
            if job.attempt == attempt and job.machine is not None:
                action(job)

        self.at(time_s, act)

    def _transfer(self, job: _Job, size_mb: float, then: Callable[[_Job], None]) -> None:
        if math.isinf(self.cluster.network_mb_s) and math.isinf(self.cluster.store_mb_s):
            then(job)
        else:
            heapq.heappush(
                self._transfers, (self._moved_mb + size_mb, next(self._order), job, then)
            )

    def _read(self, job: _Job) -> None:
        self._transfer(job, job.task.read_mb, self._compute)

    def _compute(self, job: _Job) -> None:
        assert job.machine is not None
        job.computes_since = self.clock_s
        slowdown = 1.0 if job.machine.free_workers else self.cluster.slowdown
        self._at_for(job, self.clock_s + job.compute_s * slowdown, self._write)

    def _write(self, job: _Job) -> None:
        job.computes_since = None
        self._transfer(job, job.task.write_mb, self._finish)

    def _finish(self, job: _Job) -> None:
        self._leave(job)
        self.done += 1
        self._give_work()

    def _leave(self, job: _Job) -> None:
        machine, job.machine = job.machine, None
        assert machine is not None
        machine.jobs.remove(job)
        machine.free_workers += 1
        machine.free_mib += job.task.memory_mib

    def _lose(self, job: _Job) -> None:
        """Take a job from its machine; it starts again before all that wait."""
        if job.computes_since is not None:
            self.lost_s += self.clock_s - job.computes_since
            job.computes_since = None
        self._transfers = [entry for entry in self._transfers if entry[2] is not job]
        heapq.heapify(self._transfers)
        self._leave(job)
        self._waiting.appendleft(job)

    def _schedule_failure(self, machine: _Machine, from_s: float) -> None:
        if not math.isinf(self.cluster.hours_between_failures):
            after_s = self.chance.expovariate(1 / (self.cluster.hours_between_failures * 3600))
            self.at(from_s + after_s, partial(self._fail, machine))

    def _fail(self, machine: _Machine) -> None:
        self.failures += 1
        for job in list(machine.jobs):
            self._lose(job)
        back_s = self.clock_s + self.cluster.repair_s
        for _ in range(machine.free_workers):
            self.at(back_s + self.cluster.start_s, partial(self._add_worker, machine))
        machine.free_workers = 0
        self._schedule_failure(machine, back_s)
        self._give_work()


def _bounds(jobs: Sequence[_Job], cluster: Cluster) -> dict[str, float]:
    bytes_mb = sum(job.task.read_mb + job.task.write_mb for job in jobs)
    compute_s = sum(job.compute_s for job in jobs)
    slowdown = cluster.slowdown if cluster.workers > 1 else 1.0
    return {
        "processors": cluster.start_s + compute_s * slowdown / (cluster.machines * cluster.workers),
        "store": bytes_mb / cluster.store_mb_s,
        "networks of the machines": bytes_mb / (cluster.network_mb_s * cluster.machines),
        "scheduler": len(jobs) * cluster.dispatch_s,
        "longest task": cluster.start_s + max((job.compute_s for job in jobs), default=0.0),
    }
