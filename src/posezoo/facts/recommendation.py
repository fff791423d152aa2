"""Which models meet a user's limits, and in which order to try them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from posezoo.facts.comparison import ComparisonRow, SourcedMetric

#: What ``--license permissive`` accepts: licenses that ask for no more than a notice.
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-*", "0BSD", "ISC", "Zlib", "Unlicense", "CC0-1.0")


@dataclass(frozen=True, slots=True)
class Ranking:
    """A value of ``comparison.COLUMNS`` that decides the order, and its name in words."""

    column: str
    words: str


BY_AP = Ranking("published_AP", "AP")
BY_LATENCY = Ranking("network_p50_ms", "the measured latency of the network")
BY_GFLOPS = Ranking("gflops", "GFLOPs, since not all models were measured on one machine")


@dataclass(frozen=True, slots=True)
class RequiredValues:
    """What a model must meet; None and empty ones accept all.

    Args:
        min_ap: the least AP as a share, 0 to 1.
        max_latency_ms: the longest time of one run of the network, in milliseconds.
        licenses: SPDX identifiers or globs; a model may have any of them.
    """

    min_ap: float | None = None
    max_latency_ms: float | None = None
    licenses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RankedModel:
    """A model with the values that decide; None if unknown."""

    row: ComparisonRow

    @property
    def ap(self) -> SourcedMetric | None:
        """The published AP, else ours: most publishers use all of COCO val2017, we a few photos."""
        return self.row.values["published_AP"] or self.row.values["AP"]

    @property
    def latency_ms(self) -> SourcedMetric | None:
        """The median time of one run of the network, in milliseconds."""
        return self.row.values["network_p50_ms"]

    @property
    def gflops(self) -> SourcedMetric | None:
        """Of one run of the network."""
        return self.row.values["gflops"]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The models that meet all limits, the best first, and those of which a value is unknown.

    ``unknown`` has the names of the models and the values that are missing: ``AP``, ``latency``.
    """

    models: tuple[RankedModel, ...]
    ranking: Ranking
    unknown: dict[str, list[str]]


def recommend(rows: Iterable[ComparisonRow], limits: RequiredValues) -> Recommendation:
    """Rank the models that meet all limits.

    With a limit of latency, the most accurate comes first; without one, the fastest: by latency if
    all were measured on one machine, else by GFLOPs.
    """
    accepted = []
    unknown = {}
    for row in rows:
        if not _is_licensed(row, limits):
            continue
        model = RankedModel(row)
        missing = _missing_values(model, limits)
        if missing:
            unknown[row.model] = missing
        elif _is_within(model, limits):
            accepted.append(model)
    ranking = _choose_ranking(accepted, limits)
    ranked = sorted(accepted, key=lambda each: (_rank(each, ranking), each.row.model))
    return Recommendation(tuple(ranked), ranking, unknown)


def _is_licensed(row: ComparisonRow, limits: RequiredValues) -> bool:
    """Whether each license of the model, and of its parts, is accepted."""
    names = row.license.split(", ")
    if not limits.licenses:
        return True
    globs = [each.casefold() for each in limits.licenses]  # SPDX ignores case
    return all(any(fnmatchcase(name.casefold(), each) for each in globs) for name in names)


def _missing_values(model: RankedModel, limits: RequiredValues) -> list[str]:
    missing = []
    if model.ap is None and (limits.min_ap is not None or limits.max_latency_ms is not None):
        missing.append("AP")
    if model.latency_ms is None and limits.max_latency_ms is not None:
        missing.append("latency")
    return missing


def _is_within(model: RankedModel, limits: RequiredValues) -> bool:
    if limits.min_ap is not None and model.ap and model.ap.number < limits.min_ap:
        return False
    latency = model.latency_ms
    if limits.max_latency_ms is None or latency is None:
        return True
    return latency.number <= limits.max_latency_ms


def _choose_ranking(models: Sequence[RankedModel], limits: RequiredValues) -> Ranking:
    if limits.max_latency_ms is not None:
        return BY_AP
    is_measured = all(model.latency_ms for model in models)
    return BY_LATENCY if is_measured else BY_GFLOPS


def _rank(model: RankedModel, ranking: Ranking) -> float:
    """The smallest comes first; unknown values come last."""
    if ranking is BY_AP:
        return -model.ap.number if model.ap else 0.0
    value = model.row.values[ranking.column]
    return value.number if value else float("inf")
