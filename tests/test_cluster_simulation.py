"""The simulation behind docs/howto/cluster.md agrees with what can be computed by hand."""

import importlib.util
import sys

import pytest

from fakes.checkout import ROOT

PATH = ROOT / "benchmarks" / "cluster_simulation.py"
_spec = importlib.util.spec_from_file_location("cluster_simulation", PATH)
assert _spec is not None and _spec.loader is not None
simulation = importlib.util.module_from_spec(_spec)
sys.modules["cluster_simulation"] = simulation
_spec.loader.exec_module(simulation)
Cluster, Task, simulate = simulation.Cluster, simulation.Task, simulation.simulate

ONE_SECOND = [Task(read_mb=0, compute_s=1, write_mb=0)] * 40


@pytest.mark.parametrize(
    ("machines", "workers", "wall_s"), [(1, 1, 40), (1, 2, 20), (4, 2, 5), (100, 1, 1)]
)
def test_equal_tasks_are_spread_evenly_over_the_workers(machines, workers, wall_s):
    assert simulate(ONE_SECOND, Cluster(machines, workers)).wall_s == pytest.approx(wall_s)


def test_a_killed_worker_costs_the_lost_work_and_a_start():
    run = simulate(ONE_SECOND, Cluster(1, 1, start_s=2), kill_worker_at_s=12.5)
    assert run.lost_s == pytest.approx(0.5)
    assert run.wall_s == pytest.approx(2 + 40 + 0.5 + 2)


def test_a_worker_that_starts_later_does_not_hold_up_the_others():
    run = simulate(ONE_SECOND, Cluster(1, 2, start_s=3), kill_worker_at_s=13)
    assert 23 < run.wall_s <= 26


def test_transfers_share_the_store_and_a_machine_is_not_faster_than_its_network():
    tasks = [Task(read_mb=100, compute_s=0, write_mb=100)] * 10
    assert simulate(tasks, Cluster(10, store_mb_s=50)).wall_s == pytest.approx(10 * 200 / 50)
    assert simulate(tasks, Cluster(10, store_mb_s=5000, network_mb_s=20)).wall_s == pytest.approx(
        200 / 20
    )
    assert simulate(tasks, Cluster(10, store_mb_s=50)).bottleneck == "store"


def test_the_scheduler_handles_one_task_after_the_other():
    run = simulate(ONE_SECOND, Cluster(40, dispatch_s=0.1))
    assert run.wall_s == pytest.approx(40 * 0.1 + 1)
    assert run.bottleneck == "scheduler"


def test_no_machine_gets_more_tasks_than_fit_into_its_memory():
    tasks = [Task(read_mb=0, compute_s=1, write_mb=0, memory_mib=600)] * 4
    assert simulate(tasks, Cluster(1, 4, memory_mib=1000)).wall_s == pytest.approx(4)
    with pytest.raises(ValueError, match="more memory"):
        simulate(tasks, Cluster(1, memory_mib=500))


def test_busy_machines_compute_more_slowly():
    assert simulate(ONE_SECOND, Cluster(1, 2, slowdown=1.5)).wall_s == pytest.approx(30, abs=1)


def test_every_task_is_done_although_machines_fail_and_the_same_seed_gives_the_same_run():
    tasks = [Task(read_mb=1, compute_s=60, write_mb=1)] * 500
    cluster = Cluster(5, 4, store_mb_s=100, hours_between_failures=0.2, straggler_share=0.05)
    run = simulate(tasks, cluster, seed=7)
    assert run.failures > 0 and run.lost_s > 0
    assert run.wall_s > max(run.bounds_s.values())
    assert simulate(tasks, cluster, seed=7) == run
    assert simulate(tasks, cluster, seed=8) != run
