"""Time from the command to the first pose: ``posezoo run`` of one photo, whole processes.

The IR of the default model are there. On the first start both networks are compiled; the next
start loads them from posezoo's cache of compiled networks. Beside it, OpenVINO alone reads,
compiles and runs the two networks once, without and with its own model cache (CACHE_DIR). All run
in turn. The exit code is 1 if a start with the cache takes as long as one without it.

    python benchmarks/bench_first_frame.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import amount, exit_code, machine, record, spread, used_s

from posezoo.core.settings import DEFAULT_MODEL

ROUNDS = amount(7)

#: What OpenVINO takes without posezoo; its arguments are the cache's folder and the .xml.
BARE = """\
import sys
import numpy as np
import openvino as ov
core = ov.Core()
if sys.argv[1]:
    core.set_property({"CACHE_DIR": sys.argv[1]})
config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
for xml in sys.argv[2:]:
    compiled = core.compile_model(xml, "CPU", config)
    port = compiled.inputs[0]
    shape = [side.get_length() if side.is_static else 256 for side in port.partial_shape]
    compiled(np.zeros(shape, port.element_type.to_dtype()))
"""


def used_at_home_s(command: list[str], home: Path) -> dict[str, float]:
    """Wall and CPU seconds of a process, from its start to its end."""
    return used_s(command, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))


def find_irs(home: Path) -> list[str]:
    """The .xml of the two networks in FP16."""
    return sorted(map(str, (home / "cache").rglob("FP16/*.xml")))


def main() -> int:
    """Measure, print, record."""
    print(machine())
    with tempfile.TemporaryDirectory() as parent:
        home = Path(parent)
        run = [sys.executable, "-m", "posezoo", "run", "-o", str(home / "out"), "-q"]
        try:
            used_at_home_s(run, home)  # downloads and converts
        except SystemExit as error:
            print(f"left out: {DEFAULT_MODEL} cannot be made here: {error}", file=sys.stderr)
            return 0
        compiled = home / "cache" / "posezoo" / "compiled"
        of_openvino = home / "cache" / "openvino"
        bare = [sys.executable, "-c", BARE]
        rounds: list[dict[str, dict[str, float]]] = []
        for _ in range(ROUNDS):
            found = {"python -c pass": used_at_home_s([sys.executable, "-c", "pass"], home)}
            shutil.rmtree(compiled, ignore_errors=True)
            found["run, first start"] = used_at_home_s(run, home)
            found["run, compiled networks cached"] = used_at_home_s(run, home)
            found["OpenVINO alone"] = used_at_home_s([*bare, "", *find_irs(home)], home)
            shutil.rmtree(of_openvino, ignore_errors=True)
            cached = [*bare, str(of_openvino), *find_irs(home)]
            subprocess.run(cached, check=True)
            found["OpenVINO alone, its model cache"] = used_at_home_s(cached, home)
            rounds.append(found)
    metrics: dict[str, object] = {"model": DEFAULT_MODEL, "rounds": ROUNDS}
    for name in rounds[0]:
        times = {kind: spread([each[name][kind] for each in rounds]) for kind in ("wall", "cpu")}
        metrics[name] = times
        wall, cpu = times["wall"], times["cpu"]
        print(
            f"{name:34} {wall['median']:.2f} s ({wall['min']:.2f} to {wall['max']:.2f}),"
            f" CPU {cpu['median']:.2f} s ({cpu['min']:.2f} to {cpu['max']:.2f})"
        )
    saved = spread(
        [
            each["run, first start"]["cpu"] - each["run, compiled networks cached"]["cpu"]
            for each in rounds
        ]
    )
    record("bench_first_frame", metrics)
    return exit_code(saved["median"] <= 0)


if __name__ == "__main__":
    sys.exit(main())
