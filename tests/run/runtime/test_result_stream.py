"""Several items are processed at the same time, and their results come in order."""

import threading
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.errors import ImageError
from posezoo.run.runtime.result_stream import ResultStream


def test_the_next_item_is_taken_only_when_a_slot_is_free():
    taken = []

    def items():
        for item in range(9):
            taken.append(item)
            yield item

    stream = ResultStream(items(), lambda item: item, 2)
    assert taken == []
    for place in range(5):
        assert next(stream) == (place, place)
        assert len(taken) == place + 2
    stream.close()


def test_items_after_a_slow_one_are_processed_meanwhile():
    done = threading.Semaphore(0)

    def work(item):
        if item == 0:
            for _ in range(3):
                assert done.acquire(timeout=HANG_S)
        else:
            done.release()
        return item

    with ResultStream(range(9), work, 2, ahead=2) as stream:
        assert next(stream) == (0, 0)


def test_the_error_of_an_item_is_raised_at_its_place_and_the_next_one_follows():
    def work(item):
        if item == 1:
            raise ImageError("no picture")
        return item

    stream = ResultStream(range(4), work, 2)
    assert next(stream) == (0, 0)
    with pytest.raises(ImageError, match="no picture"):
        next(stream)
    assert list(stream) == [(2, 2), (3, 3)]


def test_the_error_of_a_source_is_raised_after_the_items_before_it():
    def items():
        yield from range(3)
        raise OSError("the camera is gone")

    stream = ResultStream(items(), lambda item: item, 2)
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)
    assert list(stream) == []


def test_closed_early_it_leaves_nothing_running():
    start_time, ended = [], []

    def work(item):
        start_time.append(item)
        time.sleep(0.02)
        ended.append(item)

    before = threading.active_count()
    with ResultStream(range(100), work, 3) as stream:
        next(stream)
    assert sorted(start_time) == sorted(ended) and len(start_time) <= 4
    assert threading.active_count() == before
    assert list(stream) == []
