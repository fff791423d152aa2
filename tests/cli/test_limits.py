"""A file that needs too much time or memory, or that is no file at all, costs one line."""

import os
import shlex
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fakes import graphs
from fakes.caffe import CaffeNet
from fakes.command import assert_success, posezoo, posezoo_process, run_process
from fakes.network import with_weights_beside
from fakes.when_used import require_installed
from fakes.zoo import declared_file, model_yml, onnx_yml, write_model
from posezoo.formats.caffe.prototxt import MAX_BYTES

#: Annotations in COCO's format.
PEOPLE = """{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories":
    [{"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": []}]}"""


def translate(folder, file, *words):
    return posezoo("convert", folder / file, "-o", folder / "made.xml", *words)


def assert_one_line(ended, *parts, code=1):
    """It failed with these words in one line, and nothing was written."""
    assert ended.returncode == code
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    for part in parts:
        assert part in ended.stderr
    assert "Traceback" not in ended.stderr, error


# --- Caffe: the sizes are in the file


def test_a_caffe_input_of_gigabytes_is_refused_with_its_line(tmp_path):
    net = CaffeNet((1, 3, 20_000, 20_000))
    net.add("ReLU", "data", "out")
    net.save(tmp_path)
    line = next(
        number
        for number, text in enumerate((tmp_path / "net.prototxt").read_text().splitlines(), 1)
        if "dim" in text
    )
    refused = f"net.prototxt:{line}: the input 'data' [1, 3, 20000, 20000] is too large"
    assert_one_line(translate(tmp_path, "net.caffemodel"), refused)
    sized = ("--input_shape", "[1,3,20,20]")
    assert_success(translate(tmp_path, "net.caffemodel", *sized))
    assert (tmp_path / "made.xml").is_file()


def test_a_caffe_layer_whose_output_needs_gigabytes_is_refused_with_its_line(tmp_path):
    net = CaffeNet((1, 3, 13, 17))
    net.convolve("data", "small", (4, 3, 3, 3), "pad: 1")
    net.convolve("small", "wide", (4, 4, 3, 3), "pad: 20000")
    net.save(tmp_path)
    assert_one_line(
        translate(tmp_path, "net.caffemodel"), "net.prototxt:", "layer 'wide'", "is too large"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x: 1\n" * (MAX_BYTES // 5 + 1), "more than a network's layers need"),
        (
            "".join(
                f'layer {{ name: "r{number}" type: "ReLU" bottom: "data" top: "data" }}\n'
                for number in range(5001)
            ),
            "more than 5000 layers",
        ),
        (
            'layer { name: "s" type: "Split" bottom: "data" ' + 'top: "t" ' * 1001 + "}",
            "more than 1000 times top",
        ),
    ],
    ids=["bytes", "layers", "names"],
)
def test_more_layers_or_names_than_a_network_has_are_refused(tmp_path, text, problem):
    net = CaffeNet((1, 3, 13, 17))
    net.convolve("data", "out", (4, 3, 3, 3))
    net.save(tmp_path)
    with open(tmp_path / "net.prototxt", "a", encoding="utf-8") as prototxt:
        prototxt.write(text)
    assert_one_line(translate(tmp_path, "net.caffemodel"), "net.prototxt", problem)


# --- ONNX


def save_onnx(path, nodes, **constants):
    """A network that makes ``y`` from an image ``x``."""
    ports = ("x", graphs.FLOAT, [1, 3, 8, 8]), ("y", graphs.FLOAT, None)
    path.write_bytes(graphs.written("net", nodes, ports[:1], ports[1:], constants))


def save_loop(path, rounds, *, is_computed=False):
    """A network that negates its image so many times; or as long as a condition holds, which always does."""
    going = helper.make_node("Identity", ["going"], ["goes_on"])
    if is_computed:
        going = helper.make_node("Less", ["round", "rounds"], ["goes_on"])
    body = helper.make_graph(
        [going, helper.make_node("Neg", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, [1, 3, 8, 8]),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, 3, 8, 8]),
        ],
    )
    most = "" if is_computed else "rounds"
    loop = helper.make_node("Loop", [most, "true", "x"], ["y"], body=body)
    save_onnx(path, [loop], rounds=np.int64(rounds), true=np.bool_(True))


@pytest.mark.parametrize("rounds", [1 << 40, -1])
def test_a_loop_that_never_ends_is_refused_before_it_is_run(tmp_path, rounds):
    save_loop(tmp_path / "net.onnx", rounds)
    assert_one_line(translate(tmp_path, "net.onnx"), "net.onnx: its loops run")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_network_that_needs_more_memory_than_its_limit_is_ended(tmp_path):
    nodes = [  # the size is only known once the network runs
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Mul", ["m", "zero"], ["z"]),
        helper.make_node("Add", ["z", "count"], ["size"]),
        helper.make_node("Cast", ["size"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "one"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("Sin", ["large"], ["sine"]),
        helper.make_node("ReduceSum", ["sine"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    constants = {"zero": np.float32(0), "one": np.array([1], np.int64)}
    save_onnx(tmp_path / "net.onnx", nodes, count=np.float32(3e8), **constants)
    ended = translate(tmp_path, "net.onnx", "--conversion_memory", 0.7)
    assert_one_line(ended, "needed more than its limit of 0.7 GB of memory", "--conversion_memory")
    save_onnx(tmp_path / "net.onnx", nodes, count=np.float32(3e3), **constants)
    assert_success(translate(tmp_path, "net.onnx"))


def test_a_declared_shape_of_gigabytes_is_refused_before_it_is_computed(tmp_path):
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], axes=[0, 1], keepdims=0),
        helper.make_node("Tile", ["m", "times"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    save_onnx(tmp_path / "net.onnx", nodes, times=np.array([5_000, 7_500]))
    ended = translate(tmp_path, "net.onnx")
    assert_one_line(
        ended, "the output [40000, 60000] of 'large' needs 9.6 GB, the limit of memory is 4.0 GB",
        "--conversion_memory GB",
    )  # fmt: skip
    save_onnx(tmp_path / "net.onnx", nodes, times=np.array([5, 7]))
    assert_success(translate(tmp_path, "net.onnx"))


def save_nested(path, depth):
    """Conditions inside of conditions, each with two branches."""

    def constant(name):
        value = numpy_helper.from_array(np.ones(1, np.float32))
        node = helper.make_node("Constant", [], [name], value=value)
        port = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
        return helper.make_graph([node], name, [], [port])

    graph = constant("v0")
    for level in range(1, depth + 1):
        node = helper.make_node(
            "If", ["true"], [f"v{level}"], then_branch=graph, else_branch=constant(f"w{level}")
        )
        port = helper.make_tensor_value_info(f"v{level}", TensorProto.FLOAT, [1])
        graph = helper.make_graph([node], f"g{level}", [], [port])
    last = helper.make_node("Add", ["x", f"v{depth}"], ["y"])
    save_onnx(path, [*graph.node, last], true=np.bool_(True))


def test_deeply_nested_graphs_are_refused(tmp_path):
    save_nested(tmp_path / "net.onnx", 30)
    assert_one_line(
        translate(tmp_path, "net.onnx"), "net.onnx: graphs are nested in graphs, more than 8 deep"
    )
    save_nested(tmp_path / "net.onnx", 2)
    assert_success(translate(tmp_path, "net.onnx", "--precision", "FP32"))


@pytest.mark.parametrize("where", [(), ("--cluster", "local:2")], ids=["alone", "together"])
def test_a_model_that_reaches_a_limit_fails_alone(tmp_path, where):
    for name in ("endless", "good"):
        source = tmp_path / "published" / name / "net.onnx"
        source.parent.mkdir(parents=True)
        is_endless = name == "endless"
        save_loop(source, 1 << 40 if is_endless else 4, is_computed=is_endless)
        image = {"name": "x", "shape": [1, 3, 8, 8], "layout": "NCHW"}
        write_model(tmp_path / "models", name, onnx_yml(declared_file(source), inputs=[image]))
    folders = ("--models_dir", "models", "--weights_dir", "out", "--cache_dir", "cache")
    ended = posezoo_process(
        "get", "--all", *folders, *where, "--conversion_timeout", 10, cwd=tmp_path
    )
    assert_one_line(ended, "endless", "its process needed more than its limit of 10 s")
    assert [Path(line).stem for line in ended.stdout.splitlines()] == ["good", "good"]


# --- What is no file


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "movenet-thunder", "--annotations", "PIPE", "--images", "."),
        ("lint", "--baseline", "PIPE"),
        ("run", "net.xml", "--skeleton", "PIPE", "--input", "."),
        ("convert", "net.onnx", "--as", "PIPE.yml"),
        ("run", "movenet-thunder", "--input", "PIPE"),
        ("convert", "PIPE.onnx", "-o", "made.xml"),
        ("convert", "net.caffemodel", "-o", "made.xml"),
        ("convert", "net.onnx", "-o", "made.xml"),
        ("run", "PIPE.pth", "--input", "."),
        ("run", "PIPE.onnx", "--input", "."),
        ("quantize", "PIPE.xml", "--dataset_dir", "."),
        ("info", "PIPE.xml"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_a_named_pipe_is_one_line_and_no_hang(tmp_path, no_hang, words):
    if words[0] == "quantize":
        require_installed("nncf")
    net = CaffeNet((1, 3, 13, 17))
    net.convolve("data", "out", (4, 3, 3, 3))
    net.save(tmp_path)
    (tmp_path / "net.prototxt").unlink()
    pipes = (
        "PIPE",
        "PIPE.json",
        "PIPE.onnx",
        "PIPE.pth",
        "PIPE.xml",
        "PIPE.yml",
        "net.prototxt",
        "weights.data",
    )
    for name in pipes:
        os.mkfifo(tmp_path / name)
    (tmp_path / "net.xml").write_text("<net/>")
    (tmp_path / "net.bin").touch()
    (tmp_path / "net.onnx").write_bytes(with_weights_beside("weights.data")[0])
    ended = posezoo(*words, cwd=tmp_path)
    assert_one_line(ended, code=2 if "--as" in words else 1)
    (error,) = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert any(name in error for name in pipes), error
    if words[1].startswith("PIPE."):
        assert "does not exist" not in ended.stderr and "posezoo convert" not in ended.stderr


def run_in_a_shell(folder, command):
    return run_process(
        ["bash", "-c", f"exec {shlex.quote(sys.executable)} -m posezoo {command}"],
        cwd=folder,
    )


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@contextmanager
def piped(text):
    """The name of a pipe with this text in this process, as bash's <(...) gives it: /dev/fd/63, or the next one."""
    import fcntl  # Windows has none

    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    descriptor = fcntl.fcntl(reading, fcntl.F_DUPFD, 63)
    os.close(reading)
    try:
        yield f"/dev/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextmanager
def piped_to_standard_input(text):
    before = os.dup(0)
    with piped(text) as name:
        os.dup2(int(Path(name).name), 0)
    try:
        yield "/dev/stdin"
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        (PEOPLE, "dataset info --images . --annotations {}"),
        ('{"findings": []}', "lint net --models_dir models --baseline {}"),
        ("[]", "recommend --figures {}"),
        ("[]", "record {}"),
        ("", "verify movenet-thunder --weights_dir . --lock {}"),
    ],
)
def test_a_pipe_of_the_shell_is_read_like_a_file(tmp_path, file, command):
    (tmp_path / "file.json").write_text(file)
    write_model(tmp_path / "models", "net", model_yml())
    expected = posezoo(*command.format("file.json").split(), cwd=tmp_path)
    for pipe in (piped, piped_to_standard_input):
        with pipe(file) as name:
            ended = posezoo(*command.format(name).split(), cwd=tmp_path)
        assert "Traceback" not in ended.stderr
        assert ended.returncode == expected.returncode, ended.stderr
        assert ended.stdout.replace(name, "file.json") == expected.stdout


@needs_bash
def test_a_pipe_of_the_shell_that_never_ends_is_one_line(tmp_path):
    ended = run_in_a_shell(tmp_path, "lint --baseline <(yes)")
    assert_one_line(ended, "/dev/fd/63")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit address space")
def test_too_little_address_space_for_many_jobs_is_one_line(tmp_path):
    source = tmp_path / "published" / "net.onnx"
    source.parent.mkdir()
    save_loop(source, 4)
    image = {"name": "x", "shape": [1, 3, 8, 8], "layout": "NCHW"}
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(source), inputs=[image]))
    folders = "--models_dir models --weights_dir out --cache_dir cache"
    command = (
        f"ulimit -v 300000; exec {shlex.quote(sys.executable)} -m posezoo get net -j 64 {folders}"
    )
    ended = run_process(
        ["/bin/sh", "-c", command],
        cwd=tmp_path,
    )
    assert_one_line(ended)
    # Which of them ends first depends on the processor and on the versions of libraries.
    assert any(sign in ended.stderr for sign in ("no more threads", "memory", "can't alloc"))
