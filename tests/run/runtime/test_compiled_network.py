"""A network computes what its IR defines, on the requested device, or reports why not."""

import multiprocessing
import sys
import threading

import numpy as np
import pytest

from fakes.command import run_process, succeeded
from fakes.damaged import skip_before_openvino_2026
from fakes.irs import state_images
from fakes.loaded_irs import load_ir
from fakes.one_cpu import needs_affinity, run_on_one_cpu
from fakes.picky_networks import write_picky_ir, write_table_ir
from poses.test_decoders import NOBODY
from posezoo.core.errors import InferenceError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import RuntimeConfig

pytest.importorskip("openvino")


@pytest.fixture(scope="session")
def small_ir(tmp_path_factory):
    """image (1, 8, 8, 3) -> sums (1, 8, 8, 4), a convolution, and double (1, 8, 8, 3), twice the input."""
    ov = import_openvino()
    from openvino import opset13 as ops

    image = ops.parameter([1, 8, 8, 3], np.float32, name="image")
    weights = np.random.default_rng(5).normal(size=(4, 3, 1, 1)).astype(np.float32)
    channels_first = ops.transpose(image, np.array([0, 3, 1, 2]))
    sums = ops.convolution(channels_first, ops.constant(weights), [1, 1], [0, 0], [0, 0], [1, 1])
    results = [
        ops.transpose(sums, np.array([0, 2, 3, 1])),
        ops.multiply(image, np.array(2.0, np.float32)),
    ]
    for result, name in zip(results, ("sums", "double"), strict=True):
        result.output(0).set_names({name})
    image.output(0).set_names({"image"})
    xml = tmp_path_factory.mktemp("ir") / "small.xml"
    ov.save_model(ov.Model(results, [image], "small"), xml, compress_to_fp16=False)
    return xml, weights[:, :, 0, 0]


@pytest.fixture(scope="module")
def network(small_ir):
    return CompiledNetwork(small_ir[0])


@pytest.fixture
def image():
    return np.random.default_rng(1).uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)


def call_at_once(function, cases):
    """Call it with the arguments of each case, in a thread of its own."""
    threads = [threading.Thread(target=function, args=case) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def copied(xml, folder):
    for suffix in (".xml", ".bin"):
        (folder / f"small{suffix}").write_bytes(xml.with_suffix(suffix).read_bytes())
    return folder / "small.xml"


def test_outputs_come_by_name(small_ir, network, image):
    _, weights = small_ir
    assert network.inputs == {"image": (1, 8, 8, 3)}
    assert network.outputs == {"sums": (1, 8, 8, 4), "double": (1, 8, 8, 3)}
    outputs = network({"image": image})
    assert np.allclose(outputs["double"], 2 * image)
    assert np.allclose(outputs["sums"], image @ weights.T, rtol=1e-4, atol=1e-3)


def test_only_the_outputs_that_are_needed_are_computed(small_ir, image):
    graph = Graph(small_ir[0])
    graph.keep_outputs(["double"])
    network = CompiledNetwork(graph)
    outputs = network({"image": image})
    assert set(outputs) == {"double"} and np.allclose(outputs["double"], 2 * image)
    with pytest.raises(InferenceError, match="no output dubble: it has double, sums") as caught:
        Graph(small_ir[0]).keep_outputs(["dubble"])
    assert caught.value.hint == "did you mean double?"


def test_an_output_with_several_names_is_given_by_the_name_that_is_asked_for(small_ir, image):
    """TensorFlow's tensors have the name of the signature and those of operations."""
    graph = Graph(small_ir[0])
    graph.model.output("double").add_names({"a:0", "zzz"})
    graph.keep_outputs(["zzz"])
    assert np.allclose(CompiledNetwork(graph)({"image": image})["zzz"], 2 * image)


#: Their models name the outputs, or their task; with one person, RTMO's outputs have MoveNet's shapes.
DECLARED = {
    *(
        "blazepose",
        "nanodet",
        "picodet",
        "yolox",
        "rtmo",
        "classification",
        "coordinates",
        "centernet",
        "yolo_anchors",
    ),
    *("blazeface", "hand_landmarks", "face_landmarks", "iris_landmarks", "segmentation"),
}


@pytest.mark.parametrize("name", sorted(NOBODY.keys() - DECLARED))
def test_each_decoder_finds_outputs_that_openvino_merges_with_other_tensors(tmp_path, name):
    """The decoder's name for an output is the second one in the alphabet."""
    import openvino as ov
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, 64, 64], np.float32, name="image")
    nothing = ops.reduce_sum(ops.multiply(image, np.float32(0)), np.array([0, 1, 2, 3]))
    results = []
    for role, values in NOBODY[name].items():
        inner = ops.add(nothing, ops.constant(np.float32(values)))
        inner.output(0).set_names({f"a_{role}"})
        results.append(ops.reshape(inner, np.array(np.shape(values)), special_zero=False))
        results[-1].output(0).set_names({role})
    xml = tmp_path / "merged.xml"
    ov.save_model(state_images(ov.Model(results, [image], "merged")), xml)
    estimator = load_ir(xml)
    assert estimator.decoder == name and estimator(np.zeros((64, 64, 3), np.uint8)) == []


# With one thread, OpenVINO does not report an error if `infer` of a request is called.
ONE_THREAD = RuntimeConfig(threads=1)


@pytest.mark.parametrize("runtime", [RuntimeConfig(), ONE_THREAD])
def test_threads_do_not_get_one_anothers_results(small_ir, runtime):
    network, wrong = CompiledNetwork(small_ir[0], runtime), []

    def ask(value):
        for _ in range(30):
            answer = network({"image": np.full((1, 8, 8, 3), value, np.float32)})["double"]
            wrong.extend([value] if not (answer == 2 * value).all() else [])

    call_at_once(ask, zip(range(1, 5), strict=True))
    assert wrong == []


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({}, "input image is missing"),
        ({"imag": np.zeros((1, 8, 8, 3))}, "no input imag: it has image"),
        ({"image": np.zeros((1, 3, 8, 8))}, "input image: expected the shape 1x8x8x3, got 1x3x8x8"),
        ({"image": np.zeros((8, 8, 3))}, "expected the shape 1x8x8x3, got 8x8x3"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(network, inputs, problem):
    with pytest.raises(InferenceError, match=problem):
        network(inputs)


@pytest.fixture(scope="session")
def picky_ir(tmp_path_factory):
    return write_picky_ir(tmp_path_factory.mktemp("ir") / "picky.xml")


#: Values of which four are bright, and what is left of them; and values of which six are.
BRIGHT = np.array([[1, 0, 2, 0, 3, 0, 4, 0]], np.float32)
ALSO_BRIGHT = np.array([[0, 5, 0, 6, 0, 7, 0, 8]], np.float32)
TOO_BRIGHT = np.ones((1, 8), np.float32)

SEVERAL = RuntimeConfig(requests=3, threads=2)


@pytest.mark.parametrize("runtime", [ONE_THREAD, RuntimeConfig(), SEVERAL])
def test_after_a_failed_inference_the_next_one_gets_its_own_answer(picky_ir, runtime):
    network = CompiledNetwork(picky_ir, runtime)
    for _ in range(2):
        assert network({"image": BRIGHT})["bright"].tolist() == [[1, 2, 3, 4]]
        with pytest.raises(InferenceError, match=r"picky\.xml: CPU failed: .*reshape.*") as caught:
            network({"image": TOO_BRIGHT})
        assert "\n" not in str(caught.value)
        assert network({"image": ALSO_BRIGHT})["bright"].tolist() == [[5, 6, 7, 8]]


def test_an_inference_fails_whose_sizes_are_all_fixed(tmp_path):
    network = CompiledNetwork(write_table_ir(tmp_path / "table.xml"), ONE_THREAD)
    values = np.ones((1, 4), np.float32)
    with pytest.raises(InferenceError, match="points to non-existing output"):
        network({"row": np.array([3], np.int32), "values": values})
    assert network({"row": np.array([2], np.int32), "values": values})["table"][2].all()


@needs_affinity
def test_an_inference_fails_where_the_process_has_one_cpu(picky_ir):
    program = """
import sys
from pathlib import Path
from posezoo.core.errors import InferenceError
import numpy as np
from posezoo.run.runtime.compiled_network import CompiledNetwork
network = CompiledNetwork(Path(sys.argv[1]))
for bright in (4, 6, 4):
    image = (np.arange(8) < bright).astype(np.float32)
    try:
        print(network({"image": image[None]})["bright"].tolist())
    except InferenceError:
        print("failed")
"""
    ended = run_on_one_cpu(program, picky_ir)
    bright = "[[1.0, 1.0, 1.0, 1.0]]"
    assert ended.stdout.splitlines() == [bright, "failed", bright]


@pytest.mark.parametrize("runtime", [SEVERAL, RuntimeConfig(requests=4, streams="2")])
def test_of_inferences_at_the_same_time_those_fail_that_must(picky_ir, runtime):
    network, wrong = CompiledNetwork(picky_ir, runtime), []

    def ask(values, expected):
        for _ in range(3):
            try:
                result = network({"image": values})["bright"].tolist()
            except InferenceError:
                result = None
            wrong.extend([] if result == expected else [result])

    cases = [(BRIGHT, [[1, 2, 3, 4]]), (TOO_BRIGHT, None), (ALSO_BRIGHT, [[5, 6, 7, 8]])]
    call_at_once(ask, cases)
    assert wrong == []


def test_no_number_of_requests_is_the_devices_own(small_ir):
    assert CompiledNetwork(small_ir[0], RuntimeConfig(requests=0)).requests >= 1


@pytest.mark.parametrize(
    ("suffix", "damage", "problem"),
    [
        (".xml", lambda data: data[: len(data) // 2], "cannot be read as an IR"),
        (".xml", lambda data: b"", "is not an IR"),
        (".xml", lambda data: b"<html>404</html>", "is not an IR"),
        (
            ".xml",
            lambda data: data.replace(b'type="Convolution"', b'type="Convolusion"'),
            "Convolusion",
        ),
        (".bin", lambda data: data[: len(data) // 2], "Incorrect weights in bin file"),
        (".bin", lambda data: b"", "Incorrect weights in bin file"),
    ],
)
def test_a_damaged_ir_is_refused_in_one_line(small_ir, tmp_path, capfd, suffix, damage, problem):
    path = copied(small_ir[0], tmp_path).with_suffix(suffix)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InferenceError, match=problem) as caught:
        CompiledNetwork(path.with_suffix(".xml"))
    assert "\n" not in str(caught.value) and "small.xml" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_device_that_differs_by_case_is_suggested(small_ir):
    with pytest.raises(InferenceError) as caught:
        CompiledNetwork(small_ir[0], RuntimeConfig("cpu"))
    assert caught.value.hint == "did you mean CPU?"


@pytest.mark.parametrize("device", ["HETERO:XPU", "CPU.7"])
def test_a_device_that_does_not_take_it_is_an_error_of_one_line(small_ir, device):
    with pytest.raises(InferenceError, match=r"small\.xml: cannot be compiled for") as caught:
        CompiledNetwork(small_ir[0], RuntimeConfig(device))
    assert "\n" not in str(caught.value)


def test_an_unknown_precision_is_refused(small_ir):
    skip_before_openvino_2026()  # settings refuse it before
    with pytest.raises(InferenceError, match=r"Wrong value fp7 .* Supported values: .*f32"):
        CompiledNetwork(small_ir[0], RuntimeConfig(inference_precision="fp7"))


def bf16_or_skip():
    if "BF16" not in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("needs a CPU that computes in bf16")


@pytest.mark.parametrize("device", ["CPU", "AUTO"])
def test_f32_is_really_f32(small_ir, image, device):
    """bf16 keeps 8 bits: it would be off by a thousandth and more."""
    xml, weights = small_ir
    network = CompiledNetwork(xml, RuntimeConfig(device))
    assert network.executed_precision == "f32"
    exact = image.astype(np.float64) @ weights.T.astype(np.float64)
    assert np.abs(network({"image": image})["sums"] - exact).max() < 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("device", ["CPU", "AUTO"])
def test_bf16_is_reported_and_really_used(small_ir, image, device):
    bf16_or_skip()
    xml, weights = small_ir
    network = CompiledNetwork(xml, RuntimeConfig(device, "bf16"))
    assert network.executed_precision == "bf16"
    exact = image.astype(np.float64) @ weights.T.astype(np.float64)
    assert np.abs(network({"image": image})["sums"] - exact).max() > 1e-4 * np.abs(exact).max()


def test_the_default_is_the_devices_own_choice(small_ir):
    bf16_or_skip()
    assert (
        CompiledNetwork(
            small_ir[0], RuntimeConfig(inference_precision="default")
        ).executed_precision
        == "bf16"
    )


#: Runs a network, then in forks, which have none of its threads, and then again.
FORKS = """
import gc, multiprocessing, signal, sys, threading, time
from pathlib import Path
import numpy as np
from posezoo.core.errors import InferenceError
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.runtime_config import RuntimeConfig

xml, image, device, method, threads, forks = Path(sys.argv[1]), np.load(sys.argv[2]), *sys.argv[3:]
config = RuntimeConfig(device=device, requests=2)

def infer(network):
    return network({"image": image})["sums"]

def run(network, reference):
    if isinstance(network, Path):  # a process that is not forked has no copy
        network = CompiledNetwork(network, config)
    try:
        reference.send(infer(network))
    except InferenceError as error:
        reference.send(error.problem)

def fork(network, sums):
    actual, reference = multiprocessing.Pipe()
    given = network if method == "fork" else xml
    child = multiprocessing.get_context(method).Process(target=run, args=(given, reference))
    child.start()
    if not actual.poll(60):
        child.kill()
        sys.exit("the child hangs")
    answer = actual.recv()
    child.join()
    assert child.exitcode == 0, child.exitcode
    sums = infer(network) if sums is None else sums
    if isinstance(answer, str):
        print(answer)
    else:
        np.testing.assert_array_equal(answer, sums)
        print("it ran")
    np.testing.assert_array_equal(infer(network), sums)

if __name__ == "__main__":
    network = CompiledNetwork(xml, config)
    fork(network, None)  # before the first inference, it ends the threads of the parent
    dropped = CompiledNetwork(xml, config)  # a new network gets its threads
    sums = infer(network)
    infer(dropped)
    del dropped
    gc.collect()
    done = threading.Event()

    def loop():
        while not done.is_set():
            np.testing.assert_array_equal(infer(network), sums)
            time.sleep(0.001)

    busy = [threading.Thread(target=loop, daemon=True) for _ in range(int(threads))]
    for thread in busy:
        thread.start()
    compiled = network._compiled
    for _ in range(int(forks)):
        fork(network, sums)
    other = threading.Thread(target=fork, args=(network, sums))
    other.start()
    other.join()
    assert network._compiled is compiled, "a fork costs the parent its compiled network"
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    signal.raise_signal(signal.SIGTERM)
    for thread in busy:
        thread.join()
"""


def fork_programs(small_ir, image, folder, *how):
    """What the program above says, in a process of its own: the threads of other networks of OpenVINO
    do not end before a fork.
    """
    np.save(folder / "image.npy", image)
    program = folder / "forks.py"
    program.write_text(FORKS, "utf-8")
    command = [sys.executable, program, small_ir[0], folder / "image.npy", *map(str, how)]
    return succeeded(run_process(command)).stdout.splitlines()


METHODS = multiprocessing.get_all_start_methods()
needs_forks = pytest.mark.skipif("fork" not in METHODS, reason="this system forks no processes")


@needs_forks
@pytest.mark.parametrize(
    ("device", "answer"), [("CPU", "it ran"), ("AUTO:CPU", "was compiled in another process")]
)
def test_a_forked_process_compiles_its_own_network_on_the_cpu(
    small_ir, image, device, answer, tmp_path
):
    said = fork_programs(small_ir, image, tmp_path, device, "fork", 2, 2)
    assert len(said) == 4
    assert all(answer in line for line in said)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [0, 3])
def test_twenty_of_twenty_processes_end_while_threads_infer(
    small_ir, image, method, threads, tmp_path
):
    assert fork_programs(small_ir, image, tmp_path, "CPU", method, threads, 18) == ["it ran"] * 20
