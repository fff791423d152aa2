"""Checkpoints written byte by byte, so that any byte of them can be wrong."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakes.files import zipped

Array = NDArray[Any]

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
OLDEST = 0

_FLAGS = {"f4": 0, "f8": 1, "f2": 2, "u1": 3, "i4": 4, "i1": 5, "i8": 6}


def params(arrays: Mapping[str, Array], *, form: int = V2) -> bytes:
    """A .params file as MXNet writes it; ``form`` is the number that its arrays open with."""
    return params_of([params_array(array, form=form) for array in arrays.values()], list(arrays))


def params_of(
    arrays: list[bytes],
    names: Iterable[str | bytes],
    *,
    count: int | None = None,
) -> bytes:
    """A .params file of finished arrays, and perhaps another count of them than there are."""
    texts = [name.encode() if isinstance(name, str) else name for name in names]
    return b"".join(
        [
            struct.pack("<QQQ", 0x112, 0, len(arrays) if count is None else count),
            *arrays,
            struct.pack("<Q", len(texts)),
            *(struct.pack("<Q", len(text)) + text for text in texts),
        ]
    )


def params_array(array: Array, *, form: int = V2, flag: int | None = None) -> bytes:
    """One array of a .params file."""
    flag = _FLAGS[array.dtype.str[1:]] if flag is None else flag
    return params_head(array.shape, form=form) + struct.pack("<iii", 1, 0, flag) + array.tobytes()


def params_head(
    shape: tuple[int, ...], *, form: int = V2, storage: int = 0, ndim: int | None = None
) -> bytes:
    """What stands before an array's device: its form, storage and shape."""
    ndim = len(shape) if ndim is None else ndim
    sizes = struct.pack(f"<{len(shape)}{'I' if form == OLDEST else 'q'}", *shape)
    if form == OLDEST:
        return struct.pack("<I", ndim) + sizes
    if form == V1:
        return struct.pack("<II", form, ndim) + sizes
    return struct.pack("<Iii", form, storage, ndim) + sizes


def safetensors(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A .safetensors file of a header, or of its bytes, and perhaps another length of it than it has."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str, shape: Iterable[object], start: object, end: object) -> dict[str, object]:
    """A tensor in such a header."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def torch_zip(program: bytes, storages: Mapping[str, bytes] | None = None) -> bytes:
    """A checkpoint as torch.save writes it, of a finished pickle and the storages' bytes."""
    data = {f"archive/data/{key}": content for key, content in (storages or {}).items()}
    return zipped({"archive/data.pkl": program, **data})


LEGACY_OPENING = b"".join(
    pickle.dumps(each, protocol=2)
    for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)


def torch_legacy(program: bytes, storages: Mapping[str, bytes] | None = None) -> bytes:
    """A checkpoint as torch.save wrote it before 1.6, of a finished pickle and float32 storages."""
    contents = storages or {}
    rows = [struct.pack("<q", len(content) // 4) + content for content in contents.values()]
    return LEGACY_OPENING + program + pickle.dumps(list(contents), protocol=2) + b"".join(rows)


class Named:
    """Writes itself as a function or class, by its dotted name."""

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class Called:
    """Writes itself into a pickle as a call of a function, which need not be there."""

    def __init__(self, dotted: str, *arguments: object) -> None:
        self.name, self.arguments = Named(dotted), arguments


class Reference:
    """Writes itself as a reference to a storage."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts


def storage(key: str, count: int, kind: str = "torch.FloatStorage", *more: object) -> Reference:
    """A reference to a storage as torch.save writes it; the legacy form has ``None`` behind it."""
    return Reference("storage", Named(kind), key, "cpu", count, *more)


def tensor(
    of: object, shape: tuple[object, ...], strides: tuple[object, ...], offset: object = 0
) -> Called:
    """A tensor as torch.save writes it."""
    return Called("torch._utils._rebuild_tensor_v2", of, offset, shape, strides, False, {})


def program(value: object) -> bytes:
    """A pickle of protocol 2, by hand: calls and references stand in it for what they write."""
    return b"\x80\x02" + _written(value) + b"."


def _written(value: object) -> bytes:
    if isinstance(value, Named):
        module, _, name = value.dotted.rpartition(".")
        return f"c{module}\n{name}\n".encode()
    if isinstance(value, Called):
        return _written(value.name) + _written(value.arguments) + b"R"
    if isinstance(value, Reference):
        return _written(value.parts) + b"Q"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_written, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, dict):
        return (
            b"}(" + b"".join(_written(key) + _written(each) for key, each in value.items()) + b"u"
        )
    return pickle.dumps(value, protocol=2)[2:-1]


def row(*values: float) -> bytes:
    """Numbers as a float32 storage."""
    return np.array(values, "<f4").tobytes()
