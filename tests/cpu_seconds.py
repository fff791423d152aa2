"""A plug-in of pytest that measures the CPU seconds of each test: pytest -p cpu_seconds --cpu_seconds FILE -n 2"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

#: A test that takes longer runs once more, and its faster run counts: the first time, it may have imported a package,
#: or started a process, for all tests that follow. What takes longer than LONG_S does something else, too.
AGAIN_S, LONG_S = 0.2, 2.0


@dataclass
class Measured:
    """What a run gives."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    collecting_cpu_s: list[float] = field(default_factory=list)  # of each worker
    not_passed: dict[str, str] = field(
        default_factory=dict
    )  # tests and files, and what pytest says


_measured = Measured()
_shared_s = 0.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu_seconds", help="write the CPU seconds of each test into this JSON file")


def pytest_collection_finish() -> None:
    _measured.collecting_cpu_s.append(read_cpu_s())


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    """What several tests share counts for none of them: the first would pay for all."""
    global _shared_s
    if fixturedef.scope == "function":
        return (yield)
    shared_s, begun = _shared_s, read_cpu_s()
    try:
        return (yield)
    finally:
        _shared_s = shared_s + read_cpu_s() - begun


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: Any, nextitem: Any) -> Iterator[None]:
    shared_s, begun = _shared_s, read_cpu_s()
    ran = yield
    cpu_s = read_cpu_s() - begun - (_shared_s - shared_s)
    if AGAIN_S < cpu_s < LONG_S:
        item._initrequest()
        begun = read_cpu_s()
        runtestprotocol(item, log=False, nextitem=nextitem)
        cpu_s = min(cpu_s, read_cpu_s() - begun)
    _measured.cpu_s[item.nodeid] = round(cpu_s, 3)
    return ran


def read_cpu_s() -> float:
    """The CPU seconds of this process and of all that it started, also of those that still run.

    A process that works for many tests, such as the one that reads networks, is waited for at the end: ``os.times``
    would count all its work there.
    """
    children: dict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = path.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        process = int(path.parent.name)
        children[int(values[1])].append(process)
        ticks[process] = sum(map(int, values[11:15]))
    waiting, total = [os.getpid()], 0
    while waiting:
        process = waiting.pop()
        total += ticks.get(process, 0)
        waiting += children[process]
    return total / os.sysconf("SC_CLK_TCK")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if not report.passed and not hasattr(report, "wasxfail"):
        _measured.not_passed[report.nodeid] = str(report.longrepr)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if not report.passed:
        _measured.not_passed[report.nodeid] = str(report.longrepr)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands on what it measured."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = asdict(_measured)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The controller gathers it."""
    if measured := getattr(node, "workeroutput", {}).get("measured"):
        _measured.cpu_s.update(measured["cpu_s"])
        _measured.collecting_cpu_s.extend(measured["collecting_cpu_s"])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workeroutput") and config.option.cpu_seconds:
        Path(config.option.cpu_seconds).write_text(json.dumps(asdict(_measured)), "utf-8")
