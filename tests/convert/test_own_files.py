"""posezoo convert FILE: one file outside of any registry becomes ONNX or IR."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from fakes import graphs
from fakes.caffe import CaffeNet, squeeze_net, write_layer
from fakes.darknet import DarknetNet, yolo_v4
from fakes.network import network
from fakes.opencv import needs_opencv_4
from fakes.when_used import import_when_used
from posezoo.cli.main import main
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.omz.commands import mo

onnxruntime = import_when_used("onnxruntime")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd, *words):
    """The exit code, the standard output and the standard error."""
    capfd.readouterr()
    try:
        code = main(["convert", *words])
    except SystemExit as ended:
        code = ended.code
    return code, *capfd.readouterr()


@needs_opencv_4
def test_a_caffe_network_becomes_onnx_that_computes_what_opencv_4_computes(folder, capfd):
    squeeze_net().save(folder)
    code, shown, _ = run(capfd, "net.prototxt", "net.caffemodel", "-o", "net.onnx")
    assert code == 0
    first, image, output, values, ir, original, line = shown.splitlines()
    assert (first, image, output) == (
        "wrote net.onnx", "  input   data [1,3,67,67]", "  output  prob [1,10]"
    )  # fmt: skip
    assert "BGR, 0 to 255" in values
    assert "ONNX Runtime" in ir and "OpenVINO" in ir
    assert "OpenCV 4" in original
    assert line == 'In OpenCV: net = cv2.dnn.readNetFromONNX("net.onnx")'
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, 67, 67)).astype(np.float32)
    judge = cv2.dnn.readNetFromCaffe("net.prototxt", "net.caffemodel")
    judge.setInput(pixels)
    (result,) = onnxruntime.InferenceSession("net.onnx").run(None, {"data": pixels})
    np.testing.assert_allclose(result, judge.forward(), atol=1e-5)


@needs_opencv_4
def test_a_darknet_network_becomes_onnx_with_the_rows_of_opencv_4(folder, capfd):
    yolo_v4().save(folder)
    code, shown, _ = run(capfd, "net.cfg", "net.weights", "-o", "net.onnx")
    assert code == 0
    assert "  output  yolo_15 [4608,7]\n" in shown
    assert "  values  RGB, 0 to 1\n" in shown
    assert "from OpenCV 4" in shown
    model = onnx.load("net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [each.version for each in model.opset_import] == [18]
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata["preprocessing"] == "RGB, 0 to 1"
    assert metadata["source"].startswith("net.weights")


def test_a_dry_run_reads_the_network_and_writes_nothing(folder, capfd):
    squeeze_net().save(folder)
    before = set(folder.iterdir())
    for output in ("net.onnx", "net.xml"):
        code, shown, _ = run(capfd, "net.prototxt", "net.caffemodel", "-o", output, "--dry_run")
        assert (code, shown.splitlines()[0]) == (0, f"would write {output}")
    assert set(folder.iterdir()) == before


def test_another_file_of_that_name_is_kept_under_another_one(folder, capfd):
    squeeze_net().save(folder)
    (folder / "net.onnx").write_bytes(b"mine")
    words = "net.caffemodel", "-o", "net.onnx"
    code, _, problem = run(capfd, *words)
    kept = "warning: net.onnx: is not as posezoo wrote it: kept as net.onnx.bak1\n"
    assert (code, problem) == (0, kept)
    assert (folder / "net.onnx.bak1").read_bytes() == b"mine"
    assert onnx.load("net.onnx").producer_name == "posezoo"
    assert run(capfd, *words)[0] == 0  # the same command again
    assert not (folder / "net.onnx.bak2").exists()


def test_the_size_that_a_network_of_openpose_gets_at_run_time_is_given(folder, capfd):
    net = CaffeNet((1, 3, 1, 1))
    net.convolve("data", "conv", (4, 3, 3, 3), "pad: 1")
    net.add("Pooling", "conv", "pool", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    net.save(folder)
    _, _, told = run(capfd, "net.caffemodel", "-o", "net.onnx")
    assert (
        "hint: the .prototxt leaves the size of the image open: give the shape of the input" in told
    )
    shape = "[1,3,46,62]"
    assert run(capfd, "net.caffemodel", "--input_shape", shape, "-o", "net.onnx")[0] == 0
    (result,) = onnxruntime.InferenceSession("net.onnx").run(
        None, {"data": np.zeros((1, 3, 46, 62), np.float32)}
    )
    assert result.shape == (1, 4, 23, 31)


def write_graph(nodes, kind=onnx.TensorProto.FLOAT, shape=(1, 3, 32, 48), **constants):
    """net.onnx, whose nodes lead from the tensor image to out."""
    ports = ("image", graphs.FLOAT, shape), ("out", kind, None)
    content = graphs.written("net", nodes, ports[:1], ports[1:], constants, opset=17)
    Path("net.onnx").write_bytes(content)


def test_an_ir_that_is_far_off_is_not_written_where_roundings_are_not_the_cause(folder, capfd):
    """OpenVINO does not let the sums of bytes wrap."""
    make = onnx.helper.make_node
    nodes = [
        make("Mul", ["image", "share"], ["levels"]), make("Abs", ["levels"], ["sizes"]),
        make("Cast", ["sizes"], ["bytes"], to=onnx.TensorProto.UINT8),
        make("Add", ["bytes", "more"], ["sums"]),
        make("Cast", ["sums"], ["out"], to=onnx.TensorProto.FLOAT),
    ]  # fmt: skip
    write_graph(nodes, share=np.float32(0.31), more=np.uint8(200))
    code, _, err = run(capfd, "net.onnx", "-o", "net.xml")
    assert code == 1
    assert err.startswith("error: net: the FP32 IR differs from the original in out")
    assert not (folder / "net.xml").exists()


def test_an_onnx_gets_the_shape_that_is_asked_for(folder, capfd):
    write_graph([onnx.helper.make_node("Relu", ["image"], ["out"])])
    words = ("--input_shape", "[2,3,16,24]", "--mean_values", "0", "--scale_values", "1")
    assert run(capfd, "net.onnx", "-o", "net.xml", *words)[0] == 0
    model = import_openvino().Core().read_model(folder / "net.xml")
    assert [*model.input().shape] == [2, 3, 16, 24]


def test_a_large_network_is_compared_on_smaller_images_of_two_ranges(folder, capfd):
    kernel = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    convolution = onnx.helper.make_node("Conv", ["image", "kernel"], ["out"], pads=[1] * 4)
    write_graph([convolution], shape=(1, 3, 768, 768), kernel=kernel)
    code, _, err = run(capfd, "net.onnx", "-o", "net.xml", "--verbose")
    assert code == 0
    assert "on values from 0 to 255 and from -2 to 2, on images of 672 x 672 pixels" in err


@pytest.mark.parametrize("kind", ["onnx", "tflite", "pb"])
def test_files_of_other_frameworks_become_ir(kind, folder, capfd):
    (folder / f"net.{kind}").write_bytes(network(kind))
    code, shown, _ = run(capfd, f"net.{kind}", "-o", "ir/mine.xml", "--precision", "FP32")
    assert (code, shown.splitlines()[0]) == (0, "wrote ir/mine.xml")
    import_openvino().Core().read_model(folder / "ir" / "mine.xml")


def test_darknet_networks_become_ir_that_is_compared_with_opencv(folder, capfd):
    net = DarknetNet()
    net.convolve(3, 4)
    net.end(4)
    net.save(folder)
    code, _, told = run(capfd, "net.cfg", "net.weights", "-o", "net.xml")
    assert code == 0
    assert ": converted, checked\n" in told
    model = import_openvino().Core().read_model(folder / "net.xml")
    assert [port.any_name for port in model.inputs + model.outputs] == ["data", "yolo_2"]


#: The words, and a part of the error.
REFUSED = {
    "a missing file": (["other.caffemodel", "-o", "a.onnx"], "other.caffemodel: no such file"),
    "another output": (["net.caffemodel", "-o", "a.txt"], "a name that ends with .onnx or .xml"),
    "layers alone": (["net.prototxt", "-o", "a.onnx"], "give one file with weights"),
    "a photo": (["photo.jpg", "-o", "a.onnx"], "photo.jpg: is an image, and no model\n  hint: posezoo run --input photo.jpg\n"),
    "other weights": (["net.onnx", "-o", "a.onnx"], "only networks of Caffe and Darknet are"),
    "a size of Darknet": (
        ["net.weights", "--input_shape", "[1,3,8,8]", "-o", "a.onnx"], "are in its .cfg",
    ),
    "an unknown layer": (["mvn.prototxt", "net.caffemodel", "-o", "a.onnx"], "mvn.prototxt:5: "),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(name, folder, capfd):
    net = CaffeNet()
    net.convolve("data", "conv", (4, 3, 1, 1))
    net.save(folder)
    (folder / "mvn.prototxt").write_text(net.text + 'layer { type: "MVN" bottom: "conv" }\n')
    for other in ("photo.jpg", "net.weights"):
        (folder / other).touch()
    (folder / "net.onnx").write_bytes(network("onnx"))
    before = set(folder.iterdir())
    words, problem = REFUSED[name]
    code, shown, told = run(capfd, *words)
    assert code in (1, 2)
    assert problem in told
    assert shown == ""
    assert set(folder.iterdir()) == before


CONVOLUTION = (
    'layer { name: "conv" type: "Convolution" bottom: "data" top: "map"'
    " convolution_param { num_output: 8 kernel_size: 3 } }\n"
)


@needs_opencv_4
@pytest.mark.parametrize("kind", ["ReLU", "Sigmoid", "TanH", "Scale"])
@pytest.mark.parametrize("top", ["map", "conv"])
def test_a_caffe_network_that_ends_in_place_is_compared_with_its_last_layer(
    folder, capfd, kind, top
):
    random = np.random.default_rng(0)
    net = CaffeNet((1, 3, 8, 8))
    net.text += CONVOLUTION.replace('top: "map"', f'top: "{top}"')
    blobs = [random.normal(size=(8, 3, 3, 3)), random.normal(size=8)]
    net.weights += write_layer("conv", "Convolution", blobs)
    net.add(kind, top, top, blobs=[random.normal(size=8)] if kind == "Scale" else ())
    net.save(folder)
    code, shown, error = run(capfd, "net.prototxt", "net.caffemodel", "-o", "net.onnx")
    assert (code, error) == (0, "")
    assert "from OpenCV 4" in shown


@needs_opencv_4
def test_a_layer_that_opencv_cannot_run_is_not_compared_with_it(folder, capfd):
    net = CaffeNet((1, 3, 8, 8))
    net.convolve("data", "a", (8, 3, 3, 3))
    net.convolve("data", "b", (8, 3, 3, 3))
    net.add("Pooling", "a", "scale", "pooling_param { pool: AVE global_pooling: true }")
    net.add("Axpy", "scale a b", "sum")
    net.save(folder)
    code, shown, error = run(capfd, "net.prototxt", "net.caffemodel", "-o", "net.onnx")
    assert (code, error) == (0, "")
    assert "not compared with OpenCV" in shown


def write_random(name, nodes):
    ports = ("x", graphs.FLOAT, [1, 64]), ("y", graphs.FLOAT, None)
    constants = {"half": np.float32(0.5), "small": np.float32(1e-6), "yes": True}
    content = graphs.written("g", nodes, ports[:1], ports[1:], constants, opset=15)
    Path(name).write_bytes(content)


node = onnx.helper.make_node


def drawn():
    """A branch that draws its output from the input x of the network."""
    output = onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, None)
    return onnx.helper.make_graph([node("Bernoulli", ["x"], ["r"])], "branch", [], [output])


RANDOM = {
    "normal": [node("RandomNormalLike", ["x"], ["r"]), node("Add", ["x", "r"], ["y"])],
    "uniform": [node("RandomUniform", [], ["r"], shape=[64]), node("Mul", ["x", "r"], ["y"])],
    "hardly": [
        node("RandomUniformLike", ["x"], ["r"]),
        node("Mul", ["r", "small"], ["s"]),
        node("Add", ["x", "s"], ["y"]),
    ],
    "multinomial": [
        node("Multinomial", ["x"], ["r"], sample_size=64),
        node("Cast", ["r"], ["y"], to=1),
    ],
    "dropout": [node("Dropout", ["x", "half", "yes"], ["y"])],
    "bernoulli": [node("Bernoulli", ["x"], ["y"])],
    "sampled": [
        node("Sigmoid", ["x"], ["s"]),
        node("Bernoulli", ["s"], ["b"], seed=1.0),
        node("Mul", ["x", "b"], ["y"]),
    ],
    "in a branch": [node("If", ["yes"], ["y"], then_branch=drawn(), else_branch=drawn())],
}


@pytest.mark.parametrize("kind", RANDOM)
def test_a_network_that_draws_random_numbers_is_not_proven(folder, capfd, kind):
    write_random("net.onnx", RANDOM[kind])
    code, _, error = run(capfd, "net.onnx", "-o", "net.xml")
    assert code == 1
    assert error.startswith("error: ")
    is_read = kind not in ("dropout", "in a branch")
    assert ("draws random numbers" if is_read else "OpenVINO cannot read it") in error
    assert not list(folder.glob("*.xml"))


def write_with_weights_in(location):
    """The file net.onnx, whose weights are in another file."""
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    tensor = onnx.numpy_helper.from_array(kernel, "k")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 8, 8]), ("y", [1, 4, 6, 6]))
    ]
    graph = onnx.helper.make_graph(
        [node("Conv", ["x", "k"], ["y"])], "g", ports[:1], ports[1:], [tensor]
    )
    opsets = [onnx.helper.make_opsetid("", 15)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    Path("net.onnx").write_bytes(model.SerializeToString())
    return kernel.tobytes()


COMMANDS = {
    "convert": lambda: main(["convert", "net.onnx", "-o", "net.xml"]),
    "mo": lambda: mo.main(["--input_model", "net.onnx", "-o", "."]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "data/weights.bin"])
def test_weights_beside_an_onnx_file_are_read(folder, capfd, command, location):
    weights = write_with_weights_in(location)
    (folder / location).parent.mkdir(exist_ok=True)
    (folder / location).write_bytes(weights)
    assert COMMANDS[command]() == 0
    assert (folder / "net.xml").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_weights_that_are_missing_beside_an_onnx_file_are_named(folder, capfd, command):
    write_with_weights_in("weights.bin")
    assert COMMANDS[command]() == 1
    error = capfd.readouterr().err
    assert "net.onnx: keeps weights in 'weights.bin', which is missing beside it" in error
    assert not (folder / "net.xml").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("is_absolute", [False, True])
def test_weights_outside_of_the_folder_are_refused(
    folder, capfd, monkeypatch, command, is_absolute
):
    inner = folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    location = str(folder / "weights.bin") if is_absolute else "../weights.bin"
    (folder / "weights.bin").write_bytes(write_with_weights_in(location))
    assert COMMANDS[command]() == 1
    error = capfd.readouterr().err
    assert "net.onnx: keeps weights in " in error
    assert "in a file beside it" in error or command == "mo"
    assert not (inner / "net.xml").exists()


def test_a_graph_as_text_is_refused_with_the_command_that_writes_it_as_binary(folder, capfd):
    (folder / "net.pbtxt").write_text('node { name: "x" op: "Placeholder" }')
    code, shown, error = run(capfd, "net.pbtxt", "-o", "net.xml")
    assert (code, shown) == (1, "")
    assert "net.pbtxt: is a graph of TensorFlow as text" in error
    assert "posezoo convert net.pb -o net.xml" in error
    assert not (folder / "net.xml").exists()
