"""MediaPipe's solutions and posezoo's stand-in for them, in pairs: time and memory.

Both run the same script (solutions_process.py), in turn, on the sample photos and those of the
shared data, and on a video; only images in which all was found count. ``make judges`` makes
MediaPipe's environment. The exit code is 1 if the stand-in takes more wall time an image than
MediaPipe (median of the pairs), or if it finds all in another number of images.

    python benchmarks/bench_solutions.py [SOLUTION ...]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from harness import amount, exit_code, record

from posezoo.media.images import SAMPLE_PHOTOS
from posezoo.solutions.stand_in import RELEASE

assert sys.platform != "win32", "the environment of MediaPipe is made on Linux"

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT.parent / "shared" / "data" / "photos"
SCRIPT = Path(__file__).with_name("solutions_process.py")
JUDGE = ROOT / "build" / "mediapipe-env" / "bin" / "python"
SOLUTIONS = (
    "pose",
    "hands",
    "face_detection",
    "face_mesh",
    "holistic",
    "selfie_segmentation",
)

Figures = dict[str, float]


def run(python: Path | str, solution: str, **environ: str) -> Figures:
    """The figures of one process."""
    ended = subprocess.run(
        [str(python), str(SCRIPT), solution, str(SAMPLE_PHOTOS[0].parent), str(PHOTOS)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    figures: Figures = json.loads(ended.stdout.splitlines()[-1])
    return figures


def install_stand_in(folder: Path) -> Path:
    """A folder for PYTHONPATH with the stand-in; posezoo itself is this one."""
    command = [sys.executable, "-m", "posezoo", "shims", "mediapipe", "--wheel", str(folder), "-q"]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("mediapipe-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


def main(*solutions: str) -> int:
    """Measure and record, and return the exit code."""
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        packages = install_stand_in(Path(folder))
        for solution in solutions or SOLUTIONS:
            run(sys.executable, solution, PYTHONPATH=str(packages))  # downloads and converts
            pairs = [
                (run(JUDGE, solution), run(sys.executable, solution, PYTHONPATH=str(packages)))
                for _ in range(amount(3))
            ]
            row: dict[str, object] = {
                "solution": solution,
                "pairs": len(pairs),
                "mediapipe": RELEASE,
                "load": round(os.getloadavg()[0], 1),
            }
            for name in pairs[0][0]:
                theirs, ours = (
                    statistics.median(pair[place][name] for pair in pairs) for place in (0, 1)
                )
                row[name] = {"mediapipe": theirs, "posezoo": ours}
                print(f"{solution:20} {name:14} mediapipe {theirs:8.2f}  posezoo {ours:8.2f}")
                is_bar = name in ("photo_ms", "video_ms")
                missed |= is_bar and ours > theirs
                missed |= name.endswith("_found") and ours != theirs
            record(Path(__file__).stem, row)
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
