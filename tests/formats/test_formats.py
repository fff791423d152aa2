import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fakes.network import network
from fakes.plugin_package import plugin_package
from posezoo.core.convert.formats import FORMATS, image_layout
from posezoo.core.convert.protobuf_reader import ProtobufError, read_fields
from posezoo.core.errors import ConversionError
from posezoo.formats import find_framework
from posezoo.formats.onnx import external_data_files, is_onnx
from posezoo.formats.tensorflow import is_frozen_graph
from posezoo.formats.tflite import is_tflite


@pytest.mark.parametrize("name", FORMATS.builtin)
def test_each_format_names_the_endings_of_its_files(name):
    endings = FORMATS.find(name).endings
    assert endings, f"new, convert, mo and lint find {name} by the endings in its record: add them"
    assert {find_framework(f"net{ending}") for ending in endings} == {name}


def outside(name, location):
    """A tensor that is kept in another file."""
    tensor = numpy_helper.from_array(np.ones(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def sparse(name, location):
    values, indices = outside(name, location), numpy_helper.from_array(np.arange(4), "indices")
    return helper.make_sparse_tensor(values, indices, [16])


def with_attribute(value):
    return helper.make_node("Custom", ["image"], ["out"], "n", value=value)


def graph(nodes=(), **options):
    return helper.make_graph(list(nodes), "graph", [], [], **options)


@pytest.mark.parametrize(
    "model",
    [
        helper.make_model(graph(initializer=[outside("w", "out.bin")])),
        helper.make_model(graph(sparse_initializer=[sparse("w", "out.bin")])),
        helper.make_model(graph([with_attribute(outside("w", "out.bin"))])),
        helper.make_model(graph([with_attribute([outside("w", "out.bin")])])),
        helper.make_model(graph([with_attribute(sparse("w", "out.bin"))])),
        helper.make_model(graph([with_attribute(graph(initializer=[outside("w", "out.bin")]))])),
        helper.make_model(graph([with_attribute([graph(initializer=[outside("w", "out.bin")])])])),
        helper.make_model(
            graph(),
            functions=[
                helper.make_function(
                    "d", "F", [], [], [with_attribute(outside("w", "out.bin"))], []
                )
            ],
        ),
    ],
    ids=[
        "weights",
        "sparse",
        "constant",
        "constants",
        "sparse constant",
        "branch",
        "branches",
        "function",
    ],
)
def test_tensors_in_other_files_are_found_wherever_onnx_may_have_them(tmp_path, model):
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert external_data_files(path) == {"out.bin"}


def test_a_network_that_is_all_in_one_file_refers_to_none(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(network("onnx"))
    assert external_data_files(path) == frozenset()


def test_graphs_nested_deeper_than_openvino_can_simplify_are_refused(tmp_path):
    def within(number, content):
        size = len(content)
        return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + content

    path = tmp_path / "net.onnx"
    for depth, is_fine in ((8, True), (9, False)):
        nested = b""
        for _ in range(depth):
            nested = within(1, within(5, within(6, nested)))  # a node, its attribute, a graph in it
        path.write_bytes(within(7, nested))
        if is_fine:
            assert is_onnx(path)
            continue
        with pytest.raises(ConversionError, match=r"net\.onnx: graphs are nested .* 8 deep"):
            is_onnx(path)


def test_any_byte_cut_off_or_added_is_noticed(tmp_path):
    path = tmp_path / "net"
    for kind, recognises in (("onnx", is_onnx), ("pb", is_frozen_graph)):
        for content in (
            network(kind),
            network(kind)[:-1],
            network(kind) + b"\0",
            network(kind) + b"\x0a",
        ):
            path.write_bytes(content)
            assert recognises(path) == (content == network(kind)), (kind, content[-1])


def test_random_bytes_are_not_recognised(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "net"
    for number in range(300):
        path.write_bytes(rng.bytes(number))
        assert not (is_onnx(path) or is_frozen_graph(path) or is_tflite(path))


@pytest.mark.parametrize(
    "content",
    [
        b"\x12\x05hi",  # longer than there is
        b"\x08",  # a number that does not begin
        b"\x08\xff",  # a number that does not end
        b"\x08" + b"\xff" * 10 + b"\x01",  # a number beyond 64 bits
        b"\x0b",  # a group
        b"\x02\x00",  # field 0
        b"\x80\x80\x80\x80\x10\x00",  # a field beyond 29 bits
        b"\x0d\x00",  # four bytes of which one is there
    ],
)
def test_bytes_that_are_not_a_message_are_refused(content):
    with pytest.raises(ProtobufError):
        list(read_fields(content))


TINY = """
from posezoo.core.convert.formats import ModelFormat

JAX = ModelFormat("a JAX network", lambda path: path.read_bytes() == b"paddle", "onnx", "NCHW")
"""


def test_an_installed_package_adds_a_format(tmp_path):
    assert image_layout("jax") == ""
    with plugin_package(tmp_path, "posezoo.formats: jax = tiny_format:JAX", tiny_format=TINY):
        model_format = FORMATS.find("jax")
        assert model_format is not None
        (tmp_path / "net.pdmodel").write_bytes(b"paddle")
        assert model_format.recognises(tmp_path / "net.pdmodel")
        assert image_layout("jax") == "NCHW"
        assert FORMATS.names() == (*FORMATS.builtin, "jax")
