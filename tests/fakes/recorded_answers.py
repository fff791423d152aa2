"""What other programs answered, kept beside the tests, so that these need not be installed, nor waited for.

``make judge`` asks the programs again, and fails where an answer is another one; ``make judge ASK=store`` keeps what
they answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fakes.checkout import ROOT

FOLDER = ROOT / "tests" / "recorded"

#: The people of pictures: for each picture, an array of each person, all of one shape.
People = list[list[np.ndarray]]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Answer:
    """The people whom a program found in pictures.

    Attributes:
        by: the program and its version.
    """

    people: People
    by: str


class RecordedAnswers:
    """The answers in ``tests/recorded``.

    Args:
        asks: whether to ask the program again and to compare; "store" keeps its answer.
    """

    def __init__(self, folder: Path = FOLDER, asks: str = os.environ.get("ASK_JUDGES", "")) -> None:
        self._folder = folder
        self._asks = asks

    @property
    def asks(self) -> bool:
        """Whether the programs are asked again."""
        return bool(self._asks)

    def people(
        self, name: str, by: str, ask: Callable[[], People], *, within: float = 0.01
    ) -> Answer:
        """The people whom a program found.

        Args:
            by: the program and its version, as the answer is labelled with.
            ask: starts the program; is not called if it need not be asked.
            within: how far a new answer may be from the recorded one.
        """
        path = self._folder / f"{name}.npz"
        if self._asks:
            found = ask()
            if self._keeps(path):
                _write_people(path, found, by)
            recorded = _read_people(path)
            assert recorded.by == by, f"{path}: was answered by {recorded.by}, and {by} is here"
            _compare(path, recorded.people, found, within)
        return _read_people(path)

    def value(self, name: str, ask: Callable[[], Any]) -> Any:
        """What a program answered, as JSON has it."""
        path = self._folder / f"{name}.json"
        if self._asks:
            found = json.loads(json.dumps(ask()))
            if self._keeps(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
            assert found == json.loads(path.read_text("utf-8")), f"{path}: it answers another thing"
        return json.loads(path.read_text("utf-8"))

    def arrays(
        self, name: str, by: str, ask: Callable[[], Arrays], *, within: float = 1e-5
    ) -> Arrays:
        """Arrays by name, and the program that answered them.

        Args:
            within: how far a new answer may be from the recorded one.
        """
        path = self._folder / f"{name}.npz"
        if self._asks:
            answered = ask()
            if self._keeps(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(path, **answered, by=by)
            _compare_arrays(path, _read_arrays(path, by), answered, within)
        return _read_arrays(path, by)

    def _keeps(self, path: Path) -> bool:
        return self._asks == "store" or not path.exists()


def _write_people(path: Path, people: People, by: str) -> None:
    every = [person for found in people for person in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        by=by,
        counts=np.array([len(found) for found in people]),
        people=np.array(every, np.float32),
    )


def _read_people(path: Path) -> Answer:
    with np.load(path) as stored:
        every = list(stored["people"].astype(float))
        ends = np.cumsum(stored["counts"])
        starts = ends - stored["counts"]
        people = [every[start:end] for start, end in zip(starts, ends, strict=True)]
        return Answer(people, str(stored["by"]))


def _read_arrays(path: Path, by: str) -> Arrays:
    with np.load(path) as stored:
        assert str(stored["by"]) == by, f"{path}: was answered by {stored['by']}, and {by} is here"
        return {name: stored[name] for name in stored.files if name != "by"}


def _compare_arrays(path: Path, recorded: Arrays, answered: Arrays, within: float) -> None:
    assert recorded.keys() == answered.keys(), f"{path}: it finds other things"
    for name, before in recorded.items():
        assert np.allclose(before, answered[name], atol=within), f"{path}: {name}"


def _compare(path: Path, recorded: People, found: People, within: float) -> None:
    assert [*map(len, recorded)] == [*map(len, found)], f"{path}: it finds other people"
    for place, (before, now) in enumerate(zip(recorded, found, strict=True)):
        for one, other in zip(before, now, strict=True):
            assert np.allclose(one, other, atol=within, equal_nan=True), f"{path}: picture {place}"
