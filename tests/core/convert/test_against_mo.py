"""Our IR against Model Optimizer's own of the same file and arguments: names, shapes, types, layouts and results.

What Model Optimizer made of small files is kept beside the tests.
"""

import numpy as np
import pytest

from core.convert.test_graph_cutting import FP16, FP32, converted, gated, model, sized
from fakes import graphs
from fakes.model_optimizer import (
    ModelOptimizerError,
    by_model_optimizer,
    has_recorded_runs,
    needs_mo,
    run_model_optimizer,
)
from fakes.network import network, spec_of
from fakes.when_used import import_when_used, needs
from posezoo.core.declarations.model import Framework, Input, NetworkChoice
from posezoo.core.errors import SpecError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.networks import build_network
from posezoo.networks.pytorch_format import export_to_onnx

onnxruntime = import_when_used("onnxruntime")


IMAGE = "--input=image"
#: The graphs, by the word that a case names them with.
FILES = {
    "onnx": lambda: network("onnx"),
    "tflite": lambda: network("tflite"),
    "open": lambda: network("onnx", open_sizes=True),
    "gated": gated,
    "sized": sized,
    "joined": graphs.joined,
    "pair": graphs.pair,
    "rows": graphs.rows,
    "signal": graphs.signal,
    "clip": graphs.clip,
    "words": graphs.words,
    "halves": graphs.halves,
}
CASES = {
    "nothing": ("onnx", []),
    "nothing of a TFLite": ("tflite", []),
    "nothing of several inputs": ("pair", []),
    "nothing of whole numbers": ("words", []),
    "nothing of a matrix product": ("rows", []),
    "inputs in another order": ("pair", ["--input=right,left"]),
    "a shape": ("onnx", [IMAGE, "--input_shape=[1,3,18,24]"]),
    "a shape between parentheses": ("onnx", [IMAGE, "--input_shape=(1,3,18,24)"]),
    "a shape without an input": ("onnx", ["--input_shape=[1,3,18,24]"]),
    "a shape with its input": ("onnx", ["--input=image[1,3,18,24]"]),
    "a TFLite shape": ("tflite", [IMAGE, "--input_shape=[1,18,24,3]"]),
    "several shapes": ("joined", ["--input=photo,mask", "--input_shape=[1,3,8,8],[1,1,8,8]"]),
    "several shapes with their inputs": ("joined", ["--input=photo[1,3,8,8],mask[1,1,8,8]"]),
    "a batch": ("rows", ["--input=x", "--input_shape=[5,4]"]),
    "a dynamic height": ("onnx", [IMAGE, "--input_shape=[1,3,-1,20]"]),
    "a dynamic height and width": ("onnx", [IMAGE, "--input_shape=[1,3,?,?]"]),
    "a dynamic batch": ("onnx", ["--input=image[-1,3,12,20]"]),
    "an open height that is closed": ("open", [IMAGE, "--input_shape=[1,3,24,20]"]),
    "a length that stays open": ("signal", ["--input=sound", "--input_shape=[1,2,-1]"]),
    "a type": ("words", ["--input=words{i32}"]),
    "a type and a shape": ("words", ["--input=words[2,7]{i32}"]),
    "a mean": ("onnx", [IMAGE, "--mean_values=image[100,110,120]"]),
    "a mean without a name": ("onnx", [IMAGE, "--mean_values=[100,110,120]"]),
    "one mean for all channels": (
        "onnx",
        [IMAGE, "--mean_values=image[127.5]", "--layout=image(nchw)"],
    ),
    "a mean of a TFLite": (
        "tflite",
        [IMAGE, "--mean_values=image[100,110,120]", "--layout=image(nhwc)"],
    ),
    "scales": ("onnx", [IMAGE, "--scale_values=image[50,60,70]"]),
    "scales between parentheses": ("onnx", [IMAGE, "--scale_values=(50,60,70)"]),
    "one scale": ("onnx", [IMAGE, "--scale=255", "--layout=image(nchw)"]),
    "one scale by its short name": ("onnx", [IMAGE, "-s=255"]),
    "one scale of several inputs": ("pair", ["--input=left,right", "--scale=2"]),
    "reversed channels": ("onnx", [IMAGE, "--reverse_input_channels"]),
    "reversed channels of a TFLite": (
        "tflite",
        [IMAGE, "--reverse_input_channels", "--layout=nhwc"],
    ),
    "reversed channels of two pictures": ("pair", ["--reverse_input_channels"]),
    "mean, scales, reversal": (
        "onnx",
        [
            IMAGE,
            "--mean_values=image[100,110,120]",
            "--scale_values=image[50,60,70]",
            "--reverse_input_channels",
            "--layout=image(nchw)",
        ],
    ),
    "mean, scales, reversal of a TFLite": (
        "tflite",
        [
            IMAGE,
            "--mean_values=[100,110,120]",
            "--scale_values=[50,60,70]",
            "--reverse_input_channels",
            "--layout=nhwc",
        ],
    ),
    "mean and reversal of a clip": (
        "clip",
        [
            "--input=clip",
            "--mean_values=clip[1,2,3]",
            "--reverse_input_channels",
            "--layout=clip(ncdhw)",
        ],
    ),
    "a layout": ("onnx", [IMAGE, "--layout=nchw"]),
    "a layout between brackets": ("onnx", [IMAGE, "--layout=image([n,c,h,w])"]),
    "another layout": ("onnx", [IMAGE, "--layout=image(nchw->nhwc)", "--mean_values=image[1,2,3]"]),
    "another layout of a TFLite": (
        "tflite",
        [IMAGE, "--layout=image(nhwc->nchw)", "--reverse_input_channels"],
    ),
    "another layout in another shape": (
        "onnx",
        ["--input=image[1,3,18,24]", "--layout=image(nchw->nhwc)", "--scale_values=image[4,5,6]"],
    ),
    "several inputs of several layouts": (
        "joined",
        [
            "--input=photo,mask",
            "--layout=photo(nchw->nhwc),mask(nchw)",
            "--mean_values=photo[1,2,3],mask[7]",
            "--scale_values=photo[4,5,6]",
            "--reverse_input_channels",
        ],
    ),
    "an inner output": ("onnx", [IMAGE, "--output=features"]),
    "an inner output of a TFLite": ("tflite", [IMAGE, "--output=features"]),
    "an inner output beside a true one": ("pair", ["--output=off,more"]),
    "one output of two": ("onnx", [IMAGE, "--output=pafs"]),
    "outputs in another order": ("onnx", [IMAGE, "--output=pafs,heatmaps"]),
    "a port of an operation": ("onnx", [IMAGE, "--output=features:0"]),
    "the second port of an operation": ("halves", ["--input=x", "--output=halves:1"]),
    "an inner beginning": ("onnx", ["--input=features", "--output=pafs"]),
    "an inner beginning in a shape": ("onnx", ["--input=features[1,4,12,20]", "--output=pafs"]),
    "a beginning at an operation's input": ("onnx", ["--input=0:pafs", "--output=pafs"]),
    "both cuts": ("pair", ["--input=off,right", "--output=more"]),
    "a frozen flag": ("gated", ["--freeze_placeholder_with_value=training->True,which->[0]"]),
    "a frozen list": ("gated", ["--freeze_placeholder_with_value=which->[2],training->False"]),
    "frozen where the inputs are named": (
        "gated",
        ["--input=x,training->False,which[1]{i64}->[1]"],
    ),
    "static sizes": ("sized", ["--input=x", "--input_shape=[1,2,3,4]", "--static_shape"]),
}
#: Those that Model Optimizer is asked for in FP16, too.
HALVES = (
    "nothing", "a TFLite shape", "mean, scales, reversal", "mean, scales, reversal of a TFLite",
    "several inputs of several layouts", "an inner beginning",
)  # fmt: skip


@has_recorded_runs
@pytest.mark.parametrize("case", CASES)
def test_our_ir_computes_what_model_optimizers_ir_computes(case, tmp_path):
    name, arguments = CASES[case]
    hold(FILES[name](), arguments, tmp_path, FP32, 1e-5)


@has_recorded_runs
@pytest.mark.parametrize("case", HALVES)
def test_fp16_is_equal_too_within_its_rounding(case, tmp_path):
    name, arguments = CASES[case]
    # Both round the same weights; what is folded into them may round the other way: 2**-11 of each.
    hold(FILES[name](), arguments, tmp_path, FP16, 2**-9)


@needs_mo
def test_the_command_of_lightweight_openposes_authors_gives_the_same(tmp_path):
    """Their network with weights of a fixed seed; the IR's outputs come in the order of the line."""
    arguments = [
        "--input",
        "data",
        "--mean_values",
        "data[128.0,128.0,128.0]",
        "--scale_values",
        "data[256]",
        "--output",
        "stage_1_output_0_pafs,stage_1_output_1_heatmaps",
    ]
    torch = needs("torch")
    checkpoint, choice = (
        tmp_path / "human-pose-estimation.pth",
        NetworkChoice("lightweight_openpose"),
    )
    torch.manual_seed(0)
    torch.save(build_network(choice.name).state_dict(), checkpoint)
    small = (Input("data", (1, 3, 64, 96), "NCHW"),)
    spec = spec_of(b"", tmp_path, framework=Framework.PYTORCH, network=choice, inputs=small)
    content = export_to_onnx(spec, checkpoint)
    ours = hold(content, arguments, tmp_path, FP32, 1e-5, run_model_optimizer)
    assert [port.any_name for port in ours.outputs] == [
        "stage_1_output_0_pafs",
        "stage_1_output_1_heatmaps",
    ]


#: Files of the mirror by the start of their SHA-384, and arguments.
BLAZEPOSE = {
    "detector": (
        "4c90f734",
        ["--input=input_1", "--scale_values=[127.5,127.5,127.5]", "--layout=nhwc"],
    ),
    "landmarks": (
        "a8a38dcd",
        [
            "--input=input_1",
            "--scale_values=[255,255,255]",
            "--reverse_input_channels",
            "--layout=nhwc",
        ],
    ),
    "landmarks, cut": ("a8a38dcd", ["--input=input_1", "--output=Identity,Identity_4"]),
}


@needs_mo
@pytest.mark.parametrize("case", BLAZEPOSE)
def test_blazepose_is_equal_to_model_optimizers_ir(case, mirror, tmp_path):
    start, arguments = BLAZEPOSE[case]
    hold(mirrored(mirror, start), arguments, tmp_path, FP32, 1e-5, run_model_optimizer)


@has_recorded_runs
def test_means_without_names_that_model_optimizer_would_sort_are_refused(tmp_path):
    """Model Optimizer gives the smallest mean to the first input, whatever the order."""
    arguments = [
        "--input=left,right",
        "--mean_values=[30,20,10],[1,2,3]",
        "--layout=left(nchw),right(nchw)",
    ]
    content = graphs.pair()
    source = tmp_path / "net.onnx"
    source.write_bytes(content)
    reference = import_openvino().Core().read_model(by_model_optimizer(source, arguments))
    feed = {"left": values((1, 3, 4, 6), 0), "right": values((1, 3, 4, 6), 1)}
    means = {"left": np.float32([30, 20, 10]), "right": np.float32([1, 2, 3])}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    prepared = {name: image - means[name].reshape(1, 3, 1, 1) for name, image in feed.items()}
    expected = session.run(["more"], prepared)[0]
    assert off_by(expected, infer(reference, feed)["more"]) > 0.1
    with pytest.raises(SpecError, match="would sort these sets: give their inputs' names"):
        model(content, tmp_path / "ours", *arguments)


@needs_mo
def test_movenet_is_wrong_by_model_optimizer_and_right_here(mirror, shared, tmp_path):
    """OpenVINO of 2024 reads its quantized operations wrongly; LiteRT's stored answers tell."""
    content = mirrored(mirror, "a1fd3cb6")
    stored = np.load(shared / "facts/reference/runtimes/movenet.litert-2.3.npz")
    reference, ours = (
        compiled(each)
        for each in both(content, [], tmp_path, FP32, run_model_optimizer, self_check=False)
    )
    off = {"ours": [], "theirs": []}
    for crop, answer in zip(stored["crops"], stored["reference_kernels"], strict=True):
        for name, each in (("ours", ours), ("theirs", reference)):
            keypoints = each([crop[None]])[0].reshape(17, 3)
            off[name].append(np.median(np.abs(keypoints - answer)) / np.abs(answer).max())
    assert np.median(off["ours"]) < 0.02
    assert np.median(off["theirs"]) > 5 * np.median(off["ours"])


@has_recorded_runs
def test_another_input_type_is_refused_by_model_optimizer_and_converted_here(tmp_path):
    """Model Optimizer gives the network f16 for its f32, which its own checks refuse."""
    content = network("onnx")
    with pytest.raises(ModelOptimizerError, match="Element types"):
        both(content, ["--input=image{f16}"], tmp_path, FP32)
    ours = converted(
        *model(content, tmp_path, "--input=image{f16}", "--mean_values=image[1,2,3]"), FP32
    )
    image = values((1, 3, 12, 20), 0).astype(np.float16)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    prepared = image.astype(np.float32) - np.float32([1, 2, 3]).reshape(1, 3, 1, 1)
    expected = session.run(["pafs"], {"image": prepared})[0]
    assert off_by(expected, infer(ours, {"image": image})["pafs"]) < 1e-5


def hold(
    content,
    arguments,
    folder,
    precision,
    tolerance,
    by=by_model_optimizer,
):
    """Hold our IR against Model Optimizer's; ours, as read."""
    reference, ours = both(content, arguments, folder, precision, by)
    assert len(ours.inputs) == len(reference.inputs)
    assert len(ours.outputs) == len(reference.outputs)
    feeds = [{}, {}]
    for number, their in enumerate(reference.inputs):
        # By name: where none were named, both keep the network's order.
        our = next(port for port in ours.inputs if port.names & their.names)
        assert str(our.partial_shape) == str(their.partial_shape)
        assert our.element_type == their.element_type
        layouts = [str(port.node.layout) for port in (our, their)]
        assert layouts[0] == layouts[1] or layouts[1] == "[...]"
        given = values(closed(their), number, their.element_type.to_dtype())
        for feed, port in zip(feeds, (ours, reference), strict=True):
            feed[our.any_name if port is ours else their.any_name] = given
    if any(argument.startswith("--input") for argument in arguments):
        assert all(
            port.names & their.names
            for port, their in zip(ours.inputs, reference.inputs, strict=True)
        )
    found, expected = infer(ours, feeds[0]), infer(reference, feeds[1])
    for their in reference.outputs:
        our = next(port for port in ours.outputs if port.names & their.names)
        assert str(our.partial_shape) == str(their.partial_shape)
        assert our.element_type == their.element_type
        name = next(iter(our.names & their.names))
        assert off_by(expected[name], found[name]) <= tolerance, name
    return ours


def both(
    content,
    arguments,
    folder,
    precision,
    by=by_model_optimizer,
    **how,
):
    """Their IR and ours, as read."""
    suffix = "tflite" if content[4:8] == b"TFL3" else "onnx"
    source = folder / f"net.{suffix}"
    source.write_bytes(content)
    half = f"--compress_to_fp16={precision is FP16}"
    xml = by(source, [*typed(arguments), half])
    ours = converted(*model(content, folder / "ours", *arguments), precision, **how)
    return import_openvino().Core().read_model(xml), ours


def typed(arguments):
    """As a shell would hand them to mo, which knows -s only with its value apart."""
    return [
        part
        for text in arguments
        for part in (text.split("=") if text.startswith("-s=") else [text])
    ]


def closed(port):
    """A shape of an input with a size for each that is open."""
    sizes = [None if side.is_dynamic else side.get_length() for side in port.partial_shape]
    return tuple(
        (2, 3, 16, 24)[place % 4] if side is None else side for place, side in enumerate(sizes)
    )


def values(shape, seed, dtype=np.float32):
    drawn = np.random.default_rng(3 + seed).uniform(
        0, 255 if np.dtype(dtype).kind == "f" else 9, shape
    )
    return drawn.astype(dtype)


def compiled(ir):
    return import_openvino().Core().compile_model(ir, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def infer(ir, feed):
    ready = compiled(ir)
    results = ready(dict(feed))
    return {name: results[port] for port in ready.outputs for name in port.names}


def off_by(expected, found):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def mirrored(mirror, start):
    """A file of the mirror, by how its digest begins."""
    (path,) = (mirror / "1" / start[:2]).glob(f"{start[2:]}*")
    return path.read_bytes()
