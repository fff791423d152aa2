"""Which models meet a user's limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from posezoo.core.declarations.model import WHOLE_IMAGE
from posezoo.core.pipeline.availability import Availability
from posezoo.core.values import frozen
from posezoo.figures.comparison import ComparisonRow, MetricSource, SourcedMetric, in_order

#: What ``--license permissive`` accepts: licenses that ask for no more than a notice.
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-*", "0BSD", "ISC", "Zlib", "Unlicense", "CC0-1.0")

#: By the number of people on the picture: the column of the whole pipeline's latency.
LATENCIES = {1: "single_p50_ms", 4: "latency_p50_ms"}


@frozen
class RequiredValues:
    """What a model must meet; None and empty ones accept all.

    A model that is known to find fewer people, of several, does not meet it.

    Args:
        min_ap: the least AP as a share, 0 to 1.
        max_latency_ms: the longest time from an image file to drawn poses, in milliseconds.
        people: the number of people for this time, one of ``LATENCIES``.
        licenses: SPDX identifiers, globs, or ``permissive``; a model may have any of them.
    """

    min_ap: float | None = None
    max_latency_ms: float | None = None
    people: int = 1
    licenses: Sequence[str] = ()

    def latency_of(self, row: ComparisonRow) -> SourcedMetric | None:
        """The median time of the whole pipeline; None if unknown, or if fewer people were found in
        the picture.
        """
        return None if self._is_fewer(row) else row.values[LATENCIES[self.people]]

    def refuses_people_of(self, row: ComparisonRow) -> bool:
        """Whether a model is known to find fewer people, if that decides: there are several, or its
        time is limited.
        """
        if self.people == 1:
            return self._is_fewer(row) and self.max_latency_ms is not None
        return self._is_fewer(row) or row.pipeline.people_from == WHOLE_IMAGE

    def lacks_latency_of(self, row: ComparisonRow) -> bool:
        """Whether its time decides, and is not known. It decides if it is limited; and among
        several people, for a model that was measured with one person alone: one that misses some of
        them cannot be measured with them.
        """
        if self.people > 1 and _is_measured(row, 1) and not _is_measured(row, self.people):
            return True
        return self.max_latency_ms is not None and self.latency_of(row) is None

    def _is_fewer(self, row: ComparisonRow) -> bool:
        return row.people_found.get(self.people, self.people) < self.people


@frozen
class Recommendation:
    """The rows that meet all limits, by the rank of their ``Availability``, each rank in the order
    of ``in_order``.

    ``unknown`` has the models that may meet the limits, and the missing values, ``AP`` or
    ``latency``; ``miscounting`` those that found fewer people, and that number.
    """

    rows: tuple[ComparisonRow, ...]
    unknown: dict[str, list[str]]
    miscounting: dict[str, int]


def recommend(
    rows: Iterable[ComparisonRow],
    limits: RequiredValues,
    availability: Mapping[str, Availability],
) -> Recommendation:
    """Select the models that meet all limits.

    Args:
        availability: of the rows, by their names.
    """
    accepted = []
    unknown = {}
    miscounting = {}
    for row in in_order(rows):
        if not _is_licensed(row, limits) or _is_outside(row, limits):
            continue
        if limits.refuses_people_of(row):
            miscounting[row.name] = row.people_found.get(limits.people, 1)
            continue
        missing = []
        if limits.min_ap is not None and row.ap is None:
            missing.append("AP")
        if limits.lacks_latency_of(row):
            missing.append("latency")
        if missing:
            unknown[row.name] = missing
        else:
            accepted.append(row)
    accepted.sort(key=lambda row: availability[row.name].rank)
    return Recommendation(tuple(accepted), unknown, miscounting)


def _is_measured(row: ComparisonRow, people: int) -> bool:
    time = row.values[LATENCIES[people]]
    return time is not None and time.origin is MetricSource.MEASURED


def _is_licensed(row: ComparisonRow, limits: RequiredValues) -> bool:
    if not limits.licenses:
        return True
    names = row.license.split(", ")
    globs: list[str] = []
    for each in limits.licenses:
        globs += PERMISSIVE if each == "permissive" else [each]
    # SPDX ignores case.
    return all(
        any(fnmatchcase(name.casefold(), each.casefold()) for each in globs) for name in names
    )


def _is_outside(row: ComparisonRow, limits: RequiredValues) -> bool:
    """Whether a known value is outside; a pipeline takes at least as long as its network."""
    if limits.min_ap is not None and row.ap and row.ap.number < limits.min_ap:
        return True
    latency = limits.latency_of(row) or row.values["network_p50_ms"]
    return bool(
        limits.max_latency_ms is not None and latency and latency.number > limits.max_latency_ms
    )
