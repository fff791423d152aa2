"""Convert published layers of Caffe and Darknet to ONNX, with generated weights.

Their weights are not needed to find out whether each layer is read as OpenCV 4 reads it:
``posezoo convert`` itself compares the ONNX with OpenCV, and ends with an error if they differ.
Networks of boxes are made smaller, which saves time. The exit code is 1 if a network that is
converted differs.

    git clone https://github.com/AlexeyAB/darknet
    python benchmarks/translate_published.py darknet/cfg
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posezoo.core.errors import PosezooError
from posezoo.formats.caffe.network import describe_ports, select_layers, type_of
from posezoo.formats.caffe.prototxt import Message, read_prototxt
from posezoo.formats.darknet.darknet_layers import build_as_opencv
from posezoo.formats.darknet.files import Section, read_cfg

ROOT = Path(__file__).resolve().parents[1]
SIDE = 256
#: OpenPose's files say that the size comes later.
SHAPE_OF_OPENPOSE = "[1,3,96,128]"
#: Inputs of a layer after maps of several pixels, by its name and its outputs.
FLAT_INPUTS = {("fc6", 4096): 9216, ("fc6", 512): 18816}
CHANNELS = 3
NOT_COMPARED = "written, not compared with OpenCV"


class Weights:
    """Values for which the outputs of deep networks are neither 0 nor infinite."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def kernel(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        return self._random.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)

    def bias(self, count: int) -> np.ndarray:
        return self._random.normal(0, 0.1, count)

    def factors(self, count: int) -> np.ndarray:
        return self._random.uniform(0.8, 1.2, count)


class WrittenWeights:
    """In place of the reader of a .weights file: it makes up what is read, in that order."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.variances: list[np.ndarray] = []
        self._weights = Weights()

    def take(self, _layer: Section, *shape: int) -> np.ndarray:
        if len(shape) > 2:
            array = self._weights.kernel(*shape)
        elif len(shape) == 2:  # scales, means and variances
            count = shape[1]
            draw = self._weights
            array = np.stack((draw.factors(count), draw.bias(count), draw.factors(count)))
        else:
            array = self._weights.bias(*shape)
        self.arrays.append(array.astype(np.float32))
        return self.arrays[-1]

    def require_end(self) -> None:
        """No file ends."""


def write_darknet(published: Path, folder: Path) -> tuple[Path, Path]:
    """The .cfg, smaller if it has boxes, and a .weights file; a PosezooError if it is refused."""
    text = published.read_text("utf-8", errors="replace")
    if re.search(r"(?m)^\[(region|yolo)\]", text):
        text = re.sub(r"(?m)^(width|height) *=.*$", rf"\1={SIDE}", text)
    if not re.search("(?m)^thresh", text):  # a score at the threshold is 0 in one of two programs
        text = text.replace("[yolo]", "[yolo]\nthresh=0")
    cfg = folder / published.name
    cfg.write_text(text, "utf-8")
    written: Any = WrittenWeights()
    build_as_opencv(read_cfg(cfg), written)
    header = np.array([0, 2, 5, 0, 0], "<i4").tobytes()
    path = cfg.with_suffix(".weights")
    path.write_bytes(header + b"".join(array.tobytes() for array in written.arrays))
    return cfg, path


def caffe_layers(net: Message, weights: Weights) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """The name, the type and the weights of each layer."""
    channels = {name: shape[1] for name, shape in describe_ports(net).inputs.items()}
    for layer in select_layers(net):
        bottoms, tops = layer.texts("bottom"), layer.texts("top")
        inputs = channels.get(bottoms[0], 0) if bottoms else CHANNELS
        if type_of(layer) == "Concat":
            inputs = sum(channels.get(bottom, 0) for bottom in bottoms)
        blobs = blobs_of(layer, inputs, weights)
        outputs = len(blobs[0]) if type_of(layer) in ("Convolution", "InnerProduct") else inputs
        channels |= dict.fromkeys(tops, outputs)
        yield layer.text("name"), type_of(layer), blobs


def blobs_of(layer: Message, inputs: int, weights: Weights) -> list[np.ndarray]:
    match type_of(layer):
        case "Convolution":
            declared = layer.message("convolution_param")
            size = declared.integer("kernel_size", 0)
            sizes = [declared.integer(f"kernel_{axis}", size) for axis in "hw"]
            outputs = declared.integer("num_output", 1)
            # The image has values to 255; boxes far outside of it are no use.
            gain = 0.01 if inputs == CHANNELS else 0.3 if "mbox" in layer.text("name") else 1.4
            group = declared.integer("group", 1)
            kernel = weights.kernel(outputs, inputs // group, *sizes, gain=gain)
            return [kernel, weights.bias(outputs)][: 1 + declared.flag("bias_term", True)]
        case "InnerProduct":
            outputs = layer.message("inner_product_param").integer("num_output", 1)
            inputs = FLAT_INPUTS.get((layer.text("name"), outputs), inputs)
            return [weights.kernel(outputs, inputs), weights.bias(outputs)]
        case "BatchNorm":
            return [weights.bias(inputs), weights.factors(inputs), np.ones(1)]
        case "Scale":
            has_bias = layer.message("scale_param").flag("bias_term", False)
            return [weights.factors(inputs), weights.bias(inputs)][: 1 + has_bias]
        case "Normalize" | "PReLU":
            return [weights.factors(inputs)]
    return []


def write_caffe(published: Path, folder: Path) -> tuple[Path, Path]:
    """The .prototxt and a .caffemodel."""
    fakes = import_module("fakes.caffe")
    prototxt = folder / published.name
    prototxt.write_bytes(published.read_bytes())
    arranged = caffe_layers(read_prototxt(prototxt), Weights())
    path = prototxt.with_suffix(".caffemodel")
    path.write_bytes(b"".join(fakes.write_layer(*layer) for layer in arranged))
    return prototxt, path


def is_read_by_opencv(layers: Path, weights: Path) -> bool:
    read: Callable[[str, str], Any] = cv2.dnn.readNetFromDarknet
    if layers.suffix == ".prototxt":
        read = cv2.dnn.readNetFromCaffe
    try:
        return not read(str(layers), str(weights)).empty()
    except cv2.error:
        return False


def translate(layers: Path, weights: Path) -> str:
    """What posezoo says: how far it is from OpenCV, or its error."""
    command = [sys.executable, "-m", "posezoo", "convert", str(layers), str(weights)]
    command += ["-o", str(layers.with_suffix(".onnx"))]
    if re.search(r"(?m)^input_dim: 1 #", layers.read_text("utf-8")):
        command += ["--input_shape", SHAPE_OF_OPENPOSE]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if ended.returncode:
        return str(ended.stderr).strip().splitlines()[0]
    found = re.search(r"differs by \S+ from OpenCV", ended.stdout)
    return found[0] if found else NOT_COMPARED


def check(published: Path) -> str:
    """Print the result for a file, and return its kind."""
    write = write_darknet if published.suffix == ".cfg" else write_caffe
    with tempfile.TemporaryDirectory() as folder:
        try:
            layers, weights = write(published, Path(folder))
        except (PosezooError, ValueError) as error:
            print(f"{published.name}: {error}", flush=True)
            return "refused"
        is_read = is_read_by_opencv(layers, weights)
        said = translate(layers, weights)
    print(f"{published.name}: {said}{'' if is_read else '; OpenCV refuses it'}", flush=True)
    if not is_read:
        return "refused by OpenCV"
    if said == NOT_COMPARED:
        return "not compared"
    return "different" if said.startswith("error") else "equal"


def main() -> int:
    """Check the files in the folders."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    command.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    args = command.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    files = []
    for folder in args.folders:
        files += [*folder.rglob("*.cfg"), *folder.rglob("*deploy*.prototxt")]
    counts = Counter(map(check, sorted(files)))
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items())))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
