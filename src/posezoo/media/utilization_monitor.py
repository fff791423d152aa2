"""The utilization of CPU and memory from Linux' /proc, drawn into a corner of the frame."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from posezoo.core.errors import PosezooError, import_cv2
from posezoo.core.operating_system import PROC
from posezoo.media.images import Image

#: The monitors by letter. The letter is used in the flag, and as the key that shows and hides the
#: monitor.
MONITORS = {"c": "CPU, average", "d": "CPU, each core", "m": "memory", "h": "history"}

# Short enough for a live display, and long enough for precision: the kernel counts in ticks of 10
# ms.
_PERIOD_S = 0.5
_HISTORY = 60

_WHITE = (240, 240, 240)
_DIM = (70, 70, 70)
_BAR = (90, 110, 50)
_GREEN = (120, 220, 60)
_BLUE = (255, 178, 29)
_WIDTH, _ROW, _GRAPH = 190, 16, 48  # pixels, for a frame of height 480


class UtilizationMonitor:
    """Samples the load, and draws the monitors that are shown.

    Args:
        shown: letters of ``MONITORS``.
        proc: the kernel's process file system.

    Raises:
        PosezooError: ``shown`` is not empty, and this system has no /proc.
    """

    def __init__(self, shown: Iterable[str] = (), proc: Path = PROC) -> None:
        self._proc = proc
        self._shown = set(shown)
        # The letter, the text and the share of each bar, the lowest first.
        self._bars: list[tuple[str, str, float]] = []
        # The mean share of the cores, and the bytes of memory in use and all bytes.
        self._history: deque[tuple[float, int, int]] = deque(maxlen=_HISTORY)
        self._next_sample = 0.0
        self._is_supported = (proc / "stat").is_file() and (proc / "meminfo").is_file()
        if self._shown and not self._is_supported:
            raise PosezooError(
                "utilization is read from /proc, which this system lacks", hint="leave out -u"
            )
        # The first sample covers the time from now on, not from the start of the machine.
        self._ticks = _read_ticks(proc / "stat") if self._is_supported else {}

    def toggle(self, key: str) -> bool:
        """Show or hide the monitor of a key; returns whether the key has one."""
        if key not in MONITORS or not self._is_supported:
            return False
        self._shown ^= {key}
        return True

    def sample(self, now: float) -> None:
        """Take a sample if the period has passed and any monitor is shown."""
        if not self._shown or now < self._next_sample:
            return
        self._next_sample = now + _PERIOD_S
        before = self._ticks
        self._ticks = _read_ticks(self._proc / "stat")
        cores = []
        for name, (busy, total) in self._ticks.items():
            busy_before, total_before = before.get(name, (0, 0))
            share = (busy - busy_before) / max(1, total - total_before)
            cores.append(min(1.0, max(0.0, share)))
        average = sum(cores) / len(cores)
        self._bars = [("c", f"CPU {average:4.0%}", average)]
        for core, share in reversed([*enumerate(cores)]):
            self._bars.append(("d", f"core {core} {share:4.0%}", share))
        # The file has values in KiB; the names are from proc(5).
        lines = map(str.split, (self._proc / "meminfo").read_text("utf-8").splitlines())
        memory = {name.rstrip(":"): int(number) * 1024 for name, number, *_ in lines}
        total = memory["MemTotal"]
        used = total - memory["MemAvailable"]
        self._history.append((average, used, total))
        swap = memory["SwapTotal"]
        if swap:
            self._add_bytes("swap", swap - memory["SwapFree"], swap)
        self._add_bytes("memory", used, total)

    def _add_bytes(self, name: str, used: int, total: int) -> None:
        text = f"{name} {used / (1 << 30):.1f}/{total / (1 << 30):.1f} GiB"
        self._bars.append(("m", text, used / total))

    def draw(self, canvas: Image) -> None:
        """Draw the monitors into the lower left corner of an (H, W, 3) uint8 BGR image, as many as
        fit.
        """
        self.sample(time.monotonic())
        if not self._shown or not self._history:
            return
        scale = max(1.0, canvas.shape[0] / 480)
        bottom = canvas.shape[0]
        width = round(_WIDTH * scale)
        # From the bottom up: the bars, and above them the history, which is no bar.
        for letter, text, share in [*self._bars, ("h", "", 0.0)]:
            if letter not in self._shown:
                continue
            height = round((_GRAPH if letter == "h" else _ROW) * scale)
            if height > bottom or width > canvas.shape[1]:
                return
            panel = canvas[bottom - height : bottom, :width]
            panel[:] = panel // 4
            if letter == "h":
                self._draw_history(panel, scale)
            else:
                _draw_bar(panel, scale, text, share)
            bottom -= height

    def _draw_history(self, panel: Image, scale: float) -> None:
        cv2 = import_cv2()
        height, width = panel.shape[:2]
        cpu, used, total = np.transpose(self._history)
        x = width - 1 - width / (_HISTORY - 1) * np.arange(len(cpu))[::-1]
        curves = ((cpu, _GREEN, "CPU"), (used / total, _BLUE, "memory"))
        for row, (shares, color, name) in enumerate(curves):
            y = (height - 3) * (1 - shares) + 1
            points = np.stack([x, y], axis=1).round().astype(np.int32)
            cv2.polylines(panel, [points], False, color, max(1, round(scale)), cv2.LINE_AA)
            position = (round(5 * scale), round((12 + 12 * row) * scale))
            cv2.putText(
                panel, name, position, cv2.FONT_HERSHEY_SIMPLEX, 0.34 * scale, color, 1, cv2.LINE_AA
            )

    def summary(self) -> dict[str, float]:
        """The load over the last half minute in which a monitor was shown; empty if none was.

        ``cpu_share`` is the mean over all cores, 0..1; ``memory_bytes`` is the maximum of used
        memory.
        """
        if not self._history:
            return {}
        cpu, used, _ = zip(*self._history, strict=True)
        return {"cpu_share": round(sum(cpu) / len(cpu), 3), "memory_bytes": max(used)}


def _draw_bar(panel: Image, scale: float, text: str, share: float) -> None:
    cv2 = import_cv2()
    bar = panel[2:-2, 2:-2]
    bar[:] = _DIM
    bar[:, : round(bar.shape[1] * min(1.0, share))] = _BAR
    position = (round(5 * scale), round((_ROW - 5) * scale))
    cv2.putText(
        panel, text, position, cv2.FONT_HERSHEY_SIMPLEX, 0.36 * scale, _WHITE, 1, cv2.LINE_AA
    )


def _read_ticks(path: Path) -> dict[str, tuple[int, int]]:
    """Busy and all ticks by core; columns in proc(5): user nice system idle iowait irq softirq
    steal.
    """
    ticks = {}
    for line in path.read_text("utf-8").splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu":
            counts = list(map(int, numbers[:8]))
            ticks[name] = (sum(counts) - counts[3] - counts[4], sum(counts))
    return ticks
