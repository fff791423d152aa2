"""Runs exports on photos, and compares their people with those of ``posezoo run``.

    python benchmarks/run_exports.py --photos FOLDER [MODEL...]

Writes results/exports.json, of which docs/export.md draws tables: per model and target the people
that the export's program finds, those of ``posezoo run``, and how far their keypoints are apart; of
a detector, the corners of its boxes. A refused export is recorded with its error. Nothing is
recorded of a target whose program cannot be built or run here; the reason is printed.

Models that cannot be downloaded here run with generated weights: their detector and RTMO answer
with two people at given places, and the keypoints are arbitrary. So these rows compare programs,
and say nothing of what a model finds.
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
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from harness import RESULTS, machine
from measure_generated import write_registry
from published_network import PublishedNetwork
from triton_server import ask, serve

from posezoo.api import load
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.registry import open_registry
from posezoo.media.images import read_image
from posezoo.poses.keypoints import Pose
from posezoo.run.runtime.estimator import override_network

ROOT = Path(__file__).resolve().parents[1]
RESULT = RESULTS / "exports.json"

#: The generated networks are those of the tests.
sys.path.insert(0, str(ROOT / "tests"))

#: The keypoints of a person, or the corners of a box: (K, 2), in pixels of the photo.
Person = np.ndarray

#: An IR that takes the frames of a camera, and returns people.
_CAMERA = ("--decode", "--input_type", "u8", "--input_layout", "NHWC")

#: A network that takes one person at a time gets whole photos.
_ALONE = ("--detector", "none")

_PACKAGES = ("openvino-model-api", "ai-edge-litert", "tritonclient")

#: Runs the program of an export for each photo in one process, because imports take long.
_NEXT = "---next photo---"
_EACH = f"""
import runpy, sys
_, sample, drawing, *photos = sys.argv
sys.path.insert(0, sample.rpartition("/")[0])
for photo in photos:
    print({_NEXT!r})
    sys.argv = [sample, photo, drawing]
    runpy.run_path(sample, run_name="__main__")
"""


def _computed_in(target: str) -> tuple[str, ...]:
    """The flag with which ``posezoo run`` computes as the program of a target: ONNX Runtime has no
    bf16 on a CPU.
    """
    return ("--inference_precision", "f32") if target.startswith("onnx") else ()


#: Two keypoints are the same if they are at most this many pixels apart.
SAME_PX = 0.1


@dataclass(frozen=True)
class ExportCase:
    """A model whose exports are run.

    Attributes:
        name: of the model.
        flags: for ``posezoo export`` and ``posezoo run``.
        precision: of the IR.
        published: of a composite: the part whose published file LiteRT runs.
        is_generated: whether its weights cannot be downloaded here.
    """

    name: str
    flags: tuple[str, ...] = ()
    precision: str = "FP16"
    published: str = ""
    is_generated: bool = False

    @property
    def export(self) -> str:
        """The model and the flags, as ``posezoo export`` takes them."""
        precision = () if self.precision == "FP16" else ("--precision", self.precision)
        return " ".join((self.name, *precision, *self.flags))

    def compared(self, target: str) -> str:
        """The command whose people are compared with those of the export to a target."""
        return " ".join(("posezoo run", self.export, *_computed_in(target)))


#: The first are the rows of README's table, and models for other needs.
CASES = (
    ExportCase("rtmpose-s", is_generated=True),
    ExportCase("rtmpose-m", is_generated=True),
    ExportCase("rtmo-s", is_generated=True),
    ExportCase("rtmpose-t", is_generated=True),
    ExportCase("pp-tinypose-256x192"),
    ExportCase("rtmpose-x-384x288", is_generated=True),
    ExportCase("dwpose-l", is_generated=True),
    ExportCase("rtmpose-m-halpe26", is_generated=True),
    ExportCase("hand-landmark-full"),
    ExportCase("blazepose-full", published="pose-landmark-full-mediapipe"),
    ExportCase("movenet-thunder"),
    ExportCase("movenet-thunder", precision="FP16-INT8"),
    ExportCase("human-pose-estimation-0001", ("--height", "480"), precision="FP16-INT8"),
    ExportCase("posenet-mobilenet-v1", precision="FP16-INT8"),
    ExportCase("movenet-thunder", _ALONE),
    ExportCase("movenet-lightning"),
    ExportCase("movenet-lightning", _ALONE),
    ExportCase("movenet-singlepose-lightning-int8"),
    ExportCase("movenet-singlepose-lightning-int8", _ALONE),
    ExportCase("movenet-multipose"),
    ExportCase("human-pose-estimation-0001", precision="FP16-INT8"),
    ExportCase("posenet-mobilenet-v1"),
    ExportCase("tf-pose-mobilenet-v2-small"),
    ExportCase("person-detection-retail-0013"),
)


class RefusedError(RuntimeError):
    """posezoo does not export a model to a target."""


class ExportRunner:
    """Runs the exports of one case in a folder of its own."""

    def __init__(self, case: ExportCase, folder: Path, photos: Sequence[Path]) -> None:
        self.case = case
        self.folder = folder
        self._photos = photos
        self._registry: tuple[str, ...] = ()
        if case.is_generated:
            write_registry(folder, case.name, people=2)
            models, cache = folder / "models", folder / "cache"
            self._registry = "--models_dir", str(models), "--cache_dir", str(cache)

    def cpp(self) -> list[list[Person]]:
        """The people that the C++ program finds in each photo."""
        project = self.folder.parent / "cpp"  # of all models, so that it is compiled once
        self._export("cpp", project)
        cmake_files = import_openvino().utils.get_cmake_path()
        _run("cmake", "-S", project, "-B", project / "build", f"-DOpenVINO_DIR={cmake_files}")
        _run("cmake", "--build", project / "build")
        xml = project / "models" / f"{self.case.name}.xml"
        frames = [photo.with_suffix(".ppm") for photo in self._photos]
        return _read_people(json.loads(_run(project / "build" / "poses", xml, *frames)))

    def folder_sample(self) -> list[list[Person]]:
        """The people that sample.py prints for each photo."""
        folder = self.folder / "folder"
        self._export("folder", folder, *_CAMERA)
        return self._run_sample(folder / self.case.name)

    def onnx(self) -> list[list[Person]]:
        """The people that sample.py prints for each photo with ONNX Runtime."""
        self._export("onnx", self.folder / "onnx")
        return self._run_sample(self.folder / "onnx" / self.case.name)

    def _run_sample(self, own: Path) -> list[list[Person]]:
        drawing = self.folder / "drawing.png"
        printed = _run(sys.executable, "-c", _EACH, own / "sample.py", drawing, *self._photos)
        return [_read_printed(text) for text in printed.split(_NEXT)[1:]]

    def modelapi(self) -> list[list[Person]]:
        """The boxes that the sample for Model API prints for each photo."""
        folder = self.folder / "modelapi"
        self._export("modelapi", folder)
        own = folder / self.case.name
        people = []
        for photo in self._photos:
            text = _run(sys.executable, own / "sample.py", photo)
            boxes = re.findall(r"\[(.+)\]$", text, re.MULTILINE)
            people.append([_read_corners(box) for box in boxes])
        return people

    def triton(self) -> list[list[Person]]:
        """The people in each photo if Triton runs the network of posezoo."""
        folder = self.folder / "triton"
        self._export("triton", folder, *_CAMERA)
        xml = folder / self.case.name / "1" / "model.xml"
        model = load(xml, detector=None)
        with serve(folder) as client:
            find = override_network(model, partial(ask, client, self.case.name), 0)
            return self._find(find)

    def litert(self) -> list[list[Person]]:
        """The people in each photo if LiteRT runs the published network of posezoo; the detector is
        posezoo's.
        """
        case = self.case
        folder = self.folder / "published"
        _run("posezoo", "download", case.published or case.name, "-o", folder)
        files = [*folder.rglob("*.tflite")]
        if len(files) != 1:
            raise RuntimeError("it is not published as one TFLite file")
        spec = open_registry().find(case.published or case.name)
        assert isinstance(spec, ModelSpec)
        model = load(case.name, case.precision, detector=self._detector)
        network = PublishedNetwork(files[0], spec.first_input)
        return self._find(override_network(model, network, -1))

    @property
    def _detector(self) -> str | None:
        return None if self.case.flags == _ALONE else "usual"

    def _find(self, find: Callable[[object], Sequence[Pose]]) -> list[list[Person]]:
        people = [find(read_image(photo)) for photo in self._photos]
        return [[_points_of(each.keypoints[:, :2], each.box) for each in found] for found in people]

    @cache  # noqa: B019 - there is one for each case
    def people_of_run(self, *flags: str) -> list[list[Person]]:
        """The people of ``posezoo run`` with these flags in each photo."""
        out = self.folder / "poses"
        shutil.rmtree(out, ignore_errors=True)
        case = self.case
        model = (case.name, "--precision", case.precision, *case.flags, *flags)
        _run("posezoo", "run", *model, *self._places("run"), "-i", *self._photos, "-o", out)
        return _read_people(json.loads((out / "poses.json").read_text("utf-8")))

    def _export(self, target: str, folder: Path, *flags: str) -> None:
        case = self.case
        flags = ("--precision", case.precision, *case.flags, *flags, *self._places(target))
        try:
            _run("posezoo", "export", case.name, *flags, "--to", target, folder)
        except RuntimeError as error:
            raise RefusedError(*error.args) from error

    def _places(self, user: str) -> tuple[str, ...]:
        """The registry, and a folder of IR for each user."""
        return "--weights_dir", str(self.folder / f"irs-{user}"), *self._registry


TARGETS: Mapping[str, Callable[[ExportRunner], list[list[Person]]]] = {
    "cpp": ExportRunner.cpp,
    "folder": ExportRunner.folder_sample,
    "onnx": ExportRunner.onnx,
    "modelapi": ExportRunner.modelapi,
    "triton": ExportRunner.triton,
    "litert": ExportRunner.litert,  # no export: of the published file
}


#: The targets whose files find people.
PROGRAMS = ("cpp", "folder", "onnx")


def _first_sentence(error: str) -> str:
    """The problem in an error of posezoo, without the hint and what was printed before."""
    return error.partition("error: ")[2].partition("\n")[0]


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
    """A row for each target whose export was run, or refused."""
    runner = ExportRunner(case, folder, photos)
    rows: list[dict[str, object]] = []
    for target in targets:
        row: dict[str, object] = {"model": case.name, "export": case.export, "target": target}
        row |= {"of": case.compared(target), "photos": len(photos)}
        if case.is_generated:
            row["weights"] = "generated"
        try:
            row |= compare(TARGETS[target](runner), runner.people_of_run(*_computed_in(target)))
        except RefusedError as error:
            if target not in PROGRAMS:
                continue
            row["refused"] = _first_sentence(str(error))
        except RuntimeError as error:
            print(f"{case.export} --to {target}: no row: {error}", file=sys.stderr)
            continue
        rows.append(row)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def store(rows: Sequence[Mapping[str, object]], photos: Sequence[Path]) -> None:
    """Write these rows into the file of results, and keep the others."""
    conditions = {
        "photos": [photo.stem for photo in photos],
        "date": date.today().isoformat(),
        "machine": machine(),
        "packages": {name: version(name) for name in _PACKAGES},
    }
    earlier = json.loads(RESULT.read_text("utf-8"))["rows"] if RESULT.is_file() else []
    by_export = {(row["export"], row["target"]): row for row in [*earlier, *rows]}
    kept = []
    for case in CASES:
        for target in TARGETS:
            row = by_export.get((case.export, target))
            if row and row["of"] == case.compared(target):
                kept.append(row)
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
                store(run_case(case, args.to, photos, own), photos)


if __name__ == "__main__":
    main()
