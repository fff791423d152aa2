"""Convert a checkpoint of HigherHRNet to both IR: CPU seconds and memory of all processes together.

The comparison is with the steps of Open Model Zoo's converter, with the scripts of openvino-dev
2024.6: pytorch_to_onnx.py, here with posezoo's network and the PyTorch of this environment, and
then Model Optimizer once for each precision. The weights are PyTorch's initial ones, since neither
time nor memory depends on them. Imports are included. The self-check is measured separately,
because the other side has none. The exit code is 1 if a bar is missed.

    make mo-env && python benchmarks/bench_pytorch.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import machine, record, spread

ROUNDS = 3
ROOT = Path(__file__).resolve().parents[1]
MO_ENV = ROOT / "build" / "mo-env"

#: The most CPU seconds, and the most GiB of all processes together, without the self-check.
MOST_CPU_S, MOST_GIB = 6.0, 1.25
#: The least CPU seconds of the other side relative to posezoo, in the median of the rounds.
LEAST_RATIO = 3.0

OURS, CHECKED, PEER = "posezoo, no self-check", "posezoo", "pytorch_to_onnx.py and mo, twice"

SAVE = """
import sys, torch
from posezoo import networks
torch.manual_seed(0)
torch.save(networks.build_network("higher_hrnet").state_dict(), sys.argv[1])
"""

# Seconds between two looks at the memory; the peak lasts for some tenths of a second.
_PAUSE_S = 0.02


def ours(checkpoint: Path, folder: Path, *, self_check: bool) -> list[list[str]]:
    """The command of posezoo, which starts the process with PyTorch itself."""
    command = [sys.executable, "-m", "posezoo", "convert", "--network", "higher_hrnet", "--force"]
    command += ["--checkpoint", str(checkpoint), "--weights_dir", str(folder / "ours")]
    return [[*command, *([] if self_check else ["--self_check", "off"])]]


def theirs(checkpoint: Path, folder: Path) -> list[list[str]]:
    """The three commands of Open Model Zoo's converter."""
    (script,) = MO_ENV.glob(
        "lib/python3.*/site-packages/omz_tools/internal_scripts/pytorch_to_onnx.py"
    )
    onnx = folder / "higher_hrnet.onnx"
    export = [
        sys.executable,
        str(script),
        f"--model-path={ROOT / 'src'}",
        "--import-module=posezoo.networks.higher_hrnet",
        "--model-name=HigherHrnet",
        f"--weights={checkpoint}",
        "--input-shapes=[1,3,512,512]",
        "--input-names=image",
        "--output-names=heatmaps,embeddings",
        # Since PyTorch 2.9 the default is another exporter, which that script was not written for.
        "--conversion-param=dynamo=False",
        f"--output-file={onnx}",
    ]
    convert = [
        str(MO_ENV / "bin" / "mo"),
        f"--input_model={onnx}",
        "--model_name=higher_hrnet",
        "--reverse_input_channels",
        "--mean_values=image[123.675,116.28,103.53]",
        "--scale_values=image[58.395,57.12,57.375]",
        "--layout=image(NCHW)",
        "--output=heatmaps,embeddings",
    ]
    precisions = (("FP32", False), ("FP16", True))
    folders = (f"--output_dir={folder / 'theirs' / precision}" for precision, _ in precisions)
    halves = (f"--compress_to_fp16={half}" for _, half in precisions)
    return [export, *([*convert, *each] for each in zip(folders, halves, strict=True))]


def measured(commands: Sequence[Sequence[str]], home: Path) -> dict[str, float]:
    """CPU seconds, wall seconds and peak GiB of commands that run one after another."""
    before, start_time, gib = os.times(), time.perf_counter(), 0.0
    for command in commands:
        environment = {**os.environ, "HOME": str(home)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            peak = _Peak(process.pid)
            peak.start()
            process.wait()
        peak.join()
        if process.returncode:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
        gib = max(gib, peak.bytes / 2**30)
    after = os.times()
    return {
        "cpu_s": (
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        ),
        "wall_s": time.perf_counter() - start_time,
        "gib": gib,
    }


class _Peak(threading.Thread):
    """The peak memory of a process and its children together; shared memory counts once (PSS)."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.bytes = 0
        self._pid = pid

    def run(self) -> None:
        while Path(f"/proc/{self._pid}").exists() and (held := _held(self._pid)):
            self.bytes = max(self.bytes, held)
            time.sleep(_PAUSE_S)


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        # A child's parent is the thread that started it.
        families = [path / "children" for path in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for family in families for child in family.read_text().split()]
    except (OSError, ValueError):  # it has ended in the meantime
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return own + sum(map(_held, children))


def rounds_of(folder: Path) -> list[dict[str, dict[str, float]]]:
    """The measurements of each side in each round; they run in turn, so that other load affects
    both.
    """
    checkpoint = folder / "higher_hrnet.pth"
    subprocess.run([sys.executable, "-c", SAVE, str(checkpoint)], check=True)
    contestants = {
        PEER: theirs(checkpoint, folder),
        OURS: ours(checkpoint, folder, self_check=False),
        CHECKED: ours(checkpoint, folder, self_check=True),
    }
    return [
        {name: measured(commands, folder) for name, commands in contestants.items()}
        for _ in range(ROUNDS)
    ]


def in_words(found: Mapping[str, Mapping[str, float]]) -> str:
    """The median, and the range of the rounds."""
    return ", ".join(
        f"{each['median']:.2f} ({each['min']:.2f} to {each['max']:.2f}) {key}"
        for key, each in found.items()
    )


def main() -> int:
    """Measure, print and record."""
    if not MO_ENV.is_dir():
        print(f"{MO_ENV}: not there: make mo-env", file=sys.stderr)
        return 1
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        rounds = rounds_of(Path(folder))
    metrics: dict[str, object] = {
        "network": "higher_hrnet",
        "rounds": ROUNDS,
        "weights": "generated",
    }
    found = {}
    for name in rounds[0]:
        found[name] = {key: spread([each[name][key] for each in rounds]) for key in rounds[0][name]}
        ratio = spread([each[PEER]["cpu_s"] / each[name]["cpu_s"] for each in rounds])
        metrics[name] = {**found[name], "times less CPU": ratio}
        print(f"{name:34} {in_words({**found[name], 'x less CPU than the peer': ratio})}")
        if name == OURS:
            missed = ratio["median"] < LEAST_RATIO
    missed |= found[OURS]["cpu_s"]["median"] > MOST_CPU_S or found[OURS]["gib"]["max"] > MOST_GIB
    record("bench_pytorch", metrics)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
