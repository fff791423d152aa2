"""A screen without a monitor, with a keyboard: Xvfb and xdotool."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np

from fakes.command import run_process
from fakes.waiting import HANG_S

SIZE = (800, 600)


class Desktop:
    """``with Desktop(tmp_path) as desktop:``; children get ``desktop.environ``.

    Args:
        folder: where the screen's pixels lie while it is on.
    """

    def __init__(self, folder: Path) -> None:
        self._pixels = folder / "Xvfb_screen0"
        reading, writing = os.pipe()
        geometry = f"{SIZE[0]}x{SIZE[1]}x24"
        # -noreset: else it starts anew whenever its last client leaves, and refuses others meanwhile.
        command = [
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            geometry,
            "-fbdir",
            str(folder),
        ]
        command.append("-noreset")
        self._server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as stream:
            self.display = f":{int(stream.readline())}"
        self.environ = {**os.environ, "DISPLAY": self.display}

    def __enter__(self) -> Desktop:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait(HANG_S)

    def shows(self, title: str) -> bool:
        """Whether a window whose title begins so is there, with something in it."""
        windows = self._windows(title)
        if windows and not self.picture()[:100, :100].any():
            # On a busy machine Qt now and then misses that its window is exposed (2 of 12 starts of four
            # lines of OpenCV); a window manager would tell it again.
            self._do("windowunmap", "--sync", windows[-1])
            self._do("windowmap", "--sync", windows[-1])
            time.sleep(0.5)
        return bool(windows) and bool(self.picture()[:100, :100].any())

    def press(self, key: str, title: str) -> None:
        """A key, by xdotool's name (Tab, Escape, c), in the window whose title begins so."""
        # Looked up each time: a toolkit may replace a window while it settles.
        window = self._windows(title)[-1]
        self._do("windowmove", window, "0", "0")
        self._do("windowfocus", window)
        self._do("key", "--window", window, key)

    def _windows(self, title: str) -> list[str]:
        return self._do("search", "--onlyvisible", "--name", f"^{title}").split()

    def picture(self) -> np.ndarray:
        """What is on the screen: (height, width, 3) uint8, BGR, out of Xvfb's XWD file."""
        data = self._pixels.read_bytes()
        fields = np.frombuffer(data[:100], ">u4")
        header, height, row, colors = fields[0], fields[5], fields[12], fields[19]
        start = int(header + 12 * colors)
        pixels = np.frombuffer(data, np.uint8, int(height * row), start).reshape(
            height, row // 4, 4
        )
        return pixels[:, :, :3].copy()

    def _do(self, *command: str) -> str:
        ended = run_process(
            ["xdotool", *command],
            env=self.environ,
        )
        return ended.stdout.strip()
