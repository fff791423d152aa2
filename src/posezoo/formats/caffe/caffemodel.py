"""A reader of .caffemodel files: the weights of each layer, by the layer's name.

Field numbers are those of ``caffe.proto``: NetParameter, LayerParameter, V1LayerParameter and
BlobProto.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.convert.protobuf_reader import (
    LENGTH,
    VARINT,
    Buffer,
    ProtobufError,
    ProtobufField,
    find_messages,
    has_fields,
    map_file,
    read_fields,
    read_integers,
    read_texts,
)
from posezoo.core.errors import ConversionError, sanitize

# A network's layers, and its layers in the format before 2014: in both, the numbers of a layer's
# name and of its weights.
_LAYERS = {100: (1, 7), 2: (4, 6)}
# NetParameter: name, layers, input, input_dim, force_backward, state, debug_info, input_shape.
_NETWORK = {1: LENGTH, 2: LENGTH, 3: LENGTH, 4: VARINT, 5: VARINT, 6: LENGTH, 7: VARINT, 8: LENGTH}
_NETWORK |= {100: LENGTH}
# BlobProto: the four sizes of old files, then values in FP32 and FP64, and the shape.
_OLD_SIZES = (1, 2, 3, 4)
_VALUES = {5: "<f4", 8: "<f8"}
_SHAPE = 7
_MAX_SIZES = 32


def is_caffemodel(path: Path) -> bool:
    """Whether a file is a complete NetParameter with layers."""
    return any(has_fields(path, _NETWORK, needed=number) for number in _LAYERS)


def read_weights(path: Path) -> dict[str, list[Array]]:
    """The arrays (float32) of each layer that has weights, by the layer's name.

    Raises:
        ConversionError: the file is damaged; the message names the layer.
    """
    weights: dict[str, list[Array]] = {}
    with map_file(path) as buffer:
        try:
            for layer in read_fields(buffer):
                if layer.number not in _LAYERS or layer.kind != LENGTH:
                    continue
                name_number, blob_number = _LAYERS[layer.number]
                (names,) = read_texts(buffer, layer, name_number)
                name = "".join(names[-1:])
                blobs = find_messages(buffer, blob_number, within=layer)
                if blobs:
                    weights[name] = [_read_blob(buffer, blob, path, name) for blob in blobs]
        except ProtobufError as error:
            raise ConversionError(
                f"{path}: is damaged, or no .caffemodel", hint="download it again"
            ) from error
    return weights


def _read_blob(buffer: Buffer, blob: ProtobufField, path: Path, layer: str) -> Array:
    old_sizes: dict[int, int] = {}
    sizes: list[int] | None = None
    values: Array = np.zeros(0, np.float32)
    for field in read_fields(buffer, blob):
        if field.number in _OLD_SIZES and field.kind == VARINT:
            (old_sizes[field.number],) = read_integers(buffer, field)
        elif field.number == _SHAPE:
            sizes = []
            for part in read_fields(buffer, field):
                sizes += read_integers(buffer, part)
        elif field.number in _VALUES and field.kind == LENGTH:
            dtype = np.dtype(_VALUES[field.number])
            if (field.end - field.start) % dtype.itemsize:
                raise ProtobufError
            stored = np.frombuffer(buffer[field.start : field.end], dtype)
            values = stored.astype(np.float32, copy=False)
    shape = [old_sizes.get(number, 1) for number in _OLD_SIZES] if old_sizes else [values.size]
    shape = shape if sizes is None else sizes
    if len(shape) > _MAX_SIZES or math.prod(shape) != values.size:
        raise ConversionError(
            f"{path}: layer {sanitize(layer)} has {values.size} weights, and a shape for"
            f" {math.prod(shape)}",
            hint="download it again",
        )
    return values.reshape(shape)
