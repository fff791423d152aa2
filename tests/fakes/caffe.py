"""Caffe networks with random weights, field by field as caffe.proto says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fakes.network import _field, _varint


class CaffeNet:
    """Collects layers; ``text`` is the .prototxt and ``weights`` the .caffemodel."""

    def __init__(self, shape: Sequence[int] = (1, 3, 13, 17), name: str = "tiny") -> None:
        dims = " ".join(f"dim: {size}" for size in shape)
        self.text = f'name: "{name}"\ninput: "data"\ninput_shape {{ {dims} }}\n'
        self.weights = _field(1, name.encode())
        self.random = np.random.default_rng(0)

    def add(
        self,
        kind: str,
        bottoms: str,
        top: str,
        parameters: str = "",
        blobs: Sequence[np.ndarray] = (),
    ) -> str:
        """A layer with the name of its top; several bottoms are separated by spaces. Returns the top."""
        links = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
        name = f"{top}_{kind}" if top in bottoms.split() else top
        self.text += (
            f'layer {{ name: "{name}" type: "{kind}" {links} top: "{top}" {parameters} }}\n'
        )
        self.weights += write_layer(name, kind, blobs)
        return top

    def convolve(self, bottom: str, top: str, kernel: tuple[int, ...], parameters: str = "") -> str:
        """A convolution with weights of this shape and a bias."""
        spread = np.sqrt(np.prod(kernel[1:]))
        blobs = [self.draw(*kernel) / spread, self.draw(kernel[0]) / 3]
        size = f"num_output: {kernel[0]} kernel_h: {kernel[2]} kernel_w: {kernel[3]}"
        return self.add(
            "Convolution", bottom, top, f"convolution_param {{ {size} {parameters} }}", blobs
        )

    def draw(self, *shape: int) -> np.ndarray:
        """Random values around 0."""
        return self.random.normal(size=shape).astype(np.float32)

    def save(self, folder: Path, name: str = "net") -> Path:
        """Write both files, and return the path of the .caffemodel."""
        (folder / f"{name}.prototxt").write_text(self.text)
        path = folder / f"{name}.caffemodel"
        path.write_bytes(self.weights)
        return path


def write_layer(name: str, kind: str, blobs: Sequence[np.ndarray]) -> bytes:
    """The layer of a .caffemodel, with its weights."""
    layer = _field(1, name.encode()) + _field(2, kind.encode())
    return _field(100, layer + b"".join(_field(7, write_blob(each)) for each in blobs))


def write_blob(array: np.ndarray) -> bytes:
    """BlobProto: the values and their shape."""
    sizes = _field(1, b"".join(map(_varint, array.shape)))
    return _field(5, array.astype("<f4").tobytes()) + _field(7, sizes)


def caffe_model(
    kernel: np.ndarray, shape: Sequence[int] = (1, 3, 4, 6), top: str = "conv"
) -> tuple[str, bytes]:
    """The .prototxt and the .caffemodel of a convolution with this kernel, (outputs, channels, 1, 1), without bias.

    Args:
        shape: of the input ``data``.
        top: the name of the output.
    """
    net = CaffeNet(shape)
    parameters = f"num_output: {len(kernel)} kernel_size: 1 bias_term: false"
    net.add("Convolution", "data", top, f"convolution_param {{ {parameters} }}", [kernel])
    return net.text, net.weights


def squeeze_net() -> CaffeNet:
    """A classifier with most layers of the years of Caffe."""
    net = CaffeNet((1, 3, 67, 67), "squeezed")
    top = net.add("ReLU", net.convolve("data", "conv", (16, 3, 3, 3), "stride: 2"), "conv")
    top = net.add("Pooling", top, "pool", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
    left = net.convolve(top, "left", (12, 16, 1, 1))
    right = net.convolve(top, "right", (12, 16, 3, 3), "pad: 1")
    top = net.add("Concat", f"{left} {right}", "inner")
    top = net.add("LRN", top, "lrn", "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
    grouped = net.convolve(top, "grouped", (24, 12, 3, 3), "pad: 1 group: 2")
    averages = [net.draw(24), np.abs(net.draw(24)) + 1, np.array([2.0])]
    net.add("BatchNorm", grouped, grouped, "", averages)
    net.add(
        "Scale", grouped, grouped, "scale_param { bias_term: true }", [net.draw(24), net.draw(24)]
    )
    top = net.add("PReLU", grouped, "prelu", "", [np.abs(net.draw(24)) / 4])
    top = net.add("Eltwise", f"{top} lrn", "sum", "eltwise_param { operation: SUM }")
    average = "pooling_param { pool: AVE kernel_size: 3 stride: 2 }"
    top = net.add("Dropout", net.add("Pooling", top, "average", average), "average")
    net.add("Pooling", top, "all", "pooling_param { pool: AVE global_pooling: true }")
    weights = [net.draw(10, 24) / 5, net.draw(10)]
    net.add("InnerProduct", "all", "fc", "inner_product_param { num_output: 10 }", weights)
    net.add("Softmax", "fc", "prob")
    return net


def detector(size: int = 100) -> CaffeNet:
    """A single shot detector of three classes, whose boxes come from two maps."""
    net = CaffeNet((1, 3, size, size), "detector")
    stem = net.convolve("data", "stem", (16, 3, 3, 3), "stride: 4 pad: 1")
    net.add("ReLU", stem, stem)
    near = net.convolve(stem, "near", (32, 16, 3, 3), "stride: 2 pad: 1")
    far = net.convolve(near, "far", (32, 32, 3, 3), "stride: 2 pad: 1")
    scale = "norm_param { across_spatial: false channel_shared: false }"
    net.add("Normalize", near, "normal", scale, [np.abs(net.draw(32)) + 4])
    parts: dict[str, list[str]] = {"loc": [], "conf": [], "priors": []}
    for number, (source, smallest) in enumerate((("normal", 20), (far, 45))):
        for kind, values in (("loc", 4), ("conf", 3)):
            top = net.convolve(source, f"{kind}{number}", (4 * values, 32, 3, 3), "pad: 1")
            order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
            rows = net.add("Permute", top, f"{top}_rows", order)
            parts[kind].append(net.add("Flatten", rows, f"{top}_flat"))
        boxes = (
            f"min_size: {smallest} max_size: {2 * smallest} aspect_ratio: 2 flip: true clip: false"
            " variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 offset: 0.5"
        )
        priors = net.add(
            "PriorBox", f"{source} data", f"p{number}", f"prior_box_param {{ {boxes} }}"
        )
        parts["priors"].append(priors)
    for name, axis in (("loc", 1), ("conf", 1), ("priors", 2)):
        net.add("Concat", " ".join(parts[name]), name, f"concat_param {{ axis: {axis} }}")
    net.add("Reshape", "conf", "rows", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }")
    net.add("Softmax", "rows", "shares", "softmax_param { axis: 2 }")
    net.add("Flatten", "shares", "scores")
    output = (
        "num_classes: 3 share_location: true background_label_id: 0 code_type: CENTER_SIZE"
        " nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 50 confidence_threshold: 0.4"
    )
    net.add(
        "DetectionOutput",
        "loc scores priors",
        "detections",
        f"detection_output_param {{ {output} }}",
    )
    return net
