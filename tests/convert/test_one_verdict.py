"""posezoo convert FILE: an IR is equal to its original, different, or cannot be compared."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto
from onnx.helper import make_node

from fakes import graphs
from posezoo.cli.main import main

IDS, TRUTH, DOUBLE = TensorProto.INT64, TensorProto.BOOL, TensorProto.DOUBLE
IMAGE = ("image", graphs.FLOAT, (1, 3, 32, 48))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def convert(capfd):
    """Returns the exit code, and the standard output and error, of posezoo with a file."""

    def run(*words, verb="convert"):
        capfd.readouterr()
        code = main([verb, *words])
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def misread(monkeypatch, in_this_process):
    """Lets OpenVINO read wrong.onnx in place of net.onnx."""
    for owner, name in ((openvino.Core, "read_model"), (openvino.frontend.FrontEnd, "load")):
        read = getattr(owner, name)

        def other(self, source, *, _read=read):
            is_original = str(source).endswith("net.onnx")
            return _read(self, str(Path(source).with_name("wrong.onnx")) if is_original else source)

        monkeypatch.setattr(owner, name, other)


def write(name, nodes, inputs=(IMAGE,), kind=graphs.FLOAT, **constants):
    """A file whose nodes lead to the tensor out."""
    ends = [("out", kind, None)]
    Path(name).write_bytes(graphs.written("net", nodes, inputs, ends, constants, opset=17))


def draw(*shape):
    values = np.random.default_rng(0).normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32)


def write_ids(name, factor):
    """Rows of a table, by integers."""
    nodes = [
        make_node("Gather", ["table", "ids"], ["rows"]),
        make_node("Mul", ["rows", "f"], ["out"]),
    ]
    write(name, nodes, [("ids", IDS, (1, 12))], table=draw(40, 8), f=np.float32(factor))


def test_a_difference_is_refused_also_if_no_input_can_be_moved_by_a_rounding(
    folder, convert, misread
):
    write_ids("net.onnx", 1)
    write_ids("wrong.onnx", 1.01)
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json")
    assert (code, list(json.loads(shown))) == (1, ["error"])
    assert "differs from the original in out" in told
    assert "hint: nothing was written; if the network takes no random values, --sample FILE" in told
    assert not (folder / "net.xml").exists()


def test_a_right_network_of_bytes_with_levels_inside_is_equal(folder, convert):
    nodes = [make_node("Cast", ["image"], ["h0"], to=graphs.FLOAT)]
    constants = {"step": np.float32(0.03), "zero": np.uint8(128)}
    for layer in range(4):
        channels = 16 if layer else 3
        constants[f"k{layer}"] = 2 * draw(16, channels, 3, 3) * (1 if layer else np.float32(1 / 64))
        nodes += [
            make_node("Conv", [f"h{layer}", f"k{layer}"], [f"c{layer}"], pads=[1] * 4),
            make_node("QuantizeLinear", [f"c{layer}", "step", "zero"], [f"q{layer}"]),
            make_node("DequantizeLinear", [f"q{layer}", "step", "zero"], [f"h{layer + 1}"]),
        ]
    nodes.append(make_node("Identity", ["h4"], ["out"]))
    write("net.onnx", nodes, [("image", TensorProto.UINT8, (1, 3, 32, 48))], **constants)
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json")
    assert (code, json.loads(shown)["proof"]) == (0, "equal"), told


def write_silent(name, kernel):
    """A convolution after values that are never positive."""
    nodes = [
        make_node("Conv", ["image", "first"], ["values"]),
        make_node("Sub", ["values", "large"], ["low"]), make_node("Relu", ["low"], ["zeros"]),
        make_node("Conv", ["zeros", "second"], ["out"]),
    ]  # fmt: skip
    write(name, nodes, first=draw(8, 3, 3, 3), large=np.float32(1e6), second=kernel)


def test_an_output_that_is_the_same_for_all_images_cannot_be_compared(folder, convert):
    write_silent("net.onnx", draw(4, 8, 3, 3))
    reason = "out is the same for all test images"
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--mean_values", "127.5")
    assert code == 0
    last = shown.splitlines()[-1]
    assert last.startswith(f"net.xml: cannot be compared with its original, because {reason}")
    assert f"warning: net: cannot be compared with its original, because {reason}\n" in told
    answer = {"file": "net.xml", "proof": "cannot be compared", "not_compared": reason}
    words = ("net.onnx", "-o", "net.xml", "--format", "json")
    compared = {"compared": {"out": f"not compared: {reason}"}}
    assert json.loads(convert(*words)[1]) == answer | compared
    (shown,) = json.loads(convert("net.xml", "--format", "json", verb="info")[1])
    assert {name: shown[name] for name in answer} == answer
    assert f"\n  proof: cannot be compared, because {reason}" in convert("net.xml", verb="info")[1]
    code, _, told = convert("net.onnx", "-o", "other.xml", "--require_proof")
    assert (code, (folder / "other.xml").exists()) == (1, False)
    assert f"the FP32 IR cannot be compared with its original, because {reason}" in told


def test_what_is_right_before_a_silent_output_proves_it(folder, convert):
    nodes = [
        make_node("Conv", ["image", "kernel"], ["values"]),
        make_node("Sub", ["values", "large"], ["low"]), make_node("Relu", ["low"], ["out"]),
    ]  # fmt: skip
    write("net.onnx", nodes, kernel=draw(8, 3, 3, 3), large=np.float32(1e6))
    code, shown, _ = convert("net.onnx", "-o", "net.xml", "--format", "json", "--require_proof")
    assert (code, json.loads(shown)["proof"]) == (0, "equal")


def write_near_ties(name, factor):
    """Which of two equal values is larger: each rounding changes that."""
    nodes = [
        make_node("Mul", ["image", "factor"], ["one"]), make_node("Exp", ["one"], ["power"]),
        make_node("Log", ["power"], ["other"]), make_node("Greater", ["one", "other"], ["out"]),
    ]  # fmt: skip
    write(name, nodes, kind=TRUTH, factor=np.float32(factor))


def test_what_is_before_a_noisy_comparison_is_compared(folder, convert, misread):
    write_near_ties("net.onnx", 0.01)
    write_near_ties("wrong.onnx", 0.0101)
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert (code, "between steps, one (Mul) differs first" in told) == (1, True), told


def write_best_places(name, *, rows="Floor", exchanged=False):
    """HRNet's get_max_preds in the graph: the best place of each heatmap, as x and y."""
    places = ["row", "column"] if exchanged else ["column", "row"]
    nodes = [
        make_node("Conv", ["image", "kernel"], ["maps"]), make_node("Reshape", ["maps", "form"], ["flat"]),
        make_node("ArgMax", ["flat"], ["best"], axis=2), make_node("Cast", ["best"], ["index"], to=graphs.FLOAT),
        make_node("Mod", ["index", "width"], ["column"], fmod=1),
        make_node("Div", ["index", "width"], ["place"]), make_node(rows, ["place"], ["row"]),
        make_node("Concat", places, ["out"], axis=2),
    ]  # fmt: skip
    constants = {
        "kernel": draw(4, 3, 3, 3),
        "width": np.float32(46),
        "form": np.array([1, 4, 1380]),
    }
    write(name, nodes, **constants)


@pytest.mark.parametrize(
    "wrong", [{"rows": "Ceil"}, {"rows": "Round"}, {"exchanged": True}], ids=str
)
def test_what_is_wrong_after_a_step_is_never_equal(folder, convert, misread, wrong):
    """The noise of the wrong IR would allow it: a rounding before Floor changes the whole row."""
    write_best_places("net.onnx")
    write_best_places("wrong.onnx", **wrong)
    code, _, _ = convert("net.onnx", "-o", "net.xml", "--require_proof")
    assert (code, (folder / "net.xml").exists()) == (1, False)


def write_levels(name, *, factor=0.25):
    """Values that are rounded to quarters; among so many, some are within a rounding of a half."""
    nodes = [
        make_node("Conv", ["image", "kernel"], ["a"]), make_node("Mul", ["a", "four"], ["b"]),
        make_node("Round", ["b"], ["c"]), make_node("Mul", ["c", "factor"], ["d"]),
        make_node("Conv", ["d", "last"], ["out"]),
    ]  # fmt: skip
    constants = {"kernel": draw(16, 3, 5, 5), "four": np.float32(400), "last": draw(4, 16, 1, 1)}
    image = ("image", graphs.FLOAT, (1, 3, 256, 256))
    write(name, nodes, [image], factor=np.float32(factor), **constants)


def test_an_output_behind_a_step_is_compared_on_both_sides_of_it(folder, convert):
    write_levels("net.onnx")
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json")
    answer = json.loads(shown)
    assert (code, answer["proof"]) == (0, "equal"), told
    assert answer["compared"] == {"out": "on both sides of c (Round)"}


@pytest.mark.parametrize("factor", [0.2501, 0.26])
def test_a_fault_behind_a_step_is_found_whatever_the_step_makes_of_roundings(
    folder, convert, misread, factor
):
    write_levels("net.onnx")
    write_levels("wrong.onnx", factor=factor)
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert (code, "between steps, d (Mul) differs first" in told) == (1, False), told
    assert "between steps, out (Conv) differs first" in told


def write_two_inputs(name):
    """An exporter casts truths to truths: OpenVINO leaves that out, and keeps its name."""
    nodes = [
        make_node("Cast", ["x1"], ["/Cast_output_0"], to=TRUTH),
        make_node("Where", ["/Cast_output_0", "low", "x0"], ["out"]),
    ]
    ports = [("x0", graphs.FLOAT, (1, 8)), ("x1", TRUTH, (1, 8))]
    write(name, nodes, ports, low=np.float32(-9))


@pytest.mark.parametrize("mask", ["x1", "/Cast_output_0"])
def test_an_original_gets_its_inputs_by_its_own_names(folder, convert, mask):
    write_two_inputs("net.onnx")
    values = {"x0": np.ones((1, 8), np.float32), mask: np.arange(8)[None] % 2 == 0}
    np.savez("inputs.npz", **values)
    for more in ([], ["--sample", "inputs.npz"]):
        code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json", *more)
        assert (code, json.loads(shown)["proof"]) == (0, "equal"), told


def test_why_a_runtime_cannot_run_an_original_is_said_in_its_own_words(folder, convert):
    nodes = [make_node("Swish", ["image"], ["out"], domain="org.openvinotoolkit")]
    write("net.onnx", nodes)
    model = onnx.load("net.onnx")
    model.opset_import.add(domain="org.openvinotoolkit", version=1)
    onnx.save(model, "net.onnx")
    code, shown, _ = convert("net.onnx", "-o", "net.xml", "--format", "json")
    answer = json.loads(shown)
    assert (code, answer["proof"]) == (0, "cannot be compared")
    assert answer["not_compared"].startswith("onnxruntime cannot run it: ")
    assert "Swish" in answer["not_compared"]


def test_an_original_that_fails_for_random_inputs_cannot_be_compared(folder, convert):
    nodes = [
        make_node("Greater", ["image", "limit"], ["is_bright"]),
        make_node("NonZero", ["is_bright"], ["axes"]),
        make_node("Reshape", ["axes", "shape"], ["out"]),
    ]
    write("net.onnx", nodes, kind=IDS, limit=np.float32(128), shape=np.array([4, 1000]))
    code, shown, _ = convert("net.onnx", "-o", "net.xml", "--format", "json")
    answer = json.loads(shown)
    assert (code, answer["proof"]) == (0, "cannot be compared")
    assert answer["not_compared"].startswith("the original cannot be run: ")


def write_limited(name, limit):
    nodes = [
        make_node("Conv", ["image", "kernel"], ["values"]),
        make_node("Clip", ["values", "", "limit"], ["out"]),
    ]
    write(name, nodes, kernel=np.abs(draw(4, 3, 1, 1)), limit=np.float32(limit))


@pytest.mark.parametrize("form", ["one", "rows"])
def test_a_fault_that_only_the_users_input_shows_is_refused_with_its_place(
    folder, convert, misread, form
):
    write_limited("net.onnx", 1500)
    write_limited("wrong.onnx", 1600)
    words = ("net.onnx", "-o", "net.xml")
    assert convert(*words)[0] == 0
    (folder / "net.xml").unlink()
    image = np.zeros((1, 3, 32, 48), np.float32)
    image[0, :, 5, 7] = 1920
    rows = np.concatenate([0 * image, image]) if form == "rows" else image
    np.savez("inputs.npz", image=rows)
    code, _, told = convert(*words, "--sample", "inputs.npz")
    title = "inputs.npz, row 1" if form == "rows" else "inputs.npz"
    assert (code, (folder / "net.xml").exists()) == (1, False)
    assert f", 5, 7] for sample {title};" in told
    assert told.endswith("hint: nothing was written\n")


def test_samples_set_sizes_and_values_of_further_inputs(folder, convert):
    """A mask of truths, ids with an offset, and an odd number of them."""
    nodes = [
        make_node("Sub", ["ids", "start"], ["rows"]), make_node("Gather", ["table", "rows"], ["all"]),
        make_node("Unsqueeze", ["mask", "last"], ["seen"]),
        make_node("Where", ["seen", "all", "none"], ["out"]),
    ]  # fmt: skip
    ports = [("ids", IDS, (1, "n")), ("mask", TRUTH, (1, "n"))]
    constants = {"start": np.array(100), "table": draw(40, 8), "last": np.array([2])}
    write("net.onnx", nodes, ports, none=np.float32(-1), **constants)
    np.savez("inputs.npz", ids=np.array([[100, 139, 120, 107, 101]]), mask=np.ones((1, 5), bool))
    code, shown, told = convert(
        *("net.onnx", "-o", "net.xml", "--sample", "inputs.npz"),
        *("--format", "json", "--verbose"),
    )
    assert (code, json.loads(shown)["proof"]) == (0, "equal"), told
    assert "of sample inputs.npz" in told and "of ids from 100 to 139" in told


def test_a_photo_is_a_sample_through_the_stated_preparation(folder, convert):
    write_limited("net.onnx", 1)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
    cv2.imwrite("photo.png", pixels)
    values = ["--mean_values", "127.5", "--scale_values", "127.5", "--reverse_input_channels"]
    code, _, told = convert("net.onnx", "-o", "net.xml", "--sample", "photo.png", *values)
    assert code == 0, told


SPOILT = {
    "a missing file": ("gone.npz", "gone.npz: does not exist"),
    "no archive": ("text.npz", "text.npz: cannot be read"),
    "other names": ("other.npz", "other.npz: has the arrays photo, and the inputs of the network are image"),
    "another shape": ("shape.npz", "shape.npz: image has the shape [1, 3, 8, 8], and the network takes [1, 3, 32, 48]"),
    "no image": ("text.jpg", "text.jpg"),
    "texts": ("words.npz", "words.npz: image has no numbers, but <U1"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_sample_is_one_clear_error(folder, convert, case):
    name, problem = SPOILT[case]
    write_limited("net.onnx", 1)
    for each in ("text.npz", "text.jpg"):
        Path(each).write_text("no sample", "utf-8")
    np.savez("other.npz", photo=np.zeros((1, 3, 32, 48)))
    np.savez("shape.npz", image=np.zeros((1, 3, 8, 8)))
    np.savez("words.npz", image=np.full((1, 3, 32, 48), "a"))
    code, _, told = convert("net.onnx", "-o", "net.xml", "--sample", name)
    assert (code, problem in told, "Traceback" in told) == (1, True, False), told
    assert not (folder / "net.xml").exists()


@pytest.mark.parametrize(
    ("ids", "problem"),
    [(10**6, "cannot run the original on it"), (1.5, "ids has values that are not int64")],
)
def test_a_sample_that_the_original_does_not_take_is_an_error(folder, convert, ids, problem):
    nodes = [make_node("Gather", ["table", "ids"], ["out"])]
    write("net.onnx", nodes, [("ids", IDS, (1, 4))], table=draw(40, 8))
    np.savez("inputs.npz", ids=np.full((1, 4), ids))
    code, _, told = convert("net.onnx", "-o", "net.xml", "--sample", "inputs.npz")
    assert (code, problem in told, (folder / "net.xml").exists()) == (1, True, False), told


def test_a_wrong_remainder_of_whole_numbers_is_no_noise(folder, convert, misread):
    for name, sign in (("net.onnx", 0), ("wrong.onnx", 1)):
        nodes = [
            make_node("Conv", ["image", "kernel"], ["a"]), make_node("Floor", ["a"], ["b"]),
            make_node("Cast", ["b"], ["c"], to=TensorProto.INT32),
            make_node("Mod", ["c", "seven"], ["d"], fmod=sign),
            make_node("Cast", ["d"], ["out"], to=graphs.FLOAT),
        ]  # fmt: skip
        write(name, nodes, kernel=draw(4, 3, 1, 1), seven=np.int32(7))
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert (code, "differs from the original in out" in told) == (1, True), told


def test_a_network_in_float64_becomes_fp16(folder, convert):
    constants = {
        "w": draw(16, 32).astype(np.float64),
        "mask": np.where(np.arange(32) % 3, 0, -np.inf),
    }
    nodes = [
        make_node("MatMul", ["image", "w"], ["a"]), make_node("Add", ["a", "mask"], ["b"]),
        make_node("Softmax", ["b"], ["out"], axis=1),
    ]  # fmt: skip
    write("net.onnx", nodes, [("image", DOUBLE, (4, 16))], kind=DOUBLE, **constants)
    code, shown, told = convert("net.onnx", "-o", "net.xml", "--format", "json")
    assert (code, json.loads(shown)["proof"]) == (0, "equal"), told


def test_a_right_network_that_enlarges_roundings_is_equal(folder, convert):
    """The variance of values that are nearly equal; the original's own rounding is 0.1 %."""
    nodes = [
        make_node("Mul", ["image", "small"], ["c"]), make_node("Add", ["c", "large"], ["a"]),
        make_node("ReduceMean", ["a"], ["m"], axes=[2, 3]), make_node("Sub", ["a", "m"], ["d"]),
        make_node("Mul", ["d", "d"], ["e"]), make_node("ReduceMean", ["e"], ["v"], axes=[2, 3]),
        make_node("Sqrt", ["v"], ["s"]), make_node("Div", ["d", "s"], ["out"]),
    ]  # fmt: skip
    write("net.onnx", nodes, small=np.float32(1e-3), large=np.float32(1000))
    code, _, told = convert("net.onnx", "-o", "net.xml")
    assert code == 0, told


#: The means and scales, and a part of the warning; None: they are right.
PREPARATIONS = {
    "of values from 0 to 1": ("0.485 0.456 0.406", "0.229 0.224 0.225", "did you mean 123.675, 116.28, 103.53 / 58.395"),
    "exchanged": ("58.395 57.12 57.375", "123.675 116.28 103.53", "they have changed places"),
    "of the other order": ("103.53 116.28 123.675", "57.375 57.12 58.395", "their order is not that of RGB"),
    "a factor": ("", "0.0039", "a scale of 0.0039 divides; did you mean 256.4"),
    "right": ("123.675 116.28 103.53", "58.395 57.12 57.375", None),
    "one for all": ("127.5", "127.5", None),
}  # fmt: skip


@pytest.mark.parametrize("case", PREPARATIONS)
def test_a_likely_wrong_mean_or_scale_is_a_warning(folder, convert, case):
    mean, scale, expected = PREPARATIONS[case]
    write_limited("net.onnx", 1)
    words = ["--scale_values", *scale.split(), "--reverse_input_channels"]
    words += ["--mean_values", *mean.split()] if mean else []
    code, _, told = convert("net.onnx", "-o", "net.xml", *words)
    warnings = [line for line in told.splitlines() if line.startswith("warning:")]
    assert code == 0
    assert len(warnings) == (expected is not None), told
    assert expected is None or expected in warnings[0]


def test_with_a_decoder_and_without_a_mean_the_unknown_preparation_is_a_warning(folder, convert):
    write("net.onnx", [make_node("Conv", ["image", "k"], ["out"])], k=draw(17, 3, 1, 1))
    code, _, told = convert("net.onnx", "-o", "net.xml", "--decoder", "heatmap")
    assert (code, "does not say how images are prepared for it" in told) == (0, True)


#: A model that neither subtracts a mean nor divides by a scale.
LIKE_YML = """\
description: A network that takes images as they are.
task_type: human_pose_estimation
framework: onnx
license: {spdx: Apache-2.0, text: Apache-2.0.txt}
files: [{name: net.onnx, size: 1, checksum: DIGEST, source: "https://models.invalid/net.onnx"}]
inputs: [{name: image, shape: [1, 3, 32, 48], layout: NCHW}]
outputs: [{name: out, shape: [1, 17, 32, 48], role: heatmaps}]
decoder: {name: heatmap}
skeleton: coco-17
"""


def test_the_ir_of_a_file_like_a_model_without_a_scale_says_that_images_are_taken_as_they_are(
    folder, convert
):
    write("net.onnx", [make_node("Conv", ["image", "k"], ["out"])], k=draw(17, 3, 1, 1))
    Path("like.yml").write_text(LIKE_YML.replace("DIGEST", "0a" * 48), "utf-8")
    code, _, told = convert("net.onnx", "-o", "net.xml", "--as", "like.yml")
    assert (code, "warning" in told) == (0, False), told
    assert (
        openvino.Core().read_model("net.xml").get_rt_info(["posezoo", "scale"]).astype(float) == 1
    )


def test_a_sample_is_for_an_ir_of_a_file(folder, convert):
    code, _, told = convert("blazepose-full", "--sample", "photo.jpg")
    assert code == 2
    assert "--sample: only for a file that becomes an IR; blazepose-full is a model" in told


MODEL_YML = """\
description: A network that limits its values.
task_type: human_pose_estimation
framework: onnx
license: {{spdx: Apache-2.0, text: Apache-2.0.txt}}
files: [{{name: net.onnx, size: {size}, checksum: {digest}, source: "https://models.invalid/net.onnx"}}]
inputs: [{{name: image, shape: [1, 3, 32, 48], layout: NCHW}}]
self_check: {check}
"""


def declare(folder, check):
    """A registry with the model ``limited``, whose file is downloaded; returns the flags for it."""
    model, downloads = (folder / kind / "public" / "limited" for kind in ("models", "downloads"))
    for each in (model, downloads):
        each.mkdir(parents=True)
    for name in ("net.onnx", "wrong.onnx"):
        (downloads / name).write_bytes((folder / name).read_bytes())
    content = (folder / "net.onnx").read_bytes()
    digest = hashlib.sha384(content).hexdigest()
    text = MODEL_YML.format(size=len(content), digest=digest, check=check)
    (model / "model.yml").write_text(text, "utf-8")
    folders = {"models_dir": "models", "download_dir": "downloads", "weights_dir": "irs"}
    flags = [word for name, path in folders.items() for word in (f"--{name}", str(folder / path))]
    return model, ["limited", "--format", "json", *flags]


def test_the_samples_of_a_model_in_a_registry_are_compared(folder, convert, misread):
    write_limited("net.onnx", 1500)
    write_limited("wrong.onnx", 1600)
    model, words = declare(folder, "{samples: [inputs.npz]}")
    image = np.full((1, 3, 32, 48), 1920, np.float32)
    np.savez(model / "inputs.npz", image=image)
    code, shown, _ = convert(*words)
    (failed,) = json.loads(shown)["failed"]
    assert (code, "for sample inputs.npz" in failed["reason"]) == (1, True), failed


def test_a_tolerance_needs_a_reason_and_samples_do_not(folder, convert):
    for name in ("net.onnx", "wrong.onnx"):
        write_limited(name, 1500)
    _, words = declare(folder, "{measure: median, samples: [inputs.npz]}")
    code, _, told = convert(*words)
    assert (code, "measure: is given without `reason`" in told) == (1, True), told
