"""Python functions that run on the workers of a Dask cluster.

A worker calls them in a child process, as a local pool does, so a crash, for example for lack of memory,
ends neither the worker nor its connection. Dask assigns the items to the workers, and again if one is lost.
Only posezoo's own functions and values are sent; anyone who can connect to a scheduler can run code on it.
"""

from __future__ import annotations

import logging
import pickle
import platform
import socket
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from distributed import CancelledError, Client, Future, KilledWorker, Worker, WorkerPlugin, get_worker
from distributed.system import MEMORY_LIMIT

from posezoo.errors import ConversionError, PosezooError
from posezoo.events import ClusterJoined, Event, Listener, WarningIssued
from posezoo.versions import package_versions, version
from posezoo.workers.processes import ChildPool, ProcessEndedError
from posezoo.workers.threads import Cancelled, ThreadPool

Item = TypeVar("Item")
Result = TypeVar("Result")

# How long to wait for the scheduler's first answer.
_CONNECT_S = 10.0
# A child process of a worker ends after this time without work.
_IDLE_S = 60.0
# The name of the resource, in bytes; `dask worker --resources MEMORY=8e9` declares it, too.
_MEMORY = "MEMORY"


def map_on_cluster(
    work: Callable[[Item, Listener], Result],
    items: Sequence[Item],
    address: str,
    listener: Listener,
    lost: Callable[[Item, ConversionError], Result],
    *,
    folders: Sequence[Path] = (),
    memory: Callable[[Item], int] = lambda _item: 0,
) -> Iterator[Result]:
    """The result for each item, in the order of the items.

    Args:
        work, listener, lost: as for ``map_in_processes``.
        address: of the Dask scheduler, such as ``tcp://host:8786``.
        folders: the folders, or files in folders, that every worker must share with this machine.
        memory: the bytes of memory that an item needs.

    Raises:
        PosezooError: there is no scheduler, the connection was lost, the versions on a worker are others, or
            it does not see a folder.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_connect(address))
        run = _Run(work, lost, _versions(), tuple(stack.enter_context(_probe(each)) for each in folders))
        largest = _check_workers(client, address, run, listener)
        client.subscribe_topic(run.topic, lambda event: listener(pickle.loads(event[1])))
        futures: list[Future[Any]] = []
        stack.callback(lambda: client.cancel(futures, force=True))
        content = pickle.dumps(run)
        for item in items:
            needed = memory(item)
            if largest is not None and needed > largest:
                name = getattr(item, "full_name", item)
                sizes = f"{needed / 1e9:.1f} GB, the largest worker has {largest / 1e9:.1f} GB"
                listener(WarningIssued(f"{name}: may need {sizes}"))
                needed = largest
            resources = {_MEMORY: needed} if needed else None
            futures.append(
                client.submit(_run_item, content, pickle.dumps(item), pure=False, resources=resources)
            )
        for item, future in zip(items, futures, strict=True):
            try:
                result = cast("Result", future.result())
            except KilledWorker as error:
                ended = f"its worker ended early, {error.allowed_failures + 1} times"
                result = lost(item, ConversionError(ended, hint="is there enough memory?"))
            except CancelledError as error:
                raise PosezooError(
                    f"{address}: the connection to the scheduler was lost",
                    hint="run the command again: models that are done are kept",
                ) from error
            yield result
            future.release()


@dataclass(frozen=True, slots=True)
class _Run:
    """What all items of one run share; it is pickled for the workers."""

    work: Callable[..., Any]
    lost: Callable[..., Any]
    versions: dict[str, str]
    probes: tuple[Path, ...]  # files that every worker must see
    topic: str = field(default_factory=lambda: f"posezoo-{uuid.uuid4()}")  # of its events

    def refuse_worker(self, address: str) -> None:
        """Make sure that this process has the client's versions and folders."""
        here, there = self.versions, _versions()
        for name in here:
            if here[name] != there.get(name):
                raise PosezooError(
                    f"{address}: has {name} {there.get(name, '(none)')}, this machine has {here[name]}",
                    hint="install the same versions on all workers",
                )
        for probe in self.probes:
            if not probe.is_file():
                raise PosezooError(
                    f"{address}: does not see the folder {probe.parent} of this machine",
                    hint="use a folder that all workers share",
                )


def _versions() -> dict[str, str]:
    """The versions that the results, or the pickled values, depend on."""
    packages = package_versions("openvino", "numpy", "torch", "nncf")
    return {"posezoo": version(), "Python": platform.python_version(), **packages}


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """An empty file in a folder, by which a worker recognises it; or the file itself, if it is one."""
    if folder.is_file():
        yield folder.absolute()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".posezoo-probe-", dir=folder) as file:
            yield Path(file.name).absolute()
    except OSError as error:
        raise PosezooError(f"{folder}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    # Dask logs each lost worker, with tracebacks; what matters to the user is reported as events.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()  # Dask reports less
        # Dask's warning about versions is superseded by _check_workers.
        warnings.filterwarnings("ignore", module="distributed")
        # In another thread, since Dask waits without limit for a server that is no scheduler.
        start = partial(Client, address, timeout=_CONNECT_S, set_as_default=False, name="posezoo")
        client: Client = ThreadPool(1).submit(start).result(2 * _CONNECT_S)
    except (OSError, OverflowError, RuntimeError, TypeError, ValueError, NoAnswerError) as error:
        raise PosezooError(
            f"{address}: no Dask scheduler answers: {' '.join(str(error).split()) or 'timeout'}",
            hint="start one: dask scheduler; then workers: dask worker ADDRESS --nthreads 1",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=_CONNECT_S)


def _check_workers(client: Client, address: str, run: _Run, listener: Listener) -> int | None:
    """Report the cluster, and refuse workers that cannot do this run.

    Returns:
        The memory of the largest worker in bytes; None if there is no worker yet.
    """
    install = "install posezoo, in the same version, where the scheduler and the workers run"
    try:
        client.run_on_scheduler(_versions)
    except Exception as error:  # whatever its import raises
        problem = f"{address}: the scheduler cannot import posezoo: {error}"
        raise PosezooError(problem, hint=install) from error
    for worker, answer in client.run(_refuse_worker, pickle.dumps(run), on_error="return").items():
        if isinstance(answer, PosezooError):
            raise answer
        if isinstance(answer, BaseException):
            raise PosezooError(f"{worker}: cannot import posezoo: {answer}", hint=install) from answer
    client.register_plugin(_DeclareMemory())
    info = client.scheduler_info(n_workers=-1)
    listener(
        ClusterJoined(
            address, len(info["workers"]), client.dashboard_link if "dashboard" in info["services"] else ""
        )
    )
    return max((int(worker["resources"][_MEMORY]) for worker in info["workers"].values()), default=None)


def _refuse_worker(content: bytes, dask_worker: Worker) -> None:
    pickle.loads(content).refuse_worker(dask_worker.address)


class _DeclareMemory(WorkerPlugin):
    """Declares the memory of each worker that was not started with ``--resources MEMORY=...``."""

    name = "posezoo-memory"

    async def setup(self, worker: Worker) -> None:
        if _MEMORY not in worker.state.total_resources:
            limit = worker.memory_manager.memory_limit
            await worker.set_resources(**{_MEMORY: limit or MEMORY_LIMIT})


@lru_cache(maxsize=4)
def _open_run(content: bytes) -> tuple[_Run, ChildPool[Any, Any]]:
    run: _Run = pickle.loads(content)
    run.refuse_worker(get_worker().address)
    return run, ChildPool(run.work, threads=1, idle_s=_IDLE_S)


def _run_item(content: bytes, pickled_item: bytes) -> Any:
    """Runs on a worker, in one of its threads."""
    run, pool = _open_run(content)
    worker, key = get_worker(), get_worker().get_current_task()

    def report(event: Event) -> None:
        worker.log_event(run.topic, pickle.dumps(event))

    def check() -> None:
        # Dask does not interrupt a function that runs: it only marks its task.
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled" or worker.status.name.startswith("clos"):
            raise Cancelled

    item = pickle.loads(pickled_item)
    with suppress(Cancelled):
        try:
            return pool.call(report, item, check)
        except ProcessEndedError as error:
            return run.lost(item, error)
