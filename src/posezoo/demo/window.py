"""A window that shows frames and hears keys, or a clear word where there is no display."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import TracebackType

from posezoo.errors import PosezooError, import_optional
from posezoo.images import Image

TAB, ESCAPE = "\t", "\x1b"

_HINT = "say -no_show to go without a window"
_GONE = ""

# A remote display may take its time; one that hangs does not come any more.
_PROBE_S = 20
_PROBE = "import cv2; cv2.namedWindow('posezoo'); cv2.waitKey(1)"


class DisplayError(PosezooError):
    """There is no display, or no OpenCV that could use it."""


def require_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        DisplayError: it cannot, and why.
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_optional("cv2", extra="window")
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        raise DisplayError(
            "this OpenCV comes without windows (opencv-python-headless)",
            hint=f"{_HINT}; or uninstall it and install the extra [window] in its place",
        )
    if not sys.platform.startswith("linux"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise DisplayError("there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set", hint=_HINT)
    if not _opens_in_a_child():
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise DisplayError(f"the display {display} cannot be opened", hint=_HINT)


def _opens_in_a_child() -> bool:
    """Whether a window opens; tried in a child process, since Qt ends the one in which it does not."""
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


class Window:
    """A window on the screen; a context manager, so that none is left standing.

    Keys are told as small letters, Tab and Escape as ``TAB`` and ``ESCAPE``.

    Attributes:
        is_open: false once the user closed it.
    """

    def __init__(self, title: str) -> None:
        self._cv2 = import_optional("cv2", extra="window")
        self._title = title
        self._was_seen = False
        self.is_open = True

    def __enter__(self) -> Window:
        flags = self._cv2.WINDOW_AUTOSIZE | self._cv2.WINDOW_GUI_NORMAL  # no tool bar that eats our keys
        self._cv2.namedWindow(self._title, flags)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cv2.destroyAllWindows()

    def show(self, image: Image) -> str:
        """Show a picture; returns the key that was pressed meanwhile, empty where none was."""
        self._cv2.imshow(self._title, image)
        return self._key(1)

    def wait_for_key(self) -> str:
        """The next key that is pressed; empty where the window is closed in place of that."""
        while self.is_open:
            if key := self._key(50):
                return key
        return _GONE

    def _key(self, milliseconds: int) -> str:
        code = self._cv2.waitKeyEx(milliseconds)
        self.is_open = self.is_open and not self._was_closed()
        return chr(code).lower() if 0 < code < 128 else ""  # above: Shift alone, arrows and their like

    def _was_closed(self) -> bool:
        """Whether it was on the screen, and is no longer: a new one takes a moment to appear."""
        try:
            is_seen = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1
        except self._cv2.error:  # Qt says so of the last window that was closed
            return True
        was_seen, self._was_seen = self._was_seen, self._was_seen or is_seen
        return was_seen and not is_seen
