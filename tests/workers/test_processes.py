"""Python functions in child processes: results, errors, and processes that end early."""

from __future__ import annotations

import os

import pytest

from fakes.items import work
from posezoo.errors import ConversionError
from posezoo.workers.processes import map_in_processes, run_in_child


def lost(item, error):
    return f"{item}: {error.problem}", 0


def test_results_come_in_the_items_order_from_at_most_two_processes():
    items = ["slow", *map(str, range(6))]
    answers = list(map_in_processes(work, items, 2, lost))
    assert [name for name, _ in answers] == items
    processes = {process for _, process in answers}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2


def test_a_process_that_dies_fails_only_its_item():
    answers = [name for name, _ in map_in_processes(work, ["a", "die", "b", "die", "c"], 2, lost)]
    assert answers == ["a", "die: its process ended early", "b", "die: its process ended early", "c"]


def test_what_the_work_raises_is_raised_here():
    with pytest.raises(ValueError, match="raise"):
        list(map_in_processes(work, ["a", "raise"], 2, lost))


def test_one_job_needs_no_process():
    assert {process for _, process in map_in_processes(work, ["a", "b"], 1, lost)} == {os.getpid()}


def no_check():
    """The check of a run that is never cancelled."""


def test_a_function_runs_in_a_process_of_its_own():
    name, process = run_in_child(work, "a", no_check, of="model")
    assert name == "a"
    assert process != os.getpid()


def test_the_error_of_a_function_in_a_child_is_raised_here():
    with pytest.raises(ValueError, match="raise"):
        run_in_child(work, "raise", no_check, of="model")


def test_a_child_that_dies_is_reported_with_the_name_of_its_model():
    with pytest.raises(ConversionError, match=r"^model: its process ended early$") as failure:
        run_in_child(work, "die", no_check, of="model")
    assert failure.value.hint == "is there enough memory?"
