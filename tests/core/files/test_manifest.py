"""One manifest a folder: no process loses what another one lists, and a kill leaves a whole one."""

import hashlib
import signal
import subprocess
import sys
import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.declarations.model import Digest
from posezoo.core.errors import OutputError
from posezoo.core.events import ignore_event
from posezoo.core.files.manifest import (
    NAME,
    Manifest,
    read_manifest,
    settle,
    stage,
    update_json,
    write_listed,
)

ENTRY = {"size": 7, "sha384": "ab" * 48}
RECIPE = {"replace": [["old", "new", 1]]}

WRITE = """
import sys
from pathlib import Path
from posezoo.core.files.manifest import settle
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    settle(Path(sys.argv[1]), {sys.argv[2]: {"size": number}})
"""


def start_writer(folder, name, times):
    command = [sys.executable, "-c", WRITE, str(folder), name, str(times)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    return writer


def begin(writer):
    assert writer.stdin is not None
    writer.stdin.write(b"\n")
    writer.stdin.flush()


def digest_of(content):
    return Digest("sha384", hashlib.sha384(content).hexdigest())


def left(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_has_its_earlier_or_its_new_bytes_while_it_is_replaced(tmp_path):
    settle(tmp_path, {"net.pth": ENTRY})
    new = digest_of(b"new")
    stage(tmp_path, {"net.pth": new}, ignore_event)
    assert read_manifest(tmp_path).digests("net.pth") == [Digest("sha384", "ab" * 48), new]
    settle(tmp_path, {"net.pth": {"size": 3, "sha384": new.value}})
    assert read_manifest(tmp_path).digests("net.pth") == [new]
    assert left(tmp_path) == [NAME]


def test_two_versions_that_replace_a_file_at_once_are_both_listed(tmp_path):
    digests = [digest_of(b"one"), digest_of(b"two")]
    for digest in digests:
        stage(tmp_path, {"net.pth": digest}, ignore_event)
    assert read_manifest(tmp_path).digests("net.pth") == digests


def test_a_manifest_that_lists_nothing_is_removed(tmp_path):
    stage(tmp_path, {"net.pth": digest_of(b"new")}, ignore_event, model="net")
    settle(tmp_path, {}, ended=["net.pth"])
    assert left(tmp_path) == []
    assert read_manifest(tmp_path) == Manifest()


def test_a_number_that_int8_did_not_compute_hides_no_file(tmp_path):
    entries = f'{{"a": {{"sha384": "{"ab" * 48}"}}}}'
    (tmp_path / NAME).write_text(f'{{"files": {entries}, "outputs": {{"deviation": NaN}}}}')
    warnings = []
    stage(tmp_path, {"a": digest_of(b"new")}, warnings.append)
    assert read_manifest(tmp_path).digests("a") == [Digest("sha384", "ab" * 48), digest_of(b"new")]
    assert warnings == []
    assert "NaN" in (tmp_path / NAME).read_text()


def test_written_files_are_listed_with_their_recipe(tmp_path):
    write_listed(tmp_path, {"a.txt": b"a", "sub/b.txt": b"b"}, RECIPE, ignore_event, model="net")
    manifest = read_manifest(tmp_path)
    for name in ("a.txt", "sub/b.txt"):
        assert manifest.says(name, RECIPE) and manifest.has_bytes(tmp_path, name)
        assert not manifest.says(name, {"replace": []})
    (tmp_path / "a.txt").write_bytes(b"c")
    assert not manifest.has_bytes(tmp_path, "a.txt")


def test_a_file_that_the_user_changed_is_kept_and_one_with_the_same_bytes_adopted(tmp_path):
    warnings = []
    (tmp_path / "a.txt").write_bytes(b"new")
    write_listed(tmp_path, {"a.txt": b"new"}, RECIPE, warnings.append)
    assert warnings == []
    (tmp_path / "a.txt").write_bytes(b"mine")
    write_listed(tmp_path, {"a.txt": b"newer"}, RECIPE, warnings.append)
    assert (tmp_path / "a.txt.bak1").read_bytes() == b"mine"
    assert len(warnings) == 1
    write_listed(tmp_path, {"a.txt": b"newest"}, RECIPE, warnings.append)
    assert (tmp_path / "a.txt").read_bytes() == b"newest"
    assert len(warnings) == 1


def test_a_folder_in_its_place_is_an_error(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(OSError, match="directory"):
        settle(tmp_path, {"net.pth": ENTRY})
    assert left(tmp_path) == [NAME]
    with pytest.raises(OutputError, match=rf"{NAME}: cannot be written"):
        write_listed(tmp_path, {"a.txt": b"a"}, RECIPE, ignore_event)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a\0b", ""])
def test_a_name_that_leads_outside_is_not_listed(tmp_path, name):
    (tmp_path / NAME).write_text(f'{{"files": {{{json_text(name)}: {{"sha384": "{"ab" * 48}"}}}}}}')
    assert read_manifest(tmp_path) == Manifest()


def json_text(name):
    import json

    return json.dumps(name)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"files": 1}', b'{"files": {"a": 1}}', b"[" * 100_000],
)
def test_a_damaged_manifest_lists_nothing(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert read_manifest(tmp_path) == Manifest()
    stage(tmp_path, {"a": digest_of(b"a")}, ignore_event)
    settle(tmp_path, {"a": ENTRY})
    assert read_manifest(tmp_path) == Manifest({"a": ENTRY})


@pytest.mark.parametrize("entry", [{}, {"sha384": 7}, {"sha384": "x"}, {"md5": "0" * 32}])
def test_an_entry_without_a_digest_makes_no_file_ours(tmp_path, entry):
    (tmp_path / "a").write_bytes(b"a")
    settle(tmp_path, {"a": entry})
    assert not read_manifest(tmp_path).has_bytes(tmp_path, "a")


def test_nothing_is_written_if_nothing_changes(tmp_path):
    settle(tmp_path, {"net.pth": ENTRY})
    before = (tmp_path / NAME).stat()
    settle(tmp_path, {"net.pth": ENTRY})
    after = (tmp_path / NAME).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    writers = [start_writer(tmp_path, name, 200) for name in ("a", "b")]
    for writer in writers:
        begin(writer)
    assert [writer.wait(HANG_S) for writer in writers] == [0, 0]
    assert read_manifest(tmp_path) == Manifest({"a": {"size": 199}, "b": {"size": 199}})
    assert left(tmp_path) == [NAME]


def test_a_killed_writer_leaves_a_whole_manifest_and_no_lock(tmp_path):
    settle(tmp_path, {"kept": ENTRY})
    for moment in range(10):
        writer = start_writer(tmp_path, "a", 1_000_000)
        begin(writer)
        time.sleep(0.002 * moment)
        writer.send_signal(signal.SIGKILL)
        writer.wait(HANG_S)
        assert read_manifest(tmp_path).files["kept"] == ENTRY
        assert set(left(tmp_path)) <= {NAME, f".{NAME}.part"}
        settle(tmp_path, {"b": {"size": moment}})
        assert left(tmp_path) == [NAME]
        assert read_manifest(tmp_path).files["b"] == {"size": moment}


def test_without_locks_a_manifest_is_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    settle(tmp_path, {"a": ENTRY})
    assert read_manifest(tmp_path) == Manifest({"a": ENTRY})
    settle(tmp_path, {}, gone=["a"])
    assert left(tmp_path) == []


def test_a_link_at_the_place_of_the_new_file_leads_nowhere(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / f".{NAME}.part").symlink_to(tmp_path / "mine")
    update_json(tmp_path / NAME, lambda stored: {**stored, "files": {"a": ENTRY}})
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert read_manifest(tmp_path).files == {"a": ENTRY}
