"""FFmpeg inside OpenCV: its messages and limits, and the errors of its decoders.

What OpenCV does not offer is in FFmpeg's libraries. Only Linux lists the libraries of a process; on
other systems nothing is limited or counted.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from posezoo.core.errors import import_cv2, import_optional
from posezoo.core.operating_system import PROC

# The largest piece of memory that FFmpeg may take, in bytes: a frame of 12K in BGR has 239 MB.
_MAX_BYTES = 256 << 20

# AV_LOG_ERROR of libavutil/log.h; less is worse.
_ERROR = 16

# What libswscale says of each frame that it does not convert, and the first version that says so:
# OpenCV returns it black, or with the pixels of another one.
_INTERLACED = b"Cannot convert interlaced"
_REFUSES_INTERLACED = 9

# The folder of the libraries in PyAV's wheels.
_OF_PYAV = "/av.libs/"

# In bytes; the rest of a longer message is left out.
_MAX_MESSAGE = 1024

# LOG_LEVEL_SILENT of OpenCV's utils/logger.defines.hpp.
_LOG_LEVEL_SILENT = 0

# void (*)(void *avcl, int level, const char *fmt, va_list vl)
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def import_quiet_opencv() -> ModuleType:
    """The ``cv2`` package without messages from OpenCV and FFmpeg: posezoo reports problems itself.

    Raises:
        MissingPackageError: it is not installed.
    """
    # OpenCV reads this once, before it opens the first video; -8 is AV_LOG_QUIET.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2 = import_cv2()
    # OpenCV before 4.13 has no such module, but the function.
    getattr(cv2.utils, "logging", cv2).setLogLevel(_LOG_LEVEL_SILENT)
    _limit_memory("cv2")
    return cv2


def import_av() -> ModuleType:
    """PyAV, whose FFmpeg is another one than OpenCV's.

    Raises:
        MissingPackageError: it is not installed.
    """
    av = import_optional("av", extra="video")
    # A folder av of the user is a package, too, but without this module.
    import_optional("av.error", extra="video")
    _limit_memory("av")
    return av


@cache
def converts_interlaced() -> bool:
    """Whether OpenCV converts frames that have two fields."""
    build = import_quiet_opencv().getBuildInformation()
    version = re.search(r"swscale:.*\((\d+)", build)
    return version is None or int(version[1]) < _REFUSES_INTERLACED


def open_media(
    target: Path | str | int, open_it: Callable[..., Any], *args: object, **options: object
) -> Any:
    """Open a file, an address or a camera with ``open_it``, a function of OpenCV or PyAV that takes
    the target first.

    A ``Path`` is a file, whatever its name: FFmpeg takes a relative one with a colon to begin with
    a protocol, such as tcp: or concat:.
    """
    if isinstance(target, Path):
        target = str(target.absolute())
    return open_it(target, *args, **options)


def _list_libraries() -> list[str]:
    """The paths of FFmpeg's libavutil in this process, which may be there twice."""
    with suppress(OSError):
        mapped = (PROC / "self/maps").read_text("utf-8", errors="surrogateescape")
        return sorted({*re.findall(r"/.*/libavutil[^/\n]*\.so[.\d]*$", mapped, re.MULTILINE)})
    return []


@cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    """OpenCV's libavutil; none before OpenCV is imported."""
    return tuple(ctypes.CDLL(path) for path in _list_libraries() if _OF_PYAV not in path)


@cache
def _limit_memory(_package: str) -> None:
    """Let FFmpeg refuse a frame that never ends: it reads all of it, and twice, before it decodes.

    Neither package has an option for this, but FFmpeg's libraries have.
    """
    for path in _list_libraries():
        with suppress(AttributeError, OSError):
            ctypes.CDLL(path).av_max_alloc(ctypes.c_size_t(_MAX_BYTES))


class DecoderErrors:
    """The ``places`` of a video at which FFmpeg reported errors: OpenCV returns what is left of a
    damaged frame like any other.

    Attributes:
        are_interlaced: whether OpenCV did not convert a frame that this thread read, since it is
            interlaced.
    """

    def __init__(self) -> None:
        self.places = 0
        self.are_interlaced = False
        self._reader = threading.get_ident()
        self._new = 0
        self._first = ""

    def add(self, text: bytes) -> None:
        """Count an error, by its message."""
        if _INTERLACED not in text:
            self._new += 1
        # Decoders have threads of their own, but the reader of a video converts its frames.
        elif threading.get_ident() == self._reader:
            self.are_interlaced = True

    def look_at(self, index: int, shown_s: float) -> None:
        """Ask whether there were errors since the last frame.

        Decoders in several threads are some frames ahead, so the damage may be a bit later.
        """
        if self._new:
            self._new = 0
            self._first = self._first or f"{index} ({shown_s:.2f} s)"
            self.places += 1

    def describe(self) -> str:
        """A sentence with the first of these frames."""
        where = f"at {self.places} places, the first near" if self.places > 1 else "near"
        return (
            f"is damaged: its decoder reported errors {where} frame {self._first}; the poses from"
            " there to the next key frame may be wrong"
        )


_counting: list[DecoderErrors] = []


def _report(_source: Any, level: int, text: Any, values: Any) -> None:
    """What FFmpeg calls for each of its messages, in any thread."""
    if level > _ERROR:
        return
    message = _format_message(level, text, values)
    for errors in tuple(_counting):
        errors.add(message)


def _format_message(level: int, text: Any, values: Any) -> bytes:
    line = ctypes.create_string_buffer(_MAX_MESSAGE)
    prefix = ctypes.c_int(0)
    text, values = map(ctypes.c_void_p, (text, values))
    for library in _libraries()[:1]:
        library.av_log_format_line(
            None, level, text, values, line, _MAX_MESSAGE, ctypes.byref(prefix)
        )
    return line.value


# It stays as long as the process: when a video ends, the thread of an encoder may be about to
# call it.
_callback = _CALLBACK(_report)


@contextmanager
def decoder_errors() -> Iterator[DecoderErrors]:
    """Count the errors of decoders as long as the context lasts."""
    errors = DecoderErrors()
    _counting.append(errors)
    for library in _libraries():
        library.av_log_set_callback(_callback)
    # FFmpeg's threads may outlive Python's functions.
    atexit.register(_restore)
    try:
        yield errors
    finally:
        _counting.remove(errors)
        if not _counting:
            _restore()
            atexit.unregister(_restore)


def _restore() -> None:
    for library in _libraries():
        library.av_log_set_callback(library.av_log_default_callback)
