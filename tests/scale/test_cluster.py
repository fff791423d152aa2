"""Work on a real Dask cluster: a scheduler and workers, which are killed, frozen, or not like this machine."""

import os
import re
import signal
import threading

import pytest

from fakes.checkout import ROOT
from fakes.dask import Cluster
from fakes.items import work
from fakes.waiting import HANG_S, wait_until
from fakes.when_used import import_when_used
from posezoo.core.errors import PosezooError
from posezoo.core.events import ClusterJoined, WarningIssued, WorkerChanged, ignore_event
from posezoo.core.pipeline.for_each import Outcome

dask = import_when_used("posezoo.scale.cluster")
executors = import_when_used("posezoo.scale.cluster_executor")

TESTS = ROOT / "tests"


@pytest.fixture
def start(tmp_path):
    """Starts clusters, which end with the test."""
    clusters = []

    def start(workers=2, *flags):
        folder = tmp_path / f"cluster-{len(clusters)}"
        folder.mkdir()
        clusters.append(Cluster(folder))
        for _ in range(workers):
            clusters[-1].add_worker(*flags)
        if workers:
            clusters[-1].wait_for_workers(workers)
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.close()


def run(cluster, items, listener=ignore_event, memory=lambda _item: 0, folders=(), wait_s=60.0):
    settings = {"folders": folders, "wait_s": wait_s, "listener": listener, "memory": memory}
    results = [each for _, each in dask.map_on_cluster(work, items, cluster.address, **settings)]
    return [(each.error.problem, 0) if isinstance(each, Outcome) else each for each in results]


def changes(events, *states):
    """The states that workers got, in their order, of those that the test asks for."""
    seen = [event.state for event in events if isinstance(event, WorkerChanged)]
    return [state for state in seen if state in states]


def processes(started):
    """The worker and its child that have begun an item, as it writes them to this file."""
    wait_until(lambda: started.is_file() and " " in started.read_text())
    return list(map(int, started.read_text().split()))


def in_background(function, *args):
    """Call a function in a thread; returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()

    def join():
        thread.join(2 * HANG_S)
        assert results, "no result"
        return results[0]

    return join


def test_results_have_the_items_order_and_crashes_fail_alone(start, tmp_path):
    cluster, events = start(2), []
    once = f"die-once {tmp_path / 'died'}"
    items = ["slow", "a", "die", once, "b"]
    names = [name for name, _ in run(cluster, items, events.append, folders=[tmp_path / "new"])]
    assert names == [
        "slow",
        "a",
        "die: its process ended early, with exit code 9, twice",
        once,
        "b",
    ]
    joined, *others = events
    assert joined == ClusterJoined(cluster.address, 2, joined.dashboard)
    expected = ["a", "b", "die", "die", once, once, "slow"]
    messages = [event.message for event in others if isinstance(event, WarningIssued)]
    assert sorted(message.removeprefix("works on ") for message in messages) == expected
    assert list((tmp_path / "new").iterdir()) == []  # the probe is removed


def test_a_worker_that_is_silent_for_a_while_is_reported_and_keeps_its_item(start, tmp_path):
    cluster, started, events = start(1), tmp_path / "started", []
    join = in_background(run, cluster, [f"stop-once {started}"], events.append)
    worker, child = processes(started)
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: changes(events, "silent"), "the report of the silent worker")
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: changes(events, "answers"), "the report that it answers again")
    os.kill(child, signal.SIGKILL)
    assert [name for name, _ in join()] == [f"stop-once {started}"]
    assert changes(events, "lost", "joined") == []


def test_a_cluster_without_workers_is_a_warning_at_once_and_an_error_later(start):
    cluster, events = start(0), []
    with pytest.raises(PosezooError, match="no worker has answered for 2 s") as error:
        run(cluster, ["a"], events.append, wait_s=2.0)
    assert error.value.hint.startswith(f"start one: dask worker {cluster.address}")
    (warning,) = events
    assert "no worker answers; waiting 2 s" in warning.message


def test_an_error_names_the_worker_where_it_happened(start):
    from posezoo.core.pipeline.for_each import for_each

    executor = executors.ClusterExecutor(scheduler=start(1).address)
    (outcome,) = for_each(["refuse"], work, executor=executor)
    with pytest.raises(
        RuntimeError, match=r"(?m)ValueError\('raise'\) on the worker tcp://127.0.0.1:\d+$"
    ):
        list(for_each(["raise"], work, executor=executor))
    assert re.fullmatch(
        r"refuse: refused \(on the worker tcp://127.0.0.1:\d+\)", outcome.error.problem
    )


def test_an_item_that_kills_two_workers_fails_alone(start):
    names = [name for name, _ in run(start(2), ["a", "kill-worker", "b"])]
    assert names == ["a", "kill-worker: its worker ended early, 2 times", "b"]


def test_an_item_without_enough_memory_fails_alone(start):
    from posezoo.core.pipeline.for_each import for_each

    cluster = start(0)
    cluster.add_worker(limits_memory=True)
    cluster.wait_for_workers(1)
    executor = executors.ClusterExecutor(scheduler=cluster.address)
    first, second = for_each([f"allocate {64 << 30}", "a"], work, executor=executor)
    assert first.error.problem.startswith(
        f"allocate {64 << 30}: there is not enough memory (on the worker "
    )
    assert second.result[0] == "a"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "no-such-host.invalid:8786"])
def test_an_address_without_a_scheduler_is_an_error(address):
    with pytest.raises(PosezooError, match="no Dask scheduler answers") as error:
        list(executors.ClusterExecutor(scheduler=address).map(work, ["a"], print, lambda _item: 0))
    assert error.value.problem.startswith(address)


def test_a_worker_with_another_version_is_refused_with_both(start, tmp_path):
    import numpy

    fake = tmp_path / "packages" / "numpy-0.1.dist-info" / "METADATA"
    fake.parent.mkdir(parents=True)
    fake.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    cluster = start(0)
    cluster.add_worker(PYTHONPATH=str(tmp_path / "packages"))
    cluster.wait_for_workers(1)
    with pytest.raises(
        PosezooError, match=rf"(?m)^tcp:.*: has numpy 0\.1, this machine has {numpy.__version__}$"
    ):
        run(cluster, ["a"])


@pytest.mark.parametrize("part", ["worker", "scheduler"])
def test_a_part_without_posezoo_is_an_error(tmp_path, part):
    package = tmp_path / "packages" / "posezoo" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("raise ModuleNotFoundError(\"No module named 'posezoo'\")\n")
    without = {"PYTHONPATH": str(package.parents[1])}
    cluster = Cluster(tmp_path, **(without if part == "scheduler" else {}))
    try:
        cluster.add_worker(**without)
        cluster.wait_for_workers(1)
        with pytest.raises(
            PosezooError, match=r"cannot import posezoo: .*No module named 'posezoo'"
        ) as error:
            run(cluster, ["a"])
        assert error.value.hint.startswith("install posezoo")
    finally:
        cluster.close()


def test_items_wait_for_the_memory_that_they_need(start, tmp_path):
    cluster, events = start(1, "--nthreads", "2", "--resources", "MEMORY=1e9"), []
    names = [
        name
        for name, _ in run(
            cluster, ["slow", "slow ", "a"], events.append, memory=lambda _: 6 * 10**8
        )
    ]
    assert names == ["slow", "slow ", "a"]
    assert not any("may need" in getattr(event, "message", "") for event in events)
    # One that needs more than any worker has gets the largest.
    ((name, _),) = run(cluster, ["a"], events.append, memory=lambda _: 3 * 10**9)
    assert name == "a"
    assert WarningIssued("a: may need 3.0 GB, the largest worker has 1.0 GB") in events
