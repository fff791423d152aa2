"""How far a publisher's people are from ours, and the file that keeps the figures."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from posezoo.core.versions import package_version

#: What docs/explanations/how_it_was_made.md is drawn from. ``RECORD_JUDGES=1 pytest -n 0 -m "" tests/judges`` writes it.
FIGURES = Path(__file__).with_name("figures.json")

#: Two poses are of the same person if their points are no further apart than this share of the person's larger side,
#: or so many pixels.
NEAR, NEAR_PX = 0.1, 2.0


@dataclass
class Agreement:
    """The people of pictures, as a publisher and we find them.

    Attributes:
        judge: the publisher's program and its version.
        pictures: how many pictures were compared.
        alike: in how many of them both found the same people.
        judged: how many people the publisher found.
        found: how many people we found.
        ap: COCO's AP of the publisher's people and of ours, if it was computed.
        distances: of each point of each person whom both found, in pixels of the picture.
    """

    judge: str
    pictures: int = 0
    alike: int = 0
    judged: int = 0
    found: int = 0
    distances: list[np.ndarray] = field(default_factory=list)
    ap: tuple[float, float] | None = None

    def add(self, judged: list[np.ndarray], found: list[np.ndarray]) -> None:
        """One picture: points (K, 2) of each person, keypoints or the corners of a box, as both count pixels.

        A point that one of them does not know is NaN.
        """
        both = [
            np.linalg.norm(np.subtract(judged[one], found[other]), axis=1)
            for one, other in pairs(judged, found)
        ]
        self.pictures += 1
        self.alike += len(judged) == len(found) == len(both)
        self.judged += len(judged)
        self.found += len(found)
        self.distances += [distances[np.isfinite(distances)] for distances in both]

    def figures(self) -> dict[str, object]:
        """With the median of all points, and the largest distance of a person that 95 % do not exceed."""
        largest = [distances.max() for distances in self.distances]
        return {
            "judge": self.judge,
            "pictures": self.pictures,
            "alike": self.alike,
            "judged": self.judged,
            "found": self.found,
            "both": len(self.distances),
            "median": round(float(np.median(np.concatenate(self.distances))), 3),
            "p95": round(float(np.percentile(largest, 95)), 3),
            **({"ap": self.ap} if self.ap else {}),
        }

    def record(self, name: str) -> None:
        """Keep the figures under a name of docs/explanations/how_it_was_made.md, if the environment says so."""
        assert self.distances, f"{name}: nobody was found by both"
        record(name, self.figures())

    def check_people(self, name: str) -> None:
        """Record the figures, and require the same people."""
        self.record(name)
        assert self.alike >= 0.95 * self.pictures, self.figures()

    def check(self, name: str) -> None:
        """Record the figures, and require the same people and nearly the same points."""
        self.check_people(name)
        figures = self.figures()
        assert figures["median"] <= 0.5 and figures["p95"] <= 2, figures


def record(name: str, figures: dict[str, object]) -> None:
    """Keep figures under a name of docs/explanations/how_it_was_made.md, if the environment says so."""
    if os.environ.get("RECORD_JUDGES"):
        stored = json.loads(FIGURES.read_text("utf-8")) if FIGURES.is_file() else {}
        # What decides our pixels and numbers.
        tools = {"opencv": cv2.__version__, "openvino": package_version("openvino")}
        stored[name] = {**figures, "tools": tools}
        lines = [f"{json.dumps(key)}: {json.dumps(stored[key])}" for key in sorted(stored)]
        FIGURES.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def pairs(judged: list[np.ndarray], found: list[np.ndarray]) -> list[tuple[int, int]]:
    """Who is who: the places of the same person in both lists."""
    from scipy.optimize import linear_sum_assignment  # 26 MiB in each worker

    if not judged or not found:
        return []
    distances = np.array([[_mean_distance(one, other) for other in found] for one in judged])
    extents = [np.nanmax(one, axis=0) - np.nanmin(one, axis=0) for one in judged]
    limits = [max(NEAR_PX, NEAR * extent.max()) for extent in extents]
    rows, columns = linear_sum_assignment(distances)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if distances[row, column] <= limits[row]]


def _mean_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of the points that are known of both; far if there are none."""
    distances = np.linalg.norm(one - other, axis=1)
    is_known = np.isfinite(distances)
    return float(distances[is_known].mean()) if is_known.any() else 1e6
