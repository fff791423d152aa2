"""A window that shows frames and reads keys; a clear error if there is no display."""

from __future__ import annotations

import os
import re
import subprocess

from posezoo.core.errors import PosezooError, import_cv2
from posezoo.core.install_commands import OPENCV, pip_command
from posezoo.core.operating_system import IS_LINUX
from posezoo.core.workers.program import find_interpreter
from posezoo.media.images import Image

TAB = "\t"
ESCAPE = "\x1b"

_HINT = "use -no_show to run without a window"

# A remote display may be slow.
_PROBE_TIMEOUT_S = 20
_PROBE = "import cv2; cv2.namedWindow('posezoo'); cv2.waitKey(1)"


class DisplayError(PosezooError):
    """There is no display, or no OpenCV that could use it."""


def require_display() -> None:
    """Make sure that a window can be opened.

    Raises:
        DisplayError: it cannot be opened; the message gives the reason.
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_cv2()
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        replace = f"{pip_command()} uninstall --yes {' '.join(OPENCV)}"
        raise DisplayError(
            "this OpenCV comes without windows (opencv-python-headless)",
            hint=f"{_HINT}; or: {replace} && {pip_command()} install opencv-python",
        )
    if not IS_LINUX:
        return
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not display:
        raise DisplayError(
            "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set", hint=_HINT
        )
    # This is tested in a child process, because Qt terminates a process that cannot open a window.
    command = [find_interpreter(), "-c", _PROBE]
    try:
        # Python imports from the current folder first, which may come from others.
        subprocess.run(command, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=True, cwd="/")
    except subprocess.SubprocessError as error:
        raise DisplayError(f"the display {display} cannot be opened", hint=_HINT) from error


class Window:
    """A window on the screen; a context manager that closes it.

    Keys are lower-case characters, ``TAB`` and ``ESCAPE``; ``is_open`` until the user closes it.
    """

    def __init__(self, title: str) -> None:
        self._cv2 = import_cv2()
        self._title = title
        self._was_visible = False
        self.is_open = True

    def __enter__(self) -> Window:
        # No tool bar, which takes keys.
        flags = self._cv2.WINDOW_AUTOSIZE | self._cv2.WINDOW_GUI_NORMAL
        self._cv2.namedWindow(self._title, flags)
        return self

    def __exit__(self, *_: object) -> None:
        self._cv2.destroyAllWindows()

    def show(self, image: Image) -> str:
        """Show an image; returns the key that was pressed, or an empty string."""
        self._cv2.imshow(self._title, image)
        return self._read_key(1)

    def wait_for_key(self) -> str:
        """The next key that is pressed; an empty string if the window is closed instead."""
        while self.is_open:
            if key := self._read_key(50):
                return key
        return ""

    def _read_key(self, milliseconds: int) -> str:
        code = self._cv2.waitKeyEx(milliseconds)
        try:
            is_visible = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1
            # A new window takes a moment to appear.
            is_closed = self._was_visible and not is_visible
            self._was_visible = self._was_visible or is_visible
        except self._cv2.error:  # raised with Qt after the last window is closed
            is_closed = True
        self.is_open = self.is_open and not is_closed
        # Higher codes: Shift alone, arrows and others.
        return chr(code).lower() if 0 < code < 128 else ""
