"""Results never replace a file that posezoo did not write."""

import os
from pathlib import Path

import pytest

from posezoo.core.events import WarningIssued
from posezoo.core.files.result_files import is_own, write_result, writing_result
from posezoo.core.settings import user_folder


def test_a_file_of_the_user_is_kept_under_another_name(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(b"mine")
    warnings = []
    write_result(path, b"[1]", warnings.append)
    write_result(path, b"[2]", warnings.append)
    assert path.read_bytes() == b"[2]"
    assert (tmp_path / "report.json.bak1").read_bytes() == b"mine"
    kept = f"{path}: is not as posezoo wrote it: kept as report.json.bak1"
    assert warnings == [WarningIssued(kept)]


def test_a_result_that_the_user_changed_is_the_users(tmp_path):
    path = tmp_path / "report.json"
    write_result(path, b"[1]")
    path.write_bytes(b"[1, 2]")
    assert not is_own(path)


def test_a_result_with_signs_is_recognized_on_another_machine(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(b'{"kind": "accuracy"}')
    assert is_own(path, ('"kind": ',))
    assert not is_own(path, ('"kind": ', '"model": '))
    assert not is_own(path)


def test_nothing_is_lost_with_an_empty_file_or_a_device(tmp_path):
    (tmp_path / "empty").touch()
    assert all(map(is_own, (tmp_path / "empty", tmp_path / "missing", Path("/dev/null"))))


def test_what_was_written_before_a_failure_is_known(tmp_path):
    path = tmp_path / "frames.json"
    path.write_bytes(b"mine")

    def fail(part):
        part.write_bytes(b"[1]")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), writing_result(path) as part:
        fail(part)
    assert path.read_bytes() == b"[1]"
    assert is_own(path)
    assert path.with_name("frames.json.bak1").read_bytes() == b"mine"


def test_a_file_that_the_user_puts_there_meanwhile_is_not_taken_for_ours(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    rename = os.replace

    def rename_and_edit(part, target):
        rename(part, target)
        if target == path:
            path.write_bytes(b"[9]")

    monkeypatch.setattr(os, "replace", rename_and_edit)
    write_result(path, b"[1]")
    monkeypatch.undo()
    write_result(path, b"[2]")
    assert path.with_name("report.json.bak1").read_bytes() == b"[9]"


def test_a_path_that_leaves_the_cache_names_a_file_of_the_user(tmp_path):
    cache = user_folder("cache")
    cache.mkdir(parents=True, exist_ok=True)
    (tmp_path / "mine.jpg").write_bytes(b"mine")
    above = Path(*[".."] * (len(cache.parts) - 1))
    write_result(cache / above / (tmp_path / "mine.jpg").relative_to("/"), b"other")
    assert (tmp_path / "mine.jpg.bak1").read_bytes() == b"mine"


def test_whoever_runs_posezoo_replaces_an_unchanged_result(tmp_path, monkeypatch):
    write_result(tmp_path / "a" / "report.json", b"[1]")
    (tmp_path / "a").rename(tmp_path / "b")
    monkeypatch.setenv("HOME", str(tmp_path / "another user"))
    write_result(tmp_path / "b" / "report.json", b"[2]")
    assert (tmp_path / "b" / "report.json").read_bytes() == b"[2]"


def test_a_result_with_signs_that_the_user_changed_is_the_users(tmp_path):
    path = tmp_path / "report.json"
    write_result(path, b'{"kind": 1}', signs=('"kind": ',))
    path.write_bytes(b'{"kind": 1, "mine": 2}')
    write_result(path, b"[2]", signs=('"kind": ',))
    assert path.with_name("report.json.bak1").read_bytes() == b'{"kind": 1, "mine": 2}'
