"""``mp.Image``: the pixels of an image, in one of MediaPipe's formats."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import import_cv2
from posezoo.core.regular_files import read_regular_bytes
from posezoo.solutions.tables import TABLES

# Of each format of mp.Image: the type of the pixels, and the number of their channels.
_LAYOUTS = {
    "SRGB": (np.uint8, 3),
    "SRGBA": (np.uint8, 4),
    "SBGRA": (np.uint8, 4),
    "GRAY8": (np.uint8, 1),
    "GRAY16": (np.uint16, 1),
    "SRGB48": (np.uint16, 3),
    "SRGBA64": (np.uint16, 4),
    "VEC32F1": (np.float32, 1),
    "VEC32F2": (np.float32, 2),
}
_FORMATS: dict[str, int] = TABLES["formats"]["ImageFormat"]


class ImageFormat(int):
    """How pixels are stored: a number with a name. Its attributes are the formats."""

    @property
    def name(self) -> str:
        """Such as ``SRGB``."""
        return next(name for name, number in _FORMATS.items() if number == self)

    @property
    def value(self) -> int:
        """The number."""
        return int(self)

    def __repr__(self) -> str:
        return f"<ImageFormat.{self.name}: {int(self)}>"

    def __str__(self) -> str:
        return f"ImageFormat.{self.name}"


for _name in _LAYOUTS:
    setattr(ImageFormat, _name, ImageFormat(_FORMATS[_name]))


class Image:
    """Pixels that do not change, stored as ``image_format`` says."""

    def __init__(self, image_format: ImageFormat, data: Array) -> None:
        """Copy the pixels.

        Args:
            data: (H, W), or (H, W, C).

        Raises:
            RuntimeError: the pixels do not have the type and the channels of the format.
        """
        dtype, channels = _LAYOUTS[image_format.name]
        shape = data.shape[2:] or (1,)
        if data.dtype != dtype or data.ndim not in (2, 3) or shape != (channels,):
            raise RuntimeError(
                f"{image_format} needs {np.dtype(dtype)} with {channels} channels, not {data.dtype}"
                f" of the shape {data.shape}"
            )
        self.image_format = image_format
        self._pixels = np.array(data)
        self._pixels.flags.writeable = False

    @classmethod
    def create_from_file(cls, file_name: str | PathLike[str]) -> Image:
        """Read a photo; of 16 bits, the higher 8 remain.

        Raises:
            RuntimeError: it cannot be read.
        """
        cv2 = import_cv2()
        pixels = _read_pixels(file_name)
        if pixels is None:
            raise RuntimeError(f"{fspath(file_name)}: is no image that can be read")
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        if pixels.ndim == 2:
            return cls(_format_of("GRAY8"), pixels)
        if pixels.shape[2] == 4:
            return cls(_format_of("SRGBA"), cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA))
        return cls(_format_of("SRGB"), cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    @property
    def width(self) -> int:
        """In pixels."""
        width: int = self._pixels.shape[1]
        return width

    @property
    def height(self) -> int:
        """In pixels."""
        height: int = self._pixels.shape[0]
        return height

    @property
    def channels(self) -> int:
        """The number of values of a pixel."""
        return _LAYOUTS[self.image_format.name][1]

    def numpy_view(self) -> Array:
        """The pixels, which cannot be written."""
        return self._pixels

    def __getitem__(self, place: Any) -> Any:
        return self._pixels[place]


def _read_pixels(file_name: str | PathLike[str]) -> Any:
    cv2 = import_cv2()
    try:
        # cv2.imread cannot open each name on Windows.
        content = np.frombuffer(read_regular_bytes(Path(file_name)), np.uint8)
    except OSError:
        return None
    return cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None


def _format_of(name: str) -> ImageFormat:
    return ImageFormat(_FORMATS[name])
