"""Read and write image files as 8-bit BGR.

The header is checked before: OpenCV would fill the missing part of an incomplete file with grey,
and a file with too many pixels would need too much memory.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from glob import has_magic
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posezoo.core.arrays import Array
from posezoo.core.convert.feature_steps import SamplePhotos
from posezoo.core.errors import (
    ImageError,
    ImageWarning,
    MissingPackageError,
    import_cv2,
    os_reason,
    shell_word,
    suggest,
)
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.result_files import write_result
from posezoo.core.regular_files import (
    LFS_HINT,
    LFS_PROBLEM,
    explain_link,
    is_lfs_pointer,
    open_regular,
    read_regular_bytes,
)
from posezoo.core.values import frozen
from posezoo.media.ffmpeg import import_quiet_opencv, open_media
from posezoo.media.media_boxes import Turn, read_picture_turn

Image = NDArray[np.uint8]

#: The suffixes of image files in a folder.
SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif"),
        *(".tiff", ".webp"),
    }
)

#: The suffixes of images that are written: these formats can contain colors.
WRITTEN_SUFFIXES = SUFFIXES - {".pbm", ".pgm"}

# The suffixes of cameras' raw photos: in some of them, OpenCV would read only a small preview.
_RAW_SUFFIXES = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"})

#: The suffixes of images that are not read: those in a folder are named in a warning.
UNREAD_SUFFIXES = _RAW_SUFFIXES | {
    *(".exr", ".gif", ".hdr", ".heic", ".heif", ".hif", ".ico", ".jfif", ".jxl", ".psd", ".svg"),
    ".tga",
}

#: Two free photos of 512 x 512 pixels: a portrait in colour, and a man behind a camera in grey.
#: README.txt beside them credits them.
SAMPLE_PHOTOS = tuple(
    Path(__file__).with_name("samples") / name for name in ("astronaut.png", "camera.png")
)

#: The suffixes of videos that are downloaded before they are played; any other address is a live
#: stream.
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})

#: Those of other videos, whose addresses are live streams.
STREAM_SUFFIXES = frozenset(
    {
        *(".264", ".265", ".3gp", ".asf", ".dv", ".flv", ".h264", ".h265", ".hevc", ".m2ts"),
        *(".mjpeg", ".mjpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".wmv", ".y4m"),
    }
)

# The suffixes of images that may be animated.
_ANIMATED_SUFFIXES = frozenset({".png", ".webp"})

# Of the first chunk of an extended WebP: RFC 9649, 2.7.
_ANIMATION_FLAG = 2

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

# The first bytes of an image, which say whether it is animated: what a PNG has before its pixels,
# such as a color profile, is smaller.
_START = 1 << 20

# The upper 8 of 16 bits are less if 14 bits or fewer are used.
_DARK = 64

# The numbers of channels that an image may have.
_CHANNELS = (1, 3, 4)

_HAND = SAMPLE_PHOTOS[0].with_name("hand.png")


def sample_photos(noun: str) -> tuple[Path, ...]:
    """The sample photos of what a model finds, as ``poses.people.noun_of`` names it."""
    return (_HAND,) if noun in ("hand", "palm") else SAMPLE_PHOTOS


class _SamplePhotos(SamplePhotos):
    def read(self) -> tuple[Image, ...]:
        try:
            return tuple(map(read_image, SAMPLE_PHOTOS))
        except MissingPackageError:
            return ()

    def read_photo(self, path: Path) -> Image:
        return read_image(path)

    def open(self, image: object) -> Image:
        return open_image(image)


PHOTOS = _SamplePhotos()


# 256 Mi: more than the largest sensors of phones (200 million); 768 MiB when decoded.
MAX_PIXELS = 1 << 28

# The file size of this number of pixels, 4 bytes each, without compression.
MAX_BYTES = MAX_PIXELS * 4


# How Pillow turns an image by each EXIF orientation, as numbers of its ``Transpose``.
_ORIENTATION = 0x0112
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


@runtime_checkable
class PillowImage(Protocol):
    """An image of Pillow, which posezoo does not import."""

    mode: str

    def getexif(self) -> Any:
        """Its EXIF tags, by number."""


@frozen
class ImageHeader:
    """Width and height in pixels, whether the file is complete, whether it has several images, and
    a turn that OpenCV does not make.
    """

    width: int
    height: int
    is_complete: bool
    has_several: bool = False
    turn: Turn = Turn()


def read_image(path: Path) -> Image:
    """Read an image as (height, width, 3) uint8, BGR.

    A grey image gets three equal channels, an alpha channel is removed, 16 bits are reduced to the
    upper 8, and the image is rotated according to its EXIF orientation. Of an animation, or of
    several pages, the first is read, with an ImageWarning.

    Raises:
        ImageError: the file is missing, empty, incomplete, of an unknown format, or has more than
            ``MAX_PIXELS`` pixels.
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_cv2()
    header, data = read_encoded(path)
    image = _decode(data, str(path), header, cv2)
    if header.has_several:
        # Python shows it once for each file, as it is always of this line.
        warnings.warn(
            f"{path}: has several frames or pages: the first is used", ImageWarning, stacklevel=1
        )
    return image


def read_encoded(path: Path) -> tuple[ImageHeader, bytes]:
    """The header of an image, and all bytes of the file.

    Raises:
        ImageError: as for ``read_image``.
    """
    data = _read_file(path)
    return _read_checked_header(str(path), data), data


def decode_image(data: bytes | bytearray | memoryview) -> Image:
    """Decode the bytes of an image file as ``read_image`` does.

    Raises:
        ImageError, MissingPackageError: as for ``read_image``.
    """
    cv2 = import_cv2()
    name = "the bytes of the image"
    size = memoryview(data).nbytes
    if not size:
        raise ImageError(f"{name}: there are none")
    if size > MAX_BYTES:
        raise ImageError(f"{name}: {size:,} are too many: the limit is {MAX_BYTES:,}")
    encoded = bytes(data)
    header = _read_checked_header(name, encoded)
    return _decode(encoded, name, header, cv2)


def _decode(data: bytes, name: str, header: ImageHeader, cv2: Any) -> Image:
    try:
        image: Image | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{name}: cannot be decoded: {error.err}") from error
    if image is None:
        raise _explain_undecoded(data, name, cv2)
    if image.max() < _DARK:
        _warn_of_unused_bits(data, name, cv2)
    return image if header.turn == Turn() else header.turn.apply(image)


def _explain_undecoded(data: bytes, name: str, cv2: Any) -> ImageError:
    if _is_avif(data) and not cv2.haveImageWriter("photo.avif"):
        return ImageError(
            f"{name}: is AVIF, which OpenCV {cv2.__version__} does not decode",
            hint="save it as PNG with another program, or update OpenCV",
        )
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype.kind != "f":
        return ImageError(f"{name}: the image is damaged, or of a kind that OpenCV does not decode")
    return ImageError(
        f"{name}: has {values.dtype} numbers, {values.min():g} to {values.max():g}, not 8 or 16"
        " bits",
        hint=f"magick {shell_word(name)} -auto-level -depth 8 photo.png",
    )


def _warn_of_unused_bits(data: bytes, name: str, cv2: Any) -> None:
    """Of 10, 12 or 14 bits in 16, as cameras write them, the upper 8 are nearly black."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH)
    if values is None or values.dtype != np.uint16 or not values.any():
        return
    unused = 16 - int(values.max()).bit_length()
    warnings.warn(
        f"{name}: has 16 bits, but no value above {values.max():,}, as of a camera with"
        f" {16 - unused} bits: it is nearly black; multiply its values by {1 << unused}",
        ImageWarning,
        stacklevel=1,
    )


def _read_checked_header(name: str, data: bytes) -> ImageHeader:
    header = _read_header(name, data)
    if header.width * header.height > MAX_PIXELS:
        raise ImageError(
            f"{name}: {header.width} x {header.height} pixels are too many: the limit is"
            f" {MAX_PIXELS:,}",
            hint="make it smaller first",
        )
    if not header.is_complete:
        raise ImageError(
            f"{name}: the image file is incomplete", hint="copy or download the file again"
        )
    return header


def require_image(path: Path) -> None:
    """Raise the ImageError of ``read_image`` if the file does not begin like an image."""
    _read_header(str(path), _read_file(path))


def _read_file(path: Path) -> bytes:
    try:
        # Before it is opened: a pipe would wait for a writer, a device never ends.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"
            raise ImageError(f"{path}: is {kind}")
        if status.st_size > MAX_BYTES:
            raise ImageError(
                f"{path}: {status.st_size:,} bytes are too many: the limit is {MAX_BYTES:,}"
            )
        data = read_regular_bytes(path)
    except OSError as error:
        reason = explain_link(path) or f"cannot be read: {os_reason(error)}"
        hint = ""
        if error.errno == errno.ENAMETOOLONG:
            hint = "a text is a path; the bytes of a photo in base64: base64.b64decode(text)"
        raise ImageError(f"{path}: {reason}", hint=hint) from error
    except ValueError as error:
        raise ImageError(f"{path}: is not a path: {error}") from error
    if not data:
        raise ImageError(f"{path}: the file is empty", hint="copy or download the file again")
    if path.suffix.lower() in _RAW_SUFFIXES:
        raise ImageError(
            f"{path}: is a raw photo of a camera, which is not read",
            hint="save it as JPEG with the program of the camera, or: darktable-cli"
            f" {shell_word(path.name)} {shell_word(path.with_suffix('.jpg').name)}",
        )
    return data


def is_still(path: Path) -> bool:
    """Whether a file is an image, not a video, by its suffix; WebP and PNG may be animated."""
    return path.suffix.lower() in SUFFIXES | _RAW_SUFFIXES and not is_animated(path)


def is_animated(path: Path) -> bool:
    """Whether a file is an animated WebP or PNG."""
    if path.suffix.lower() not in _ANIMATED_SUFFIXES or not path.is_file():
        return False
    try:
        with open_regular(path) as stream:
            start = stream.read(_START)
        is_likely = start.startswith((_PNG_MAGIC, b"RIFF"))
        return is_likely and _read_header(str(path), start).has_several
    except (OSError, ImageError):
        return False


def _read_header(name: str, data: bytes) -> ImageHeader:
    parse = next((parse for is_kind, parse in _KINDS if is_kind(data)), None)
    if is_lfs_pointer(data):
        raise ImageError(f"{name}: {LFS_PROBLEM}", hint=LFS_HINT)
    if parse is None:
        raise ImageError(
            f"{name}: is not an image of a known format",
            hint="supported formats: JPEG, PNG, WebP, AVIF, JPEG 2000, BMP, TIFF, PPM, PGM and PBM",
        )
    try:
        return parse(data)
    except (struct.error, IndexError, KeyError, ValueError):
        return ImageHeader(0, 0, is_complete=False)


def write_image(path: Path, image: Image, listener: Listener = ignore_event) -> None:
    """Write an image, (height, width, 3) uint8 BGR, in the format of the file's suffix.

    Raises:
        ImageError: OpenCV does not know the format, or the format cannot contain such an image.
        OutputError: the file cannot be written; an existing file is unchanged.
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_cv2()
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise ImageError(
            f"{path}: cannot be written as {path.suffix or 'an image'}",
            hint="name it .jpg, .png, .webp, .bmp or .tiff",
        ) from error
    if not done:
        raise ImageError(
            f"{path}: an image of shape {image.shape} cannot be written as {path.suffix}"
        )
    write_result(path, data.tobytes(), listener)


def open_image(image: object, color: str = "BGR") -> Image:
    """An image as (height, width, 3) uint8 BGR: read from a path, decoded from the bytes of an
    image file, or an array or an image of Pillow as for ``to_bgr``.

    Raises:
        ImageError: as for ``read_image``, ``decode_image`` and ``to_bgr``.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode_image(image)
    if not isinstance(image, (str, os.PathLike)):
        return to_bgr(image, color)
    text = os.fspath(image)
    try:
        return read_image(Path(text))
    except ImageError as error:
        raise ImageError(error.problem, hint=_hint_for_path(text) or error.hint) from error


def _hint_for_path(text: str) -> str:
    if "://" in text:
        return "download it first; posezoo run --input takes addresses, too"
    is_glob = has_magic(text) and not os.path.lexists(text)
    if is_glob or os.path.isdir(text) or _is_playable(text):
        return f"for all its images: model.stream({text!r})"
    return ""


def _is_playable(text: str) -> bool:
    """Whether a path is a video, also by its content: the reader of videos finds a frame."""
    if Path(text).suffix.lower() not in VIDEO_SUFFIXES | {".gif"} or not os.path.isfile(text):
        return False
    cv2 = import_quiet_opencv()
    capture = open_media(Path(text), cv2.VideoCapture, cv2.CAP_FFMPEG)
    try:
        return bool(capture.read()[0])
    finally:
        capture.release()


def to_bgr(frame: object, color: str = "BGR") -> Image:
    """A frame as (height, width, 3) uint8 BGR; it is not copied if it already has this form.

    Args:
        frame: uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); alpha is removed. Or an
            image of Pillow, which is turned and converted as ``read_image`` does.
        color: the order of an array's channels, BGR or RGB.

    Raises:
        ImageError: the frame has another type or shape, or no pixels.
    """
    if color not in ("BGR", "RGB"):
        hint = suggest(str(color).upper(), ("BGR", "RGB"))
        raise ImageError(f"the color order of a frame is BGR or RGB, not {color!r}", hint=hint)
    if isinstance(frame, PillowImage):
        frame, color = _pillow_to_rgb(frame), "RGB"
    if not isinstance(frame, np.ndarray):
        raise ImageError(
            f"a frame is a numpy array, not {type(frame).__name__}", hint=_hint_for_object(frame)
        )
    if frame.dtype != np.uint8:
        raise ImageError(
            f"the values of a frame are uint8 from 0 to 255, those of this one {frame.dtype}",
            hint=_hint_for_values(frame),
        )
    if not is_image_shape(frame.shape):
        raise ImageError(
            "a frame is HxW, HxWx3 or HxWx4, this one"
            f" {'x'.join(map(str, frame.shape)) or 'a scalar'}",
            hint=_hint_for_shape(frame.shape),
        )
    if frame.size == 0:
        raise ImageError(f"a frame without pixels: {frame.shape[1]} wide, {frame.shape[0]} high")
    if frame.ndim == 2 or frame.shape[2] == 1:
        return np.repeat(frame.reshape(*frame.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(frame[..., :3] if color == "BGR" else frame[..., 2::-1])


def _pillow_to_rgb(image: Any) -> Array:
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
        if turn is not None:
            image = image.transpose(turn)
        if image.mode.startswith("I;16"):  # Pillow would cut off what is above 255
            return (np.asarray(image) >> 8).astype(np.uint8)
        return np.asarray(image if image.mode in ("I", "F") else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"Pillow cannot read the image: {error}") from error


def is_image_shape(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is one image: (H, W), or (H, W, C) with 1, 3 or 4 channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS)


def _hint_for_object(frame: object) -> str:
    for types, hint in _HINTS_BY_TYPE:
        if isinstance(frame, types):
            return hint
    is_tensor = hasattr(frame, "permute") and hasattr(frame, "cpu")  # of PyTorch
    if is_tensor and _is_channels_first(tuple(getattr(frame, "shape", ()))):
        return "tensor.permute(1, 2, 0).cpu().numpy() makes one; if it is RGB: color='RGB'"
    if is_tensor:
        return "tensor.cpu().numpy() makes one; if it is RGB: color='RGB'"
    if hasattr(frame, "isOpened"):  # cv2.VideoCapture
        return "is_read, frame = video.read() reads one"
    if hasattr(frame, "__array__"):
        return "numpy.asarray(image) makes one"
    return ""


_HINTS_BY_TYPE: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (
        type(None),
        "cv2.imread and cv2.imdecode give None for what they cannot read; model(path) and"
        " model(data) say why",
    ),
    (bool, "cv2.VideoCapture.read gives two values: is_read, frame = video.read()"),
    (int, "for a camera: model.stream(number)"),
    (Iterator, "model.stream(frames) takes an iterator, and gives each frame with its poses"),
    ((list, tuple), "numpy.array(rows, numpy.uint8) makes one of lists of numbers"),
)


def _hint_for_values(frame: Array) -> str:
    if frame.dtype == bool:
        return "frame.astype(numpy.uint8) * 255"
    if frame.size == 0 or frame.dtype.kind not in "fiu":
        return "scale and convert it first"
    low, high = float(frame.min()), float(frame.max())
    if frame.dtype.kind == "f" and 0 <= low <= high <= 1:
        return "(frame * 255).astype(numpy.uint8)"
    if 0 <= low <= high <= 255:
        return "frame.astype(numpy.uint8)"
    if frame.dtype == np.uint16:
        return "(frame >> 8).astype(numpy.uint8)"
    return "undo its normalization, which posezoo does itself, and convert it to uint8"


def _hint_for_shape(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return "model(data.tobytes()) decodes the bytes of an image file"
    if _is_channels_first(shape):
        return "frame.transpose(1, 2, 0) puts the channels last"
    if len(shape) != 4:
        return ""
    frames = "frames"
    if _is_channels_first(shape[1:]):
        frames = "frames.transpose(0, 2, 3, 1)"
    return f"this is a batch, and a list is one: model(list({frames}))"


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS


def _png(data: bytes) -> ImageHeader:
    """PNG: the first chunk is IHDR, the last IEND; acTL counts frames (third edition, 5 and 11)."""
    width, height = struct.unpack_from(">II", data, 16)
    place = 8
    kind = b""
    frames = 1
    while kind != b"IEND" and place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, place + 8)
        place += 12 + size
    is_complete = kind == b"IEND" and place <= len(data)
    return ImageHeader(width, height, is_complete, has_several=frames > 1)


def _jpeg(data: bytes) -> ImageHeader:
    """JPEG: segments, including the frame header, up to the start of scan; then data up to EOI (ITU
    T.81).
    """
    width = height = 0
    place = 2
    while data[place + 1] != 0xDA:
        marker = data[place + 1]
        if data[place] != 0xFF or marker == 0xFF:  # fill bytes
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, place + 5)
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return ImageHeader(width, height, is_complete=data.find(b"\xff\xd9", place) > 0)


def _webp(data: bytes) -> ImageHeader:
    """WebP: a RIFF container of known size (RFC 9649); its first chunk contains the size of the
    image.
    """
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width = 1 + (bits & 0x3FFF)
        height = 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    (size,) = struct.unpack_from("<I", data, 4)
    is_animated = kind == b"VP8X" and bool(data[20] & _ANIMATION_FLAG)
    return ImageHeader(width, height, len(data) >= 8 + size, has_several=is_animated)


def _bmp(data: bytes) -> ImageHeader:
    """BMP: width and height at byte 18; the height is negative if the top row comes first."""
    start, size = struct.unpack_from("<II", data, 10)
    width, height, _, depth = struct.unpack_from("<iiHH" if size > 12 else "<hhHH", data, 18)
    (compression,) = struct.unpack_from("<I", data, 30) if size > 12 else (0,)
    width = abs(width)
    height = abs(height)
    row = (width * depth + 31) // 32 * 4
    return ImageHeader(
        width, height, is_complete=compression in (1, 2) or len(data) >= start + row * height
    )


def _tiff(data: bytes) -> ImageHeader:
    """TIFF 6.0: the first directory contains width (256) and height (257); the place of the next
    one, 0 if there is none, follows it.

    OpenCV refuses incomplete files.
    """
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    sides = {}
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            form = "H" if kind == 3 else "I"
            (sides[tag],) = struct.unpack_from(order + form, data, entry + 8)
    (following,) = struct.unpack_from(order + "I", data, directory + 2 + 12 * count)
    return ImageHeader(sides[256], sides[257], is_complete=True, has_several=following > 0)


def _is_avif(data: bytes) -> bool:
    return data[4:12] in (b"ftypavif", b"ftypavis")


def _avif(data: bytes) -> ImageHeader:
    """AVIF: boxes to the end of the file (ISO/IEC 14496-12); ``ispe`` has the size of an image, of
    which a grid has several.
    """
    sides = []
    place = data.find(b"ispe")
    while place >= 0:
        sides.append(struct.unpack_from(">II", data, place + 8))
        place = data.find(b"ispe", place + 4)
    width, height = max(sides)
    is_sequence = data[8:12] == b"avis"
    return ImageHeader(
        width, height, _has_complete_boxes(data), is_sequence, read_picture_turn(data)
    )


def _jpeg_2000(data: bytes) -> ImageHeader:
    """JPEG 2000: boxes to the end of the file; ``ihdr`` has the size (ISO/IEC 15444-1, annex I)."""
    place = data.index(b"ihdr")
    height, width = struct.unpack_from(">II", data, place + 4)
    return ImageHeader(width, height, is_complete=_has_complete_boxes(data))


def _netpbm(data: bytes) -> ImageHeader:
    """PBM, PGM or PPM: width, height and, but for PBM, the largest value, in decimal digits; then
    the pixels, as digits (P1 to P3) or bytes (Netpbm's pages pbm, pgm and ppm).

    OpenCV refuses incomplete digits.
    """
    kind = int(data[1:2])
    is_bitmap = kind in (1, 4)
    numbers = []
    place = 2
    for _ in range(2 if is_bitmap else 3):
        number = _NETPBM_NUMBER.match(data, place, place + _MAX_BLANKS)
        if number is None:
            raise ValueError("a number is missing")
        numbers.append(int(number[1]))
        place = number.end()
    width, height = numbers[:2]
    if kind <= 3:
        return ImageHeader(width, height, is_complete=True)
    row = (width + 7) // 8
    if not is_bitmap:
        channels = 3 if kind == 6 else 1
        row = width * channels * (1 if numbers[2] < 256 else 2)
    # One blank is between the last number and the pixels.
    return ImageHeader(width, height, is_complete=len(data) > place + row * height)


# Of the bytes before a number: the search needs about 120 bytes of memory for each.
_MAX_BLANKS = 1 << 16

# Blanks and comments, then a number.
_NETPBM_NUMBER = re.compile(rb"(?:\s|#[^\n]*\n)+(\d{1,9})")


def _has_complete_boxes(data: bytes) -> bool:
    """Whether the last of the boxes ends with the file; a size of 0 means that it does."""
    place = 0
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size == 0:
            return True
        place += max(size, 8)
    return place == len(data)


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], ImageHeader]], ...] = (
    (lambda data: data.startswith(_PNG_MAGIC), _png),
    (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    (lambda data: data.startswith(b"BM"), _bmp),
    (lambda data: data.startswith((b"II*\0", b"MM\0*")), _tiff),
    (_is_avif, _avif),
    (lambda data: data[4:8] == b"jP  ", _jpeg_2000),
    (lambda data: re.match(rb"P[1-6][\s#]", data) is not None, _netpbm),
)
