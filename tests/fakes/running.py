"""One file fetched by a process of its own, which a test can end in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from posezoo.spec.model import SourceFile

SRC = Path(__file__).resolve().parents[2] / "src"

# One file fetched by a process of its own: address, folder, size, SHA-384.
CHILD = """
import signal, sys
from pathlib import Path
from posezoo.fetch.errand import Errand
from posezoo.fetch.means import Means
from posezoo.fetch.sources import origins_of
from posezoo.fetch.transfer import transfer
from posezoo.spec.model import Digest, HttpSource, SourceFile
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
url, folder, size, sha384 = sys.argv[1:]
file = SourceFile("net.tflite", int(size), Digest("sha384", sha384), (HttpSource(url),))
with Errand("pose", Means(None), print, base=Path()) as errand:
    transfer(file, Path(folder) / file.name, origins_of(file, errand), errand)
print("requests" in sys.modules)
"""


def start_child(file: SourceFile, folder: Path) -> subprocess.Popen[str]:
    arguments = [str(file.sources[0]), str(folder), str(file.size), file.checksum.value]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        env={**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
