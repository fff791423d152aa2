"""Measure the speed of RTMPose and RTMO on generated weights, and record it in measured.yml.

    benchmarks/measure_generated.py [--dry_run] [--anyway] [MODEL ...]

OpenMMLab's files are out of reach for many machines. The networks of tests/fakes have the layers of
the published ones, and their sizes: a test compares the parameters of RTMPose, and the size of the
ONNX files. Each model runs from a registry that differs from ours only in its files, by posezoo's
own verbs; the detector and RTMO answer with people at the places of those on the picture. The
results are recorded as of generated weights. Speeds are measured on an idle machine alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import yaml

from posezoo.core.errors import InferenceError
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.registry import open_registry
from posezoo.figures.measured import read_measurement_file
from posezoo.measure.benchmark_cases import SEAM
from posezoo.measure.complexity_count import record_measurements

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "measure"
MAX_BUSY = 0.1

#: A speed that other work disturbed is measured again, up to this many times.
ATTEMPTS = 3

PIPELINES = (
    *(f"rtmpose-{size}" for size in "tsm"),
    *(f"rtmo-{size}" for size in "tsml"),
)

#: Those of which the network alone is measured.
NETWORKS = ("rtmdet-nano", "rtmpose-l", *(f"rtmpose-{size}-384x288" for size in "mlx"))

#: Photos of the picture, with one person each, are 400 pixels wide and 512 high.
WIDTH, HEIGHT = 400, 512
STEP = WIDTH - SEAM


def places_of(people: int) -> list[tuple[float, float, float, float]]:
    """The boxes of the people of ``benchmark --pipeline --people N`` in the network's square."""
    side = max(WIDTH + (people - 1) * STEP, HEIGHT)
    sizes = 0.8 * WIDTH / side, 0.95 * HEIGHT / side
    return [((0.1 * WIDTH + index * STEP) / side, 0.0, *sizes) for index in range(people)]


def write_registry(folder: Path, name: str, people: int) -> None:
    """A registry with the model and its detector, whose files are in the cache beside it."""
    shutil.copytree(ROOT / "licenses", folder / "licenses")
    path = ROOT / "models" / "public" / name / "model.yml"
    registry = open_registry()
    models = {name: yaml.safe_load(path.read_text("utf-8"))}
    detector = models[name].get("people", {}).get("photo")
    if detector:
        models[detector] = yaml.safe_load(
            (path.parents[1] / detector / path.name).read_text("utf-8")
        )
    for each, declared in models.items():
        generate = import_module("fakes.exact_networks").generate_onnx
        content = generate(registry.find(each), places_of(people), folder)
        file = folder / f"{each}.onnx"
        file.write_bytes(content)
        digest = compute_digest(file).value
        entry = folder / "cache" / "1" / digest[:2] / digest[2:]
        entry.parent.mkdir(parents=True, exist_ok=True)
        file.rename(entry)
        source = f"https://generated.invalid/{each}.onnx"
        declared["files"] = [
            {"name": file.name, "size": len(content), "checksum": digest, "source": source}
        ]
        for key in ("postprocessing", "checkpoint", "self_check"):
            declared.pop(key, None)
        target = folder / "models" / "public" / each / "model.yml"
        target.parent.mkdir(parents=True)
        target.write_text(yaml.safe_dump(declared), "utf-8")


def benchmarks_of(name: str) -> Iterator[tuple[int, list[str]]]:
    """The number of people on the picture, and the flags."""
    for people in (1, 4) if name in PIPELINES else ():
        yield people, ["--pipeline", name, "--people", str(people)]
    yield 1, [name, "--num_infer_requests", "1,0"]


def measure(name: str, people: int, words: list[str]) -> bool:
    """Measure a case of a model, and record the results; whether they were steady enough."""
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_registry(folder, name, people)
            output = folder / "speed.json"
            places = ["--models_dir", str(folder / "models"), "--cache_dir", str(folder / "cache")]
            places += ["--weights_dir", str(folder / "weights"), "--output", str(output)]
            if not run("benchmark", *words, *places, "--seconds", "1"):
                return False
            rows = json.loads(output.read_text("utf-8"))
        for row in rows:
            row["weights"] = "generated"
            row.pop("irs", None)
            stated = row["settings"].get("people", people)
            assert stated == people, f"{name}: the picture shows {people}, and {stated} were found"
        recorded = RESULTS / f"{name}-generated.json"
        RESULTS.mkdir(parents=True, exist_ok=True)
        recorded.write_text(json.dumps(rows), "utf-8")
        measurements = [each for _, each in read_measurement_file(recorded)]
        try:
            record_measurements(open_registry().find(name), measurements)
        except InferenceError as error:  # other work disturbed it
            print(error, file=sys.stderr)
        else:
            return True
    return False


def run(*words: str) -> bool:
    """Run one of posezoo's verbs, which prints its error; whether it succeeded."""
    command = [sys.executable, "-m", "posezoo", *words, "--quiet"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    """Measure the named models, or all."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    command.add_argument("models", nargs="*", default=(*PIPELINES, *NETWORKS), metavar="MODEL")
    command.add_argument("--dry_run", action="store_true", help="only print the commands")
    command.add_argument("--anyway", action="store_true", help="also while other programs run")
    args = command.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    missing = []
    for name in args.models:
        for people, words in benchmarks_of(name):
            print(f"posezoo benchmark {' '.join(words)}", flush=True)
            if args.dry_run:
                continue
            busy = import_module("measure").busy_share()
            if busy > MAX_BUSY and not args.anyway:
                print(f"{name}: other programs use {busy:.0%} of this machine", file=sys.stderr)
                return 1
            if not measure(name, people, words):
                missing.append(" ".join(words))
    for each in missing:
        print(f"not recorded: {each}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
