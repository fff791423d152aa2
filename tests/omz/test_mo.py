"""The command mo: Model Optimizer's arguments for one file, carried out or refused by name."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.convert.test_against_mo import compiled
from fakes import graphs
from fakes.caffe import caffe_model
from fakes.command import refusal
from fakes.conversion import convert_model
from fakes.network import network, saved_model
from fakes.one_cpu import needs_affinity, run_on_one_cpu
from fakes.paddle import write_paddle
from fakes.ssd import PIPELINE as SSD_PIPELINE
from fakes.ssd import SIZE, Ssd
from fakes.two_stage import PIPELINE as TWO_STAGE_PIPELINE
from fakes.two_stage import TwoStage
from fakes.when_used import needs
from fakes.yolo import CONFIG, yolo_v2, yolo_v3
from formats.object_detection.test_object_detection import detector_spec, draw_picture
from omz import projects
from posezoo.core.declarations.model import Precision
from posezoo.core.declarations.supported_mo_args import TRANSFORMATIONS_CONFIG
from posezoo.core.errors import PosezooError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.omz.commands import mo
from posezoo.proof import difference
from test_import_cost import imported

#: The arguments of the real program, from its help (OpenVINO 2024.6).
ARGUMENTS = [
    "-h",
    "--help",
    "--framework",
    "--model_name",
    "-n",
    "--output_dir",
    "-o",
    "--freeze_placeholder_with_value",
    "--static_shape",
    "--use_new_frontend",
    "--use_legacy_frontend",
    "--input_model",
    "-w",
    "-m",
    "--input",
    "--output",
    "--input_shape",
    "--example_input",
    "--batch",
    "-b",
    "--mean_values",
    "--scale_values",
    "--scale",
    "-s",
    "--reverse_input_channels",
    "--source_layout",
    "--target_layout",
    "--layout",
    "--compress_to_fp16",
    "--extensions",
    "--transform",
    "--transformations_config",
    "--silent",
    "--log_level",
    "--version",
    "--progress",
    "--stream_output",
    "--share_weights",
    "--input_model_is_text",
    "--input_checkpoint",
    "--input_meta_graph",
    "--saved_model_dir",
    "--saved_model_tags",
    "--tensorflow_custom_operations_config_update",
    "--tensorflow_object_detection_api_pipeline_config",
    "--tensorboard_logdir",
    "--tensorflow_custom_layer_libraries",
    "--input_proto",
    "-d",
    "--caffe_parser_path",
    "--k",
    "-k",
    "--disable_omitting_optional",
    "--enable_flattening_nested_params",
    "--counts",
    "--remove_output_softmax",
    "--remove_memory",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a network in each format."""
    for kind in ("onnx", "tflite", "pb"):
        (tmp_path / f"net.{kind}").write_bytes(network(kind))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_only_unproven(err):
    """Whether the only message is that nothing but OpenVINO read the original."""
    words = ": cannot be compared with its original, because "
    return err.startswith("[ WARNING ]  ") and words in err and err.count("\n") == 1


def run(capfd, *args):
    """The exit code, the standard output and the standard error."""
    capfd.readouterr()
    try:
        code = mo.main(args)
    except SystemExit as ended:
        code = ended.code
    return code, *capfd.readouterr()


def read(xml):
    return import_openvino().Core().read_model(xml)


def remove(folder):
    """Remove the IR, so that a refusal shows that none is written."""
    for name in ("net.xml", "net.bin"):
        (folder / name).unlink()


def weight_types(xml):
    return kernel_types(read(xml))


def test_every_argument_of_model_optimizer_is_known():
    known = {name for action in mo.create_parser()._actions for name in action.option_strings}
    assert set(ARGUMENTS) <= known


@pytest.mark.parametrize("kind", ["onnx", "tflite", "pb"])
def test_a_file_becomes_the_two_files_of_an_ir(folder, capfd, kind):
    code, out, err = run(capfd, "--input_model", f"net.{kind}", "--output_dir", "out/FP16")
    assert code == 0
    assert is_only_unproven(err) if kind == "pb" else err == ""
    assert sorted(path.name for path in (folder / "out/FP16").iterdir()) == [
        "net.bin",
        "net.xml",
    ]
    assert out.splitlines()[-3:] == [
        "[ SUCCESS ] Generated IR version 11 model.",
        f"[ SUCCESS ] XML file: {folder}/out/FP16/net.xml",
        f"[ SUCCESS ] BIN file: {folder}/out/FP16/net.bin",
    ]
    assert weight_types(folder / "out/FP16/net.xml") == {"f16"}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--compress_to_fp16"], "f16"),
        (["--compress_to_fp16=False"], "f32"),
        (["--data_type", "FP16"], "f16"),
        (["--data_type", "float"], "f32"),
    ],
)
def test_the_precision_is_that_of_the_arguments(folder, capfd, args, expected):
    assert run(capfd, "--input_model", "net.onnx", "--model_name", "other", *args)[0] == 0
    assert weight_types(folder / "other.xml") == {expected}


def test_the_arguments_of_a_long_line_are_carried_out(folder, capfd):
    line = (
        "-m net.onnx --fram onnx -n n --input image --input_shape [1,3,18,24] --output pafs --data_type FP32"
        " --mean_values image[100,110,120] --scale_v image[50,60,70] --reverse_input_channels --layout nchw->nhwc"
        " --log_level ERROR --silent --progress"
    )
    code, _, err = run(capfd, *line.split())
    assert (code, err) == (0, "")
    network = read(folder / "n.xml")
    assert [port.any_name for port in network.inputs] == ["image"]
    assert list(network.inputs[0].shape) == [1, 18, 24, 3]
    assert [port.any_name for port in network.outputs] == ["pafs"]


@pytest.mark.parametrize(
    ("graph", "args", "shapes"),
    [
        (network("onnx"), [], {"image": [4, 3, 12, 20]}),
        (graphs.rows(), [], {"x": [4, 4]}),
        (graphs.pair(), ["--input=right,left"], {"right": [4, 3, 4, 6], "left": [4, 3, 4, 6]}),
    ],
)
def test_a_batch_applies_to_all_inputs(folder, capfd, graph, args, shapes):
    (folder / "net.onnx").write_bytes(graph)
    code, _, err = run(capfd, "--input_model", "net.onnx", "-b", "4", *args)
    assert (code, err) == (0, "")
    assert {port.any_name: list(port.shape) for port in read(folder / "net.xml").inputs} == shapes


def test_a_layout_may_be_that_of_an_output(folder, capfd):
    (folder / "net.onnx").write_bytes(network("onnx"))
    line = ("--input_model", "net.onnx", "--layout")
    assert run(capfd, *line, "image(nchw),pafs(nchw)")[0] == 0
    written = read(folder / "net.xml")
    assert [port.any_name for port in written.outputs] == ["heatmaps", "pafs"]
    assert str(written.output("pafs").node.layout) == "[N,C,H,W]"
    remove(folder)
    code, _, err = run(capfd, *line, "pafs(nch)")
    assert code == 1 and "[N,C,H] is not compatible with shape" in err
    code, _, err = run(capfd, *line, "nchw,nchw")
    assert code == 1 and "net: the network has no further input" in err
    assert not (folder / "net.xml").exists()


def test_an_output_gets_another_layout_in_the_ir(folder, capfd):
    line = ("--input_model", "net.onnx", "--data_type", "FP32", "--layout")
    assert run(capfd, *line, "image(nchw)")[0] == 0
    plain = compiled(read(folder / "net.xml"))
    remove(folder)
    code, _, err = run(capfd, *line, "image(nchw),pafs(nchw->nhwc)")
    assert code == 0, err
    assert "the self-check compared the IR before the layouts of its outputs" in err
    written = read(folder / "net.xml")
    assert [port.any_name for port in written.outputs] == ["heatmaps", "pafs"]
    assert str(written.output("pafs").node.layout) == "[N,H,W,C]"
    image = np.random.default_rng(1).uniform(0, 255, plain.inputs[0].shape).astype(np.float32)
    expected = plain([image])
    results = compiled(written)([image])
    assert np.allclose(results["pafs"], expected["pafs"].transpose(0, 2, 3, 1), atol=1e-5)
    assert np.allclose(results["heatmaps"], expected["heatmaps"], atol=1e-5)
    remove(folder)
    code, _, err = run(capfd, *line, "pafs(nchw->nhc)")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "'NHC' does not have the letters of NCHW" in err
    assert not (folder / "net.xml").exists()


@pytest.mark.parametrize(
    ("shape", "axis"), [((1, 4, 6, 3), 3), ((1, 3, 6, 4), 1), ((1, 3, 4, 3), 1)]
)
def test_three_channels_show_the_layout(folder, capfd, shape, axis):
    """Some ONNX files have the channels last; if both can be, the usual layout decides."""
    ports = [(name, graphs.FLOAT, shape) for name in ("image", "y")]
    node = onnx.helper.make_node("Abs", ["image"], ["y"], "y")
    (folder / "net.onnx").write_bytes(graphs.written("net", [node], ports[:1], ports[1:]))
    line = "--input_model net.onnx --mean_values [1,2,3] --reverse_input_channels --data_type FP32"
    assert run(capfd, *line.split())[0] == 0
    image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    result = compiled(read(folder / "net.xml"))([image])["y"]
    sizes = [-1 if index == axis else 1 for index in range(4)]
    assert np.allclose(
        result, np.abs(np.flip(image, axis) - np.array([1, 2, 3]).reshape(sizes)), atol=1e-3
    )


def onnx_file(path, *nodes, outputs):
    """A network of these nodes on the image x."""
    path.write_bytes(
        graphs.written(
            "net",
            nodes,
            [("x", graphs.FLOAT, (1, 3, 4, 6))],
            [(name, graphs.FLOAT, None) for name in outputs],
        )
    )
    return path


def test_an_output_may_be_the_name_of_the_node_that_makes_it(folder, capfd):
    """OpenVINO gives a node that makes an output the output's name, and drops its own."""
    relu = onnx.helper.make_node("Relu", ["x"], ["hidden"], "Relu_0")
    halves = onnx.helper.make_node("Split", ["hidden"], ["a", "b", "c"], "Split_1", axis=1)
    onnx_file(folder / "net.onnx", relu, halves, outputs=["a", "b", "c"])
    for requested, tensor in (("Split_1", "a"), ("Split_1:1", "b"), ("Relu_0", "hidden")):
        code, _, err = run(capfd, "--input_model", "net.onnx", "--output", requested)
        assert code == 0
        assert is_only_unproven(err)
        (port,) = read(folder / "net.xml").outputs
        assert {requested, tensor} <= port.names


def test_a_size_may_be_a_range(folder, capfd):
    onnx_file(folder / "net.onnx", onnx.helper.make_node("Abs", ["x"], ["y"], "y"), outputs=["y"])
    for shape in ("[1..4,3,20,20]", "[1,3,5..,..9]"):
        code, _, err = run(capfd, "--input_model", "net.onnx", "--input_shape", shape)
        assert (code, err) == (0, "")
        assert str(read(folder / "net.xml").inputs[0].partial_shape) == shape
    for shape in ("[4..1,3,20,20]", "[..,3,20,20]", "[1...4,3,20,20]", "[0..4,3,20,20]"):
        assert run(capfd, "--input_model", "net.onnx", "--input_shape", shape)[0] == 1


def kernel_types(network):
    kernels = [
        op
        for op in network.get_ops()
        if op.get_type_name() == "Constant" and len(op.get_output_shape(0)) == 4
    ]
    return {op.get_element_type().get_type_name() for op in kernels}


def test_the_function_of_model_optimizer_returns_a_network_and_leaves_no_file(folder):
    before = sorted(folder.iterdir())
    network = mo.convert_model("net.onnx")
    assert sorted(folder.iterdir()) == before
    assert [port.any_name for port in network.inputs] == ["image"]
    assert kernel_types(network) == {"f32"}
    import_openvino().save_model(network, "again.xml")
    assert read(folder / "again.xml").outputs


@pytest.mark.parametrize(
    ("arguments", "element_type"),
    [
        ({"compress_to_fp16": False}, "f32"),
        ({"compress_to_fp16": None}, "f32"),
        ({"data_type": "FP16", "compress_to_fp16": False}, "f16"),
        ({"compress_to_fp16": True}, "f16"),
    ],
)
def test_the_function_stores_fp16_only_if_it_is_asked_for(folder, arguments, element_type):
    network = mo.convert_model("net.onnx", **arguments)
    assert kernel_types(network) == {element_type}


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (
            {"transform": [("LowLatency2", {"use_const_initializer": False}), ("Pruning", {})]},
            {"transform": "LowLatency2[use_const_initializer=False],Pruning"},
        ),
        (
            {"transform": ("MakeStateful", {"param_res_names": {"a": "b"}})},
            {"transform": "MakeStateful[param_res_names={'a': 'b'}]"},
        ),
        ({"input": [np.float16, np.int32]}, {"input": "{float16},{int32}"}),
    ],
)  # fmt: skip
def test_the_function_writes_values_as_the_command_line_has_them(arguments, texts):
    args = vars(mo._parse_arguments("net.onnx", arguments))
    assert {name: args[name] for name in texts} == texts


IMAGE = np.random.default_rng(1).uniform(0, 255, (1, 18, 24, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def from_the_line(tmp_path_factory):
    """What the IR of a command line finds in IMAGE."""
    folder = tmp_path_factory.mktemp("line")
    (folder / "net.onnx").write_bytes(network("onnx"))
    line = (
        f"--input_model {folder}/net.onnx --output_dir {folder} --input image --input_shape [1,3,18,24]"
        " --output pafs --layout nchw->nhwc --mean_values [100,110,120] --scale_values [50,60,70]"
    )
    assert mo.main(line.split()) == 0
    return compiled(read(folder / "net.xml"))([IMAGE])["pafs"]


@pytest.mark.parametrize(
    "arguments",
    [
        {
            "input_shape": [1, 3, 18, 24],
            "mean_values": {"image": [100, 110, 120]},
            "scale_values": {"image": [50, 60, 70]},
        },
        {
            "input_shape": "[1,3,18,24]",
            "mean_values": "image[100,110,120]",
            "scale_values": "image[50,60,70]",
        },
        {
            "input": mo.InputCutInfo("image", [1, 3, 18, 24]),
            "mean_values": (100, 110, 120),
            "scale_values": [50, 60, 70],
        },
    ],
)
def test_the_function_takes_pythons_values(folder, from_the_line, arguments):
    network = mo.convert_model(
        folder / "net.onnx", output=["pafs"], layout={"image": mo.LayoutMap(import_openvino().Layout("nchw"), "nhwc")},
        compress_to_fp16=True, silent=True, share_weights=False, **arguments,
    )  # fmt: skip
    assert list(network.inputs[0].shape) == [1, 18, 24, 3]
    assert [port.any_name for port in network.outputs] == ["pafs"]
    assert np.allclose(compiled(network)([IMAGE])["pafs"], from_the_line, atol=1e-5)


def test_the_function_takes_a_shape_of_openvino(folder):
    ov = import_openvino()
    network = mo.convert_model("net.onnx", input_shape=ov.PartialShape([-1, 3, 18, 24]))
    assert str(network.inputs[0].partial_shape) == "[?,3,18,24]"
    network = mo.convert_model(
        "net.onnx", input=[mo.InputCutInfo("image", ov.Shape([2, 3, 18, 24]), ov.Type.u8)]
    )
    assert list(network.inputs[0].shape) == [2, 3, 18, 24]
    assert network.inputs[0].element_type == ov.Type.u8
    shapes = (
        [("image", [2, 3, 18, 24])],
        ("image", ov.PartialShape([2, 3, 18, 24]), ov.Type.f32),
        {"image": (2, 3, 18, 24)},
    )
    for given in shapes:
        network = mo.convert_model("net.onnx", input=given, output=("pafs", "heatmaps"))
        assert list(network.inputs[0].shape) == [2, 3, 18, 24]
        # All outputs of the file are named: Model Optimizer keeps their order.
        assert [port.any_name for port in network.outputs] == ["heatmaps", "pafs"]


def test_the_function_converts_a_module_of_pytorch(folder):
    torch = needs("torch")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 3)

        def forward(self, image):
            return self.convolution(image)

    module = Network().eval()
    before = sorted(folder.iterdir())
    image = torch.from_numpy(
        np.random.default_rng(1).uniform(0, 255, (1, 3, 12, 16)).astype(np.float32)
    )
    mean, scale = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    network = mo.convert_model(
        module, framework="pytorch", example_input=image, input_shape=[1, 3, 12, 16],
        mean_values=mean, scale_values=scale, reverse_input_channels=True,
        layout={"image": mo.LayoutMap("nchw", "nhwc")}, model_name="own", compress_to_fp16=False,
    )  # fmt: skip
    assert sorted(folder.iterdir()) == before
    assert (network.get_friendly_name(), list(network.inputs[0].shape)) == ("own", [1, 12, 16, 3])
    result = compiled(network)([image.permute(0, 2, 3, 1).numpy()])[0]
    channels = [torch.tensor(values).reshape(1, 3, 1, 1) for values in (mean, scale)]
    expected = module((image.flip(1) - channels[0]) / channels[1]).detach().numpy()
    assert np.allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "arguments", "problem"),
    [
        ("gone.onnx", {}, "gone.onnx: does not exist"),
        (None, {}, "give one file to convert"),
        (object(), {}, "OpenVINO cannot read this object: "),
        ("net.onnx", {"colour": "red"}, "convert_model has no argument colour"),
        ("net.onnx", {"example_input": 1}, "--example_input: is not supported: it is for PyTorch modules"),
        ("net.h5", {}, "net.h5: files of keras are not read here"),
        ("net.onnx", {"transformations_config": "x.json"}, "--transformations_config: is not supported"),
        ("net.onnx", {"batch": "two"}, "batch"),
    ],
)  # fmt: skip
def test_the_function_raises_what_the_command_prints(folder, model, arguments, problem):
    with pytest.raises(PosezooError, match=problem):
        mo.convert_model(model, **arguments)


def test_an_existing_ir_is_replaced_only_by_a_complete_one(folder, capfd):
    old = '<net name="old"><layers></layers></net>'
    (folder / "net.xml").write_text(old)
    (folder / "net.bin").write_text("old bin")
    assert run(capfd, "--input_model", "net.onnx", "--output", "nothing")[0] == 1
    assert ((folder / "net.xml").read_text(), (folder / "net.bin").read_text()) == (old, "old bin")
    assert run(capfd, "--input_model", "net.onnx")[0] == 0
    assert read(folder / "net.xml").outputs
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        "net.bin", "net.onnx", "net.pb", "net.tflite", "net.xml",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["net.xml", "net.bin"])
def test_a_file_of_the_user_is_kept_under_another_name(folder, capfd, name):
    (folder / name).write_text("mine")
    for _ in range(2):
        code, _, err = run(capfd, "--input_model", "net.onnx")
        assert code == 0
    assert err == ""  # the second IR replaces the first one
    assert (folder / f"{name}.bak1").read_text() == "mine"
    assert read(folder / "net.xml").outputs


def test_the_file_to_convert_is_not_replaced_by_its_ir(folder, capfd):
    (folder / "net.onnx").rename(folder / "net.bin")
    before = (folder / "net.bin").read_bytes()
    code, _, err = run(capfd, "--input_model", "net.bin", "--framework", "onnx")
    assert (code, err.partition("\n")[0]) == (1, "[ ERROR ]  net.bin: is the file to convert")
    assert (folder / "net.bin").read_bytes() == before


def test_a_network_with_damaged_weights_is_refused_unless_the_check_is_off(folder, capfd):
    (folder / "net.onnx").write_bytes(network("onnx", largest_weight=float("nan")))
    code, _, err = run(capfd, "--input_model", "net.onnx", "--data_type", "FP32")
    assert (code, (folder / "net.xml").exists()) == (1, False)
    assert err.startswith("[ ERROR ]  net: the original itself computes inf or nan")
    assert run(capfd, "--input_model", "net.onnx", "--self_check", "off")[2] == (
        "[ WARNING ]  net: cannot be compared with its original, because --self_check off was given\n"
    )


def picky():
    """A network that fails as it runs: it keeps the values above 128, and expects 1000 of them."""
    nodes = [
        onnx.helper.make_node("Greater", ["image", "limit"], ["is_bright"]),
        onnx.helper.make_node("NonZero", ["is_bright"], ["axes"]),
        onnx.helper.make_node("Transpose", ["axes"], ["places"], perm=[1, 0]),
        onnx.helper.make_node("GatherND", ["image", "places"], ["values"]),
        onnx.helper.make_node("Reshape", ["values", "shape"], ["y"]),
    ]
    constants = {"limit": np.array(128, np.float32), "shape": np.array([1, 1000])}
    image = ("image", graphs.FLOAT, (1, 3, 8, 8))
    return graphs.written("picky", nodes, [image], [("y", graphs.FLOAT, (1, 1000))], constants)


@needs_affinity
def test_on_one_cpu_an_original_that_fails_as_it_runs_is_an_error(folder):
    (folder / "picky.onnx").write_bytes(picky())
    program = "import sys; from posezoo.omz.commands.mo import main; sys.exit(main(sys.argv[1:]))"
    error = refusal(
        run_on_one_cpu(program, "--input_model", "picky.onnx", "--require_proof", cwd=folder)
    )
    assert "cannot be compared with its original, because the original cannot be run: " in error
    assert "conflicts with the reshape pattern" in error
    assert not (folder / "picky.xml").exists()


def test_what_nothing_else_read_is_a_warning_and_an_error_if_a_proof_is_required(folder, capfd):
    """No runtime but OpenVINO reads a frozen graph of TensorFlow here."""
    words = "cannot be compared with its original, because only the reader that made the IR"
    code, _, err = run(capfd, "--input_model", "net.pb", "--require_proof")
    assert code == 1
    assert words in err
    assert not (folder / "net.xml").exists()
    code, out, err = run(capfd, "--input_model", "net.pb")
    assert code == 0
    assert "reading the original as it did for the IR" in out
    assert err.startswith(f"[ WARNING ]  net: {words}")
    assert run(capfd, "--input_model", "net.onnx", "--require_proof")[0] == 0


def test_an_ir_that_differs_is_not_written(folder, capfd, monkeypatch, in_this_process):
    monkeypatch.setattr(difference, "OFFSET", -1)  # no difference is small enough
    code, _, err = run(capfd, "--input_model", "net.onnx")
    assert code == 1
    assert err.startswith("[ ERROR ]  net: the FP32 IR differs from the original in heatmaps, pafs")
    assert (
        "hint: nothing was written; --self_check off writes the IR without this comparison" in err
    )
    assert not (folder / "net.xml").exists()
    assert run(capfd, "--input_model", "net.onnx", "--self_check", "off")[0] == 0


def test_what_is_rounded_to_8_bits_otherwise_cannot_be_compared(folder, capfd, mirror):
    """LiteRT and OpenVINO round MoveNet's quantized values differently; Model Optimizer converts it, too."""
    (path,) = (mirror / "1" / "a1").glob("fd3cb6*")
    (folder / "movenet.tflite").write_bytes(path.read_bytes())
    code, out, err = run(capfd, "--input_model", "movenet.tflite")
    assert (code, len(err.splitlines())) == (0, 1)
    assert err.startswith("[ WARNING ]  movenet: cannot be compared with its original, because")
    assert "to 8 bits otherwise" in err
    assert "[ SUCCESS ] XML file" in out


REFUSED = {
    "--input_model gone.onnx": "gone.onnx: does not exist",
    "--saved_model_dir gone": "gone/saved_model.pb: does not exist",
    "": "give one file to convert",
    "--input_model net.zip": "net.zip: the ending of its name does not show the framework",
    "--input_model net.onnx --framework jax": "--framework 'jax': there is no such framework",
    "--input_model net.tflite --framework onnx": "net.tflite: not an ONNX model, but a TFLite model",
    "--input_model damaged.onnx": "damaged.onnx: not an ONNX model, but something else",
    "--input_model net.h5": "net.h5: files of keras are not read here",
    "--input_model net.params --framework mxnet": "net.params: files of mxnet are not read here",
    "--input_model text.pbtxt": "text.pbtxt: files of tf-text are not read here",
    "--input_model net.onnx --output_dir net.pb/x": "net.pb/x: cannot be written to: Not a directory",
    f"--input_model net.onnx --model_name {'n' * 300}": f"--model_name '{'n' * 57}...': is not the name of a file",
    "--input_model net.onnx --model_name a/b": "--model_name 'a/b': is not the name of a file",
    "--input_model net.onnx --input_shape [1,4,12,20]": (
        "net: the declared inputs and outputs do not match the network: Data batch channel count (4) does not "
        "match filter input channel count (3)"
    ),
    "--input_model net.onnx --input_shape 1,3": "--input_shape=1,3: expected name[...] or [...], got '1,3'",
    "--input_model net.onnx --input photo": "net: the network has no input named photo",
    "--input_model net.onnx --output photo": "net: the network has no output named photo",
    "--input_model net.onnx --mean_values [1,2]": (
        "net: the declared inputs and outputs do not match the network: Number of channels and mean/values size "
        "mismatch: Channels = 3, mean/scale = 2, shape = [1,3,12,20], layout = [N,C,H,W]"
    ),
    "--input_model net.onnx --batch 2 --input_shape [1,3,12,20]": "give either --batch or --input_shape",
    "--input_model net.onnx --data_type FP16 --compress_to_fp16": (
        "give either --data_type or --compress_to_fp16"
    ),
    "--input_model net.onnx --data_type INT8": (
        "--data_type=INT8: expected FP16, half, FP32 or float, got 'INT8'"
    ),
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_input_gets_one_line_and_writes_nothing(folder, capfd, line):
    (folder / "damaged.onnx").write_bytes(network("onnx")[:300])
    (folder / "text.pbtxt").write_text('node { name: "x" op: "Placeholder" }')
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = run(capfd, *line.split())
    first, *others = err.splitlines()
    assert (code, out) == (1, "")
    assert first.replace(f"{folder}/", "") == f"[ ERROR ]  {REFUSED[line]}"
    assert [each[:8] for each in others] in ([], ["  hint: "])
    assert "model.yml" not in err
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("usage", mo.REFUSED)
def test_an_argument_that_is_not_carried_out_is_refused_by_name(folder, capfd, usage):
    flag = usage.split()[0].rstrip(",")
    for value in (["x"], []):
        code, out, err = run(capfd, "--input_model", "net.onnx", flag, *value)
        assert (code, out) == (1, "")
        assert err.startswith(f"[ ERROR ]  {flag}: is not supported: ")
    assert not (folder / "net.xml").exists()


MO_LINES = [line for line in projects.read_lines() if line.tool not in projects.PARSERS]


def three_inputs():
    """The sum of three images, with the names that PyTorch's exporter gives."""
    ports = [
        (name, graphs.FLOAT, (1, 3, 448, 448))
        for name in ("input.1", "input.4", "input.7", "some", "all")
    ]
    nodes = [
        onnx.helper.make_node("Add", ["input.1", "input.4"], ["some"], "some"),
        onnx.helper.make_node("Add", ["some", "input.7"], ["all"], "all"),
    ]
    return graphs.written("sum", nodes, ports[:3], ports[4:])


@pytest.mark.parametrize("line", MO_LINES, ids=lambda line: line.line[:80])
def test_a_line_of_a_public_project_is_converted_or_refused_by_name(folder, capfd, line):
    args = mo.create_parser().parse_args(line.arguments_of_mo)
    original = Path(args.input_model or f"{args.saved_model_dir}/saved_model.pb")
    original.parent.mkdir(parents=True, exist_ok=True)
    content = saved_model()[0] if args.saved_model_dir else network("pb")
    if args.tensorflow_object_detection_api_pipeline_config and not args.saved_model_dir:
        Path(args.tensorflow_object_detection_api_pipeline_config).write_text(
            SSD_PIPELINE, encoding="utf-8"
        )
        content = Ssd().content()
    if original.suffix == ".onnx":
        content = three_inputs() if "3inputs" in original.name else network("onnx")
    if original.suffix == ".caffemodel":
        text, content = caffe_model(np.ones((2, 3, 1, 1), np.float32))
        Path(args.input_proto or original.with_suffix(".prototxt")).write_text(
            text, encoding="utf-8"
        )
    original.write_bytes(content)
    if original.suffix == ".pdmodel":
        write_paddle(original.parent, original.stem, image=args.input or "image")
    code, out, err = run(capfd, *line.arguments_of_mo)
    if (outcome := line.outcome_of_mo()) != projects.CONVERTED:
        assert (code, out) == (1, "")
        assert err.startswith(f"[ ERROR ]  {outcome}\n  hint: ")
        assert any(word in outcome for word in ("mxnet", "_config: is not supported"))
        return
    assert code == 0
    is_read_twice = original.suffix in (".onnx", ".caffemodel")
    assert err == "" if is_read_twice else is_only_unproven(err)
    name = args.model_name or original.stem
    xml = folder / (args.output_dir or ".") / f"{name}.xml"
    assert f"[ SUCCESS ] XML file: {xml}" in out.splitlines()
    assert weight_types(xml) <= {"f32" if args.data_type == "FP32" else "f16"}
    if args.input_shape:
        shapes = [str(list(port.shape)).replace(" ", "") for port in read(xml).inputs]
        assert args.input_shape == ",".join(shapes)


@pytest.mark.parametrize(
    "line", ["--nonsense", "net.onnx", "--input_m net.onnx", "--static_shape perhaps"]
)
def test_wrong_usage_exits_with_2(folder, capfd, line):
    code, out, err = run(capfd, *line.split())
    assert (code, out) == (2, "")
    assert err.startswith("usage: mo [options]\nmo: error: ")


def test_the_version_is_that_of_model_optimizer(capfd):
    assert run(capfd, "--version")[1].startswith("Version of Model Optimizer is: 2024.6.0")


def test_help_and_version_import_nothing_heavy():
    code = """
from posezoo.omz.commands.mo import main
for flag in ("--help", "--version"):
    try: main([flag])
    except SystemExit: pass
"""
    assert imported(code) == set()


DETECTORS = {
    "ssd_v2_support.json": (Ssd, SSD_PIPELINE),
    "faster_rcnn_support_api_v1.7.json": (TwoStage, TWO_STAGE_PIPELINE),
}


def detect(xml):
    """The rows for a picture."""
    sizes = {port.any_name: list(port.shape) for port in read(xml).inputs}
    feed = {name: np.float32([[SIZE, SIZE, 1]]) for name in sizes}
    feed["image_tensor"] = draw_picture()[None]
    assert {name: list(array.shape) for name, array in feed.items()} == sizes
    return compiled(read(xml))(feed)[0].reshape(-1, 7)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_converted_by_its_pipeline_as_a_model_of_the_zoo_is(folder, capfd, name):
    graph, pipeline = DETECTORS[name]
    for each in ("graphs", "configs"):
        (folder / each).mkdir()
    content = graph().content()
    (folder / "graphs/net.pb").write_bytes(content)
    (folder / "configs/my.config").write_text(pipeline)
    config = (TRANSFORMATIONS_CONFIG, f"$mo_dir/front/tf/{name}")
    model = detector_spec(content, folder, pipeline, config)
    expected = detect(convert_model(*model, precisions=[Precision.FP32]).irs[Precision.FP32])
    line = (
        f"--input_model graphs/net.pb --input_shape [1,{SIZE},{SIZE},3] --reverse_input_channels"
        " --output detection_scores,detection_boxes,num_detections --compress_to_fp16=False"
        f" --transformations_config /opt/mo/front/tf/{name}"
        " --tensorflow_object_detection_api_pipeline_config configs/my.config"
    )
    code, _, err = run(capfd, *line.split())
    assert code == 0
    assert err.startswith(
        "[ WARNING ]  net: cannot be compared with its original, because only the reader"
    )
    assert err.count("\n") == 1
    assert len(np.unique(expected[:, 2])) > 10
    np.testing.assert_array_equal(detect(folder / "net.xml"), expected)


@pytest.mark.parametrize(
    "flag", ["transformations_config", "tensorflow_use_custom_operations_config"]
)
def test_yolo_is_cut_by_a_file_of_the_user_or_one_of_model_optimizer(folder, capfd, flag):
    (folder / "net.pb").write_bytes(yolo_v3())
    (folder / "my_yolo.json").write_text(json.dumps([CONFIG]))
    assert run(capfd, "--input_model=net.pb", f"--{flag}=my_yolo.json")[0] == 0
    assert "head/BiasAdd/YoloRegion" in read(folder / "net.xml").outputs[1].names
    (folder / "my_yolo.json").rename(folder / "heads.json")  # its id is read, not its name
    assert run(capfd, "--input_model=net.pb", f"--{flag}=heads.json")[0] == 0
    assert "head/BiasAdd/YoloRegion" in read(folder / "net.xml").outputs[1].names
    (folder / "net.pb").write_bytes(yolo_v2())
    assert run(capfd, "--input_model=net.pb", f"--{flag}=tf/yolo_v2_tiny_voc.json")[0] == 0
    assert "head/BiasAdd/YoloRegion" in read(folder / "net.xml").outputs[0].names


def test_a_file_with_the_name_of_model_optimizers_and_another_content_is_refused(folder, capfd):
    (folder / "yolo_v3.json").write_text(json.dumps([{**CONFIG, "id": "Other"}]))
    line = "--input_model=net.pb --transformations_config=yolo_v3.json"
    code, _, err = run(capfd, *line.split())
    assert (code, "--transformations_config: is not supported" in err) == (1, True)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ("--transformations_config gone.json", "is not supported: it needs a graph of TensorFlow"),
        ("--transformations_config ssd_v2_support.json", "beside it a pipeline.config in --tensorflow_object_"),
        ("--tensorflow_object_detection_api_pipeline_config p", "--transformations_config: is not supported"),
        (
            "--transformations_config ssd_v2_support.json --tensorflow_object_detection_api_pipeline_config gone",
            "/gone: does not exist\n  hint: the network cannot be read without it",
        ),
        (
            "--transformations_config ssd_v2_support.json --tensorflow_object_detection_api_pipeline_config p",
            "/p: describes no SSD, but: 'nothing'\n  hint: Model Optimizer can: pip install",
        ),
    ],
)  # fmt: skip
def test_a_transformation_that_is_not_known_is_refused_by_name(folder, capfd, args, problem):
    (folder / "p").write_text("model {}")
    code, _, err = run(capfd, "--input_model=net.pb", *args.split())
    assert (code, problem in err) == (1, True), err
    assert not (folder / "net.xml").exists()
