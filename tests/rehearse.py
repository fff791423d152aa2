"""Rehearse the models whose weights no package index has: from their publishers' files to an export.

    tests/rehearse.py [--photos DIR] [--part N/M] [--check] [--dry_run] [MODEL ...]

Each model gets generated weights in its publisher's form, or its real files if the mirror has them.
The publishers' names lead to a server of this machine. posezoo's verbs then do what a user would
do. models/rehearsed.tsv says how far each model came; docs/draw.py draws the page from it. With
--check, nothing is written, and it is an error if a step comes to its end where the table says that
it does not, or the other way round. Results on generated weights say nothing of accuracy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest

from conftest import by_digest, link_by_digest
from fakes.exact_networks import SAME_LAYERS, generate_irs, generate_onnx, rf_detr_checkpoint
from fakes.generated_models import generate
from fakes.publishers import Publishers, host_of, publishers_of
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.declarations.routes import Route, select_route
from posezoo.core.declarations.sources import PackageSource
from posezoo.core.registry import Registry, open_registry
from posezoo.media import samples
from rehearsal_table import (
    DONE,
    FAILED,
    NOT_RUN,
    ROOT,
    STEPS,
    Row,
    declared_digest,
    read_table,
    write_table,
)

#: Where published files are that tests and measurements use.
FROM_INDEX, IN_MIRROR = "published, from a package index", "published, in the mirror"

#: A step that takes longer is ended, and counts as not run, in seconds.
LIMIT_S = 400

#: So many photos are evaluated, and so many are for INT8.
EVALUATED, PHOTOS = 3, 6

#: What `quantize` says of INT8 that it made and compared, but does not keep.
NOT_KEPT = "no IR was written"

#: What `export` says of a decoder that is not made of OpenVINO's operations, or finds other people in noise.
NO_DECODER = "cannot be put into an IR", "differs from posezoo.decode"

#: What `export` says of a detector that its sample cannot run, and of an IR that takes any batch.
NO_DETECTOR = "--detector none exports the network alone"

#: A photo's people have this many annotated keypoints or more.
LEAST_KEYPOINTS = 10

#: The longest message of an error in a cell.
MESSAGE = 160

Box = tuple[float, float, float, float]


def is_of_an_index(spec: ModelSpec) -> bool:
    """Whether a package index has all files of a model: then each use of it is the real thing."""
    return all(
        any(isinstance(source, PackageSource) for source in file.sources) for file in spec.files
    )


def is_of_users(spec: ModelSpec) -> bool:
    """Whether only its publisher's code builds the network: users then convert their own ONNX."""
    return select_route(spec)[0] is Route.UPSTREAM_CODE and not spec.has_pre_convert


def empty_row(spec: ModelSpec, mirror: Path) -> Row:
    """The row of a model that was not rehearsed: its published files are used, or it is new."""
    at_hand = where_at_hand(spec, mirror)
    cells = dict.fromkeys(STEPS, "" if at_hand else f"{NOT_RUN}no rehearsal yet")
    return {"model": spec.name, "declared": "", "weights": at_hand, **cells}


def complete_table(registry: Registry, mirror: Path) -> None:
    """Write a row for each model of the registry, in its order."""
    rows = read_table()
    models = registry.select(None).models
    write_table(rows.get(spec.name) or empty_row(spec, mirror) for spec in models)


def where_at_hand(spec: ModelSpec, mirror: Path) -> str:
    """Where the published files of a model are, if tests and measurements use them; else empty."""
    if is_of_an_index(spec):
        return FROM_INDEX
    return IN_MIRROR if real_files(spec, mirror) else ""


class Photo:
    """A photo of several people, in a square, so that each way to fit it into a network is the same."""

    def __init__(self, photos: Path) -> None:
        self.folder = photos
        self.annotations = photos / "person_keypoints.json"
        content = json.loads(self.annotations.read_text("utf-8"))
        people: dict[int, list[dict[str, Any]]] = {}
        for person in content["annotations"]:
            people.setdefault(person["image_id"], []).append(person)
        images = {image["id"]: image for image in content["images"]}
        whole = {
            image: found
            for image, found in people.items()
            if min(person["num_keypoints"] for person in found) >= LEAST_KEYPOINTS
        }
        image, found = max(whole.items(), key=lambda pair: len(pair[1]))
        self.path = photos / images[image]["file_name"]
        self.side = max(images[image]["width"], images[image]["height"])
        self.boxes: list[Box] = [tuple(x / self.side for x in each["bbox"]) for each in found]

    def draw(self, folder: Path) -> Path:
        """Write the photo, filled up to a square at the right or below."""
        image = cv2.imread(str(self.path))
        height, width = image.shape[:2]
        margins = 0, self.side - height, 0, self.side - width
        image = cv2.copyMakeBorder(image, *margins, cv2.BORDER_CONSTANT, value=(114, 114, 114))
        path = folder / "people.png"
        cv2.imwrite(str(path), image)
        return path


def real_files(spec: ModelSpec, mirror: Path) -> dict[str, bytes] | None:
    """The published content of each file; None if the mirror lacks one of them."""
    contents = {}
    for file in spec.files:
        path = by_digest(mirror, file.checksum.value if file.checksum else "unknown")
        if not path.exists():
            return None
        contents[file.name] = path.read_bytes()
    return contents


def generate_files(
    spec: ModelSpec, folder: Path, mirror: Path, boxes: Sequence[Box]
) -> dict[str, bytes]:
    """The files of a model with generated weights, whose people are in these boxes."""
    if spec.name in SAME_LAYERS:
        return generate_irs(spec, folder)
    if not (spec.framework.value == "onnx" or is_of_users(spec)) or spec.decoder is None:
        return generate(spec, folder, mirror)
    is_checkpoint = spec.decoder.name == "rf_detr"
    content = rf_detr_checkpoint() if is_checkpoint else generate_onnx(spec, boxes, folder)
    return {file.name: content for file in spec.files}


def share_of_published(spec: ModelSpec, files: Mapping[str, bytes]) -> str:
    """How large the generated files are beside the published ones, if their size is known.

    An archive's members are packed, as in the published one.
    """
    sizes = [file.size for file in spec.files]
    if all(sizes):
        packed = (
            len(zlib.compress(content, 6)) if name.endswith(".zip") else len(content)
            for name, content in files.items()
        )
        return f"generated, {sum(packed) / sum(filter(None, sizes)):.2f} of the published bytes"
    if spec.published.mparams:
        share = sum(map(len, files.values())) / (4e6 * spec.published.mparams)
        return f"generated, {share:.2f} of the bytes of the published parameters"
    return "generated"


class Rehearsal:
    """A model, its detector and the other parts of its composite at their publishers."""

    def __init__(self, world: Publishers, spec: ModelSpec, photo: Photo) -> None:
        self.world, self.spec, self.photo = world, spec, photo
        self.folder: Path = world.folder
        self.registry = open_registry()
        self.whole = self.registry.composite_of(spec)
        #: Whether its publisher has INT8, too.
        self.has_int8 = any(Precision.FP16_INT8 in file.name for file in spec.files)
        people = self.whole.people
        self.is_of_faces = people is not None and people.photo.startswith("face")
        self.picture = photo.draw(self.folder)
        if self.is_of_faces:
            self.picture = Path(samples.__path__[0]) / "astronaut.png"
        #: The IR of the user's own ONNX, which then stands for the model's name.
        self.own = self.folder / f"{spec.name}.xml" if is_of_users(spec) else None
        self.name = self.own or self.whole.name

    def publish(self, mirror: Path) -> str:
        """Serve all files; returns what the model's weights are."""
        detector = self.whole.people
        models = [self.whole, *([self.registry.find(detector.photo)] if detector else [])]
        weights = ""
        for part in (part for model in models for part in self.registry.parts(model)):
            files = real_files(part, mirror)
            words = "published"
            if files is None:
                files = generate_files(part, self.folder, mirror, self.photo.boxes)
                words = share_of_published(part, files)
            if self.own and part.name == self.spec.name:
                self.own.with_suffix(".onnx").write_bytes(*files.values())
            else:
                self.world.publish(part, files)
            weights = words if part.name == self.spec.name else weights
        return weights

    def steps(self) -> Iterator[tuple[str, str]]:
        """The words of each step, until one that the others need fails."""
        for step in STEPS:
            cell = getattr(self, step)()
            yield step, cell
            if step == "get" and not cell.startswith(DONE):
                break

    def get(self) -> str:
        if self.own:
            return self.convert().replace(DONE, f"{DONE}, from the user's ONNX")
        words = ["--precisions", "FP32,FP16,FP16-INT8"] if self.has_int8 else []
        return self.ask("get", self.spec.name, *words)[0]

    def convert(self) -> str:
        """Convert the user's ONNX, as `posezoo get MODEL` says."""
        assert self.own
        onnx = self.own.with_suffix(".onnx")
        words = "--as", self.spec.name, "--output", self.own
        return self.ask("convert", onnx, *words)[0]

    def run(self) -> str:
        out = self.folder / "poses"
        cell, _ = self.ask("run", self.name, "--input", self.picture, "--output", out)
        if cell != DONE:
            return cell
        (frame,) = json.loads((out / "poses.json").read_text("utf-8"))["images"]
        drawn = [path for path in out.iterdir() if path.suffix != ".json"]
        return f"{DONE}, {len(frame['poses'])} found" if drawn else f"{FAILED}nothing is drawn"

    def evaluate(self) -> str:
        data = "--annotations", self.photo.annotations, "--images", self.photo.folder
        out = "--output", self.folder / "evaluation"
        cell, _ = self.ask("evaluate", self.name, *data, "--limit", EVALUATED, *out)
        is_other = "does not match the annotations" in cell
        return f"{NOT_RUN}the photos' annotations have other keypoints" if is_other else cell

    def benchmark(self) -> str:
        words = "--num_infer_requests", 1, "--seconds", 0.1, "--input", self.picture
        return self.ask("benchmark", "--pipeline", self.name, *words)[0]

    def quantize(self) -> str:
        photos = self.folder / "photos"
        photos.mkdir()
        for number, path in enumerate(sorted(self.photo.folder.glob("*.jpg"))[:PHOTOS]):
            if self.is_of_faces:  # the short range detector finds few in the photos
                face = cv2.imread(str(self.picture))[10 * number :]
                cv2.imwrite(str(photos / f"{number}.png"), face)
            else:
                (photos / path.name).symlink_to(path.resolve())
        words = ["--measure_only"] if self.has_int8 else []
        cell, printed = self.ask(
            "quantize", self.own or self.spec.name, "--dataset_dir", photos, *words
        )
        # Generated weights cannot judge INT8: that it was compared is the end of this step.
        return f"{DONE}, and not kept" if NOT_KEPT in printed else cell

    def export(self) -> str:
        """Export the network with its decoder and its detector, and run the sample beside it."""
        out = self.folder / "exported"
        words = self.name, "--to", "folder", out
        cell, printed = self.ask("export", *words, "--decode")
        if NO_DETECTOR in printed:
            without = f"{DONE}, without the detector: {cell.removeprefix(FAILED)}"
            alone = "--decode", "--detector", "none"
            cell = self.ask("export", *words, *alone)[0].replace(DONE, without)
        elif any(reason in printed for reason in NO_DECODER):
            without = f"{DONE}, without the decoder: {cell.removeprefix(FAILED)}"
            cell = self.ask("export", *words)[0].replace(DONE, without)
        if not cell.startswith(DONE):
            return cell
        (sample,) = out.glob("*/sample.py")
        return self.call("sample", [sys.executable, sample, self.picture])[0].replace(DONE, cell)

    def ask(self, verb: str, *words: object) -> tuple[str, str]:
        """Run a verb as a user would; returns the words of its cell, and what it printed."""
        places = ["--models_dir", self.world.models, "--weights_dir", self.folder / "out"]
        if self.own:  # these flags are for models; its detector is one
            has_registry = verb != "convert" and self.world.models.exists()
            environ = {"POSEZOO_MODELS_DIR": str(self.world.models)} if has_registry else {}
            return self.call(verb, [sys.executable, "-m", "posezoo", verb, *words], **environ)
        trust = ["--trust_on_first_use", "--lock", self.folder / "posezoo.lock"]
        trust += ["--allow_upstream_code"] if self.spec.has_pre_convert else []
        return self.call(verb, [sys.executable, "-m", "posezoo", verb, *words, *places, *trust])

    def call(self, step: str, command: Sequence[object], **environ: str) -> tuple[str, str]:
        """Run a program; returns the words of its cell, and what it printed."""
        try:
            ended = subprocess.run(
                [*map(str, command)],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
                cwd=self.folder,
                env={**os.environ, **environ},
            )
        except subprocess.TimeoutExpired:
            return f"{NOT_RUN}it takes more than {LIMIT_S} s", ""
        printed = (ended.stdout + ended.stderr).replace(f"{self.folder}/", "")
        log = ROOT / "build" / "rehearsal" / f"{self.spec.name}-{step}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(printed, "utf-8")
        return DONE if ended.returncode == 0 else FAILED + last_error(printed), printed


def last_error(printed: str) -> str:
    """The message of the last error, or the last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if line.startswith("error: ")] or lines
    return errors[-1].removeprefix("error: ").replace("\t", " ")[:MESSAGE]


def rehearse(name: str, photos: Path, mirror: Path) -> Row:
    """Rehearse a model in a folder that is removed; its row of the table."""
    registry = open_registry()
    spec = registry.find(name)
    assert isinstance(spec, ModelSpec)
    row = {**empty_row(spec, mirror), "declared": declared_digest(spec.path)}
    hosts = {
        host_of(source)
        for each in registry.select(None).models
        for file in each.files
        for source in file.sources
    }
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    environment = pytest.MonkeyPatch()
    try:
        with publishers_of(folder, hosts, environment) as world:
            rehearsal = Rehearsal(world, spec, Photo(photos))
            row["weights"] = rehearsal.publish(mirror)
            row |= dict.fromkeys(STEPS, f"{NOT_RUN}get failed") | dict(rehearsal.steps())
    except (Exception, pytest.skip.Exception) as error:  # noqa: BLE001 the row says it
        reason = f"{NOT_RUN}{type(error).__name__}: {error}".replace("\n", " ")[:MESSAGE]
        row |= dict.fromkeys(STEPS, reason)
    finally:
        environment.undo()
        shutil.rmtree(folder)
    return row


def npm_mirror(mirror: Path, folder: Path) -> Path:
    """The mirror, and the files of `make build/npm-models` if they are here."""
    for file in mirror.glob("1/*/*"):
        link_by_digest(file, folder, file.parent.name + file.name)
    models = Path(os.environ.get("TFJS_MODELS") or ROOT / "build/npm-models/package/models")
    for file in models.glob("*"):
        link_by_digest(file, folder, hashlib.sha384(file.read_bytes()).hexdigest())
    return folder


def chosen_models(registry: Registry, names: Sequence[str], part: str, mirror: Path) -> list[str]:
    """The named models in this order; or one part of several of all models, such as 2/7, the smallest first."""
    if names:
        models = [spec for name in names for spec in registry.select([name]).models]
    else:
        models = sorted(registry.select(None).models, key=published_size)
    number, _, count = part.partition("/")
    left = [spec.name for spec in models if not where_at_hand(spec, mirror)]
    return left[int(number) - 1 :: int(count or 1)]


def published_size(spec: ModelSpec) -> int:
    """The bytes of a model's files, or their limit."""
    return sum(file.size or file.max_size or 0 for file in spec.files)


def differing_steps(stated: Row, found: Row) -> list[str]:
    """The steps that came to their end, or did not, where the table says the opposite.

    Numbers may differ between processors, and whether INT8 is kept. Without its authors' package, a
    model is skipped.
    """
    return [
        f"{found['model']}: {step}: {found[step]}; the table says: {stated[step]}"
        for step in STEPS
        if found[step].startswith(DONE) != stated[step].startswith(DONE)
        and "Skipped" not in found[step]
    ]


def main() -> int:
    """Rehearse the chosen models, and write the table after each."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    command.add_argument("models", nargs="*", metavar="MODEL")
    command.add_argument("--photos", type=Path, default=ROOT.parent / "shared/data/photos")
    command.add_argument("--mirror", type=Path, default=ROOT.parent / "shared/data/mirror")
    command.add_argument("--part", default="1/1", metavar="N/M", help="one part of all models")
    command.add_argument("--check", action="store_true", help="write nothing; compare")
    command.add_argument("--dry_run", action="store_true", help="only complete the table")
    args = command.parse_args()
    registry = open_registry()
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        mirror = npm_mirror(args.mirror, Path(folder))
        if not args.check:
            complete_table(registry, mirror)
        names = chosen_models(registry, args.models, args.part, mirror)
        context = multiprocessing.get_context("spawn")
        # A process for each model: what it held in memory ends with it.
        with context.Pool(1, maxtasksperchild=1) as pool:
            for name in names if not args.dry_run else ():
                found = pool.apply(rehearse, (name, args.photos.resolve(), mirror))
                print("\t".join(found.values()), flush=True)
                rows = read_table()  # another rehearsal may have written since
                differences += differing_steps(rows[name], found)
                if not args.check:
                    write_table({**rows, name: found}.values())
    if not args.check:
        return 0
    for line in differences:
        print(line, file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
