"""Read JSON files of data sets, and the numbers in them as annotation tools write them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from posezoo.core.errors import DatasetError, os_reason
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer, read_regular_bytes

#: Shares are from 0 to 1, and some detectors' boxes reach a little beyond the image.
_LARGEST_SHARE = 1.01

#: Boxes reach beyond the image by this share of its side only if they are not left, top, width and
#: height: detectors cut their boxes to the image, or nearly so.
_OUTSIDE = 0.1


def read_json(path: Path, folder_hint: str = "") -> Any:
    """The content of a JSON file, in UTF-8, with or without a mark, or in UTF-16.

    Raises:
        DatasetError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_regular_bytes(path))
    except OSError as error:
        hint = folder_hint if path.is_dir() else ""
        raise DatasetError(f"{path}: cannot be read: {os_reason(error)}", hint=hint) from error
    except UnicodeDecodeError as error:
        hint = "annotations are a JSON file, such as person_keypoints_val2017.json"
        raise DatasetError(f"{path}: is not a text file", hint=hint) from error
    except (ValueError, RecursionError) as error:
        if problem := explain_lfs_pointer(path):
            raise DatasetError(f"{path}: {problem}", hint=LFS_HINT) from error
        if path.suffix.lower() == ".xml":
            hint = "export it from CVAT as COCO Keypoints 1.0"
            raise DatasetError(f"{path}: is XML, such as CVAT's own format", hint=hint) from error
        raise DatasetError(f"{path}: is not JSON: {error}") from error


def to_number(value: object) -> float | None:
    """A finite number, also one that is written as a text; None for any other value."""
    if not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def to_whole_number(value: object) -> int | None:
    """A whole number, also one such as ``7.0`` or ``"7"``; None for any other value."""
    if type(value) is int:
        return value
    number = to_number(value)
    if isinstance(value, bool) or number is None or not number.is_integer():
        return None
    return int(number)


def are_shares(pixels: Iterable[float]) -> bool:
    """Whether positions, which should be in pixels, are all shares of the image's sides."""
    return all(abs(number) <= _LARGEST_SHARE for number in pixels)


def leaves_image(bbox: tuple[float, float, float, float], size: tuple[int, int] | None) -> bool:
    """Whether a box, which should be left, top, width and height, reaches far beyond an image."""
    if size is None:
        return False
    left, top, width, height = bbox
    limits = [side * (1 + _OUTSIDE) for side in size]
    return left + width > limits[0] or top + height > limits[1]
