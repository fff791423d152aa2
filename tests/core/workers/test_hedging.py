import queue
import threading
import time

import pytest

from fakes.waiting import HANG_S, wait_until
from posezoo.core.workers.hedging import ask_with_head_start, current_request

HEAD_START_S = 0.2
HEAD_START_TICKS = 4


def ask(*answers, hosts=None, check=lambda: None, head_start_s=HEAD_START_S):
    """Ask hosts, each of which is a function."""
    names = hosts or [str(number) for number in range(len(answers))]

    def prepare(number, _is_alone):
        return answers[number]

    return ask_with_head_start(names, prepare, head_start_s, LookupError, check)


class Ticks:
    """Lets a host do something between two ticks of ``ask``, however busy the machine is."""

    def __init__(self):
        self._begun = queue.SimpleQueue[None]()
        self._done = queue.SimpleQueue[None]()

    def check(self):
        self._begun.put(None)
        self._done.get(timeout=HANG_S)

    def run(self, step, count):
        """Do a step in each of the next ticks."""
        for number in range(count):
            self._begun.get(timeout=HANG_S)
            step(number)
            self._done.put(None)


def failing(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(("size", "asked"), [(0, []), (99, []), (1000, ["b"])])
def test_a_host_is_slow_if_the_rest_takes_more_than_ten_seconds(size, asked):
    """It sends 2 bytes in 0.2 s; without a known size, any bytes are enough."""
    ticks = Ticks()
    others = []

    def send(number):
        current_request().note_data(number % 2)

    def slow():
        current_request().expect(size)
        ticks.run(send, 3 * HEAD_START_TICKS)
        return "a"

    ask(slow, lambda: others.append("b"), check=ticks.check)
    assert others == asked


def test_of_two_that_send_the_slower_waits_and_goes_on_if_the_faster_fails():
    requests = []
    failed = threading.Event()

    def send(size, until):
        requests.append(request := current_request())
        request.expect(1_000_000_000)
        while not until():
            request.note_data(size)
            time.sleep(0.001)

    def slower():
        send(10, failed.is_set)
        return "a"

    def faster():
        send(1000, lambda: not requests[0].may_go_on.is_set())
        failed.set()
        raise LookupError

    answer = ask(slower, faster)
    assert (answer.result, list(answer.failures)) == ("a", [1])


def test_a_host_is_not_asked_twice_at_once():
    at_once = []
    running = []
    other_asked = threading.Event()

    def slow():
        running.append(1)
        at_once.append(len(running))
        assert other_asked.wait(HANG_S)
        running.pop()
        raise LookupError

    def other():
        other_asked.set()
        wait_until(lambda: len(at_once) == 2)
        return "b"

    assert ask(slow, slow, other, hosts=["a", "a", "b"]).result == "b"
    assert at_once == [1, 1]


def test_another_error_ends_all():
    with pytest.raises(ZeroDivisionError):
        ask(failing(ZeroDivisionError()), lambda: "b")


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

    ticks = Ticks()

    def send(number):
        current_request().note_data(number % 2)

    def inner():
        ticks.run(send, 3 * HEAD_START_TICKS)
        return "inner"

    asked = []
    answer = ask(lambda: ask(inner).result, lambda: asked.append("b"), check=ticks.check)
    assert (answer.result, asked) == ("inner", [])
