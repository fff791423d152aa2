"""posezoo's own wheel and sdist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_posezoo(out: Path, source: Path, *kinds: str) -> None:
    """Build from a copy of what git would hand out.

    Args:
        out: the folder that gets what is built.
        source: an empty folder, for the copy.
        kinds: names of the hooks of PEP 517: build_wheel, build_sdist.
    """
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    for kind in kinds:
        code = f"import sys, setuptools.build_meta as backend; backend.{kind}(sys.argv[1])"
        subprocess.run(
            [sys.executable, "-c", code, out], cwd=source, check=True, capture_output=True, timeout=120
        )
