from __future__ import annotations

import threading
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.workers.hedging import ask_with_head_start, current_request
from posezoo.core.workers.threads import Cancelled

HEAD_START_S = 0.2


def ask(*answers, hosts=None, check=lambda: None):
    """Ask hosts, each of which is a function."""
    names = hosts or [str(number) for number in range(len(answers))]

    def prepare(number, _is_alone):
        return answers[number]

    return ask_with_head_start(names, prepare, HEAD_START_S, LookupError, check)


def silent_until(event: threading.Event):
    def wait():
        assert event.wait(HANG_S)
        return "late"

    return wait


def failing(error: BaseException):
    def fail():
        raise error

    return fail


def test_the_first_host_is_asked_alone_if_it_answers():
    asked = []
    answer = ask(lambda: "a", lambda: asked.append("b"))
    assert (answer.result, answer.winner, asked) == ("a", 0, [])


def test_after_a_failure_the_next_is_asked_at_once():
    error = LookupError("no such file")
    started = time.monotonic()
    answer = ask(failing(error), lambda: "b")
    assert time.monotonic() - started < HEAD_START_S
    assert (answer.result, answer.winner, answer.failures) == ("b", 1, {0: error})


def test_a_silent_host_has_a_head_start_and_no_more():
    event = threading.Event()
    started = time.monotonic()
    answer = ask(silent_until(event), lambda: "b")
    assert HEAD_START_S <= time.monotonic() - started < HANG_S / 2
    assert (answer.result, list(answer.silent)) == ("b", [0])
    event.set()


def test_a_host_that_sends_data_now_and_then_is_not_silent():
    def slow():
        for _ in range(8):
            time.sleep(HEAD_START_S / 4)
            current_request().note_data()
        return "a"

    asked = []
    assert ask(slow, lambda: asked.append("b")).result == "a"
    assert asked == []


def test_the_one_that_was_silent_may_still_be_the_first():
    event = threading.Event()
    answer = ask(silent_until(event), failing(LookupError()), lambda: event.set() or time.sleep(9))
    assert (answer.result, answer.winner) == ("late", 0)


def test_a_host_is_not_asked_twice_at_once():
    at_once = []
    running = []

    def slow():
        running.append(1)
        at_once.append(len(running))
        time.sleep(2 * HEAD_START_S)
        running.pop()
        raise LookupError

    silent = silent_until(threading.Event())

    with pytest.raises(Cancelled):
        ask(slow, slow, silent, hosts=["a", "a", "b"], check=stop_after(8 * HEAD_START_S))
    assert at_once == [1, 1]


def stop_after(seconds: float):
    """Raises Cancelled after some seconds, and ends ``ask`` so."""
    end = time.monotonic() + seconds

    def check():
        if time.monotonic() > end:
            raise Cancelled

    return check


def test_if_all_fail_each_has_its_error():
    answer = ask(failing(LookupError("a")), failing(LookupError("b")))
    assert answer.result is None
    assert [str(error) for error in answer.failures.values()] == ["a", "b"]


def test_another_error_ends_all():
    with pytest.raises(ZeroDivisionError):
        ask(failing(ZeroDivisionError()), lambda: "b")


def test_a_cancelled_run_ends_the_wait():
    event = threading.Event()
    with pytest.raises(Cancelled):
        ask(silent_until(event), silent_until(event), check=failing(Cancelled()))
    event.set()


def test_the_slower_one_is_cancelled_and_its_connection_closed():
    closed = threading.Event()
    seen = []
    ended = threading.Event()

    def wait():
        with current_request().closing_with(closed.set):
            closed.wait(HANG_S)
        try:
            current_request().raise_if_cancelled()
        except Cancelled:
            seen.append("cancelled")
        ended.set()

    assert ask(wait, lambda: "b").result == "b"
    assert ended.wait(HANG_S)
    assert seen == ["cancelled"]


def test_a_request_that_is_cancelled_before_it_connects_is_closed_then():
    closed = []
    ended = threading.Event()
    release = threading.Event()

    def wait():
        release.wait(HANG_S)
        with current_request().closing_with(lambda: closed.append(1)):
            ended.set()

    ask(wait, lambda: "b")
    release.set()
    assert ended.wait(HANG_S)
    assert closed == [1]


def test_data_for_a_request_inside_of_another_counts_for_both():
    """As of a package, whose mirrors are asked for the sake of a file."""

    def slow():
        time.sleep(HEAD_START_S / 2)
        current_request().note_data()
        time.sleep(HEAD_START_S * 0.75)
        return "inner"

    def outer():
        return ask(slow, lambda: "other").result

    asked = []
    assert ask(outer, lambda: asked.append("b")).result == "inner"
    assert asked == []


def test_with_one_host_no_thread_is_started():
    threads = []
    ask(lambda: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]
