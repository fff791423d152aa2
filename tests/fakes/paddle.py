"""A small model of PaddlePaddle, written field by field as framework.proto says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posezoo.core.convert.protobuf_reader import encode_field

_FP32, _LOD_TENSOR, _FEED, _FETCH = 5, 7, 9, 10
_INT, _INTS, _STRING, _BOOLEAN, _LONG = 0, 3, 2, 6, 9


def _text(number: int, text: str) -> bytes:
    return encode_field(number, text.encode())


def _variable(name: str, sizes: tuple[int, ...] = (), kind: int = _LOD_TENSOR, *, kept=False):
    content = encode_field(1, kind)
    if sizes:
        content += encode_field(3, encode_field(1, _tensor(sizes)))
    described = _text(1, name) + encode_field(2, content)
    return described + encode_field(3, int(kept))


def _tensor(sizes: tuple[int, ...]) -> bytes:
    return encode_field(1, _FP32) + b"".join(encode_field(2, size) for size in sizes)


def _arguments(number: int, values: dict[str, str]) -> bytes:
    return b"".join(
        encode_field(number, _text(1, name) + _text(2, value)) for name, value in values.items()
    )


def _attribute(name: str, value: int | str | list[int]) -> bytes:
    if isinstance(value, str):
        kind, content = _STRING, _text(5, value)
    elif isinstance(value, list):
        kind, content = _INTS, b"".join(encode_field(6, each) for each in value)
    elif isinstance(value, bool):
        kind, content = _BOOLEAN, encode_field(10, value)
    elif name == "axis":
        kind, content = _LONG, encode_field(13, value)
    else:
        kind, content = _INT, encode_field(3, value)
    return encode_field(4, _text(1, name) + encode_field(2, kind) + content)


def _operation(kind: str, inputs: dict[str, str], outputs: dict[str, str], **attributes) -> bytes:
    described = _arguments(1, inputs) + _arguments(2, outputs) + _text(3, kind)
    return described + b"".join(_attribute(name, value) for name, value in attributes.items())


def write_paddle(folder: Path, name: str = "net", image: str = "image", *, has_best=False) -> Path:
    """A convolution and a ReLU of an image of 3x8x8, and the place of each row's best; returns the .pdmodel."""
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype("<f4")
    variables = [
        _variable("feed", kind=_FEED, kept=True),
        _variable("fetch", kind=_FETCH, kept=True),
        _variable(image, (1, 3, 8, 8)),
        _variable("kernel", kernel.shape, kept=True),
        _variable("map", (1, 4, 8, 8)),
        _variable("out", (1, 4, 8, 8)),
    ]
    operations = [
        _operation("feed", {"X": "feed"}, {"Out": image}, col=0),
        _operation(
            "conv2d", {"Input": image, "Filter": "kernel"}, {"Output": "map"},
            strides=[1, 1], paddings=[1, 1], dilations=[1, 1], groups=1,
            padding_algorithm="EXPLICIT", data_format="NCHW",
        ),
        _operation("relu", {"X": "map"}, {"Out": "out"}),
        _operation("fetch", {"X": "out"}, {"Out": "fetch"}, col=0),
    ]  # fmt: skip
    if has_best:
        variables.append(_variable("best", (1, 4, 8)))
        along = {"axis": -1, "flatten": False, "keepdims": False}
        operations.append(_operation("arg_max", {"X": "out"}, {"Out": "best"}, **along))
        operations.append(_operation("fetch", {"X": "best"}, {"Out": "fetch"}, col=1))
    block = encode_field(1, 0) + encode_field(2, 0)
    block += b"".join(encode_field(3, each) for each in variables)
    block += b"".join(encode_field(4, each) for each in operations)
    path = folder / f"{name}.pdmodel"
    version = encode_field(1, 2_006_000)
    path.write_bytes(encode_field(1, block) + encode_field(4, version))
    described = encode_field(1, _FP32) + b"".join(encode_field(2, each) for each in kernel.shape)
    header = b"\0" * 4 + b"\0" * 8 + b"\0" * 4 + len(described).to_bytes(4, "little")
    path.with_suffix(".pdiparams").write_bytes(header + described + kernel.tobytes())
    return path
