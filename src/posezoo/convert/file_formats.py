"""What a published file is, told by how it is built; and which other files it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from posezoo.convert.protobuf_reader import LENGTH, VARINT, Buffer, ProtobufError, map_file, read_fields

# ModelProto of onnx.proto; its graph is field 7.
_ONNX_MODEL = {1: VARINT, 5: VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), LENGTH)

# GraphDef of tensorflow/core/framework/graph.proto; its nodes are field 1.
_TF_GRAPH = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}

# MetaGraphDef of tensorflow/core/protobuf/meta_graph.proto; its graph is field 2.
_TF_META_GRAPH = dict.fromkeys(range(1, 8), LENGTH)

# SavedModel of tensorflow/core/protobuf/saved_model.proto; its networks are field 2.
_TF_SAVED_MODEL = {1: VARINT, 2: LENGTH}

#: By message of onnx.proto, the fields that lead on to tensors, and to what.
_TO_TENSORS: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Training": {1: "Graph", 2: "Graph"},
    "Tensor": {13: "ExternalData"},  # pairs of key (1) and value (2), among them "location"
    "ExternalData": {},
}

# As deep as protobuf's own parsers go; a graph in a graph costs three.
_DEEPEST = 100


def is_checkpoint(path: Path) -> bool:
    """It begins like a checkpoint: PyTorch's, of both forms, MXNet's or safetensors."""
    # The room, not a module of it: two threads that enter at two places would each wait for the other.
    from posezoo import checkpoints

    with open(path, "rb") as stream:
        return checkpoints.has_checkpoint_header(stream.read(512))


def is_tflite(path: Path) -> bool:
    """A FlatBuffers file has its identifier behind the first offset (schema.fbs: file_identifier "TFL3")."""
    with open(path, "rb") as stream:
        return stream.read(8)[4:] == b"TFL3"


def is_onnx(path: Path) -> bool:
    """A whole ONNX ModelProto with a graph in it, whose tensors can be walked."""
    try:
        external_data_files(path)
    except ProtobufError:
        return False
    return _is_built_like(path, _ONNX_MODEL, needed=7)


def is_frozen_graph(path: Path) -> bool:
    """A whole TensorFlow GraphDef with nodes in it, each with a name and an operation."""
    with map_file(path) as buffer:
        try:
            nodes = [field for field in read_fields(buffer, 0, len(buffer)) if field.number == 1]
            named = all(
                {1, 2} <= {field.number for field in read_fields(buffer, *node[2:])} for node in nodes
            )
        except ProtobufError:
            return False
    return named and _is_built_like(path, _TF_GRAPH, needed=1)


def is_meta_graph(path: Path) -> bool:
    """A whole TensorFlow MetaGraphDef with a graph in it."""
    return not is_frozen_graph(path) and _is_built_like(path, _TF_META_GRAPH, needed=2)


def is_saved_model(path: Path) -> bool:
    """A whole TensorFlow SavedModel with a network in it."""
    return _is_built_like(path, _TF_SAVED_MODEL, needed=2)


def external_data_files(path: Path) -> frozenset[str]:
    """Where an ONNX file says that its tensors lie, if not in itself.

    Raises:
        Malformed: it is no ONNX file.
    """
    with map_file(path) as buffer:
        return frozenset(_locations(buffer, "Model", 0, len(buffer), depth=0))


def _is_built_like(path: Path, known: Mapping[int, int], *, needed: int) -> bool:
    with map_file(path) as buffer:
        try:
            found = {field.number: field.kind for field in read_fields(buffer, 0, len(buffer))}
        except ProtobufError:
            return False
    return needed in found and found.items() <= known.items()


def _locations(buffer: Buffer, message: str, start: int, end: int, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ProtobufError
    ways = _TO_TENSORS[message]
    texts: dict[int, bytes] = {}
    for field in read_fields(buffer, start, end):
        if message == "ExternalData" and field.kind == LENGTH:
            texts[field.number] = buffer[field.start : field.end]
        elif field.number in ways:
            if field.kind != LENGTH:
                raise ProtobufError
            yield from _locations(buffer, ways[field.number], field.start, field.end, depth + 1)
    if texts.get(1) == b"location":
        yield texts.get(2, b"").decode("utf-8", "replace")
