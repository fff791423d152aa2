"""New tables of a FlatBuffers file are read as FlatBuffers' own classes read them."""

import numpy as np
from ai_edge_litert import schema_py_generated as tflite

from fakes.network import network
from posezoo.formats.flatbuffers import (
    FlatBuffer,
    Kept,
    NewBytes,
    NewTable,
    NewVector,
    keep_fields,
    replace_root,
)


def read(content):
    return tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(content, 0))


def test_new_parts_stand_beside_those_that_are_kept():
    content = network("tflite")
    file = FlatBuffer(content)
    (graph,) = file.read_tables(file.root, 2)
    new_graph = keep_fields(file, graph, (0, 1, 2, 3), {4: NewBytes(b"other")})
    code = NewTable({0: 17, 2: 300, 3: 17})
    codes = NewVector([*map(Kept, file.read_tables(file.root, 1)), code])
    root = keep_fields(file, file.root, (4,), {0: 3, 1: codes, 2: NewVector([new_graph])})
    replaced = read(replace_root(file, root))
    before = read(content)
    assert [each.builtinCode for each in replaced.operatorCodes] == [3, 17]
    assert [each.version for each in replaced.operatorCodes] == [1, 300]
    (new,), (old,) = replaced.subgraphs, before.subgraphs
    assert (new.name, old.name) == (b"other", b"main")
    assert [each.name for each in new.tensors] == [each.name for each in old.tensors]
    assert [list(each.outputs) for each in new.operators] == [
        list(each.outputs) for each in old.operators
    ]
    for new_buffer, old_buffer in zip(replaced.buffers, before.buffers, strict=True):
        assert np.array_equal(new_buffer.data, old_buffer.data)


def test_weights_keep_their_alignment():
    """schema.fbs aligns them to 16 bytes."""
    file = FlatBuffer(network("tflite"))
    for length in range(20):
        text = NewBytes(b"x" * length)
        content = replace_root(file, keep_fields(file, file.root, (1, 2, 4), {3: text}))
        assert (len(content) - len(file.content)) % 16 == 0
        assert content[4:8] == b"TFL3"
        assert read(content).description == b"x" * length
        weights = NewVector([NewTable({0: NewBytes(b"weights")})])
        content = replace_root(file, NewTable({3: text, 4: weights}))
        assert content.index(b"weights") % 16 == 0


def test_a_field_that_a_table_lacks_is_not_kept():
    file = FlatBuffer(network("tflite"))
    assert keep_fields(file, file.root, (5, 6, 7, 99), {}) == NewTable({})
