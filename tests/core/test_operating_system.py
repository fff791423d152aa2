"""What differs between operating systems, and what does not."""

import sys

import pytest

from posezoo.core import operating_system
from posezoo.core.operating_system import available_cores, quota_cores


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such quotas")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 0),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "9900000 100000"}, 0),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 0),
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
