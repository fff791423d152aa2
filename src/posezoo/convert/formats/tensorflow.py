"""TensorFlow's formats: frozen graph, MetaGraph and SavedModel."""

from __future__ import annotations

from pathlib import Path

from posezoo.convert.formats import ModelFormat
from posezoo.convert.protobuf_reader import LENGTH, VARINT, ProtobufError, has_fields, map_file, read_fields

# GraphDef of tensorflow/core/framework/graph.proto; its nodes are field 1.
_GRAPH = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}

# MetaGraphDef of tensorflow/core/protobuf/meta_graph.proto; its graph is field 2.
_META_GRAPH = dict.fromkeys(range(1, 8), LENGTH)

# SavedModel of tensorflow/core/protobuf/saved_model.proto; its networks are field 2.
_SAVED_MODEL = {1: VARINT, 2: LENGTH}

#: The file of a SavedModel that contains the network; its variables are in other files below the same folder.
SAVED_MODEL_FILE = "saved_model.pb"


def is_frozen_graph(path: Path) -> bool:
    """Whether a file is a complete GraphDef whose nodes all have a name and an operation."""
    with map_file(path) as buffer:
        try:
            nodes = [field for field in read_fields(buffer, 0, len(buffer)) if field.number == 1]
            are_nodes = all(
                {1, 2} <= {field.number for field in read_fields(buffer, node.start, node.end)}
                for node in nodes
            )
        except ProtobufError:
            return False
    return are_nodes and has_fields(path, _GRAPH, needed=1)


def is_meta_graph(path: Path) -> bool:
    """Whether a file is a complete MetaGraphDef with a graph."""
    return not is_frozen_graph(path) and has_fields(path, _META_GRAPH, needed=2)


def is_saved_model(path: Path) -> bool:
    """Whether a file is a complete SavedModel with a network."""
    return has_fields(path, _SAVED_MODEL, needed=2)


FROZEN_GRAPH = ModelFormat(
    "a frozen TensorFlow graph",
    is_frozen_graph,
    frontend="tf",
    image_layout="NHWC",
    by_file_name={
        SAVED_MODEL_FILE: ModelFormat(
            "a TensorFlow SavedModel",
            is_saved_model,
            frontend="tf",
            image_layout="NHWC",
            openvino_input=lambda spec, path: path.parent,
        ),
        ".meta": ModelFormat("a TensorFlow MetaGraph", is_meta_graph, frontend="tf", image_layout="NHWC"),
    },
)
