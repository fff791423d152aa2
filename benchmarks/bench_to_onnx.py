"""Convert generated networks of Caffe and Darknet to ONNX, by posezoo and by its peers.

Each ONNX is run by ONNX Runtime, and compared with what OpenCV 4 computes from the original.
Counted are the networks whose outputs differ by at most 1e-4 of the largest value. The peers come
from ``make build/onnx-judges``, and are left out without it. The exit code is 1 if posezoo misses a
network.

    python benchmarks/bench_to_onnx.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness import amount, exit_code, record

from posezoo.core.errors import import_optional

onnxruntime = import_optional("onnxruntime", extra="convert")

ROOT = Path(__file__).resolve().parents[1]
JUDGES = ROOT / "build" / "onnx-judges"
LIMIT = 1e-4

Outputs = Mapping[str, np.ndarray]


@dataclass
class Count:
    """What a tool made of the networks of one format."""

    exact: int = 0
    differences: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def largest(self) -> float:
        return float(np.max([0.0, *self.differences.values()]))

    @property
    def wrong(self) -> dict[str, float]:
        return {name: value for name, value in self.differences.items() if not value <= LIMIT}


def convert_by_posezoo(layers: Path, weights: Path, output: Path) -> list[object]:
    return [sys.executable, "-m", "posezoo", "translate", layers, weights, "-o", output]


def convert_by_caffe_onnx(layers: Path, weights: Path, output: Path) -> list[object]:
    code = "from src.cli import main; main()"
    return [JUDGES / "bin/python", "-c", code, layers, weights, output.stem, output.parent]


def convert_by_caffe2onnx(layers: Path, weights: Path, output: Path) -> list[object]:
    files = ["--prototxt", layers, "--caffemodel", weights, "--onnx", output]
    return [JUDGES / "bin/python", "-m", "caffe2onnx.convert", *files]


def convert_by_darknet2any(layers: Path, weights: Path, output: Path) -> list[object]:
    layers.with_suffix(".names").touch()  # it wants one
    code = (
        f"import sys; sys.path.append({str(JUDGES / 'darknet')!r});"
        "from darknet2any.tool.darknet2onnx import transform_to_onnx as convert;"
        f"convert({str(layers)!r}, {str(weights)!r}, 1, {str(output)!r}, False, 15)"
    )
    return [sys.executable, "-c", code]


def run_onnx(path: Path, image: np.ndarray) -> Outputs:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    results = session.run(names, {session.get_inputs()[0].name: image})
    return dict(zip(names, results, strict=True))


def run_original(layers: Path, weights: Path, image: np.ndarray) -> Outputs:
    is_caffe = layers.suffix == ".prototxt"
    read = cv2.dnn.readNetFromCaffe if is_caffe else cv2.dnn.readNetFromDarknet
    net = read(str(layers), str(weights))
    net.enableFusion(False)
    net.enableWinograd(False)
    net.setInput(image)
    names = net.getUnconnectedOutLayersNames()
    return dict(zip(names, net.forward(names), strict=True))


def compare(ours: Iterable[np.ndarray], theirs: Iterable[np.ndarray]) -> float:
    """The largest difference, relative to the largest value of each output; NaN if one has NaN."""
    worst = 0.0
    for actual, expected in zip(ours, theirs, strict=True):
        if actual.size != expected.size:
            return float("inf")
        difference = np.abs(actual.reshape(-1) - expected.reshape(-1)).max()
        if np.isnan(difference):
            return float("nan")
        worst = max(worst, float(difference / np.abs(expected).max()))
    return worst


def compare_caffe(name: str, results: Outputs, expected: Outputs) -> float:
    (ours,) = results.values()
    (theirs,) = expected.values()
    if name.startswith("DetectionOutput") and ours.ndim == 4:
        from posezoo.formats.caffe.caffe_format import arrange_detections

        theirs = arrange_detections(theirs, ours.shape[2])
    return compare([ours], [theirs])


def compare_rows(_name: str, results: Outputs, expected: Outputs) -> float:
    """Of posezoo's rows, those that OpenCV keeps of [region] are compared."""
    if len(results) == len(expected) == 1:  # OpenCV names the only output otherwise
        expected = dict(zip(results, expected.values(), strict=True))
    theirs = [expected[each] for each in results]
    ours = list(results.values())
    if "detection_out" in results:
        removed = theirs[0][:, 5:] == 0
        ours[0][:, 5:][removed] = 0
    return compare(ours, theirs)


def compare_boxes(_name: str, results: Outputs, expected: Outputs) -> float:
    """Boxes and scores, by head and anchor, as darknet2any orders and decodes them."""
    anchors = 5 if "detection_out" in expected else 3
    ordered = []
    for rows in expected.values():
        by_anchor = rows.reshape(-1, anchors, rows.shape[1]).transpose(1, 0, 2)
        ordered.append(by_anchor.reshape(-1, rows.shape[1]))
    rows = np.concatenate(ordered)
    half = rows[:, 2:4] / 2
    boxes = np.hstack([rows[:, :2] - half, rows[:, :2] + half])
    found_boxes, found_scores = list(results.values())[:2]
    scores = found_scores.reshape(rows[:, 5:].shape) * (rows[:, 5:] > 0)
    return compare([found_boxes, scores], [boxes, rows[:, 5:]])


@dataclass(frozen=True)
class Tool:
    """A program that converts."""

    name: str
    networks: Callable[[], Iterable[tuple[str, Any]]]
    command: Callable[[Path, Path, Path], list[object]]
    compare: Callable[[str, Outputs, Outputs], float]
    epsilon: float = 0.0  # what it adds to variances, beside what OpenCV adds


def measure(tool: Tool) -> tuple[int, Count]:
    """The number of networks, and what the tool made of them."""
    count = Count()
    networks = list(tool.networks())[: amount(1000, trial=2)]
    for name, net in networks:
        with tempfile.TemporaryDirectory() as folder:
            weights = net.save(Path(folder))
            layers = weights.with_suffix(".prototxt" if "caffemodel" in weights.name else ".cfg")
            output = Path(folder, "out.onnx")
            command = list(map(str, tool.command(layers, weights, output)))
            environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
            subprocess.run(command, env=environ, cwd=folder, capture_output=True, timeout=300)
            for variance in getattr(net, "variances", ()):
                variance += np.float32(tool.epsilon)
            net.save(Path(folder))
            image = import_module("fakes.layer_networks").draw_image(name, input_shape(layers))
            try:
                results = run_onnx(output, image)
                expected = run_original(layers, weights, image)
                difference = tool.compare(name, results, expected)
            except Exception as error:  # noqa: BLE001 of a peer, or of ONNX Runtime
                count.failures.append(f"{name}: {type(error).__name__}")
                continue
            if difference == float("inf"):
                count.failures.append(f"{name}: other sizes")
                continue
            count.differences[name] = difference
            count.exact += difference <= LIMIT
    return len(networks), count


def input_shape(layers: Path) -> tuple[int, ...]:
    if layers.suffix == ".prototxt":
        from posezoo.formats.caffe.network import describe_ports
        from posezoo.formats.caffe.prototxt import read_prototxt

        (shape,) = describe_ports(read_prototxt(layers)).inputs.values()
        return tuple(shape)
    from posezoo.formats.darknet.files import read_cfg

    head = read_cfg(layers)[0]
    return (1, *map(head.integer, ("channels", "height", "width")))


def main() -> int:
    onnxruntime.set_default_logger_severity(4)
    sys.path.insert(0, str(ROOT / "tests"))
    generated = import_module("fakes.layer_networks")
    caffe = generated.caffe_networks
    darknet = generated.darknet_networks
    tools = [
        Tool("posezoo, Caffe", caffe, convert_by_posezoo, compare_caffe),
        Tool("posezoo, Darknet", darknet, convert_by_posezoo, compare_rows),
    ]
    if (JUDGES / ".installed").exists():
        tools += [
            Tool("caffe-onnx 0.1.2", caffe, convert_by_caffe_onnx, compare_caffe),
            Tool("caffe2onnx 2.0.1", caffe, convert_by_caffe2onnx, compare_caffe),
            # PyTorch's epsilon, which is also that of AlexeyAB's Darknet.
            Tool("darknet2any 0.7.6", darknet, convert_by_darknet2any, compare_boxes, 1e-5 - 1e-6),
        ]
    results = {}
    missed = False
    for tool in tools:
        total, count = measure(tool)
        results[tool.name] = {
            "networks": total,
            "exact": count.exact,
            "largest_difference": count.largest,
            "different": count.wrong,
            "failed": count.failures,
        }
        print(f"{tool.name:18} {count.exact:3} of {total}, largest {count.largest:.1e}")
        for name, difference in count.wrong.items():
            print(f"    {name}: {difference:.1e}")
        for failure in count.failures:
            print(f"    {failure}")
        missed |= tool.name.startswith("posezoo") and count.exact < total
    record("bench_to_onnx", {"tools": results})
    return exit_code(missed)


if __name__ == "__main__":
    sys.exit(main())
