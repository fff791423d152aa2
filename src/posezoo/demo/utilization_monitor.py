"""How busy the machine is: processors and memory, drawn into a corner of the picture.

Read from /proc, so on Linux alone: a package that reads it elsewhere would be one more for all.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posezoo.errors import PosezooError, import_optional
from posezoo.images import Image

#: What can be shown, by the letter that asks for it and the key that toggles it.
MONITORS = {"c": "CPU, average", "d": "CPU, each core", "m": "memory", "h": "history"}

# Often enough to follow, seldom enough to mean something: the kernel counts in ticks of 10 ms.
_PERIOD_S = 0.5
_HISTORY = 60

_WHITE, _DIM, _GREEN, _BLUE = (240, 240, 240), (70, 70, 70), (120, 220, 60), (255, 178, 29)
_WIDTH, _ROW, _GRAPH = 190, 16, 48  # pixels, at a height of 480


@dataclass(frozen=True, slots=True)
class SystemLoad:
    """How busy the machine is at a moment.

    Attributes:
        cores: each core's share of time spent working since the moment before, 0..1.
        used_bytes, total_bytes: memory that programs hold, and all that there is.
        used_swap_bytes, total_swap_bytes: the same on disk.
    """

    cores: tuple[float, ...]
    used_bytes: int
    total_bytes: int
    used_swap_bytes: int
    total_swap_bytes: int

    @property
    def average(self) -> float:
        """The mean of all cores, 0..1."""
        return sum(self.cores) / len(self.cores)


class UtilizationMonitor:
    """What is measured, and what of it is shown.

    Args:
        shown: letters of ``MONITORS``.
        proc: the kernel's folder of figures.

    Raises:
        PosezooError: something is to be shown, and this system has no such folder.
    """

    def __init__(self, shown: Iterable[str] = (), proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._shown = set(shown)
        self._history: deque[SystemLoad] = deque(maxlen=_HISTORY)
        self._next = 0.0
        if self._shown and not self.is_supported:
            raise PosezooError("utilization is read from /proc, which this system lacks", hint="leave -u out")
        # The first sample looks back to here, not to when the machine was switched on.
        self._ticks = _ticks(proc / "stat") if self.is_supported else {}

    @property
    def is_supported(self) -> bool:
        """Whether this system tells."""
        return (self._proc / "stat").is_file() and (self._proc / "meminfo").is_file()

    @property
    def visible_keys(self) -> frozenset[str]:
        """The letters of what is shown now."""
        return frozenset(self._shown)

    def toggle(self, key: str) -> bool:
        """Show or hide what a key stands for; whether it stands for anything."""
        if key not in MONITORS or not self.is_supported:
            return False
        self._shown ^= {key}
        return True

    def sample(self, now: float) -> None:
        """Take a sample where it is time for one, and anything is shown."""
        if self._shown and now >= self._next:
            self._next = now + _PERIOD_S
            self._history.append(self._load())

    def _load(self) -> SystemLoad:
        memory = _memory(self._proc / "meminfo")
        before, self._ticks = self._ticks, _ticks(self._proc / "stat")
        cores = []
        for name, (busy, total) in self._ticks.items():
            busy_before, total_before = before.get(name, (0, 0))
            cores.append((busy - busy_before) / max(1, total - total_before))
        return SystemLoad(
            cores=tuple(min(1.0, max(0.0, share)) for share in cores),
            used_bytes=memory["MemTotal"] - memory["MemAvailable"],
            total_bytes=memory["MemTotal"],
            used_swap_bytes=memory["SwapTotal"] - memory["SwapFree"],
            total_swap_bytes=memory["SwapTotal"],
        )

    def draw(self, canvas: Image) -> None:
        """Draw what is shown into the lower left corner of an (H, W, 3) uint8 BGR picture.

        Where there is no room for all, the last ones are left out.
        """
        self.sample(time.monotonic())
        if not self._shown or not self._history:
            return
        scale = max(1.0, canvas.shape[0] / 480)
        panels = [panel for letter in MONITORS if letter in self._shown for panel in self._panels(letter)]
        bottom = canvas.shape[0]
        for panel in panels:
            height, width = (round(side * scale) for side in (panel.height, _WIDTH))
            if height > bottom or width > canvas.shape[1]:
                return
            panel.draw(canvas[bottom - height : bottom, :width], scale)
            bottom -= height

    def _panels(self, letter: str) -> Sequence[_Panel]:
        load = self._history[-1]
        if letter == "c":
            return [_BarPanel(f"CPU {load.average:4.0%}", load.average)]
        if letter == "d":
            return [_BarPanel(f"core {core} {share:4.0%}", share) for core, share in enumerate(load.cores)][
                ::-1
            ]
        if letter == "m":
            share = load.used_bytes / load.total_bytes
            bars = [_BarPanel(f"memory {_gib(load.used_bytes)}/{_gib(load.total_bytes)} GiB", share)]
            if load.total_swap_bytes:
                said = f"swap {_gib(load.used_swap_bytes)}/{_gib(load.total_swap_bytes)} GiB"
                bars.insert(0, _BarPanel(said, load.used_swap_bytes / load.total_swap_bytes))
            return bars
        memory = [each.used_bytes / each.total_bytes for each in self._history]
        return [_HistoryPanel([each.average for each in self._history], memory)]

    def summary(self) -> dict[str, float]:
        """Of the last half minute in which anything was shown; empty where nothing was.

        ``cpu_share`` is the mean of all cores, 0..1, ``memory_bytes`` the most that programs held.
        """
        if not self._history:
            return {}
        return {
            "cpu_share": round(sum(each.average for each in self._history) / len(self._history), 3),
            "memory_bytes": max(each.used_bytes for each in self._history),
        }


class _Panel:
    """Something drawn into a part of the picture.

    Attributes:
        height: in pixels, of a picture 480 high.
    """

    height: int

    def draw(self, part: Image, scale: float) -> None:
        raise NotImplementedError


class _BarPanel(_Panel):
    """A line of text over a bar that is filled by a share."""

    height = _ROW

    def __init__(self, text: str, share: float) -> None:
        self.text, self.share = text, share

    def draw(self, part: Image, scale: float) -> None:
        cv2 = import_optional("cv2", extra="run")
        part[:] = part // 4
        member = part[2:-2, 2:-2]
        member[:] = _DIM
        member[:, : round(member.shape[1] * min(1.0, self.share))] = (90, 110, 50)
        place = (round(5 * scale), round((_ROW - 5) * scale))
        cv2.putText(part, self.text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36 * scale, _WHITE, 1, cv2.LINE_AA)


class _HistoryPanel(_Panel):
    """Processors and memory over the last samples, the newest at the right."""

    height = _GRAPH

    def __init__(self, cpu: Sequence[float], memory: Sequence[float]) -> None:
        self.curves = ((cpu, _GREEN, "CPU"), (memory, _BLUE, "memory"))

    def draw(self, part: Image, scale: float) -> None:
        cv2 = import_optional("cv2", extra="run")
        part[:] = part // 4
        height, width = part.shape[:2]
        step = width / (_HISTORY - 1)
        for row, (shares, color, name) in enumerate(self.curves):
            x = width - 1 - step * np.arange(len(shares))[::-1]
            y = (height - 3) * (1 - np.array(shares)) + 1
            points = np.stack([x, y], axis=1).round().astype(np.int32)
            cv2.polylines(part, [points], False, color, max(1, round(scale)), cv2.LINE_AA)
            place = (round(5 * scale), round((12 + 12 * row) * scale))
            cv2.putText(part, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34 * scale, color, 1, cv2.LINE_AA)


def _ticks(path: Path) -> dict[str, tuple[int, int]]:
    """By core: ticks spent working, and all; proc(5): user nice system idle iowait irq softirq steal."""
    found = {}
    for line in path.read_text().splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(number) for number in numbers[:8]]
            found[name] = (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
    return found


def _memory(path: Path) -> dict[str, int]:
    """In bytes, by the names of proc(5), which counts in KiB."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {name.rstrip(":"): int(number) * 1024 for name, number, *_ in lines}


def _gib(number: int) -> str:
    return f"{number / (1 << 30):.1f}"
