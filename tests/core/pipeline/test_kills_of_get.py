"""kill -9 during get, at many moments: nothing runs on, and the next run leaves no files behind."""

import os
import shutil
import subprocess
import sys

import pytest

from fakes.kills import Runs, kill_at_moments
from fakes.network import HEIGHT, WIDTH, network
from fakes.soak import soak
from fakes.waiting import HANG_S
from fakes.zoo import declared_file, model_yml, write_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


class Zoo(Runs):
    """A registry of one model, which is downloaded and converted."""

    def __init__(self, folder):
        folders = "--models_dir models --weights_dir out --cache_dir cache"
        super().__init__(folder, "get", "net", *folders.split())
        source = folder / "published" / "net.tflite"
        source.parent.mkdir()
        source.write_bytes(network("tflite"))
        image = {"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC"}
        declared = model_yml(files=[declared_file(source)], inputs=[image], outputs=None)
        write_model(folder / "models", "net", declared)


@pytest.fixture
def zoo(tmp_path):
    return Zoo(tmp_path)


@pytest.mark.parametrize("moments", [4, soak(50)])
def test_a_run_that_is_killed_leaves_no_process_and_the_next_one_no_file(zoo, moments):
    kill_at_moments(zoo, moments)


def test_what_a_killed_run_was_writing_is_removed_but_not_what_another_writes(zoo):
    folder = zoo.folder / "out" / "public" / "net"
    folder.mkdir(parents=True)
    left, used = (folder / f".card.json.{number}-0123abcd.part" for number in (1, 2))
    left.write_text("{")
    used.write_text("{")
    import fcntl

    with open(used, encoding="utf-8") as writer:
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
