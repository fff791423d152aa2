"""Our IR against Model Optimizer's own of the same file and arguments: names, shapes and what they compute."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from convert.test_carve import FP32, converted, gated, image, infer, model, sized
from fakes.network import network
from posezoo.openvino_runtime import openvino

ROOT = Path(__file__).resolve().parents[2]
MO = ROOT / "build" / "mo-env" / "bin" / "mo"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MO.is_file(), reason="needs make mo-env"),
]

CASES = {
    "nothing": ("onnx", []),
    "a shape": ("onnx", ["--input=image", "--input_shape=[1,3,18,24]"]),
    "a TFLite shape": ("tflite", ["--input=image", "--input_shape=[1,18,24,3]"]),
    "mean, scales, reversal": (
        "onnx",
        [
            "--input=image",
            "--mean_values=image[100,110,120]",
            "--scale_values=image[50,60,70]",
            "--reverse_input_channels",
            "--layout=image(nchw)",
        ],
    ),
    "one scale": ("onnx", ["--input=image", "--scale=255", "--layout=image(nchw)"]),
    "another layout": ("onnx", ["--input=image", "--layout=image(nchw->nhwc)", "--mean_values=image[1,2,3]"]),
    "an inner output": ("onnx", ["--input=image", "--output=features"]),
    "outputs in another order": ("onnx", ["--input=image", "--output=pafs,heatmaps"]),
    "a port of an operation": ("onnx", ["--input=image", "--output=features:0"]),
    "a line as Lightweight OpenPose's authors write it": (
        "onnx",
        [
            "--input=image",
            "--mean_values=image[128.0,128.0,128.0]",
            "--scale_values=image[256]",
            "--output=pafs,heatmaps",
        ],
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
    "a frozen flag": ("gated", ["--freeze_placeholder_with_value=training->True,which->[0]"]),
    "a frozen list": ("gated", ["--freeze_placeholder_with_value=which->[2],training->False"]),
    "static sizes": ("sized", ["--input=x", "--input_shape=[1,2,3,4]", "--static_shape"]),
}


def joined():
    """Three channels of a photo and one of a mask beside each other."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, 4, 6))
        for name, channels in (("photo", 3), ("mask", 1), ("both", 4))
    ]
    nodes = [helper.make_node("Concat", ["photo", "mask"], ["both"], axis=1)]
    graph = helper.make_graph(nodes, "joined", ports[:2], ports[2:])
    opsets = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(deterministic=True)


WRITERS = {"gated": gated, "sized": sized, "joined": joined}


@pytest.mark.parametrize("case", CASES)
def test_ours_computes_what_model_optimizers_does(case, tmp_path):
    kind, arguments = CASES[case]
    content = WRITERS[kind]() if kind in WRITERS else network(kind)
    source = tmp_path / f"net.{'tflite' if kind == 'tflite' else 'onnx'}"
    source.write_bytes(content)
    theirs = by_model_optimizer(source, arguments, tmp_path / "theirs")
    ours = converted(*model(content, tmp_path / "ours", *arguments), FP32)
    assert [str(port.partial_shape) for port in ours.inputs] == [str(p.partial_shape) for p in theirs.inputs]
    assert [port.element_type for port in ours.inputs] == [port.element_type for port in theirs.inputs]
    assert all(our.names & their.names for our, their in zip(ours.inputs, theirs.inputs, strict=True))
    # Ours come in the order that was asked for, theirs in the network's own.
    assert len(ours.outputs) == len(theirs.outputs)
    arrays = [image(tuple(port.shape)) for port in theirs.inputs]
    expected, found = infer(theirs, *arrays), infer(ours, *arrays)
    shared = expected.keys() & found.keys()
    assert len(shared) >= len(theirs.outputs)
    for name in shared:
        assert np.abs(found[name] - expected[name]).max() <= 1e-5 * np.abs(expected[name]).max()


def by_model_optimizer(source: Path, arguments: list[str], folder: Path):
    ended = subprocess.run(
        [MO, f"--input_model={source}", *arguments, f"--output_dir={folder}", "--compress_to_fp16=False"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return openvino().Core().read_model(folder / "net.xml")
