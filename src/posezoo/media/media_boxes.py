"""What the boxes of MP4, QuickTime and AVIF files say of how they are shown (ISO/IEC 14496-12, and
23008-12): OpenCV reads a mirrored picture as a turned one, and counts frames that are hidden.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.regular_files import open_regular
from posezoo.core.values import frozen

#: More than the index of a video of a day; larger ones are not read.
_MAX_INDEX = 64 << 20


@frozen
class Turn:
    """How a picture is shown: the axes are exchanged first, then x and y are mirrored."""

    exchanges_axes: bool = False
    mirrors_x: bool = False
    mirrors_y: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether the picture is not only turned."""
        return (self.exchanges_axes + self.mirrors_x + self.mirrors_y) % 2 == 1

    def apply(self, image: Array) -> Array:
        """The picture (height, width, channels) as it is shown."""
        if self.exchanges_axes:
            image = image.swapaxes(0, 1)
        steps = [-1 if is_mirrored else 1 for is_mirrored in (self.mirrors_y, self.mirrors_x)]
        return np.ascontiguousarray(image[:: steps[0], :: steps[1]])


@frozen
class Film:
    """What the first video track of a file says before its frames are read.

    Attributes:
        turn: of its frames, by its display matrix.
        shown_s: for how many seconds it is shown, without what its edit list hides; None if that is
            not known.
        is_interlaced: whether its first frame has two fields; None if that is not known.
        has_times: whether its format has times of frames; None if that is not known.
    """

    turn: Turn = Turn()
    shown_s: float | None = None
    is_interlaced: bool | None = None
    has_times: bool | None = None


def read_film_boxes(path: Path) -> Film:
    """What an MP4 or QuickTime file says; of another or damaged file, nothing is known."""
    try:
        movie = _read_index(path)
        (scale,) = struct.unpack_from(">I", *_find_field(movie, b"mvhd", 12, 20))
        for kind, track in _boxes(movie):
            if kind == b"trak" and _handler(track) == b"vide":
                matrix = struct.unpack_from(">5i", *_find_field(track, b"tkhd", 40, 52))
                return Film(turn_by_matrix(matrix), _read_edited_s(track, scale))
    except (OSError, LookupError, ValueError, struct.error):
        pass
    return Film()


def turn_by_matrix(matrix: Sequence[int]) -> Turn:
    """The turn by the first two rows of a display matrix."""
    a, b, _, c, d = matrix
    if abs(b) > abs(a):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def read_picture_turn(data: bytes) -> Turn:
    """The turn of an AVIF's picture: ``irot``, then ``imir``."""
    try:
        properties = _find(_find(_find(data, b"meta")[4:], b"iprp"), b"ipco")
        kinds = dict(_boxes(properties))
        quarters = kinds.get(b"irot", b"\0")[0] & 3
        turn = _QUARTER_TURNS[quarters]
        mirror = kinds.get(b"imir")
        if mirror is None:
            return turn
        is_about_vertical = mirror[0] & 1  # the axis is vertical: left and right are exchanged
        return Turn(
            turn.exchanges_axes,
            turn.mirrors_x != bool(is_about_vertical),
            turn.mirrors_y != (not is_about_vertical),
        )
    except (LookupError, ValueError, struct.error):
        return Turn()


# Anticlockwise, by the number of quarters.
_QUARTER_TURNS = (Turn(), Turn(True, False, True), Turn(False, True, True), Turn(True, True, False))


def _read_index(path: Path) -> bytes:
    """The content of the box ``moov``."""
    with open_regular(path) as stream:
        while header := stream.read(8):
            size, kind = struct.unpack(">I4s", header)
            length = 8
            if size == 1:
                (size,) = struct.unpack(">Q", stream.read(8))
                length = 16
            if kind == b"moov" and size <= _MAX_INDEX:
                return stream.read(size - length if size else _MAX_INDEX)
            if not length <= size:
                break
            stream.seek(size - length, 1)
    raise LookupError("no index")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each box."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size < 8:
            return
        yield kind, data[place + 8 : place + size]
        place += size


def _find(data: bytes, *kinds: bytes) -> bytes:
    for wanted in kinds:
        data = next((content for kind, content in _boxes(data) if kind == wanted), b"")
    if not data:
        raise LookupError(f"no box {kinds!r}")
    return data


def _find_field(data: bytes, kind: bytes, place: int, long_place: int) -> tuple[bytes, int]:
    """A box, and the place of its field, which is another one if its numbers have 64 bits."""
    content = _find(data, kind)
    return content, long_place if content[0] == 1 else place


def _handler(track: bytes) -> bytes:
    return _find(track, b"mdia", b"hdlr")[8:12]


def _read_edited_s(track: bytes, scale: int) -> float | None:
    try:
        edits = _find(track, b"edts", b"elst")
    except LookupError:
        return None
    form = ">Qq4x" if edits[0] == 1 else ">Ii4x"
    (count,) = struct.unpack_from(">I", edits, 4)
    entries = struct.iter_unpack(form, edits[8 : 8 + count * struct.calcsize(form)])
    # An entry whose time is -1 delays the start, and one without a duration shows all.
    durations = [duration for duration, time in entries if time >= 0]
    if not durations or 0 in durations or not scale:
        return None
    return float(sum(durations) / scale)
