"""Runs exports on photos, and compares their people with those of ``posezoo run``.

    python benchmarks/run_exports.py --photos FOLDER [MODEL...]

Writes results/exports.json, of which docs/export.md draws a table: per model and target the people
that the export's program finds, those of ``posezoo run``, and how far their keypoints are apart.
Nothing is recorded of a target whose program cannot be built or run here; the reason is printed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from harness import RESULTS, machine
from openvino.utils import get_cmake_path

from posezoo.run.images import read_image

RESULT = RESULTS / "exports.json"

#: The packages of the programs for Node.
NODE_MODULES = Path(__file__).parents[1] / "build" / "node-env" / "node_modules"

#: The keypoints of a person: (K, 2), in pixels of the photo.
Person = np.ndarray

#: Two keypoints are the same if they are at most this many pixels apart.
SAME_PX = 0.1


@dataclass(frozen=True)
class ExportCase:
    """A model whose exports are run.

    Attributes:
        name: of the model.
        flags: for ``posezoo export`` and ``posezoo run``.
        landmarks: of a composite: the part whose IR is named; the other one is its detector.
        detector: of a composite: the part that finds the people.
        of_ir: whether ``posezoo run`` gets the exported IR: the model itself has another size for
            each photo, or another decoder outside of an IR.
    """

    name: str
    flags: tuple[str, ...] = ()
    landmarks: str = ""
    detector: str = ""
    of_ir: bool = False


CASES = (
    ExportCase("movenet-thunder"),
    ExportCase("movenet-lightning"),
    ExportCase("movenet-singlepose-lightning-int8"),
    ExportCase(
        "blazepose-full",
        landmarks="pose-landmark-full-mediapipe",
        detector="pose-detection-mediapipe",
    ),
    ExportCase("movenet-multipose", of_ir=True),
    ExportCase("human-pose-estimation-0001", ("--precision", "FP16-INT8"), of_ir=True),
)


class ExportRunner:
    """Runs the exports of one case in a folder of its own."""

    def __init__(self, case: ExportCase, folder: Path, photos: Sequence[Path]) -> None:
        self.case = case
        self.folder = folder
        self._photos = photos

    def cpp(self) -> tuple[list[list[Person]], Path]:
        """The people that the C++ program finds in each photo, and the IR."""
        project = self.folder.parent / "cpp"  # of all models, so that it is compiled once
        self._export("cpp", project)
        _run("cmake", "-S", project, "-B", project / "build", f"-DOpenVINO_DIR={get_cmake_path()}")
        _run("cmake", "--build", project / "build")
        case = self.case
        models = project / "models"
        xml = models / f"{case.landmarks or case.name}.xml"
        args = ("--detector", models / f"{case.detector}.xml") if case.detector else ()
        frames = [photo.with_suffix(".ppm") for photo in self._photos]
        answer = json.loads(_run(project / "build" / "poses", xml, *args, *frames))
        return _read_people(answer), xml

    def folder_sample(self) -> tuple[list[list[Person]], Path]:
        """The people that sample.py prints for each photo, and the IR."""
        camera = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")
        self._export("folder", self.folder, *camera)
        own = self.folder / self.case.name
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo, self.folder / "drawing.png")
            parts = text.split("person, score ")[1:]
            people.append([_read_printed(part) for part in parts])
        return people, own / f"{self.case.name}.xml"

    def onnx(self) -> tuple[list[list[Person]], Path]:
        """The people that sample.py prints for each photo with ONNX Runtime, and the IR."""
        own = self._export_onnx()
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo, self.folder / "drawing.png")
            people.append([_read_printed(part) for part in text.split("person, score ")[1:]])
        return people, self._ir_of("onnx")

    def onnx_with_node(self) -> tuple[list[list[Person]], Path]:
        """The people that sample.mjs prints for each photo, and the IR."""
        own = self._export_onnx()
        if not NODE_MODULES.is_dir():
            raise RuntimeError("needs make node-env")
        if not (own / "node_modules").exists():
            (own / "node_modules").symlink_to(NODE_MODULES)
        poses = [json.loads(_run("node", own / "sample.mjs", photo)) for photo in self._photos]
        return _read_people({"images": [{"poses": each} for each in poses]}), self._ir_of("onnx")

    def _export_onnx(self) -> Path:
        if self.case.landmarks:
            raise RuntimeError("its two networks are two exports, each with its own sample")
        self._export("onnx", self.folder / "onnx")
        return self.folder / "onnx" / self.case.name

    def _ir_of(self, user: str) -> Path:
        """The IR of an export; a published one lies above the one with the decoder."""
        found = (self.folder / f"irs-{user}").rglob(f"{self.case.name}.xml")
        return max(found, key=lambda path: len(path.parts))

    def posezoo(self, xml: Path) -> list[list[Person]]:
        """The people of ``posezoo run`` in each photo."""
        out = self.folder / "poses"
        shutil.rmtree(out, ignore_errors=True)
        model = (xml,) if self.case.of_ir else (self.case.name, *self.case.flags)
        _run("posezoo", "run", *model, *self._weights("run"), "-i", *self._photos, "-o", out)
        return _read_people(json.loads((out / "poses.json").read_text("utf-8")))

    def _export(self, target: str, folder: Path, *flags: str) -> None:
        flags = (*self.case.flags, *flags, *self._weights(target))
        _run("posezoo", "export", self.case.name, *flags, "--to", target, folder)

    def _weights(self, user: str) -> tuple[str, str]:
        """A folder of IR for each: those with a decoder would replace the others."""
        return "--weights_dir", str(self.folder / f"irs-{user}")


TARGETS: Mapping[str, Callable[[ExportRunner], tuple[list[list[Person]], Path]]] = {
    "cpp": ExportRunner.cpp,
    "folder": ExportRunner.folder_sample,
    "onnx": ExportRunner.onnx,
    "onnx with node": ExportRunner.onnx_with_node,
}


def _run(*command: object) -> str:
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=1200
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip() or ended.stdout.strip())
    return ended.stdout


def _read_people(answer: Mapping[str, Any]) -> list[list[Person]]:
    return [
        [
            np.array([[point["x"], point["y"]] for point in pose["keypoints"]])
            for pose in image["poses"]
        ]
        for image in answer["images"]
    ]


def _read_printed(text: str) -> Person:
    numbers = re.findall(r": x (\S+), y (\S+), score", text)
    return np.array(numbers, float)


def compare(found: list[list[Person]], wanted: list[list[Person]]) -> dict[str, object]:
    """The numbers of people, and how far apart the keypoints are in photos with equal numbers."""
    moves = [0.0]
    differing = 0
    for people, others in zip(found, wanted, strict=True):
        if len(people) != len(others):
            differing += 1
            continue
        for one, other in zip(people, others, strict=True):
            moves += np.abs(one - other).max(axis=1).tolist()
    apart = np.array(moves)
    return {
        "people": sum(map(len, found)),
        "of_posezoo": sum(map(len, wanted)),
        "photos_with_other_numbers": differing,
        "same_share": round(float((apart <= SAME_PX).mean()), 4),
        "farthest_px": round(float(apart.max()), 3),
    }


def write_photos(photos: Path, folder: Path) -> list[Path]:
    """The photos as PNG, and as PPM beside them."""
    written = []
    for photo in sorted(photos.glob("*.jpg")):
        image = read_image(photo)
        for suffix in (".png", ".ppm"):
            cv2.imwrite(str(folder / f"{photo.stem}{suffix}"), image)
        written.append(folder / f"{photo.stem}.png")
    return written


def run_case(case: ExportCase, photos: Sequence[Path], folder: Path) -> list[dict[str, object]]:
    """A row for each target whose export was run."""
    runner = ExportRunner(case, folder, photos)
    rows = []
    for target, run_export in TARGETS.items():
        if target == "folder" and case.landmarks:
            continue  # its two networks are in two folders, each with its own sample
        try:
            found, xml = run_export(runner)
            row = {"model": case.name, "target": target, "of_ir": case.of_ir}
            row |= compare(found, runner.posezoo(xml))
        except RuntimeError as error:
            print(f"{case.name} --to {target}: not run: {error}", file=sys.stderr)
            continue
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def store(rows: Sequence[Mapping[str, object]], photos: int) -> None:
    """Replace the rows of these models in the file of results."""
    conditions = {"photos": photos, "date": date.today().isoformat(), "machine": machine()}
    earlier = json.loads(RESULT.read_text("utf-8"))["rows"] if RESULT.is_file() else []
    models = {row["model"] for row in rows}
    kept = [row for row in earlier if row["model"] not in models]
    result = {"conditions": conditions, "rows": [*kept, *rows]}
    RESULT.write_text(f"{json.dumps(result, indent=1)}\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all cases")
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(args.photos, folder)
        for case in CASES:
            if not args.models or case.name in args.models:
                own = folder / case.name
                own.mkdir()
                store(run_case(case, photos, own), len(photos))


if __name__ == "__main__":
    main()
