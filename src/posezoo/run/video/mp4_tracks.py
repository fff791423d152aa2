"""The video tracks of an MP4 or MOV file (ISO/IEC 14496-12), of which OpenCV plays the first."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from posezoo.core.values import frozen

# The description of an hour has about 5 MB.
_MAX_MOOV = 256 << 20


@frozen
class VideoTrack:
    """A video track: its number in the file, and the size at which it is shown, in pixels."""

    id: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


def read_video_tracks(path: Path) -> tuple[VideoTrack, ...]:
    """The video tracks in the order of the file; none if it is no such file, or damaged."""
    try:
        with open(path, "rb") as stream:
            if stream.read(8)[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return ()
            stream.seek(0)
            moov = BytesIO(_find(stream, b"moov"))
            return tuple(filter(None, map(_read_track, _boxes(moov, b"trak"))))
    except (OSError, struct.error, ValueError, IndexError):
        return ()


def _read_track(trak: bytes) -> VideoTrack | None:
    """A track; None if it is one of sound, text or data."""
    kind = _find(BytesIO(_find(BytesIO(trak), b"mdia")), b"hdlr")[8:12]
    if kind != b"vide":
        return None
    header = _find(BytesIO(trak), b"tkhd")
    has_long_times = header[0] == 1
    (number,) = struct.unpack_from(">I", header, 20 if has_long_times else 12)
    width, height = struct.unpack_from(">II", header, len(header) - 8)
    return VideoTrack(number, width >> 16, height >> 16)


def _find(stream: BinaryIO, kind: bytes) -> bytes:
    """The content of the first box of a kind; a ValueError if there is none."""
    content = next(_boxes(stream, kind), None)
    if content is None:
        raise ValueError(f"no box {kind!r}")
    return content


def _boxes(stream: BinaryIO, wanted: bytes) -> Iterator[bytes]:
    """The contents of the boxes of a kind, in a file or in the content of another box."""
    while header := stream.read(8):
        size, kind = struct.unpack(">I4s", header)
        content = size - 8
        if size == 1:
            content = struct.unpack(">Q", stream.read(8))[0] - 16
        if size == 0 or content < 0:  # to the end of the file, or damaged
            return
        if kind != wanted:
            stream.seek(content, 1)
            continue
        if content > _MAX_MOOV:
            raise ValueError("too large")
        yield stream.read(content)
