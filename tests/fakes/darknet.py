"""Darknet networks with random weights: a .cfg and a .weights file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: What Keras adds to a variance, and what OpenCV adds.
KERAS_EPSILON, OPENCV_EPSILON = 1e-3, 1e-6

HEADER = np.array([0, 2, 5, 0, 0], "<i4").tobytes()


class DarknetNet:
    """Collects layers; ``text`` is the .cfg."""

    def __init__(self, height: int = 24, width: int = 32) -> None:
        self.text = f"[net]\n# generated\nbatch=1\nheight={height}\nwidth={width}\nchannels=3\n"
        self.arrays: list[np.ndarray] = []
        self.variances: list[np.ndarray] = []
        self.random = np.random.default_rng(0)

    def add(self, kind: str, **values: object) -> None:
        """A layer without weights; a trailing _ of a name is left out."""
        lines = "".join(f"{name.rstrip('_')} = {value}\n" for name, value in values.items())
        self.text += f"\n[{kind}]\n{lines}"

    def convolve(
        self,
        channels: int,
        filters: int,
        *,
        size: int = 3,
        activation: str = "leaky",
        normalize: bool = True,
        **values: int,
    ) -> None:
        """A convolution of so many channels."""
        if normalize:
            values["batch_normalize"] = 1
        self.add(
            "convolutional", filters=filters, size=size, pad=1, activation=activation, **values
        )
        self.arrays.append(self.random.normal(0, 0.3, filters))
        if normalize:
            variance = self.random.uniform(0.001, 1, filters).astype("<f4")
            self.variances.append(variance)
            scale, mean = self.random.normal(1, 0.2, (2, filters))
            self.arrays += [scale, mean, variance]
        inputs = channels // values.get("groups", 1)
        kernel = self.random.normal(size=(filters, inputs, size, size))
        self.arrays.append(kernel / np.sqrt(inputs * size * size))

    def connect(self, inputs: int, outputs: int, activation: str) -> None:
        """A layer of which each output depends on all of so many inputs."""
        self.add("connected", output=outputs, activation=activation)
        self.arrays.append(self.random.normal(0, 0.3, outputs))
        self.arrays.append(self.random.normal(size=(outputs, inputs)) / np.sqrt(inputs))

    def end(self, channels: int) -> None:
        """The convolution before the boxes of two classes, and the boxes."""
        self.convolve(channels, 21, size=1, activation="linear", normalize=False)
        self.add("yolo", mask="0,1,2", anchors="4,4, 8,8, 12,12", classes=2, num=3, max_delta=5)

    def save(self, folder: Path, *, for_opencv: bool = False) -> Path:
        """Write both files and return the path of the .weights.

        Args:
            for_opencv: with variances for which OpenCV computes what Keras computes for ours.
        """
        (folder / "net.cfg").write_text(self.text)
        own = {id(variance) for variance in self.variances}
        shift = np.float32(KERAS_EPSILON - OPENCV_EPSILON) if for_opencv else 0
        content = HEADER
        for array in self.arrays:
            values = array + shift if id(array) in own else array
            content += values.astype("<f4").tobytes()
        path = folder / f"net{'-opencv' * for_opencv}.weights"
        path.write_bytes(content)
        return path


def yolo_v4() -> DarknetNet:
    """All layers of YOLOv4, with three heads; the first is the finest."""
    net = DarknetNet(64, 96)
    net.convolve(3, 8, activation="mish")  # 0
    net.convolve(8, 16, stride=2, activation="mish")
    net.convolve(16, 8, size=1, activation="mish")
    net.convolve(8, 16, activation="mish")
    net.add("shortcut", from_=-3, activation="linear")  # 4
    net.add("route", layers="-1, -4")
    net.convolve(32, 16, stride=2)
    net.add("maxpool", size=5, stride=1)
    net.add("route", layers="-2")
    net.add("maxpool", size=9, stride=1)
    net.add("route", layers="-1,-3,-4")  # 10
    net.convolve(48, 8, size=1)
    net.add("upsample", stride=2)
    net.add("route", layers="-1, 4")
    net.end(24)  # 14, 15
    net.add("route", layers="-3")
    net.convolve(24, 16, stride=2)
    net.add("route", layers="-1, 11")
    net.end(24)
    net.add("route", layers="-3")
    net.convolve(24, 16, stride=2)
    net.end(16)
    return net


def yolo_v2_tiny(side: int = 64) -> DarknetNet:
    """A network that ends at the 80 classes of one [region]."""
    net = DarknetNet(side, side)
    net.convolve(3, 8)
    net.add("maxpool", size=2, stride=2)
    net.convolve(8, 16)
    net.add("maxpool", size=2, stride=1)
    net.convolve(16, 425, size=1, activation="linear", normalize=False)
    anchors = ", ".join(["1, 2"] * 5)
    net.add("region", anchors=anchors, classes=80, coords=4, num=5, softmax=1)
    return net


def yolo_v3_tiny() -> DarknetNet:
    """The layers of the published YOLOv3-tiny, whose .weights have the same size."""
    net = DarknetNet(416, 416)
    # With seed 0 a score is OpenCV's threshold of 0.2 in all its digits, and one program leaves it out.
    net.random = np.random.default_rng(1)
    channels = 3
    for filters in (16, 32, 64, 128, 256, 512):
        net.convolve(channels, filters)
        net.add("maxpool", size=2, stride=1 if filters == 512 else 2)
        channels = filters
    net.convolve(512, 1024)
    net.convolve(1024, 256, size=1)
    net.convolve(256, 512)
    _end_of_coco(net, 512, "3,4,5")
    net.add("route", layers=-4)
    net.convolve(256, 128, size=1)
    net.add("upsample", stride=2)
    net.add("route", layers="-1, 8")
    net.convolve(384, 256)
    _end_of_coco(net, 256, "0,1,2")
    return net


def _end_of_coco(net: DarknetNet, channels: int, mask: str) -> None:
    net.convolve(channels, 255, size=1, activation="linear", normalize=False)
    anchors = "10,14,  23,27,  37,58,  81,82,  135,169,  344,319"
    net.add("yolo", mask=mask, anchors=anchors, classes=80, num=6, jitter=0.3, ignore_thresh=0.7)
