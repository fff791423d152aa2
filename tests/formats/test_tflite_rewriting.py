"""Fused activations of TFLite's operators are computed in the IR as LiteRT computes them."""

import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from core.convert.test_against_mo import compiled
from fakes.conversion import convert_model
from fakes.fused_activations import (
    DILATIONS,
    OPERATORS,
    SAME,
    STRIDES,
    write_heatmap_network,
    write_operator,
)
from fakes.network import downloaded, spec_of
from fakes.tflite_writer import TfliteWriter, options_of
from posezoo.core.convert import frontends, preprocess
from posezoo.core.declarations.model import Input, Output, Precision
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.ir import ir_writer
from posezoo.formats.flatbuffers import FlatBuffer
from posezoo.formats.tflite_rewriting import rewrite_operations
from posezoo.proof.reference_outputs import compute_reference
from posezoo.proof.self_check import IrCheck

COMPUTED = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]
#: LiteRT does not run these with an activation.
WITHOUT_ACTIVATION = ["CONCATENATION", "L2_NORMALIZATION"]
CALCULATING = sorted(OPERATORS.keys() - set(WITHOUT_ACTIVATION))
TRANSPOSED = [title for title in CALCULATING if title.startswith("TRANSPOSE_CONV")]


def read(folder, content, *outputs):
    """The ``openvino.Model`` of a file, before its preprocessing."""
    ports = tuple(Output(name, ()) for name in outputs)
    spec = spec_of(content, folder, inputs=(), outputs=ports)
    layout = downloaded(spec, content, folder)
    return frontends.read_network(spec, frontends.users_file(spec, layout))


def by_openvino(network, **feed):
    return compiled(network)(feed)[0]


def by_litert(content, feed):
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    (port,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(port["index"], feed.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(port["index"], feed)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def draw_image(content):
    interpreter = Interpreter(model_content=content)
    shape = interpreter.get_input_details()[0]["shape"]
    return np.random.default_rng(1).normal(scale=5, size=shape).astype(np.float32)


def differ(actual, expected):
    """The largest difference, relative to the largest value."""
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("activation", COMPUTED)
@pytest.mark.parametrize("title", CALCULATING)
def test_an_activation_is_computed_as_by_litert(tmp_path, title, activation):
    content = write_operator(title, activation)
    image = draw_image(content)
    expected = by_litert(content, image)
    if activation != "NONE":
        plain = by_litert(write_operator(title, "NONE"), image)
        assert differ(plain, expected) > 0.1  # else it would not show
    network = read(tmp_path, content)
    assert [port.names for port in network.outputs] == [{"result"}]
    assert differ(by_openvino(network, image=image), expected) < 1e-5


@pytest.mark.parametrize("title", WITHOUT_ACTIVATION)
def test_an_operator_without_an_activation_is_read(tmp_path, title):
    content = write_operator(title, "NONE")
    image = draw_image(content)
    network = read(tmp_path, content)
    assert differ(by_openvino(network, image=image), by_litert(content, image)) < 1e-6


@pytest.mark.parametrize(
    ("title", "activation"),
    [
        *((title, name) for title in OPERATORS for name in ("TANH", "SIGN_BIT")),
        *((title, name) for title in WITHOUT_ACTIVATION for name in COMPUTED[1:]),
    ],
)
def test_an_activation_that_litert_does_not_compute_is_refused(tmp_path, title, activation):
    """OpenVINO computes TANH, which LiteRT ignores, and drops others, which LiteRT refuses."""
    content = write_operator(title, activation)
    kind = title.partition(" ")[0]
    problem = f"the {kind} 'result' has the fused activation {activation}, which LiteRT"
    with pytest.raises(ConversionError, match=problem):
        read(tmp_path, content)


def test_an_unknown_activation_is_named_by_its_number(tmp_path):
    options = options_of("AddOptions", fusedActivationFunction=9)
    writer = TfliteWriter()
    image, result = (writer.tensor(name, (1, 3)) for name in ("image", "result"))
    writer.operator("ADD", options, [image, image], [result])
    with pytest.raises(ConversionError, match="fused activation 9,"):
        read(tmp_path, writer.finish([image], [result]))


@pytest.mark.parametrize("title", TRANSPOSED)
def test_litert_computes_the_same_from_the_file_that_openvino_reads(tmp_path, title):
    content = write_operator(title, "RELU6")
    rewritten = rewrite_operations(tmp_path, FlatBuffer(content))
    assert rewritten is not None
    image = draw_image(content)
    assert differ(by_litert(rewritten, image), by_litert(content, image)) < 1e-6


def test_an_image_may_have_any_size(tmp_path):
    content = write_heatmap_network(open_axis=0)
    network = read(tmp_path, content)
    image = np.random.default_rng(2).uniform(0, 255, (1, 8, 12, 3)).astype(np.float32)
    assert network.input(0).partial_shape[0].is_dynamic
    assert differ(by_openvino(network, image=image), by_litert(content, image)) < 1e-5


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("activation", COMPUTED)
def test_an_activation_of_integers_is_computed_as_by_litert(tmp_path, activation, has_bias):
    """The range of the output does not express it here: it has negative and large numbers."""
    content = write_integers(activation, has_bias)
    image = np.random.default_rng(3).integers(-128, 128, (1, 5, 6, 3)).astype(np.int8)
    expected = by_litert(content, image).astype(int)
    actual = by_openvino(read(tmp_path, content), image=image).astype(int)
    assert len(np.unique(expected)) > 5
    assert np.abs(actual - expected).max() <= 1  # of 256 numbers: they round differently


def write_integers(activation, has_bias):
    """A transposed convolution in int8, with an output of -31.74 to 26.91."""
    rng = np.random.default_rng(4)
    writer = TfliteWriter()
    image = writer.tensor("image", (1, 5, 6, 3), dtype="int8", scales=[0.05], zero=3)
    result = writer.tensor("result", (1, 10, 12, 4), dtype="int8", scales=[0.23], zero=10)
    size = writer.tensor("size", (4,), np.array([1, 10, 12, 4]), dtype="int32")
    values = rng.integers(-127, 128, (4, 3, 3, 3))
    kernel = writer.tensor("kernel", values.shape, values, dtype="int8", scales=[0.02] * 4)
    inputs = [size, kernel, image]
    if has_bias:
        bias = np.array([2000, -3000, 1500, 800])
        inputs.append(writer.tensor("bias", (4,), bias, dtype="int32", scales=[0.001] * 4))
    options = options_of(
        "TransposeConvOptions",
        **SAME,
        strideH=2,
        strideW=2,
        fusedActivationFunction=getattr(tflite.ActivationFunctionType, activation),
    )
    writer.operator("TRANSPOSE_CONV", options, inputs, [result])
    return writer.finish([image], [result])


def test_a_custom_operation_is_found_behind_a_replaced_one(tmp_path):
    """It is known by its place, which the new addition changes."""
    networks = []
    for activation in ("NONE", "RELU"):
        writer = TfliteWriter()
        image = writer.tensor("image", (1, 4, 4, 2))
        maps = writer.tensor("maps", (1, 8, 8, 2))
        result = writer.tensor("result", (1, 16, 16, 2))
        size = writer.tensor("size", (4,), np.array([1, 8, 8, 2]), dtype="int32")
        weights = np.random.default_rng(5).normal(size=(2, 3, 3, 2))
        kernel = writer.tensor("kernel", weights.shape, weights)
        bias = writer.tensor("bias", (2,), np.array([1, 2]))
        options = options_of(
            "TransposeConvOptions",
            **SAME,
            strideH=2,
            strideW=2,
            fusedActivationFunction=getattr(tflite.ActivationFunctionType, activation),
        )
        writer.operator("TRANSPOSE_CONV", options, [size, kernel, image], [maps])
        content = struct.pack("<3i", 1, 2, 2)
        name = "Convolution2DTransposeBias"
        writer.custom_operator(name, content, [maps, kernel, bias], [result])
        folder = tmp_path / activation
        folder.mkdir()
        networks.append(read(folder, writer.finish([image], [result])))
    image = np.random.default_rng(6).normal(size=(1, 4, 4, 2)).astype(np.float32)
    plain, fused = (by_openvino(network, image=image) for network in networks)
    assert plain.shape == fused.shape == (1, 16, 16, 2)
    assert differ(plain, fused) > 0.1


def test_a_network_may_end_at_the_activation(tmp_path):
    content = write_heatmap_network()
    image = np.random.default_rng(7).uniform(0, 255, (1, 8, 12, 3)).astype(np.float32)
    network = read(tmp_path, content, "maps")
    assert [port.names for port in network.outputs] == [{"maps"}]
    interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, image)
    interpreter.invoke()
    (maps,) = (port for port in interpreter.get_tensor_details() if port["name"] == "maps")
    expected = interpreter.get_tensor(maps["index"])
    assert expected.min() == 0
    assert differ(by_openvino(network, image=image), expected) < 1e-5


def heatmap_model(folder, content):
    """Its specification and its files."""
    image = Input("image", (1, 8, 12, 3), "NHWC")
    heatmaps = Output("heatmaps", (1, 16, 24, 2))
    spec = spec_of(content, folder, inputs=(image,), outputs=(heatmaps,))
    return spec, downloaded(spec, content, folder)


def write_scaled_network(*steps):
    """``image`` -> operations with a constant each -> convolution -> ``features`` -> multiplication
    by another number for each channel -> ``maps``.
    """
    writer, rng = TfliteWriter(), np.random.default_rng(3)
    image = values = writer.tensor("image", (1, 8, 12, 3))
    for number, (kind, constant) in enumerate(steps):
        operand = writer.tensor(f"c{number}", np.shape(constant), np.array(constant))
        result = writer.tensor(f"step{number}", (1, 8, 12, 3))
        writer.operator(kind, options_of(f"{kind.title()}Options"), [values, operand], [result])
        values = result
    kernel, bias, factors = (rng.normal(size=size) for size in ((6, 3, 3, 3), 6, 6))
    constants = [
        writer.tensor(name, each.shape, each) for name, each in (("kernel", kernel), ("bias", bias))
    ]
    features = writer.tensor("features", (1, 8, 12, 6))
    options = options_of("Conv2DOptions", **SAME, **STRIDES, **DILATIONS)
    writer.operator("CONV_2D", options, [values, *constants], [features])
    maps = writer.tensor("maps", (1, 8, 12, 6))
    scale = writer.tensor("factors", (6,), factors)
    writer.operator("MUL", options_of("MulOptions"), [features, scale], [maps])
    return writer.finish([image], [maps])


@pytest.mark.parametrize("scale", [(), (127.5, 127.5, 127.5)])
@pytest.mark.parametrize(
    "steps", [[("MUL", [2.0])], [("SUB", [1.0]), ("MUL", [2.0, 3.0, 4.0])], [("DIV", [2.0])]]
)
def test_a_network_is_not_refused_because_openvino_folds_its_factors_into_others(
    tmp_path, steps, scale
):
    content = write_scaled_network(*steps)
    image = Input("image", (1, 8, 12, 3), "NHWC", mean=scale, scale=scale)
    maps = Output("maps", (1, 8, 12, 6))
    spec = spec_of(content, tmp_path, inputs=(image,), outputs=(maps,))
    layout = downloaded(spec, content, tmp_path)
    converted = convert_model(spec, layout, precisions=[Precision.FP32], by_nodes=True)
    assert converted.irs[Precision.FP32].is_file()


@pytest.mark.parametrize(
    ("kind", "other", "said"),
    [
        # The last of these has no partner in the original, as its type is another one.
        ("ReLU", "Sigmoid", "; the first node that differs is "),
        ("Add", "Subtract", "; for the first image, 2 tensors inside agree with LiteRT"),
    ],
)
def test_a_refusal_says_which_nodes_agree(tmp_path, kind, other, said):
    spec, layout = heatmap_model(tmp_path, write_heatmap_network(open_axis=0))
    assert said in refuse_changed(spec, layout, kind, other)


def test_a_refusal_does_not_say_that_nodes_agree_if_none_was_compared(tmp_path):
    content = write_operator("TRANSPOSE_CONV", "RELU")
    image = Input("image", (1, 5, 6, 3), "NHWC")
    result = Output("result", (1, 10, 12, 4))
    spec = spec_of(content, tmp_path, inputs=(image,), outputs=(result,))
    layout = downloaded(spec, content, tmp_path)
    assert "agree" not in refuse_changed(spec, layout, "ReLU", "Sigmoid")


def refuse_changed(spec, layout, kind, other):
    """Why an IR is refused whose last operation of one kind is of another kind."""
    source = frontends.users_file(spec, layout)
    network = preprocess.apply_model_yml(frontends.read_network(spec, source), spec)
    xml = ir_writer.write_ir(network, layout.output_dir / "ir.xml", Precision.FP32)
    before, found, after = xml.read_text().rpartition(f'type="{kind}"')
    assert found
    xml.write_text(f'{before}type="{other}"{after}')
    with pytest.raises(SelfCheckError) as refused:
        IrCheck(spec, Precision.FP32, xml, source).run(lambda: compute_reference(spec, source))
    return refused.value.problem
