"""Python functions in child processes: results, errors, and processes that end early."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.items import LockedError, PairError, is_running, lost, raise_error, work
from fakes.waiting import HANG_S, wait_until
from posezoo.core.errors import ConversionError
from posezoo.core.events import ignore_event
from posezoo.core.workers import program
from posezoo.core.workers.processes import (
    ChildPool,
    ChildProcess,
    ProcessEndedError,
    map_in_processes,
    never_cancelled,
    run_in_child,
)
from posezoo.core.workers.program import run_program

TESTS = ROOT / "tests"


def test_results_come_in_the_items_order_from_at_most_two_processes():
    items = ["slow", *map(str, range(6))]
    answers = list(map_in_processes(work, items, 2, ignore_event, lost))
    assert [name for name, _ in answers] == items
    processes = {process for _, process in answers}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2


def test_an_item_that_ends_its_process_twice_fails_alone():
    items = ["a", "die", "b", "die", "c"]
    answers = [name for name, _ in map_in_processes(work, items, 2, ignore_event, lost)]
    died = "die: its process ended early, with exit code 9, twice"
    assert answers == ["a", died, "b", died, "c"]


def test_an_item_whose_process_is_lost_once_is_done_by_another(tmp_path):
    item = f"die-once {tmp_path / 'died'}"
    ((name, _),) = map_in_processes(work, [item], 2, ignore_event, lost)
    assert name == item


def test_events_of_the_processes_reach_the_listener():
    events = []
    list(map_in_processes(work, ["a", "b"], 2, events.append, lost))
    assert sorted(event.message for event in events) == ["works on a", "works on b"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_processes_that_ended_leave_no_open_file():
    def run():
        list(map_in_processes(work, ["a", "b"], 2, ignore_event, lost))

    def count_open_files():
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    run()  # it imports modules
    before = count_open_files()
    run()
    wait_until(lambda: count_open_files() <= before)


@pytest.mark.parametrize("work", ["hang", "never-react"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_and_what_it_started_ends_with_its_parent(tmp_path, number, work):
    """Also one that has no time to end what it started, since it computes in a library."""
    started = tmp_path / "started"
    code = (
        f"import signal, sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fakes.items import is_running, lost, work\n"
        "from posezoo.core.workers.processes import map_in_processes\n"
        f"list(map_in_processes(work, ['{work} {started}'], 2, print, None))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_until(lambda: started.is_file() and started.read_text().count(" ") == 1)
    parent.send_signal(number)
    parent.wait(HANG_S)
    for process in started.read_text().split():
        wait_until(lambda pid=process: not is_running(pid), f"the end of {process}")


def test_a_process_ends_without_a_traceback_although_python_ignores_its_exit(capfd):
    process, end = ChildProcess(work), time.monotonic() + HANG_S

    def check():
        assert time.monotonic() < end, "the process goes on"

    try:
        with pytest.raises(ProcessEndedError):
            process.call(("ignore-the-end",), check, ignore_event)
    finally:
        process.terminate()
    assert capfd.readouterr().err == ""


def test_what_the_work_raises_is_raised_here():
    with pytest.raises(ValueError, match="raise"):
        list(map_in_processes(work, ["a", "raise"], 2, ignore_event, lost))


def test_the_error_of_a_function_in_a_child_is_raised_here():
    with pytest.raises(ValueError, match="raise"):
        run_in_child(work, "raise", ignore_event, of="model")


@pytest.mark.parametrize("kind", [LockedError, PairError])
def test_an_error_that_cannot_be_pickled_keeps_its_text(kind):
    with pytest.raises(RuntimeError, match=f"(?m)^{kind.__name__}: out of luck$") as failure:
        run_in_child(raise_error, kind, of="model")
    assert "in raise_error\n" in str(failure.value.__cause__), "it also says where it was raised"


def test_a_child_that_dies_is_reported_with_the_name_of_its_model():
    with pytest.raises(
        ConversionError, match=r"(?m)^model: its process ended early, with exit code 9$"
    ) as failure:
        run_in_child(work, "die", ignore_event, of="model")
    assert failure.value.hint == "is there enough memory?"


def test_a_process_without_work_ends_and_the_next_call_starts_another():
    pool = ChildPool(work, idle_s=0.1)
    try:
        _, process = pool.call(ignore_event, "a", never_cancelled)
        wait_until(lambda: not is_running(process))
        assert pool.call(ignore_event, "b", never_cancelled)[0] == "b"
    finally:
        pool.close()


def test_what_a_process_prints_is_printed_here(capsys):
    run_in_child(print, "printed", of="model")
    assert capsys.readouterr().out == "printed\n"


def test_a_process_that_cannot_start_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(program, "find_interpreter", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(ConversionError, match=r"^model: no process could be started: .*nowhere"):
        run_in_child(work, "a", ignore_event, of="model")


def match_for_hours(started):
    """Keep Python's lock in a library: no other thread of this process runs."""
    started.write_text(str(os.getpid()), encoding="utf-8")
    re.match("(a+)+b", "a" * 60)


def run_a_program(started):
    code = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    run_program([sys.executable, "-c", code])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends it at once")
@pytest.mark.parametrize("work", [match_for_hours, run_a_program])
def test_kill_9_ends_a_child_that_does_not_react_and_what_it_started(tmp_path, work):
    started = tmp_path / "started"
    program = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pathlib import Path\n"
        f"from core.workers.test_processes import {work.__name__}\n"
        "from posezoo.core.workers.processes import run_in_child\n"
        f"run_in_child({work.__name__}, Path({str(started)!r}), of='net')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    wait_until(lambda: started.exists() and started.read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(started.read_text()))
