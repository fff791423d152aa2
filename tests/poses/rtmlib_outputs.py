"""Outputs of networks that rtmlib's post-processing was run on: see rtmlib_results.json."""

from __future__ import annotations

import numpy as np

SIZE = (192, 256)


def simcc_outputs(count: int) -> dict[str, np.ndarray]:
    """Hills in the bins of x and y, of which some are below zero."""
    rng = np.random.RandomState(count)
    heights = rng.uniform(-0.3, 1.2, (count, 1))
    maps = {}
    for axis, side in zip("xy", SIZE, strict=True):
        places = rng.uniform(0, 2 * side, (count, 1))
        squared = (np.arange(2 * side) - places) ** 2
        maps[f"simcc_{axis}"] = (heights * np.exp(-squared / 50))[None].astype(np.float32)
        heights = 0.8 * heights
    return maps


def rtmo_outputs() -> dict[str, np.ndarray]:
    """Boxes of ten people that do not overlap, the best first, and a row of padding."""
    rng = np.random.RandomState(2026)
    corners = np.array([[60 * place, 30 * place] for place in range(10)])
    scores = np.append(np.linspace(0.95, 0.5, 10), 0)[:, None]
    boxes = np.concatenate([corners, corners + rng.uniform(20, 55, (10, 2))], axis=1)
    dets = np.concatenate([np.append(boxes, np.zeros((1, 4)), axis=0), scores], axis=1)
    keypoints = rng.uniform(0, 1, (11, 17, 3)) * [640, 640, 1]
    keypoints[-1] = 0
    return {"dets": dets[None].astype(np.float32), "keypoints": keypoints[None].astype(np.float32)}


def yolox_outputs(size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Rows for all cells, of which few have high scores; boxes are 4 to 12 cells wide and high."""
    rng = np.random.RandomState(size[0])
    cells = sum((size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32))
    rows = rng.rand(cells, 85)
    rows[:, 2:4] = np.log(rng.uniform(4, 12, (cells, 2)))
    rows[:, 6:] = 0  # one class, because rtmlib returns all
    rows[:, 4:6] = rng.rand(cells, 2) ** 0.1 * (rng.rand(cells, 1) < 0.008)
    return {"predictions": rows[None].astype(np.float32)}


def rtmdet_outputs() -> dict[str, np.ndarray]:
    """Boxes of ten people inside the input, the best first, and a row of padding."""
    rng = np.random.RandomState(36)
    corners = rng.uniform(0, 200, (10, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 100, (10, 2))], axis=1)
    rows = np.concatenate([boxes, np.linspace(0.96, 0.5, 10)[:, None]], axis=1)
    dets = np.append(rows, np.zeros((1, 5)), axis=0)
    # A row of padding has no label of a class.
    return {"dets": dets[None].astype(np.float32), "labels": np.array([[0] * 10 + [-1]])}
