"""kill -9 during get, at many moments: nothing runs on, and the next run leaves no files behind."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.items import is_running
from fakes.network import HEIGHT, WIDTH, network
from fakes.soak import soak
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, model_yml, write_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

# A run of get for a small network takes about this long.
RUN_S = 3.0


class Zoo:
    """A registry of one model, which is downloaded and converted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        source = folder / "published" / "net.tflite"
        source.parent.mkdir()
        source.write_bytes(network("tflite"))
        image = {"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC"}
        declared = model_yml(files=[declared_file(source)], inputs=[image], outputs=None)
        write_model(folder / "models", "net", declared)

    def start(self) -> subprocess.Popen[bytes]:
        self.temporary.mkdir(exist_ok=True)
        folders = {"models_dir": "models", "weights_dir": "out", "cache_dir": "cache"}
        places = [word for flag, name in folders.items() for word in (f"--{flag}", name)]
        return subprocess.Popen(
            [sys.executable, "-m", "posezoo", "get", "net", *places],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "POSEZOO_TESTED": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def processes(self) -> list[str]:
        """The processes that a run has started, directly or not."""
        mark = f"POSEZOO_TESTED={self.folder}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in environ.read_bytes().split(b"\0") and is_running(environ.parent.name):
                    found.append(environ.parent.name)
            except OSError:  # it has ended, or is not ours
                continue
        return found

    def files(self) -> set[str]:
        below = self.folder / "out"
        return {str(path.relative_to(below)) for path in below.rglob("*") if path.is_file()}

    def clear(self) -> None:
        for name in ("out", "cache", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


@pytest.fixture
def zoo(tmp_path):
    return Zoo(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("moments", [4, soak(50)])
def test_a_run_that_is_killed_leaves_no_process_and_the_next_one_no_file(zoo, moments):
    assert zoo.start().wait(HANG_S) == 0
    right = zoo.files()
    zoo.clear()
    dice = random.Random(5)
    for moment in range(moments):
        run = zoo.start()
        time.sleep(RUN_S * (moment + dice.random()) / moments)
        run.kill()
        run.wait()
        wait_until(lambda: not zoo.processes(), "the end of all processes")
        assert not list(zoo.temporary.iterdir())
        assert zoo.start().wait(HANG_S) == 0
        assert zoo.files() == right, moment
        zoo.clear()


def test_what_a_killed_run_was_writing_is_removed_but_not_what_another_writes(zoo):
    folder = zoo.folder / "out" / "public" / "net"
    folder.mkdir(parents=True)
    left, used = (folder / f".card.json.{number}-0123abcd.part" for number in (1, 2))
    left.write_text("{")
    used.write_text("{")
    import fcntl

    with open(used) as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert zoo.start().wait(HANG_S) == 0
    assert [left.exists(), used.exists()] == [False, True]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_four_runs_at_once_succeed_where_locks_do_nothing(zoo):
    library = zoo.folder / "no_locks.so"
    source = (
        "int flock(int fd, int op) { return 0; }\nint lockf(int fd, int c, long l) { return 0; }\n"
    )
    (zoo.folder / "no_locks.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, zoo.folder / "no_locks.c"], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    try:
        runs = [zoo.start() for _ in range(4)]
    finally:
        del os.environ["LD_PRELOAD"]
    assert [run.wait(HANG_S) for run in runs] == [0] * 4
    assert not [name for name in zoo.files() if name.endswith((".part", ".link"))]
    assert not list((zoo.folder / "out").rglob(".posezoo-*"))
