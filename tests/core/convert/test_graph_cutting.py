"""Model Optimizer's arguments, carried out: each changes what the IR computes, held against another runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fakes import graphs
from fakes.conversion import convert_model
from fakes.network import HEIGHT, WIDTH, downloaded, network, saved_model, source_file, spec_of
from fakes.when_used import import_when_used
from posezoo.core.convert.graph_cutting import cut_outputs, to_frozen_array
from posezoo.core.declarations.mo_args import read_arguments
from posezoo.core.declarations.model import Framework, Precision
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino

onnxruntime = import_when_used("onnxruntime")

FP32, FP16 = Precision.FP32, Precision.FP16


def model(content, folder, *arguments, inputs=(), **changes):
    """A downloaded model whose model.yml has these arguments of Model Optimizer."""
    import json

    said = read_arguments(parse_yaml(json.dumps(arguments).encode(), "model.yml"), inputs)
    declared = {"inputs": said.inputs, "outputs": said.outputs, "mo_args": said.kept}
    spec = spec_of(content, folder, **declared, input_model=said.input_model, **changes)
    return spec, downloaded(spec, content, folder)


def converted(spec, layout, precision=FP32, **how):
    return (
        import_openvino()
        .Core()
        .read_model(convert_model(spec, layout, precisions=[precision], **how).irs[precision])
    )


def infer(ir, *arrays):
    compiled = (
        import_openvino().Core().compile_model(ir, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    results = compiled(list(arrays))
    return {name: results[port] for port in compiled.outputs for name in port.names}


def by_onnx_runtime(content, names, **feed):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(list(names), feed), strict=True))


def image(shape, seed=3):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


def close(actual, expected):
    return np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def gated():
    """y = x * w if training else x + bias[which]; an input of each type that is frozen in practice."""
    ports = [
        ("x", TensorProto.FLOAT, (1, 4)),
        ("training", TensorProto.BOOL, ()),
        ("which", TensorProto.INT64, (1,)),
    ]
    constants = {"bias": np.arange(12, dtype=np.float32).reshape(3, 4), "two": np.float32(2)}
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"], "doubled"),
        helper.make_node("Gather", ["bias", "which"], ["chosen"], "chosen", axis=0),
        helper.make_node("Add", ["x", "chosen"], ["biased"], "biased"),
        helper.make_node("Where", ["training", "doubled", "biased"], ["y"], "y"),
    ]
    return graphs.written("gated", nodes, ports, [("y", TensorProto.FLOAT, (1, 4))], constants)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("trainin->True", "no input named trainin"),
        ("which->[1 2 3]", "cannot be frozen to"),
        ("which->1.5", "cannot be frozen to"),
        ("training->2", "cannot be frozen to"),
    ],
)
def test_an_input_that_cannot_be_frozen_is_reported_in_one_line(tmp_path, value, problem):
    spec, layout = model(gated(), tmp_path, f"--freeze_placeholder_with_value={value}")
    with pytest.raises(ConversionError, match=problem) as refused:
        convert_model(spec, layout)
    assert "\n" not in refused.value.problem
    assert not list(layout.model_dir(spec).rglob("*.xml"))


def test_an_inner_tensor_with_a_wrong_shape_is_reported_in_one_line(tmp_path):
    arguments = ("--input=features", "--input_shape=[1,9,12,20]", "--output=heatmaps")
    spec, layout = model(network("onnx"), tmp_path, *arguments)
    with pytest.raises(ConversionError, match="does not match the requested inputs") as refused:
        convert_model(spec, layout)
    assert "\n" not in refused.value.problem


def test_a_constant_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="1"):
        to_frozen_array(1.0, (1 << 20, 1 << 20), np.dtype(np.float32))


def sized():
    """Flattens what it is given by asking for its sizes: what --static_shape folds."""
    ports = ("x", TensorProto.FLOAT, (1, 2, "height", 4)), ("y", TensorProto.FLOAT, None)
    constants = {"v0": [0], "v1": [1], "minus": [-1]}
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "v0", "v1"], ["batch"]),
        helper.make_node("Concat", ["batch", "minus"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"]),
    ]
    return graphs.written("sized", nodes, ports[:1], ports[1:], constants)


def test_a_static_shape_folds_everything_that_depends_on_sizes(tmp_path):
    content = sized()
    shape = ("--input=x", "--input_shape=[1,2,3,4]")
    static = converted(*model(content, tmp_path / "a", *shape, "--static_shape"))
    kinds = {node.get_type_name() for node in static.get_ops()}
    assert not kinds & {"ShapeOf", "Slice", "StridedSlice", "Gather", "Concat"}
    x = image((1, 2, 3, 4))
    assert np.array_equal(infer(static, x)["y"], by_onnx_runtime(content, ["y"], x=x)["y"])
    spec, layout = model(content, tmp_path / "b", "--static_shape")
    with pytest.raises(ConversionError, match="--static_shape needs a size for every dimension"):
        convert_model(spec, layout)


@pytest.mark.parametrize("begin", ["features", "features:0"])
def test_a_frozen_graph_begins_at_an_inner_tensor_in_its_own_layout(tmp_path, begin):
    """Model Optimizer's input is in the layout of the graph, channels last."""
    whole = onnx.load_from_string(network("onnx"))
    whole.graph.output.append(helper.make_empty_tensor_value_info("features"))
    x = image((1, 3, HEIGHT, WIDTH))
    expected = by_onnx_runtime(whole.SerializeToString(), ["features", "heatmaps"], image=x)
    features = np.ascontiguousarray(expected["features"].transpose(0, 2, 3, 1))

    spec, layout = model(network("pb"), tmp_path, f"--input={begin}", "--output=heatmaps")
    ir = converted(spec, layout, self_check=begin == "features")
    assert ir.input(begin).partial_shape[3] == features.shape[3]
    assert close(infer(ir, features)["heatmaps"].transpose(0, 3, 1, 2), expected["heatmaps"])


@pytest.mark.parametrize("argument", ["--data_type=half", "--compress_to_fp16"])
def test_a_precision_that_the_arguments_name_is_the_only_one(tmp_path, argument):
    spec, layout = model(network("onnx"), tmp_path, argument)
    with pytest.raises(ConversionError, match="its arguments ask for FP16 alone") as refused:
        convert_model(spec, layout)
    assert refused.value.hint == "choose FP16"
    made = convert_model(spec, layout, precisions=[FP16], self_check=False)
    assert set(made.irs) == {FP16}


def test_a_saved_model_and_a_meta_graph_are_read(tmp_path):
    """Both hold the graph whose frozen form is converted beside them."""
    x = image((1, HEIGHT, WIDTH, 3))
    frozen = infer(
        converted(*model(network("pb"), tmp_path / "frozen", "--output=pafs,heatmaps")), x
    )
    whole, meta = saved_model()
    for name, content, argument in (
        ("net/saved_model.pb", whole, "--saved_model_dir=$dl_dir/net"),
        ("saved_model.pb", whole, "--saved_model_dir=$dl_dir"),
        ("net.ckpt.meta", meta, "--input_meta_graph=$dl_dir/net.ckpt.meta"),
    ):
        folder = tmp_path / argument.replace("/", "_")
        files = (source_file(name, content, folder),)
        ir = converted(
            *model(
                content,
                folder,
                argument,
                "--output=pafs,heatmaps",
                framework=Framework.TF,
                files=files,
            )
        )
        found = infer(ir, x)
        assert np.array_equal(found["pafs"], frozen["pafs"]), argument
        assert np.array_equal(found["heatmaps"], frozen["heatmaps"]), argument


def test_a_saved_model_has_the_outputs_of_its_signature(tmp_path):
    whole, _ = saved_model()
    files = (source_file("saved_model.pb", whole, tmp_path),)
    arguments = ("--saved_model_dir=$dl_dir", "--output=features")
    spec, layout = model(whole, tmp_path, *arguments, framework=Framework.TF, files=files)
    with pytest.raises(ConversionError, match="has no output named features") as refused:
        convert_model(spec, layout)
    assert refused.value.hint == "its outputs: heatmaps, pafs"


def test_two_names_of_one_tensor_are_one_output():
    """OpenVINO ends the process if a network has a result twice."""
    ov = import_openvino()
    picture = ov.opset13.parameter([1, 3], name="picture")
    doubled = ov.opset13.add(picture, picture)
    doubled.output(0).set_names({"doubled", "doubled:0"})
    cut = cut_outputs(ov.Model([doubled], [picture]), ["doubled", "doubled:0"], "net")
    (names,) = (port.names for port in cut.outputs)
    assert names == {"doubled", "doubled:0"}
