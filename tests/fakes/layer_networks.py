"""Small networks of Caffe and Darknet with random weights, one for each layer and way to use it, and some whole ones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fakes.caffe import CaffeNet, detector, squeeze_net
from fakes.darknet import DarknetNet, yolo_v2_tiny, yolo_v4

CONVOLUTIONS = {
    "plain": ((4, 3, 3, 3), ""),
    "with padding and strides": ((4, 3, 3, 3), "pad: 1 stride: 2"),
    "of different sides": ((4, 3, 1, 5), "pad_h: 0 pad_w: 2 stride_h: 2 stride_w: 1"),
    "with holes": ((4, 3, 3, 3), "dilation: 2 pad: 2"),
    "in groups": ((6, 1, 3, 3), "group: 3"),
}


WINDOWS = [
    "kernel_size: 3 stride: 2",  # the last window may be cut off
    "kernel_size: 2 stride: 2",
    "kernel_size: 3 stride: 2 pad: 1",
    "kernel_size: 2 stride: 2 pad: 1",  # the last window may begin in the padding
    "kernel_size: 3 stride: 1 pad: 1",
    "kernel_h: 3 kernel_w: 2 stride_h: 3 stride_w: 2",
    "kernel_size: 5 stride: 4 pad: 2",
    "kernel_size: 3 stride: 2 pad_h: 0 pad_w: 1",
    "global_pooling: true",
]


#: Layers of one input, and what their weights are made of.
LAYERS = {
    "ReLU": ("", ()),
    "ReLU with a slope": ("relu_param { negative_slope: 0.1 }", ()),
    "PReLU": ("", [(3,)]),
    "ELU": ("elu_param { alpha: 0.5 }", ()),
    "Sigmoid": ("", ()),
    "TanH": ("", ()),
    "AbsVal": ("", ()),
    "Power": ("power_param { power: 2 scale: 0.5 shift: 3 }", ()),
    "LRN": ("lrn_param { local_size: 3 alpha: 0.1 beta: 0.75 }", ()),
    "LRN in a channel": ("lrn_param { local_size: 3 alpha: 0.1 norm_region: WITHIN_CHANNEL }", ()),
    "Scale": ("scale_param { bias_term: true }", [(3,), (3,)]),
    "Scale without bias": ("", [(3,)]),
    "Softmax": ("", ()),
    "Softmax of the last axis": ("softmax_param { axis: -1 }", ()),
    "InnerProduct": ("inner_product_param { num_output: 5 }", [(5, 663), (5,)]),
    "InnerProduct without bias": ("inner_product_param { num_output: 5 bias_term: false }", [(5, 663)]),
    "Flatten": ("", ()),
    "Permute": ("permute_param { order: 0 order: 2 order: 3 order: 1 }", ()),
    "Reshape": ("reshape_param { shape { dim: 0 dim: -1 dim: 17 } }", ()),
}  # fmt: skip


def caffe_networks() -> Iterator[tuple[str, CaffeNet]]:
    """Each with its name."""
    for name, (kernel, parameters) in CONVOLUTIONS.items():
        net = CaffeNet()
        net.convolve("data", "conv", kernel, parameters)
        yield f"Convolution {name}", net
    for groups in (1, 3):
        net = CaffeNet()
        parameters = f"num_output: 3 kernel_size: 4 stride: 2 pad: 1 group: {groups}"
        blobs = [net.draw(3, 3 // groups, 4, 4), net.draw(3)]
        net.add("Deconvolution", "data", "up", f"convolution_param {{ {parameters} }}", blobs)
        yield f"Deconvolution in {groups} groups", net
    for pool in ("MAX", "AVE"):
        for window in WINDOWS:
            net = CaffeNet((1, 3, 14, 17))
            net.add("Pooling", "data", "pool", f"pooling_param {{ pool: {pool} {window} }}")
            yield f"Pooling {pool} {window}", net
    for name, (parameters, shapes) in LAYERS.items():
        net = CaffeNet()
        net.add(name.split()[0], "data", "out", parameters, [net.draw(*shape) for shape in shapes])
        yield name, net
    for operation in ("SUM", "SUM coeff: 0.5 coeff: -2", "PROD", "MAX"):
        net = CaffeNet()
        net.convolve("data", "left", (3, 3, 1, 1))
        net.convolve("data", "right", (3, 3, 3, 3), "pad: 1")
        net.add("Eltwise", "left right", "out", f"eltwise_param {{ operation: {operation} }}")
        yield f"Eltwise {operation}", net
    yield "BatchNorm", _batch_norm()
    yield "Concat and Slice", _cut_channels()
    yield "Scale by a branch", _gate()
    yield "Normalize", _normalize()
    yield "a classifier", squeeze_net()
    for code in ("CENTER_SIZE", "CORNER"):
        net = _detector()
        net.text = net.text.replace("CENTER_SIZE", code)
        yield f"DetectionOutput {code}", net
    net = _detector()
    net.text = net.text.replace("confidence_threshold: 0.4", "confidence_threshold: 1.0")
    yield "DetectionOutput without detections", net
    net = _detector()
    net.text = net.text.replace("top_k: 100", "top_k: 10").replace(
        "keep_top_k: 50", "keep_top_k: 7"
    )
    yield "DetectionOutput with few rows", net
    net = _detector()
    net.text = net.text.replace("num_classes: 3", "num_classes: 3 clip: 1")
    yield "DetectionOutput with clipped boxes", net


def draw_image(name: str, shape: Sequence[int]) -> np.ndarray:
    """An image for the network of this name: values to 255 for a detector, to 1 for others."""
    largest = 255 if name.startswith("DetectionOutput") else 1
    return np.random.default_rng(1).uniform(0, largest, shape).astype(np.float32)


def _detector() -> CaffeNet:
    """One whose boxes are near the image if its pixels are bytes."""
    net = detector()
    head, mark, tail = net.text.partition('layer { name: "stem"')
    scaled = CaffeNet()
    scaled.add("Power", "data", "scaled", "power_param { scale: 0.008 shift: -1 }")
    tail = tail.replace('bottom: "data"', 'bottom: "scaled"', 1)
    net.text = head + scaled.text.splitlines()[-1] + "\n" + mark + tail
    return net


def _batch_norm() -> CaffeNet:
    net = CaffeNet()
    blobs = [net.draw(3), np.abs(net.draw(3)) + 1, np.array([3.5])]
    net.add("BatchNorm", "data", "norm", "batch_norm_param { eps: 1e-4 }", blobs)
    return net


def _cut_channels() -> CaffeNet:
    net = CaffeNet()
    net.add("Concat", f"data {net.convolve('data', 'conv', (2, 3, 1, 1))}", "five")
    net.text += (
        'layer { name: "cut" type: "Slice" bottom: "five" top: "first" top: "rest"'
        " slice_param { axis: 1 slice_point: 2 } }\n"
    )
    net.add("Eltwise", f"first {net.convolve('rest', 'two', (2, 3, 1, 1))}", "out")
    return net


def _gate() -> CaffeNet:
    net = CaffeNet()
    net.add("Pooling", "data", "average", "pooling_param { pool: AVE global_pooling: true }")
    net.add("Sigmoid", net.convolve("average", "fc", (3, 3, 1, 1)), "gate")
    net.add("Scale", "data gate", "out", "scale_param { axis: 0 }")
    return net


def _normalize() -> CaffeNet:
    net = CaffeNet()
    factors = [np.abs(net.draw(3)) + 4]
    net.add(
        "Normalize",
        "data",
        "out",
        "norm_param { across_spatial: false channel_shared: false }",
        factors,
    )
    return net


#: What published files say of each layer, and readers may want, also where it is the default.
_SAID = {
    "convolutional": {"stride": 1},
    "yolo": {"scale_x_y": 1},
    "region": dict.fromkeys(("object_scale", "noobject_scale", "class_scale", "coord_scale"), 1),
}


DARKNET_CONVOLUTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "of one pixel": {"size": 1},
    "with a large kernel": {"size": 7},
    "with a stride": {"stride": 2},
    "in groups": {"groups": 2},
    "of each channel alone": {"groups": 8},
    "without normalization": {"normalize": False},
    "mish": {"activation": "mish"},
    "relu": {"activation": "relu"},
    "logistic": {"activation": "logistic"},
    "swish": {"activation": "swish", "stopbackward": 800},
    "linear": {"activation": "linear"},
}


def darknet_networks() -> Iterator[tuple[str, DarknetNet]]:
    """Each with its name; all end in [yolo], but for a [region] and a classifier."""
    for name, net in _short_networks():
        sections = re.split(r"(?m)^(?=\[)", net.text)
        for number, section in enumerate(sections):
            said = _SAID.get(section[1:].partition("]")[0], {})
            added = [f"{key} = {value}\n" for key, value in said.items() if key not in section]
            sections[number] = section.rstrip("\n") + "\n" + "".join(added) + "\n"
        net.text = "".join(sections)
        yield name, net


def _short_networks() -> Iterator[tuple[str, DarknetNet]]:
    for name, values in DARKNET_CONVOLUTIONS.items():
        net = DarknetNet(19, 21)
        net.convolve(3, 8)
        net.convolve(8, 8, **values)
        net.end(8)
        yield f"convolutional {name}", net
    for size, stride in ((2, 1), (2, 2), (3, 2), (5, 1), (13, 1)):
        net = DarknetNet(20, 16)
        net.convolve(3, 4, activation="linear")
        net.add("maxpool", size=size, stride=stride)
        net.end(4)
        yield f"maxpool of {size} by {stride}", net
    net = DarknetNet()
    net.convolve(3, 8)
    net.add("route", layers=-1, groups=2, group_id=1)
    net.end(4)
    yield "route of a group", net
    for factor in (2, 4):
        net = DarknetNet()
        net.convolve(3, 4, stride=4)
        net.add("upsample", stride=factor)
        net.end(4)
        yield f"upsample by {factor}", net
    for channels in (4, 6, 9):
        net = DarknetNet()
        net.convolve(3, channels)
        net.convolve(channels, 6)
        net.add("shortcut", from_=-2, activation="leaky")
        net.end(6)
        yield f"shortcut of {channels} and 6 channels", net
    net = DarknetNet()
    net.convolve(3, 8)
    net.add("reorg", stride=2)
    net.end(32)
    yield "reorg", net
    net = DarknetNet()
    net.convolve(3, 8)
    net.add("avgpool")
    net.convolve(8, 8, size=1, activation="logistic")
    net.add("scale_channels", from_=-3)
    net.convolve(8, 8, activation="logistic")
    net.add("sam", from_=-2, activation="linear")
    net.end(8)
    yield "attention of channels and of pixels", net
    yield "classifier", _classifier()
    net = yolo_v4()
    net.text = net.text.replace("[yolo]", "[yolo]\nscale_x_y = 1.1\nthresh = 0.3")
    yield "YOLOv4", net
    net = DarknetNet()
    net.convolve(3, 21, activation="logistic", normalize=False)
    net.add(
        "yolo",
        mask="0,2,1",
        anchors="4,4, 8,9.5, 12,12",
        classes=2,
        num=3,
        new_coords=1,
        scale_x_y=2,
    )
    yield "scaled YOLOv4", net
    yield "YOLOv2", yolo_v2_tiny(32)


def _classifier() -> DarknetNet:
    net = DarknetNet(13, 16)
    net.convolve(3, 5, stride=4, padding=1)
    net.text = net.text.replace("pad = 1\n", "")
    net.add("maxpool", size=3, stride=2, padding=0)
    net.connect(5, 7, "relu")
    net.add("dropout", probability=0.5)
    net.connect(7, 4, "linear")
    net.add("softmax", groups=1)
    net.add("cost", type="sse")
    return net


_RUN_ONNX = """
import sys
from pathlib import Path
import cv2, numpy as np
for path in Path(sys.argv[1]).glob("*.onnx"):
    net = cv2.dnn.readNetFromONNX(str(path))
    with np.load(path.with_suffix(".npz")) as arrays:
        net.setInput(arrays["image"])
        names = [name for name in arrays if name != "image"]
    np.savez(path.with_suffix(".5.npz"), **dict(zip(names, net.forward(names))))
"""


def run_in_opencv_5(
    python: Path, folder: Path, cases: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Run each name.onnx in the folder, and write its outputs to name.5.npz.

    Args:
        python: that of an environment with OpenCV 5.
        cases: by name, the ``image`` and the outputs that are expected, of which only the names are used.
    """
    for name, arrays in cases.items():
        np.savez(folder / f"{name}.npz", **arrays)
    subprocess.run([python, "-c", _RUN_ONNX, folder], check=True)
