"""Compare the time of posezoo's decoders with that of the decoders in Open Model Zoo's Python demo.

Both decode the same maps of drawn crowds in turn, with one thread each. posezoo runs
``posezoo.decode`` in its default mode, with NMS if the decoder needs it. The other side
(``peer_model_api.py``, in its own environment) runs its ``postprocess``; the pooling that it
expects in the network is done before the measurement. For associative embedding, NMS is in the
graph on both sides. The time of a frame is the median of its turns, that of a case the median over
frames and rounds; a ratio is the median of the ratios of the rounds. The results of
``compatible=True`` are also compared with those of the other side. The exit code is 1 if a bar is
missed.

    make peer-env && python benchmarks/bench_decoders.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import IO, Any

import cv2
import numpy as np
from harness import machine, record, spread

import posezoo

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "build" / "model-api-env" / "bin" / "python"

ROUNDS = 10
TURNS = 7
SEEDS = range(3)

#: Each case: people, how much finer the maps are, the least ratio to the other side.
BARS: dict[str, tuple[int, int, float]] = {
    "openpose/5": (5, 1, 7),
    "openpose/20": (20, 1, 12),
    "openpose/30": (30, 1, 12),
    "openpose/5/x4": (5, 4, 10),
    "openpose/20/x4": (20, 4, 10),
    "openpose/30/x4": (30, 4, 10),
    "associative_embedding/5": (5, 1, 3),
    "associative_embedding/30": (30, 1, 3),
}

#: The most milliseconds with a hundred peaks in each channel, if the field supports half of all
#: pairs.
MOST_CROWDED_MS = 20.0


def crowded() -> dict[str, Any]:
    """Maps with a hundred peaks in each channel, and a field that has the same direction
    everywhere.
    """
    rng = np.random.default_rng(1)
    heatmaps = np.zeros((1, 19, 32, 57), np.float32)
    rows, columns = (each.ravel() for each in np.mgrid[1:31:3, 1:56:4])
    for channel in range(18):
        chosen = rng.permutation(len(rows))[:100]
        heatmaps[0, channel, rows[chosen], columns[chosen]] = rng.uniform(0.3, 1, 100)
    return {"heatmaps": heatmaps, "pafs": np.ones((1, 38, 32, 57), np.float32)}


def drawn(case: str, seed: int) -> dict[str, Any]:
    """The maps of one frame by role; those after the other side's NMS are added under other
    names.
    """
    crowds = import_module("fakes.crowds")
    people, finer, _ = BARS[case]
    if case.startswith("openpose"):
        group = crowds.group("crowd", seed, crowds.OPENPOSE_SIZE, people)
        heatmaps, pafs = crowds.openpose_maps(group, seed, upsampled=finer)
        pooled = crowds.pooled(heatmaps, round(6 / 7 * finer))
        return {"heatmaps": heatmaps, "pafs": pafs, "pooled_heatmaps": pooled}
    group = crowds.group("crowd", seed, crowds.EMBEDDINGS_SIZE, people)
    plain, embeddings = crowds.embedding_maps(group, seed)
    negated = crowds.negated(plain)
    # With zeros between peaks, the other side is ten times slower: numpy 2.4 selects slowly among
    # equals.
    return {"heatmaps": negated, "embeddings": embeddings, "nms_heatmaps": negated, "plain": plain}


def decode(case: str, maps: dict[str, Any], **options: bool) -> list[posezoo.Pose]:
    """Decode with posezoo, without the maps that only the other side needs."""
    name = case.split("/")[0]
    size = (456, 256) if name == "openpose" else (512, 512)
    roles = ("heatmaps", "pafs", "embeddings")
    return posezoo.decode(
        name, {role: maps[role] for role in roles if role in maps}, size, **options
    )


def milliseconds(case: str, maps: dict[str, Any]) -> float:
    """The median time of some turns of posezoo."""
    times = []
    for _ in range(TURNS):
        start_time = time.perf_counter()
        decode(case, maps)
        times.append(1000 * (time.perf_counter() - start_time))
    return median(times)


class Peer:
    """The child process that runs the other decoders."""

    def __init__(self, maps: Path) -> None:
        script = Path(__file__).with_name("peer_model_api.py")
        self._process = subprocess.Popen(
            [str(PEER), str(script), str(maps)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, case: str, turns: int) -> Any:
        """Send a line, and return the JSON of the answer."""
        stdin: IO[str] | None = self._process.stdin
        stdout: IO[str] | None = self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{case} {turns}\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def end(self) -> None:
        """Close its stdin, and wait for its end."""
        self._process.communicate()


def equal(case: str, maps: dict[str, Any], peer: Peer, key: str) -> bool:
    """Whether ``compatible=True`` returns the results of the other side."""
    poses, scores = peer.ask(key, 0)
    ours = decode(case, maps, compatible=True)
    stride = 8 / BARS[case][1] if case.startswith("openpose") else 2
    reference = np.array(poses, np.float32).reshape(-1, 17, 3) * np.array(
        [stride, stride, 1], np.float32
    )
    return (
        len(ours) == len(reference)
        and all(
            np.array_equal(pose.keypoints, other)
            for pose, other in zip(ours, reference, strict=True)
        )
        and np.allclose([pose.score for pose in ours], scores, rtol=1e-5)
    )


def main() -> int:
    """Draw the maps, decode them on both sides in turn, and compare the medians with the bars."""
    if not PEER.exists():
        print(f"{PEER} is not there: make peer-env", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    sys.path.insert(0, str(ROOT / "tests"))
    frames = {f"{case}/{seed}": (case, drawn(case, seed)) for case in BARS for seed in SEEDS}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.npz"
        np.savez(
            file,
            **{
                f"{key}/{role}": each
                for key, (_, maps) in frames.items()
                for role, each in maps.items()
            },
        )
        peer = Peer(file)
        same = sum(equal(case, maps, peer, key) for key, (case, maps) in frames.items())
        rounds: list[dict[str, tuple[float, float]]] = []
        for _ in range(ROUNDS + 1):
            rounds.append(
                {
                    key: (milliseconds(case, maps), median(peer.ask(key, TURNS)))
                    for key, (case, maps) in frames.items()
                }
            )
        peer.end()
    own_nms = {
        case: median(
            milliseconds(case, {**maps, "heatmaps": maps["plain"]})
            for key, (of, maps) in frames.items()
            if of == case
        )
        for case in BARS
        if case.startswith("associative")
    }
    return report(rounds[1:], own_nms, same, len(frames))


def report(
    rounds: list[dict[str, tuple[float, float]]], own_nms: dict[str, float], same: int, frames: int
) -> int:
    """Print and record the results; returns the exit code."""
    print(machine())
    metrics: dict[str, Any] = {}
    missed = [] if same == frames else [f"compatible equals the peer on {same} of {frames} frames"]
    crowded_ms = median(milliseconds("openpose", crowded()) for _ in range(ROUNDS))
    print(f"a hundred peaks a channel  {crowded_ms:6.2f} ms")
    if crowded_ms > MOST_CROWDED_MS:
        missed.append(f"a hundred peaks a channel: {crowded_ms:.1f} of {MOST_CROWDED_MS:.0f} ms")
    for case, (_, _, least_ratio) in BARS.items():
        keys = [f"{case}/{seed}" for seed in SEEDS]
        ours = spread([median(each[key][0] for key in keys) for each in rounds])
        reference = spread([median(each[key][1] for key in keys) for each in rounds])
        ratio = spread([median(each[key][1] / each[key][0] for key in keys) for each in rounds])
        metrics[case] = {"ms": ours, "peer_ms": reference, "ratio": ratio}
        print(
            f"{case:26} {ours['median']:6.2f} ms ({ours['min']:.2f}-{ours['max']:.2f}), peer "
            f"{reference['median']:6.2f} ms, ratio {ratio['median']:5.1f} "
            f"({ratio['min']:.1f}-{ratio['max']:.1f})"
        )
        if ratio["median"] < least_ratio:
            missed.append(f"{case}: {ratio['median']:.1f} of {least_ratio} times the peer's speed")
    for case, ms in own_nms.items():
        print(f"{case:26} {ms:6.2f} ms with our own NMS")
    print(f"compatible=True: equal to the peer on {same} of {frames} frames")
    record(
        "bench_decoders",
        {
            "rounds": ROUNDS,
            "cases": metrics,
            "own_nms_ms": own_nms,
            "crowded_ms": crowded_ms,
            "missed": missed,
        },
    )
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
