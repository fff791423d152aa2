"""TensorFlow.js graph models: small ones whose outputs numpy computes, damaged ones, and real ones."""

import json

import numpy as np
import pytest

from fakes.conversion import convert_model
from fakes.graph_models import (
    constant,
    graph_model,
    node,
    placeholder,
    saved,
    shape_of,
    text,
    weight,
)
from posezoo.core.convert.frontends import read_network, source_model_path
from posezoo.core.declarations.model import ColorOrder, Input, Precision
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.proof.reference_outputs import EXACT, compute_reference

RNG = np.random.default_rng(3)
IMAGE = RNG.normal(0, 4, (1, 5, 4, 3)).astype(np.float32)
KERNEL = RNG.normal(0, 1, (3, 2)).astype(np.float32)
BIAS, SLOPE = np.array([0.5, -2], np.float32), np.array([[[0.25, -0.5]]], np.float32)
STRIDES = {"list": {"i": ["1", "1", "1", "1"]}}
SAME, NHWC = {"s": "U0FNRQ=="}, {"s": "TkhXQw=="}


def compute(model, shards, tmp_path, feed=IMAGE, **changes):
    """The outputs of a graph model by all of their names, in its order."""
    spec, layout = saved(model, shards, tmp_path, **changes)
    network = read_network(spec, source_model_path(spec, layout))
    results = openvino_core().compile_model(network, "CPU", EXACT)(feed)
    return {name: values for port, values in results.items() for name in port.names}


def fused_convolution(*steps, operation="_FusedConv2D", **attributes):
    arguments = {"BiasAdd": "bias", "Prelu": "slope"}
    inputs = [arguments[step] for step in steps if step in arguments]
    fused = {"fused_ops": text(*steps), "num_args": {"i": str(len(inputs))}, "epsilon": {"f": 1e-4}}
    shared = {
        "strides": STRIDES,
        "padding": SAME,
        "data_format": NHWC,
        "explicit_paddings": {"list": {}},
    }
    return [
        placeholder(1, 5, 4, 3),
        constant("kernel"),
        *(constant(name) for name in inputs),
        node("out", operation, "image", "kernel", *inputs, **shared, **fused, **attributes),
    ]


def weights_of(nodes, kernel):
    arrays = {"kernel": kernel, "bias": BIAS, "slope": SLOPE}
    return {each["name"]: arrays[each["name"]] for each in nodes if each["op"] == "Const"}


ACTIVATIONS = {
    "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "LeakyRelu": lambda x: np.where(x > 0, x, np.float32(0.3) * x),
    "Prelu": lambda x: np.where(x > 0, x, SLOPE * x),
}


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_fused_convolution_computes_what_its_parts_compute(tmp_path, activation, has_bias):
    steps = [step for step in ("BiasAdd" if has_bias else None, activation) if step]
    nodes = fused_convolution(*steps, leakyrelu_alpha={"f": 0.3})
    model, shards = graph_model(
        nodes, weights_of(nodes, KERNEL.reshape(1, 1, 3, 2)), {"out": "out:0"}
    )
    expected = IMAGE @ KERNEL + (BIAS if has_bias else 0)
    if activation:
        expected = ACTIVATIONS[activation](expected)
    np.testing.assert_allclose(
        compute(model, shards, tmp_path)["out:0"], expected, rtol=1e-5, atol=1e-5
    )


def test_a_fused_depthwise_convolution_and_a_fused_product_are_taken_apart(tmp_path):
    nodes = fused_convolution("BiasAdd", "Relu", operation="FusedDepthwiseConv2dNative")
    nodes += [
        constant("size", "DT_INT32"), constant("matrix"), constant("shift"),
        node("flat", "Reshape", "out", "size", Tshape={"type": "DT_INT32"}),
        node("product", "_FusedMatMul", "flat", "matrix", "shift", fused_ops=text("BiasAdd", "Relu6"),
             transpose_a={"b": False}, transpose_b={"b": True}, epsilon={"f": 0}),
    ]  # fmt: skip
    depthwise, matrix = (
        KERNEL.reshape(1, 1, 3, 2)[..., :1],
        RNG.normal(0, 1, (4, 3)).astype(np.float32),
    )
    bias, shift = np.array([1, -1, 2], np.float32), np.arange(4, dtype=np.float32)
    arrays = {"kernel": depthwise, "bias": bias, "size": np.array([-1, 3], np.int32)}
    model, shards = graph_model(
        nodes, {**arrays, "matrix": matrix, "shift": shift}, {"y": "product"}
    )
    features = np.maximum(IMAGE * KERNEL[:, 0] + bias, 0).reshape(-1, 3)
    expected = np.clip(features @ matrix.T + shift, 0, 6)
    np.testing.assert_allclose(
        compute(model, shards, tmp_path)["product"], expected, rtol=1e-5, atol=1e-5
    )


STORED = np.array([0, 1, 7, 255])


@pytest.mark.parametrize(
    ("entry", "kind", "expected"),
    [
        (weight("w", np.float32([1, -2.5, 1e-9, 3e38])), "DT_FLOAT", np.float32([1, -2.5, 1e-9, 3e38])),
        (weight("w", np.float16([1, 0.1, -2, 6e4])), "DT_FLOAT", np.float16([1, 0.1, -2, 6e4])),
        (weight("w", np.float16([1, 0.1, -2, 6e4])), "DT_DOUBLE", np.float16([1, 0.1, -2, 6e4])),
        (weight("w", np.uint8(STORED), of="float32", scale=0.1, min=-3.7), "DT_FLOAT", STORED * 0.1 - 3.7),
        (weight("w", np.uint16(STORED * 257), of="float32", scale=2e-4, min=-1), "DT_FLOAT",
         STORED * 257 * 2e-4 - 1),
        (weight("w", np.uint8(STORED), of="int32", scale=0.5, min=-2), "DT_INT32", [-2, -1, 2, 126]),
        (weight("w", np.int32([0, -1, 70_000, 5])), "DT_INT64", [0, -1, 70_000, 5]),
        (weight("w", np.array([True, False, True, True])), "DT_BOOL", [1, 0, 1, 1]),
    ],
    ids=["float32", "float16", "double", "uint8", "uint16", "rounded to int32", "int64", "bool"],
)  # fmt: skip
def test_weights_of_each_type_become_the_values_that_tensorflow_js_reads(
    tmp_path, entry, kind, expected
):
    cast = node("out", "Cast", "w", SrcT={"type": kind}, DstT={"type": "DT_DOUBLE"})
    model, shards = graph_model([constant("w", kind), cast], [entry], {"out": "out:0"})
    spec, layout = saved(model, shards, tmp_path)
    network = read_network(spec, source_model_path(spec, layout))
    values = openvino_core().compile_model(network, "CPU", EXACT)([])[0]
    np.testing.assert_array_equal(
        values, np.float64(np.float32(expected) if kind == "DT_FLOAT" else expected)
    )


def test_a_weight_may_begin_in_one_file_and_end_in_the_next(tmp_path):
    nodes = fused_convolution("BiasAdd")
    arrays = weights_of(nodes, KERNEL.reshape(1, 1, 3, 2))
    model, shards = graph_model(nodes, arrays, shards=5)
    assert {len(content) for content in shards.values()} == {7, 4}
    np.testing.assert_allclose(
        compute(model, shards, tmp_path)["out:0"], IMAGE @ KERNEL + BIAS, rtol=1e-5
    )


def test_the_outputs_of_the_signature_are_kept_in_its_order_with_its_names(tmp_path):
    nodes = [
        placeholder(1, 5, 4, 3),
        node("a", "Relu", "image"),
        node("inner", "Identity", "a"),  # a further operation reads it
        node("z", "Neg", "inner"),
        node("m", "Abs", "z"),
        node("same", "Identity", "image"),
        node("not_in_the_signature", "UnknownOperation", "same"),
    ]
    titles = {"second": "z:0", "inner:0": "inner:0", "m": "m", "given": "same:0"}
    model, shards = graph_model(nodes, {}, titles)
    spec, layout = saved(model, shards, tmp_path)
    network = read_network(spec, source_model_path(spec, layout))
    assert "image:0" in network.inputs[0].names
    expected = ({"second", "z:0"}, {"inner:0"}, {"m", "m:0"}, {"given", "same:0"})
    for port, names in zip(network.outputs, expected, strict=True):
        assert names <= port.names


@pytest.mark.parametrize("place", ["signature", "model.yml"])
def test_an_input_of_unknown_rank_gets_the_shape_of_the_signature_or_of_model_yml(tmp_path, place):
    model, shards = graph_model(
        [placeholder(), node("out", "Identity", "image")], {}, {"out": "out:0"}
    )
    inputs = [Input("image", (1, 5, 4, 3))]
    if place == "signature":
        inputs = []
        model["signature"]["inputs"] = {
            "x": {"name": "image:0", "tensorShape": shape_of(1, 5, 4, 3)}
        }
    np.testing.assert_array_equal(compute(model, shards, tmp_path, inputs=inputs)["out:0"], IMAGE)


def test_the_ir_pass_the_self_check_and_fp16_computes_what_fp32_computes(tmp_path):
    """Also without outputs in model.yml, where a tensor has the signature's name and that of its operation."""
    nodes = [*fused_convolution("BiasAdd", "Relu6"), node("Identity", "Identity", "out")]
    arrays = weights_of(nodes, KERNEL.reshape(1, 1, 3, 2))
    halves = {name: values.astype(np.float16) for name, values in arrays.items()}
    spec, layout = saved(*graph_model(nodes, halves, {"heatmaps": "Identity:0"}), tmp_path)
    irs = convert_model(spec, layout).irs
    outputs = [
        openvino_core().compile_model(irs[each], "CPU", EXACT)(IMAGE)["heatmaps"]
        for each in (Precision.FP32, Precision.FP16)
    ]
    np.testing.assert_array_equal(*outputs)
    expected = np.clip(IMAGE @ halves["kernel"][0, 0].astype(np.float32) + halves["bias"], 0, 6)
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-5, atol=1e-5)


def test_an_integer_image_is_checked_with_all_values_of_a_pixel(tmp_path):
    """The input of MoveNet is int32. Other integer inputs are usually indices, and get 0 and 1."""
    image = placeholder(1, 5, 4, 3)
    image["attr"]["dtype"] = {"type": "DT_INT32"}
    cast = node("out", "Cast", "image", SrcT={"type": "DT_INT32"}, DstT={"type": "DT_FLOAT"})
    for color, largest in ((ColorOrder.RGB, range(200, 256)), (None, [1])):
        port = Input("image", (1, 5, 4, 3), "NHWC", color)
        spec, layout = saved(*graph_model([image, cast], {}), tmp_path, inputs=[port])
        reference = compute_reference(spec, source_model_path(spec, layout))
        assert {case.feed["image"].max() in largest for case in reference.cases} == {True}


def changed(edit, shards=None):
    """A valid model whose model.json, or whose files of weights, are changed."""
    nodes = fused_convolution("BiasAdd", "Relu")
    model, files = graph_model(
        nodes, weights_of(nodes, KERNEL.reshape(1, 1, 3, 2)), {"out": "out:0"}
    )
    model = json.loads(json.dumps(model))  # the nodes share values
    edit(model)
    return model, files if shards is None else shards(files)


def edit(*path, value):
    def apply(model):
        for key in path[:-1]:
            model = model[key]
        model[path[-1]] = value

    return apply


def remove(*path):
    def apply(model):
        for key in path[:-1]:
            model = model[key]
        del model[path[-1]]

    return apply


NODES, WEIGHTS = ("modelTopology", "node"), ("weightsManifest", 0, "weights")
DAMAGED = {
    "a layers-model": (edit("format", value="layers-model"), "format is 'layers-model'; only a graph-model"),
    "no nodes": (edit(*NODES, value={}), r"modelTopology\.node is not a list"),
    "no graph": (remove("modelTopology"), "model.json: has no 'modelTopology'"),
    "functions": (
        edit("modelTopology", "library", value={"function": [{"signature": {}}]}),
        r"modelTopology\.library has functions, which are not supported",
    ),
    "a node that is no object": (edit(*NODES, 3, value=[]), r"modelTopology\.node\[3\]: has an unexpected"),
    "no operation": (remove(*NODES, 3, "op"), r"modelTopology\.node\[3\]: has no 'op'"),
    "an unknown operation": (edit(*NODES, 3, "op", value="FancyPose"), "cannot read it: .*FancyPose"),
    "an unknown fused operation": (
        edit(*NODES, 3, "attr", "fused_ops", value=text("BiasAdd", "Swish")),
        r"the node out \(_FusedConv2D\): contains the fused operation Swish, which is not supported",
    ),
    "a fused bias that is missing": (
        edit(*NODES, 3, "input", value=["image", "kernel"]),
        r"the node out \(_FusedConv2D\): has no input for BiasAdd",
    ),
    "an unknown type": (
        edit(*NODES, 3, "attr", "T", value={"type": "DT_FLOAT8"}),
        r"the node out \(_FusedConv2D\): has the type DT_FLOAT8, which is not supported",
    ),
    "an unknown attribute": (
        edit(*NODES, 3, "attr", "T", value={"func": {}}),
        r"the node out \(_FusedConv2D\): has an attribute of kind func, which is not supported",
    ),
    "text that is not base64": (edit(*NODES, 3, "attr", "padding", "s", value="?"), "the node out .*unexpected"),
    "a constant of text": (
        edit(*NODES, 1, "attr", "dtype", "type", value="DT_STRING"),
        r"the node kernel \(Const\): is a constant of type DT_STRING, which is not supported",
    ),
    "a constant without weights": (
        edit(*WEIGHTS, 0, "name", value="other"),
        r"the node kernel \(Const\): is a constant without weights",
    ),
    "a weight of text": (
        edit(*WEIGHTS, 0, "dtype", value="string"),
        r"weightsManifest\[0\]\.weights: kernel has the type string for string, which is not supported",
    ),
    "an unknown quantization": (
        edit(*WEIGHTS, 0, "quantization", value={"dtype": "int4"}),
        "kernel has the type int4 for float32, which is not supported",
    ),
    "a quantization without scale": (
        lambda model: model["weightsManifest"][0].update(
            weights=[weight("kernel", np.uint8(np.zeros(32)), of="float32", min=0)[0]]
        ),
        "the weight kernel: has no 'scale'",
    ),
    "a negative size": (edit(*WEIGHTS, 0, "shape", value=[-1]), r"kernel has the shape \[-1\]"),
    "weights that are no list": (edit(*WEIGHTS, value=5), r"weightsManifest\[0\]\.weights: has an unexpected"),
    "an output that is missing": (
        edit("signature", "outputs", "out", "name", value="nose:0"), "its output 'nose:0' is not in its graph"
    ),
    "outputs of another form": (edit("signature", "outputs", value=[1]), r"signature\.outputs: has an unexp"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_model_json_is_refused_with_the_place(tmp_path, kind):
    change, problem = DAMAGED[kind]
    spec, layout = saved(*changed(change), tmp_path)
    with pytest.raises(ConversionError, match=problem) as failure:
        convert_model(spec, layout)
    assert str(failure.value).startswith(f"{source_model_path(spec, layout)}: ")
    assert "\n" not in failure.value.problem
    assert not list(layout.model_dir(spec).rglob("*.xml"))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../other.bin", "has an empty, . or .. part"),
        ("/etc/passwd", "is absolute"),
        ("a/../../b", "has an empty, . or .. part"),
        ("C:x.bin", "contains :"),
        ("", "is empty"),
    ],
)
def test_weights_outside_the_folder_are_never_read(tmp_path, path, problem):
    spec, layout = saved(*changed(edit("weightsManifest", 0, "paths", value=[path])), tmp_path)
    with pytest.raises(ConversionError, match=f"(?m)weightsManifest: the path '{path}' {problem}$"):
        convert_model(spec, layout)


def test_weights_that_model_yml_does_not_declare_are_never_read(tmp_path):
    spec, layout = saved(
        *changed(edit("weightsManifest", 0, "paths", value=["other.bin"])), tmp_path
    )
    layout.file_path(spec, spec.files[0]).with_name("other.bin").write_bytes(bytes(32))
    with pytest.raises(
        ConversionError, match=r"keeps weights in 'other\.bin', which is not one of the model's"
    ):
        convert_model(spec, layout)


@pytest.mark.parametrize(
    ("change", "size"), [(lambda content: content[:-1], 31), (lambda c: c + b"0", 33)]
)
def test_a_file_of_weights_that_is_too_short_or_too_long_is_refused(tmp_path, change, size):
    model, shards = changed(
        lambda model: None, lambda files: {n: change(c) for n, c in files.items()}
    )
    spec, layout = saved(model, shards, tmp_path)
    problem = f"(?m)group1-shard1of1.bin: 1 files of weights have {size} bytes, the weights in model.json need 32$"
    with pytest.raises(ConversionError, match=problem) as failure:
        convert_model(spec, layout)
    assert failure.value.hint


def test_json_that_is_cut_off_is_refused_with_line_and_column(tmp_path):
    model, shards = changed(lambda model: None)
    content = json.dumps(model, indent=1).encode()
    assert b"modelTopology" in content[:400]
    spec, layout = saved(content[:400], shards, tmp_path)
    with pytest.raises(ConversionError, match=r"model\.json:[0-9]+:[0-9]+: is not valid JSON: "):
        convert_model(spec, layout)


def test_other_json_and_deeply_nested_json_are_refused(tmp_path):
    spec, layout = saved(b'{"name": "pose"}', {}, tmp_path)
    with pytest.raises(
        ConversionError, match=r"not a TensorFlow\.js graph model, but something else"
    ):
        convert_model(spec, layout)
    spec, layout = saved(b'{"modelTopology": ' + b"[" * 200_000, {}, tmp_path)
    with pytest.raises(ConversionError, match=r"cannot be read as JSON|is not valid JSON"):
        convert_model(spec, layout)


def test_random_changes_of_a_model_json_never_cause_another_error(tmp_path):
    """Each value of the JSON is replaced by one of another type."""
    model, shards = changed(lambda model: None)

    def paths(value, path=()):
        yield from ([path] if path else [])
        items = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, inner in items:
            yield from paths(inner, (*path, key))

    refused = 0
    for number, path in enumerate(paths(model)):
        other = json.loads(json.dumps(model))
        value = (None, -1, "\ud800", [], {}, 1e400, True)[number % 7]
        edit(*path, value=value)(other)
        spec, layout = saved(other, shards, tmp_path)
        try:
            read_network(spec, source_model_path(spec, layout))
        except ConversionError as error:
            assert "\n" not in error.problem, (path, value)
            refused += 1
    assert refused > 50
