"""The utilization of the machine, read from the kernel and drawn into a corner."""

import time

import numpy as np
import pytest

from posezoo.core.errors import PosezooError
from posezoo.media.utilization_monitor import MONITORS, UtilizationMonitor

MEMINFO = """\
MemTotal:        8000000 kB
MemFree:          100000 kB
MemAvailable:    6000000 kB
SwapTotal:       1000000 kB
SwapFree:         750000 kB
HugePages_Total:       0
"""


def proc(folder, *cores):
    """A kernel that has counted these busy and idle ticks on each core."""
    lines = [
        f"cpu  {sum(busy for busy, _ in cores)} 0 0 {sum(idle for _, idle in cores)} 0 0 0 0 0 0"
    ]
    lines += [f"cpu{core} {busy} 0 0 {idle} 0 0 0 0 0 0" for core, (busy, idle) in enumerate(cores)]
    (folder / "stat").write_text("\n".join([*lines, "intr 12345 0 0", "ctxt 99"]) + "\n")
    (folder / "meminfo").write_text(MEMINFO)
    return folder


def test_the_load_of_a_core_is_its_busy_share_since_the_last_sample(tmp_path):
    monitors = UtilizationMonitor("c", proc(tmp_path, (1000, 1000), (0, 2000)))
    monitors.sample(0.0)
    proc(tmp_path, (1075, 1025), (10, 2090))
    monitors.sample(1.0)
    assert monitors._bars[:3] == [
        ("c", "CPU  42%", pytest.approx(0.425)),
        ("d", "core 1  10%", 0.1),
        ("d", "core 0  75%", 0.75),
    ]


def test_memory_is_the_memory_that_programs_use(tmp_path):
    monitors = UtilizationMonitor("m", proc(tmp_path, (1, 1)))
    monitors.sample(0.0)
    assert monitors._bars[-2:] == [
        ("m", "swap 0.2/1.0 GiB", 0.25),
        ("m", "memory 1.9/7.6 GiB", 0.25),
    ]
    assert monitors.summary()["memory_bytes"] == 2_000_000 * 1024


def test_the_machine_itself_is_read():
    monitors = UtilizationMonitor("cdmh")
    monitors.sample(time.monotonic())
    ((share, used, total),) = monitors._history
    assert 0 <= share <= 1
    assert 0 < used < total


def drawn(monitors, size=(480, 640)):
    canvas = np.full((*size, 3), 200, np.uint8)
    monitors.draw(canvas)
    return (canvas != 200).any(axis=2)


@pytest.mark.parametrize("letter", sorted(MONITORS))
def test_each_letter_shows_a_panel_in_the_lower_left_corner_and_its_key_hides_it(tmp_path, letter):
    monitors = UtilizationMonitor(letter, proc(tmp_path, (5, 5), (5, 5)))
    changed = drawn(monitors)
    assert changed[-1, 0]
    assert not changed[:, 320:].any()
    assert not changed[:240].any()
    assert monitors.toggle(letter)
    assert not drawn(monitors).any()


def test_nothing_is_drawn_into_a_tiny_frame(tmp_path):
    assert not drawn(UtilizationMonitor("cdmh", proc(tmp_path, (1, 1))), (10, 10)).any()


def test_a_busier_core_has_a_longer_bar(tmp_path):
    def lit(busy):
        canvas = np.full((480, 640, 3), 200, np.uint8)
        monitors = UtilizationMonitor("c", proc(tmp_path, (5000, 0)))
        proc(tmp_path, (5000 + busy, 100 - busy))
        monitors.draw(canvas)
        return int((canvas == (90, 110, 50)).all(axis=2).sum())

    assert lit(90) > 2 * lit(30) > 0


def test_nothing_is_sampled_while_nothing_is_shown(tmp_path):
    monitors = UtilizationMonitor("", proc(tmp_path, (1, 1)))
    monitors.sample(0.0)
    assert monitors.summary() == {}


def test_without_proc_monitors_are_refused_and_keys_do_nothing(tmp_path):
    with pytest.raises(PosezooError, match="read from /proc, which this system lacks"):
        UtilizationMonitor("c", tmp_path)
    assert not UtilizationMonitor("", tmp_path).toggle("c")
