"""Runs exports on photos, and compares their people with those of ``posezoo run``.

    python benchmarks/run_exports.py --photos FOLDER [MODEL...]

Writes results/exports.json, of which docs/export.md draws a table: per model and target the people
that the export's program finds, those of ``posezoo run``, and how far their keypoints are apart; of
a detector, the corners of its boxes. Nothing is recorded of a target whose program cannot be built
or run here; the reason is printed.
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
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from harness import RESULTS, machine
from openvino.utils import get_cmake_path
from published_network import PublishedNetwork
from triton_server import ask, serve

from posezoo.api import load
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.poses.keypoints import Pose
from posezoo.run.images import read_image

RESULT = RESULTS / "exports.json"

#: The packages of the programs for Node.
NODE_MODULES = Path(__file__).parents[1] / "build" / "node-env" / "node_modules"

#: The keypoints of a person, or the corners of a box: (K, 2), in pixels of the photo.
Person = np.ndarray

#: An IR that takes the frames of a camera, and returns people.
_CAMERA = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")

#: A network that takes one person at a time gets whole photos.
_ALONE = ("--detector", "none")

_PACKAGES = ("openvino-model-api", "ai-edge-litert", "tritonclient")

#: Two keypoints are the same if they are at most this many pixels apart.
SAME_PX = 0.1


@dataclass(frozen=True)
class ExportCase:
    """A model whose exports are run.

    Attributes:
        name: of the model.
        flags: for ``posezoo export`` and ``posezoo run``.
        precision: of the IR.
        landmarks: of a composite: the part whose IR is named; the other one is its detector.
        detector: of a composite: the part that finds the people.
        of_ir: whether ``posezoo run`` gets the exported IR: the model itself has another size for
            each photo, or another decoder outside of an IR.
    """

    name: str
    flags: tuple[str, ...] = ()
    precision: str = "FP16"
    landmarks: str = ""
    detector: str = ""
    of_ir: bool = False

    @property
    def export(self) -> str:
        """The model and the flags, as ``posezoo export`` takes them."""
        precision = () if self.precision == "FP16" else ("--precision", self.precision)
        return " ".join((self.name, *precision, *self.flags))

    @property
    def compared(self) -> str:
        """The command whose people are compared with those of the export."""
        model = " ".join((f"{self.name}.xml", *self.flags)) if self.of_ir else self.export
        return f"posezoo run {model}"


CASES = (
    ExportCase("movenet-thunder"),
    ExportCase("movenet-thunder", _ALONE),
    ExportCase("movenet-lightning"),
    ExportCase("movenet-lightning", _ALONE),
    ExportCase("movenet-singlepose-lightning-int8"),
    ExportCase("movenet-singlepose-lightning-int8", _ALONE),
    ExportCase(
        "blazepose-full",
        landmarks="pose-landmark-full-mediapipe",
        detector="pose-detection-mediapipe",
    ),
    ExportCase("movenet-multipose", of_ir=True),
    ExportCase("human-pose-estimation-0001", precision="FP16-INT8", of_ir=True),
    ExportCase("tf-pose-mobilenet-v2-small", of_ir=True),
    ExportCase("person-detection-retail-0013", of_ir=True),
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
        self._export("folder", self.folder, *_CAMERA)
        own = self.folder / self.case.name
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo, self.folder / "drawing.png")
            people.append(_read_printed(text))
        return people, own / f"{self.case.name}.xml"

    def onnx(self) -> tuple[list[list[Person]], Path]:
        """The people that sample.py prints for each photo with ONNX Runtime, and the IR."""
        own = self._export_onnx()
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo, self.folder / "drawing.png")
            people.append(_read_printed(text))
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

    def modelapi(self) -> tuple[list[list[Person]], Path]:
        """The boxes that the sample for Model API prints for each photo, and the IR."""
        folder = self.folder / "modelapi"
        self._export("modelapi", folder)
        own = folder / self.case.name
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo)
            boxes = re.findall(r"\[(.+)\]$", text, re.MULTILINE)
            people.append([_read_corners(box) for box in boxes])
        return people, own / f"{self.case.name}.xml"

    def triton(self) -> tuple[list[list[Person]], Path]:
        """The people in each photo if Triton runs the network of posezoo, and the IR."""
        folder = self.folder / "triton"
        self._export("triton", folder, *_CAMERA)
        xml = folder / self.case.name / "1" / "model.xml"
        model = load(xml, detector=None)
        with serve(folder) as client:
            find = model.with_network_override(partial(ask, client, self.case.name), 0)
            return self._find(find), xml

    def litert(self) -> tuple[list[list[Person]], Path]:
        """The people in each photo if LiteRT runs the published network of posezoo, and its file;
        the detector is posezoo's.
        """
        case = self.case
        folder = self.folder / "published"
        _run("posezoo", "download", case.landmarks or case.name, "-o", folder)
        files = [*folder.rglob("*.tflite")]
        if len(files) != 1:
            raise RuntimeError("it is not published as one TFLite file")
        spec = open_registry().find(case.landmarks or case.name)
        assert isinstance(spec, ModelSpec)
        model = load(case.name, case.precision, detector=self._detector)
        network = PublishedNetwork(files[0], spec.first_input)
        return self._find(model.with_network_override(network, -1)), files[0]

    @property
    def _detector(self) -> str | None:
        return None if self.case.flags == _ALONE else "usual"

    def _find(self, find: Callable[[object], Sequence[Pose]]) -> list[list[Person]]:
        people = [find(read_image(photo)) for photo in self._photos]
        return [[_points_of(each.keypoints[:, :2], each.box) for each in found] for found in people]

    def posezoo(self, xml: Path) -> list[list[Person]]:
        """The people of ``posezoo run`` in each photo."""
        out = self.folder / "poses"
        shutil.rmtree(out, ignore_errors=True)
        case = self.case
        model = (xml,) if case.of_ir else (case.name, "--precision", case.precision)
        _run(
            "posezoo", "run", *model, *case.flags, *self._weights("run"), "-i", *self._photos,
            "-o", out,
        )  # fmt: skip
        return _read_people(json.loads((out / "poses.json").read_text("utf-8")))

    def _export(self, target: str, folder: Path, *flags: str) -> None:
        case = self.case
        flags = ("--precision", case.precision, *case.flags, *flags, *self._weights(target))
        _run("posezoo", "export", case.name, *flags, "--to", target, folder)

    def _weights(self, user: str) -> tuple[str, str]:
        """A folder of IR for each: those with a decoder would replace the others."""
        return "--weights_dir", str(self.folder / f"irs-{user}")


TARGETS: Mapping[str, Callable[[ExportRunner], tuple[list[list[Person]], Path]]] = {
    "cpp": ExportRunner.cpp,
    "folder": ExportRunner.folder_sample,
    "onnx": ExportRunner.onnx,
    "onnx with node": ExportRunner.onnx_with_node,
    "modelapi": ExportRunner.modelapi,
    "triton": ExportRunner.triton,
    "litert": ExportRunner.litert,  # no export: of the published file
}


def _run(*command: object) -> str:
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=1200
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip() or ended.stdout.strip())
    return ended.stdout


def _read_people(answer: Mapping[str, Any]) -> list[list[Person]]:
    return [[_read_pose(pose) for pose in image["poses"]] for image in answer["images"]]


def _read_pose(pose: Mapping[str, Any]) -> Person:
    keypoints = np.array([[point["x"], point["y"]] for point in pose["keypoints"]])
    return _points_of(keypoints, pose.get("box", ()))


def _points_of(keypoints: np.ndarray, box: Sequence[float]) -> Person:
    return keypoints if len(keypoints) else np.array(box).reshape(2, 2)


def _read_printed(text: str) -> list[Person]:
    """The people or boxes that a sample for Python prints."""
    boxes = re.findall(r"^box, score \S+: (.+)$", text, re.MULTILINE)
    people = [
        np.array(re.findall(r": x (\S+), y (\S+), score", person), float)
        for person in text.split("person, score ")[1:]
    ]
    return [*people, *map(_read_corners, boxes)]


def _read_corners(text: str) -> Person:
    return np.array(text.split(","), float).reshape(2, 2)


def compare(found: list[list[Person]], wanted: list[list[Person]]) -> dict[str, object]:
    """The numbers of people, and how far apart the keypoints are in photos with equal numbers."""
    moves: list[float] = []
    differing = 0
    for people, others in zip(found, wanted, strict=True):
        if len(people) != len(others):
            differing += 1
            continue
        for one, other in zip(people, others, strict=True):
            moves += np.abs(one - other).max(axis=1).tolist()
    if not moves:
        raise RuntimeError("nothing to compare: no people in photos with equal numbers of them")
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


def run_case(
    case: ExportCase, targets: Sequence[str], photos: Sequence[Path], folder: Path
) -> list[dict[str, object]]:
    """A row for each target whose export was run."""
    runner = ExportRunner(case, folder, photos)
    rows: list[dict[str, object]] = []
    for target in targets:
        if target == "folder" and case.landmarks:
            continue  # its two networks are in two folders, each with its own sample
        try:
            found, xml = TARGETS[target](runner)
            compared = compare(found, runner.posezoo(xml))
        except RuntimeError as error:
            print(f"{case.export} --to {target}: no row: {error}", file=sys.stderr)
            continue
        row = {"model": case.name, "export": case.export, "target": target, "of": case.compared}
        rows.append(row | compared)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def store(rows: Sequence[Mapping[str, object]], photos: int) -> None:
    """Write these rows into the file of results, and keep the others."""
    conditions = {
        "photos": photos,
        "date": date.today().isoformat(),
        "machine": machine(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    earlier = json.loads(RESULT.read_text("utf-8"))["rows"] if RESULT.is_file() else []
    by_export = {(row["export"], row["target"]): row for row in [*earlier, *rows]}
    order = [(case.export, target) for case in CASES for target in TARGETS]
    kept = [by_export[key] for key in order if key in by_export]
    result = {"conditions": conditions, "rows": kept}
    RESULT.write_text(f"{json.dumps(result, indent=1)}\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all cases")
    parser.add_argument(
        "--to",
        nargs="+",
        choices=TARGETS,
        default=[*TARGETS],
        metavar="TARGET",
        help="default: all",
    )
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(args.photos, folder)
        for case in CASES:
            if not args.models or case.name in args.models:
                own = folder / case.export.replace(" ", "_")
                own.mkdir()
                store(run_case(case, args.to, photos, own), len(photos))


if __name__ == "__main__":
    main()
