"""What differs between operating systems, and what does not."""

from __future__ import annotations

import sys

import pytest

from fakes.files import give_away
from posezoo.core import operating_system
from posezoo.core.operating_system import available_cores, hard_link, quota_cores


def test_a_hard_link_is_another_name_of_a_regular_file(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    assert hard_link(tmp_path / "file", tmp_path / "link")
    assert (tmp_path / "link").samefile(tmp_path / "file")


def test_no_hard_link_is_made_that_would_not_be_safe(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "symbolic").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for source in ("symbolic", "folder", "missing"):
        assert not hard_link(tmp_path / source, tmp_path / "link")
    assert not hard_link(tmp_path / "file", tmp_path / "link", mode=0o600)
    assert not hard_link(tmp_path / "file", tmp_path / "folder")
    assert not (tmp_path / "link").exists()
    assert hard_link(tmp_path / "file", tmp_path / "link", mode=0o640)


def test_no_hard_link_is_made_to_the_file_of_another_user(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    give_away(tmp_path / "file")
    assert not hard_link(tmp_path / "file", tmp_path / "link")
    assert not (tmp_path / "link").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such quotas")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 0),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "9900000 100000"}, 0),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 0),
        ({}, 0),
    ],
)
def test_a_containers_quota_of_cpu_time_limits_the_cores(tmp_path, monkeypatch, files, cores):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(operating_system, "CGROUPS", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    assert quota_cores() == cores
    assert available_cores() == (cores or 4)
