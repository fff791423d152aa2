"""Python functions that run on the workers of a Dask cluster.

A worker calls them in a child process, so a crash ends neither the worker nor its connection; Dask
assigns items again if one is lost. Only posezoo's own functions and values are sent; anyone who can
connect to a scheduler can run code on it.
"""

from __future__ import annotations

import copyreg
import io
import logging
import pickle
import platform
import socket
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, fields, replace
from functools import lru_cache, partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    Scheduler,
    Worker,
    WorkerPlugin,
    get_worker,
)
from distributed.system import MEMORY_LIMIT

from posezoo.core.errors import ConversionError, PosezooError, os_reason, redact_secrets
from posezoo.core.events import (
    ClusterJoined,
    Event,
    Listener,
    WarningIssued,
    WorkerChanged,
    WorkStarted,
)
from posezoo.core.pipeline.for_each import Attempt, Outcome, report_lost
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings, config_files, read_settings, to_settings
from posezoo.core.values import frozen
from posezoo.core.versions import package_versions, version
from posezoo.core.workers.processes import ChildPool, ProcessEndedError
from posezoo.core.workers.threads import Cancelled, Item, Result, ThreadPool

_INSTALL = "install posezoo, in the same version, where the scheduler and the workers run"
_RUN_AGAIN = "run the command again: models that are done are kept"

# How long to wait for the scheduler's dashboard.
_DASHBOARD_S = 2.0
# How long to wait for the scheduler's first answer.
_CONNECT_S = 10.0
# How often the workers are looked at, and how long their scheduler may take to list them.
_POLL_S = 1.0
_ANSWER_S = 30.0
# A child process of a worker ends after this time without work.
_IDLE_S = 60.0
# The name of the resource, in bytes; `dask worker --resources MEMORY=8e9` declares it, too.
_MEMORY = "MEMORY"


def map_on_cluster(
    attempt: Attempt[Item, Result],
    items: Sequence[Item],
    address: str,
    *,
    folders: Sequence[Path],
    wait_s: float,
    listener: Listener,
    memory: Callable[[Item], int],
) -> Iterator[tuple[str, Outcome[Item, Result]]]:
    """The address of a worker, and its outcome, for each item; in the order of the items.

    Args:
        address: of the Dask scheduler, such as ``tcp://host:8786``.
        folders: folders, or files in them, that every worker must share.
        wait_s: how long to wait for a worker at any time.

    Raises:
        PosezooError: there is no scheduler or no worker, the connection was lost, the versions on a
            worker are others, or it does not see a folder.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_connect(address))
        probes = tuple(stack.enter_context(_probe(each)) for each in folders)
        run = _ClusterRun(attempt, _versions(), probes)
        content = _pickle(run)
        _check_scheduler(client, address)
        monitor = _WorkerMonitor(client, address, listener, wait_s)
        largest = _prepare_workers(client, address, content, monitor, listener=listener)
        client.subscribe_topic(run.topic, lambda event: listener(pickle.loads(event[1])))
        submit = partial(client.submit, _run_item, content, pure=False)
        futures: list[Future[Any]] = []
        stack.callback(lambda: _within(_CONNECT_S, partial(client.cancel, futures, force=True)))
        for item in items:
            needed = _claimed_memory(item, memory(item), largest, listener)
            pickled = _pickle(item)
            futures.append(submit(pickled, resources={_MEMORY: needed} if needed else None))
        fetched: dict[object, Any] = {}
        for number, (item, future) in enumerate(zip(items, futures, strict=True)):
            if future.key not in fetched:
                monitor.wait_for(future)
                fetched = _fetch_finished(client, islice(futures, number, None))
            try:
                worker, content = fetched.get(future.key) or future.result()
                yield worker, pickle.loads(content)
            except KilledWorker as error:
                ended = f"its worker ended early, {error.allowed_failures + 1} times"
                explained = ConversionError(ended, hint="is there enough memory?")
                yield error.last_worker.address, report_lost(item, explained, listener)
            except CancelledError as error:
                raise _scheduler_lost(address) from error
            future.release()
        with suppress(PosezooError):  # all results are here
            monitor.look()


def _fetch_finished(client: Client, futures: Iterable[Future[Any]]) -> dict[object, Any]:
    """The results of the first futures, as far as they are finished, by their keys.

    One request for each would take longer than a short task. If one of them is lost meanwhile, none
    is fetched: each future has its own error.
    """
    finished = [*takewhile(lambda future: future.status == "finished", futures)]
    with suppress(Exception):
        results = client.gather(finished)
        return {future.key: result for future, result in zip(finished, results, strict=True)}
    return {}


def _claimed_memory(item: object, needed: int, largest: int, listener: Listener) -> int:
    """The memory in bytes that an item needs, but no more than the largest worker has (0: not
    known).
    """
    if not 0 < largest < needed:
        return needed
    name = getattr(item, "full_name", item)
    sizes = f"{needed / 1e9:.1f} GB, the largest worker has {largest / 1e9:.1f} GB"
    listener(WarningIssued(f"{name}: may need {sizes}"))
    return largest


@frozen
class _ClusterRun:
    """What all items of one run share; it is pickled for the workers."""

    attempt: Attempt[Any, Any]
    versions: dict[str, str]
    probes: tuple[Path, ...]  # files that every worker must see
    topic: str = field(default_factory=lambda: f"posezoo-{uuid.uuid4()}")  # of its events

    def refuse_worker(self, address: str) -> None:
        here = self.versions
        there = _versions()
        for name in here:
            if here[name] != there.get(name):
                raise PosezooError(
                    f"{address}: has {name} {there.get(name, '(none)')}, this machine has"
                    f" {here[name]}",
                    hint="install the same versions on all workers",
                )
        for probe in self.probes:
            if not probe.is_file():
                raise PosezooError(
                    f"{address}: does not see the folder {probe.parent} of this machine",
                    hint="use a folder that all workers share",
                )


def _reduce_context(context: Context) -> tuple[Any, ...]:
    """How ``copyreg`` pickles a context for a worker: without the secrets of this machine."""
    # Mirrors without secrets; of a folder the absolute path.
    shown = tuple(
        redact_secrets(mirror) if "://" in mirror else f"{Path(mirror).absolute()}"
        for mirror in context.settings.mirror
    )
    changed = {
        "settings": replace(context.settings, header=(), mirror=shown),
        "download_options": replace(
            context.download_options, headers=(), mirrors=shown, proxies={}
        ),
    }
    values = {each.name: getattr(context, each.name) for each in fields(context)}
    return _open_on_worker, (values | changed,)


def _open_on_worker(values: dict[str, Any]) -> Context:
    """The context of another machine with the headers of this one, and its passwords for the same
    mirrors.
    """
    path = next(iter(config_files()), None)
    worker_settings = _worker_settings(path, path.stat().st_mtime_ns if path else 0)
    by_shown_address = {redact_secrets(mirror): mirror for mirror in worker_settings.mirror}
    settings = values["settings"]
    mirror = tuple(by_shown_address.get(each, each) for each in settings.mirror)
    options = replace(values["download_options"], headers=worker_settings.header, mirrors=mirror)
    settings = replace(settings, header=worker_settings.header, mirror=mirror)
    return Context(**values | {"settings": settings, "download_options": options})


@lru_cache(maxsize=1)  # each item of a run brings a context
def _worker_settings(_path: Path | None, _changed_ns: int) -> Settings:
    """This machine's settings; the arguments say which version of posezoo.cfg they are from."""
    return to_settings(read_settings())


class _Pickler(pickle.Pickler):
    """Pickles values for another machine, which runs in another folder."""

    def reducer_override(self, value: Any) -> Any:
        return value.absolute().__reduce__() if isinstance(value, Path) else NotImplemented


def _pickle(value: object) -> bytes:
    content = io.BytesIO()
    pickler = _Pickler(content)
    pickler.dispatch_table = {**copyreg.dispatch_table, Context: _reduce_context}
    pickler.dump(value)
    return content.getvalue()


def _versions() -> dict[str, str]:
    packages = package_versions("openvino", "numpy", "torch", "nncf")
    release = version().partition("+")[0]  # a wheel does not know its commit
    return {"posezoo": release, "Python": platform.python_version(), **packages}


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """An empty file in a folder, by which a worker recognises it; or the file itself, if it is
    one.
    """
    if folder.is_file():
        yield folder.absolute()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".posezoo-probe-", dir=folder) as file:
            yield Path(file.name).absolute()
    except OSError as error:
        raise PosezooError(f"{folder}: cannot be written: {os_reason(error)}") from error


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    # Dask logs each lost worker, with tracebacks; what matters to the user is reported as events.
    # Some of its loggers have a level of their own.
    for name in ("distributed", *logging.Logger.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        # Dask reports less.
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
        # Dask's warning about versions is superseded by _check_workers.
        warnings.filterwarnings("ignore", module="distributed")
        # Dask waits without limit for a server that is no scheduler.
        start = partial(Client, address, timeout=_CONNECT_S, set_as_default=False, name="posezoo")
        client: Client = _within(2 * _CONNECT_S, start)
    except (OSError, OverflowError, RuntimeError, TypeError, ValueError, NoAnswerError) as error:
        raise PosezooError(
            f"{address}: no Dask scheduler answers: {' '.join(str(error).split()) or 'timeout'}",
            hint="start one: dask scheduler; then workers: dask worker ADDRESS --nthreads 1",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=_CONNECT_S)


def _within(seconds: float, call: Callable[[], Result]) -> Result:
    """The result of a call in another thread; raises NoAnswerError at the time limit."""
    return _in_background(call).result(seconds)


def _in_background(call: Callable[[], Result]) -> ThreadFuture[Result]:
    """The result of a call in a thread that ends with it: the workers are looked at every
    second.
    """
    pool = ThreadPool(1)
    future = pool.submit(call)
    pool.close()
    return future


def _scheduler_lost(address: str) -> PosezooError:
    return PosezooError(f"{address}: the connection to the scheduler was lost", hint=_RUN_AGAIN)


@frozen
class _WorkerState:
    address: str
    nanny: str  # the address of the process that restarts it; empty if there is none
    is_silent: bool


def _list_workers(dask_scheduler: Scheduler) -> dict[str, _WorkerState]:
    """Runs on the scheduler: its workers by their identities, which no other worker at an address
    shares.
    """
    limit_s = max(3.0, (dask_scheduler.worker_ttl or 300) / 10)
    latest = time.time() - limit_s
    states = {}
    for worker in dask_scheduler.workers.values():
        is_silent = worker.last_seen < latest
        states[worker.server_id] = _WorkerState(worker.address, worker.nanny or "", is_silent)
    return states


class _WorkerMonitor:
    """Reports which workers are lost, silent or new, and ends a run that has had none for
    ``wait_s``.
    """

    def __init__(self, client: Client, address: str, listener: Listener, wait_s: float) -> None:
        self._client = client
        self._address = address
        self._listener = listener
        self._wait_s = wait_s
        self._workers = self._list()
        self._looked_at = time.monotonic()
        self._lost_nannies: set[str] = set()
        self._deserted_at: float | None = None  # since when no worker answers

    def wait_for_workers(self) -> list[str]:
        while not (answering := self._answering()):
            self.look()
            time.sleep(_POLL_S)
        return answering

    def wait_for(self, future: Future[Any]) -> None:
        done = threading.Event()
        future.add_done_callback(lambda _future: done.set())
        while not done.wait(_POLL_S) or time.monotonic() > self._looked_at + _POLL_S:
            self.look()

    def look(self) -> None:
        self._looked_at = time.monotonic()
        before = self._workers
        self._workers = self._list()
        count = len(self._answering())
        for worker, state in self._changes(before):
            self._listener(WorkerChanged(worker, state, count))
        start = f"start one: dask worker {self._address} --nthreads 1"
        if count:
            self._deserted_at = None
        elif self._deserted_at is None:
            self._deserted_at = time.monotonic()
            text = (
                f"{self._address}: no worker answers; waiting {self._wait_s:g} s for one; {start}"
            )
            self._listener(WarningIssued(text))
        elif time.monotonic() - self._deserted_at >= self._wait_s:
            problem = f"{self._address}: no worker has answered for {self._wait_s:g} s"
            raise PosezooError(problem, hint=start)

    def _answering(self) -> list[str]:
        return [worker.address for worker in self._workers.values() if not worker.is_silent]

    def _changes(self, before: dict[str, _WorkerState]) -> Iterator[tuple[str, str]]:
        for gone in before.keys() - self._workers.keys():
            self._lost_nannies.add(before[gone].nanny)
            yield before[gone].address, "lost"
        for key, worker in self._workers.items():
            if key not in before:
                is_restart = worker.nanny and worker.nanny in self._lost_nannies
                yield worker.address, "restarted" if is_restart else "joined"
            elif worker.is_silent != before[key].is_silent:
                yield worker.address, "silent" if worker.is_silent else "answers"

    def _list(self) -> dict[str, _WorkerState]:
        ask = partial(self._client.run_on_scheduler, _list_workers)
        try:
            return _within(_ANSWER_S, ask)
        except NoAnswerError as error:
            problem = f"{self._address}: the scheduler has not answered for {_ANSWER_S:g} s"
            raise PosezooError(problem, hint=_RUN_AGAIN) from error
        except (OSError, CancelledError) as error:
            raise _scheduler_lost(self._address) from error


def _check_scheduler(client: Client, address: str) -> None:
    try:
        client.run_on_scheduler(_versions)
    except Exception as error:  # whatever its import raises
        problem = f"{address}: the scheduler cannot import posezoo: {error}"
        raise PosezooError(problem, hint=_INSTALL) from error


def _prepare_workers(
    client: Client, address: str, content: bytes, monitor: _WorkerMonitor, listener: Listener
) -> int:
    """Report the cluster, and refuse workers that cannot do this run.

    Returns:
        The memory of the largest worker in bytes; 0 if it is not known.
    """
    workers = monitor.wait_for_workers()
    prepare = partial(client.run, _prepare_worker, content, workers=workers, on_error="return")
    answers: dict[str, object] = {}
    # One is frozen, which the monitor reports; each task checks its worker again.
    with suppress(NoAnswerError):
        answers = _within(_ANSWER_S, prepare)
    for worker, answer in answers.items():
        if isinstance(answer, PosezooError):
            raise answer
        if isinstance(answer, OSError):  # it has just ended
            continue
        if isinstance(answer, BaseException):
            raise PosezooError(
                f"{worker}: cannot import posezoo: {answer}", hint=_INSTALL
            ) from answer
    # For workers that come later; it would wait for one that is frozen.
    _in_background(partial(client.register_plugin, _DeclareMemory()))
    info = client.scheduler_info(n_workers=-1)
    listener(
        ClusterJoined(
            address,
            len(info["workers"]),
            _find_dashboard(client) if "dashboard" in info["services"] else "",
        )
    )
    return max(
        (int(each["resources"].get(_MEMORY, 0)) for each in info["workers"].values()), default=0
    )


def _find_dashboard(client: Client) -> str:
    """The address of the scheduler's dashboard; empty if it does not answer here.

    The scheduler also names one that it cannot draw, and one behind a firewall.
    """
    address: str = client.dashboard_link
    opener = build_opener(ProxyHandler({}))  # a proxy would not reach it
    try:
        with opener.open(address, timeout=_DASHBOARD_S):
            return address
    except (OSError, ValueError):
        return ""


async def _prepare_worker(content: bytes, dask_worker: Worker) -> None:
    pickle.loads(content).refuse_worker(dask_worker.address)
    await _DeclareMemory().setup(dask_worker)


class _DeclareMemory(WorkerPlugin):
    """Declares the memory of each worker that was not started with ``--resources MEMORY=...``."""

    name = "posezoo-memory"

    async def setup(self, worker: Worker) -> None:
        if _MEMORY not in worker.state.total_resources:
            limit = worker.memory_manager.memory_limit
            await worker.set_resources(**{_MEMORY: limit or MEMORY_LIMIT})


@lru_cache(maxsize=4)
def _open_run(content: bytes) -> tuple[_ClusterRun, ChildPool[Any, Any]]:
    run: _ClusterRun = pickle.loads(content)
    run.refuse_worker(get_worker().address)
    return run, ChildPool(run.attempt, threads=1, idle_s=_IDLE_S)


def _run_item(content: bytes, pickled_item: bytes) -> Any:
    """Runs on a worker, in one of its threads."""
    run, pool = _open_run(content)
    worker = get_worker()
    key = worker.get_current_task()

    def report(event: Event) -> None:
        if isinstance(event, WorkStarted):
            event = replace(event, worker=worker.address)
        worker.log_event(run.topic, _pickle(event))

    def check() -> None:
        # Dask does not interrupt a function that runs: it only marks its task.
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled" or worker.status.name.startswith("clos"):
            raise Cancelled

    item = pickle.loads(pickled_item)
    with suppress(Cancelled):
        try:
            result = pool.call(report, item, check)
        except ProcessEndedError as error:
            result = report_lost(item, error, report)
        except PosezooError:
            raise
        except Exception as error:  # a bug; Dask sends no causes
            raise RuntimeError(
                f"{error.__cause__}{error!r} on the worker {worker.address}"
            ) from error
        return worker.address, _pickle(result)
