"""One file fetched by a process of its own, which a test can end in the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import posezoo
from posezoo.core.declarations.model import SourceFile

#: The folder of the posezoo that the tests import, which may be a changed copy of src.
SRC = Path(posezoo.__file__).resolve().parents[1]

# One file fetched by a process of its own: address, folder, size, SHA-384.
CHILD = """
import signal, sys
from functools import partial
from pathlib import Path
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.file_download import download_file
from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import HttpSource
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
url, folder, size, sha384 = sys.argv[1:]
file = SourceFile("net.tflite", int(size), Digest("sha384", sha384), (HttpSource(url),))
with DownloadContext("pose", DownloadOptions(None), partial(print, flush=True)) as errand:
    download_file(file, Path(folder) / file.name, errand)
print("requests" in sys.modules)
"""


def start_child(file: SourceFile, folder: Path) -> subprocess.Popen[str]:
    """A process that fetches the file into the folder."""
    arguments = [str(file.sources[0]), str(folder), str(file.size), file.checksum.value]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
