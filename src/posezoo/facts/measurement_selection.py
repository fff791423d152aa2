"""Which of many measurements may stand side by side: those of one machine, made in one way."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

from posezoo.measured import Measurement

SubjectT = TypeVar("SubjectT", bound=Hashable)

#: What is found on the way, or follows from the model: it may differ between figures that are compared.
_OWN = frozenset({"requests", "streams", "executed_precision", "people", "height", "width"})


def format_measurement_setting(each: Measurement) -> str:
    """Machine and settings that figures must have in common to be compared, in one line."""
    common = {name: value for name, value in sorted(each.settings.items()) if name not in _OWN}
    said = [
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in common.items()
    ]
    return "; ".join(filter(None, [each.machine, ", ".join(said)]))


def select_most_common_setting(
    found: Mapping[SubjectT, Sequence[Measurement]], metric: str
) -> tuple[str, dict[SubjectT, Measurement]]:
    """The way in which most subjects were measured, and what came out for each of them.

    Args:
        found: all measurements of one kind, by what they are of.
        metric: its name; of two ways that are equally common the one with the larger sum of it is taken, and
            of two measurements of a subject the larger one.

    Returns:
        The way in one line, empty where nothing was measured; and one measurement for each subject that was
        measured so.
    """
    ways: dict[str, dict[SubjectT, Measurement]] = {}
    for subject, several in found.items():
        for each in several:
            if metric not in each.figures:
                continue
            way = ways.setdefault(format_measurement_setting(each), {})
            if subject not in way or each.figures[metric] > way[subject].figures[metric]:
                way[subject] = each
    if not ways:
        return "", {}

    def commonness(way: str) -> tuple[int, float]:
        return len(ways[way]), sum(each.figures[metric] for each in ways[way].values())

    chosen = max(ways, key=commonness)
    return chosen, ways[chosen]


def filter_measurements(
    found: Collection[Measurement], machine: str, settings: Mapping[str, str]
) -> list[Measurement]:
    """Those of a machine whose line holds some words, with some settings; all where nothing is asked."""
    return [
        each
        for each in found
        if machine.casefold() in each.machine.casefold()
        and all(str(each.settings.get(name)) == value for name, value in settings.items())
    ]
