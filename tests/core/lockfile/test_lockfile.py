"""What files without a pin held at their first download is their pin from then on."""

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from fakes.files import declared, model
from posezoo.core.declarations.model import Digest, Precision, SourceFile
from posezoo.core.errors import DigestError, LockError, PosezooError
from posezoo.core.lockfile import LockFile

LOOSE = SourceFile("net.pth", None, None, (), max_size=100)
PINNED = declared("other.bin", b"other")
SPEC = model(LOOSE, PINNED)
ONE, TWO = Digest("sha384", "1" * 96), Digest("sha384", "2" * 96)
NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def test_what_is_recorded_is_the_pin_of_that_file_alone(tmp_path):
    lock = LockFile(tmp_path / "posezoo.lock", now=lambda: NOON)
    assert lock.with_pins(SPEC) == SPEC
    lock.record_first_use(SPEC, LOOSE, 5, ONE)
    for again in (lock, LockFile(tmp_path / "posezoo.lock")):
        loose, pinned = again.with_pins(SPEC).files
        assert (loose.size, loose.checksum, loose.first_use, loose.is_weakly_pinned) == (
            5,
            ONE,
            True,
            True,
        )
        assert pinned is PINNED


def test_an_entry_is_one_line_and_lines_are_sorted(tmp_path):
    lock = LockFile(tmp_path / "posezoo.lock", now=lambda: NOON)
    lock.record_first_use(SPEC, LOOSE, 5, ONE)
    lock.record_first_use(model(LOOSE, name="able"), LOOSE, 6, TWO)
    lines = [json.loads(line) for line in (tmp_path / "posezoo.lock").read_text().splitlines()]
    assert [line["model"] for line in lines] == ["able", "pose"]
    assert lines[1] == {
        "model": "pose", "file": "net.pth", "size": 5, "sha384": "1" * 96,
        "origin": "first_use", "first_seen": "2026-11-20T12:00:00+00:00",
    }  # fmt: skip


def test_other_bytes_at_a_second_first_use_are_refused(tmp_path):
    LockFile(tmp_path / "posezoo.lock").record_first_use(SPEC, LOOSE, 5, ONE)
    with pytest.raises(
        DigestError, match=r"SHA-384 222222222222…, .*posezoo.lock has 111111111111…"
    ):
        LockFile(tmp_path / "posezoo.lock").record_first_use(SPEC, LOOSE, 5, TWO)


GOOD = {
    "model": "pose",
    "file": "net.pth",
    "size": 5,
    "sha384": "1" * 96,
    "origin": "x",
    "first_seen": "y",
}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["{"], ":1: is not an entry"),
        (["", json.dumps({**GOOD, "size": "5"})], ":2: is not an entry"),
        ([json.dumps({**GOOD, "sha384": "0"})], ":1: is not an entry"),
        ([json.dumps({**GOOD, "file": "a\x1b[2J"})], ":1: is not an entry"),
        ([json.dumps({**GOOD, "more": 1})], ":1: is not an entry"),
        ([json.dumps({**GOOD, "before": ["0"]})], ":1: is not an entry"),
        ([json.dumps({**GOOD, "before": 3})], ":1: is not an entry"),
        (["<<<<<<< ours"], ":1: is a mark of a merge that Git could not finish"),
        (
            [json.dumps(GOOD), json.dumps({**GOOD, "size": 6})],
            ":2: contradicts another entry of pose: net.pth",
        ),
    ],
)
def test_a_line_that_is_no_entry_is_named(tmp_path, lines, problem):
    (tmp_path / "posezoo.lock").write_text("\n".join(lines))
    with pytest.raises(PosezooError, match="lock") as caught:
        LockFile(tmp_path / "posezoo.lock").with_pins(SPEC)
    assert caught.value.problem.endswith(problem)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_lock_that_cannot_be_read_is_named(tmp_path, make):
    make(tmp_path / "posezoo.lock")
    with pytest.raises(PosezooError, match="lock: cannot be read"):
        LockFile(tmp_path / "posezoo.lock").with_pins(SPEC)


RECORD = """
import sys, time
from pathlib import Path
from posezoo.core.lockfile import LockFile
from posezoo.core.declarations.model import Digest, Family, Framework, License, ModelSpec, SourceFile
folder, who = Path(sys.argv[1]), sys.argv[2]
lock = LockFile(folder / "posezoo.lock")
files = tuple(SourceFile(f"{number}.pth", None, None, (), max_size=9) for number in range(10))
spec = ModelSpec(f"net-{who}", Family.PUBLIC, folder / "model.yml", "", "", Framework.ONNX, License(), files)
print("ready", flush=True)
while not (folder / "go").exists():
    time.sleep(0.001)
for file in files:
    lock.record_first_use(spec, file, 5, Digest("sha384", "1" * 96))
"""


def test_runs_that_write_in_the_same_instant_lose_no_entry(tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, str(tmp_path), str(owner)], stdout=subprocess.PIPE
        )
        for owner in range(4)
    ]
    for run in runs:
        assert run.stdout.readline() == b"ready\n"
    (tmp_path / "go").touch()
    assert [run.communicate(timeout=60) and run.returncode for run in runs] == [0] * 4
    assert len((tmp_path / "posezoo.lock").read_text().splitlines()) == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go", "posezoo.lock"]


def test_a_lock_that_is_a_link_stays_one(tmp_path):
    shared, link = tmp_path / "all" / "posezoo.lock", tmp_path / "posezoo.lock"
    link.symlink_to(shared)
    LockFile(link).record_first_use(SPEC, LOOSE, 5, ONE)
    assert link.is_symlink()
    assert LockFile(shared).with_pins(SPEC).files[0].checksum == ONE


def test_a_strict_lock_allows_no_ir_that_it_does_not_list(tmp_path):
    assert LockFile(tmp_path / "posezoo.lock").agreed_ir(SPEC, Precision.FP16) is None
    strict = LockFile(tmp_path / "posezoo.lock", strict=True).agreed_ir(SPEC, Precision.FP16)
    with pytest.raises(LockError, match=r"pose: FP16/pose\.xml is not in .*, and --locked allows"):
        strict.require_known()
