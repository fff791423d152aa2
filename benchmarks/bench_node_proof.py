"""Which faults of a conversion ``--self_check nodes`` finds, and whether it refuses a correct IR.

Every network of posezoo gets seeded random weights, and a branch in its middle that adds about
0.1 % to a sum. It is converted; then one fault at a time is built into the files of its IR, in that
branch and elsewhere, which the self-check compares with and without inner tensors. Each network
with other weights must not be refused. The exit code is 1 if a fault is not found, or a correct IR
is refused.

    python benchmarks/bench_node_proof.py [--draws 6] [--only NETWORK ...]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import torch
from bench_convert import declare
from harness import IS_TRIAL, amount, exit_code, record
from torch import nn

from posezoo.core.convert import frontends, preprocess
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import SelfCheckError
from posezoo.core.ir import ir_writer
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.networks import NETWORKS, build_network
from posezoo.proof.check_images import draw_test_image
from posezoo.proof.node_comparison import compare_nodes
from posezoo.proof.reference_outputs import ReferenceOutputs, compute_reference
from posezoo.proof.self_check import IrCheck

#: The network of a trial.
SMALL = "simple_pose_resnet18_v1b"

MEAN = (123.675, 116.28, 103.53)
SCALE = (58.395, 57.12, 57.375)

#: The name of the tensor at the end of the weak branch, and what it is multiplied by.
WEAK = "weak"
WEAKNESS = 1e-3


def draw_network(name: str, seed: int, shape: tuple[int, ...]) -> nn.Module:
    """A network whose normalizations hold the statistics of one image, as after a training.

    The offset of the normalizations decides how much the network amplifies rounding: at 0, a ReLU
    drops half of the values, and the next normalization enlarges the rest with its rounding. It
    goes from 0 to 1 with the seed.
    """
    torch.manual_seed(seed)
    network = build_network(name)
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0.0, 0.1)
            layer.register_forward_hook(_scale_to_one)
        elif isinstance(layer, nn.BatchNorm2d):
            setattr(layer, "momentum", 1.0)  # noqa: B010
            nn.init.uniform_(layer.weight, 0.5, 1.0)
            nn.init.normal_(layer.bias, (seed % 5) / 4, 0.1)
    image = draw_test_image("noise", shape, "NCHW", seed)
    prepared = (image - np.reshape(MEAN, (3, 1, 1))) / np.reshape(SCALE, (3, 1, 1))
    with torch.no_grad():
        network.train()(torch.from_numpy(prepared.astype(np.float32)))
    for layer in network.modules():
        layer._forward_hooks.clear()
    return network.eval()


def _scale_to_one(layer: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
    deviation = output.std()
    for parameter in layer.parameters():
        parameter.div_(deviation)
    return output / deviation


def weaken(model: onnx.ModelProto) -> None:
    """Multiply the longer branch of the sum in the middle of a network by ``WEAKNESS``."""
    graph = model.graph
    places = {name: place for place, node in enumerate(graph.node) for name in node.output}
    kinds = ("Conv", "MatMul", "Add", "Relu")
    sums = [
        node
        for node in graph.node
        if node.op_type == "Add"
        and all(
            graph.node[places.get(name, 0)].op_type in kinds and name in places
            for name in node.input
        )
    ]
    if not sums:
        return
    chosen = sums[len(sums) // 2]
    longer = max(range(2), key=lambda number: places[chosen.input[number]])
    factor = onnx.numpy_helper.from_array(np.float32(WEAKNESS).reshape(1), "weakness")
    graph.initializer.append(factor)
    node = onnx.helper.make_node("Mul", [chosen.input[longer], "weakness"], [WEAK], WEAK)
    graph.node.insert(list(graph.node).index(chosen), node)
    chosen.input[longer] = WEAK


@dataclasses.dataclass
class Converted:
    """A network as ONNX and as IR, and what its original computes."""

    spec: ModelSpec
    source: frontends.VerifiedSource
    xml: Path
    reference: ReferenceOutputs
    reference_s: float  # CPU time

    def check(self, xml: Path, *, by_nodes: bool) -> str:
        """Why the self-check refuses an IR; empty if it accepts it."""
        check = IrCheck(self.spec, Precision.FP32, xml, self.source, by_nodes=by_nodes)
        try:
            check.run(lambda: self.reference)
        except SelfCheckError as error:
            return error.problem
        return ""


def convert(name: str, seed: int, folder: Path) -> Converted:
    """Export, read, prepare and write a network, as a conversion does."""
    shape = NETWORKS[name].input.shape
    if name != "vitpose":  # it takes one size only
        shape = (*shape[:2], 64, 96)
    network = draw_network(name, seed, shape)
    names = NETWORKS[name].output_names(
        **{key: each.default for key, each in NETWORKS[name].arguments.items()}
    )
    file: Any = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = network(torch.zeros(shape))
        torch.onnx.export(
            network, (torch.zeros(shape),), file, dynamo=False, opset_version=13,
            input_names=["image"], output_names=list(names),
        )  # fmt: skip
    tensors = tensors if isinstance(tensors, tuple) else (tensors,)
    model = onnx.load_from_string(file.getvalue())
    weaken(model)
    shapes = {each: tuple(tensor.shape) for each, tensor in zip(names, tensors, strict=True)}
    title = name.replace(".", "_")
    drawing: Any = SimpleNamespace(shape=shape, outputs=shapes)
    content = model.SerializeToString()
    declare(title, drawing, content, folder / "models", folder / "downloads", (MEAN, SCALE))
    spec: Any = open_registry((folder / "models",)).find(title)
    spec = dataclasses.replace(spec, self_check=NETWORKS[name].self_check)
    source = frontends.users_file(spec, ModelLayout(folder / "downloads", folder))
    ir = preprocess.apply_model_yml(frontends.read_network(spec, source), spec)
    ir_writer.prepare_for_writing(ir, spec, None)
    xml = ir_writer.write_ir(ir, folder / "right" / f"{title}.xml", Precision.FP32)
    start = time.process_time()
    reference = compute_reference(spec, source)
    assert reference is not None
    return Converted(spec, source, xml, reference, time.process_time() - start)


class IrFiles:
    """The two files of an IR, to be changed and written elsewhere."""

    def __init__(self, xml: Path, *, in_branch: bool) -> None:
        self.tree: Any = ElementTree.parse(xml)
        self.weights = bytearray(xml.with_suffix(".bin").read_bytes())
        self.by_id: dict[str, Any] = {
            str(layer.get("id")): layer for layer in self.tree.getroot().iterfind("layers/layer")
        }
        self.edges = list(self.tree.getroot().iterfind("edges/edge"))
        branch = self._find_branch()
        #: The layers that a fault may change.
        self.layers = [layer for name, layer in self.by_id.items() if (name in branch) == in_branch]

    def _find_branch(self) -> set[str]:
        """The numbers of the layers that only the weak tensor depends on."""
        ends = [
            name
            for name, layer in self.by_id.items()
            if any(
                WEAK in (port.get("names") or "").split(",")
                for port in layer.iterfind("output/port")
            )
        ]
        if not ends:
            return set()
        branch = set(ends)
        while True:
            larger = branch | {
                name for name, readers in self._readers().items() if readers and readers <= branch
            }
            if larger == branch:
                return branch
            branch = larger

    def _readers(self) -> dict[str, set[str]]:
        readers: dict[str, set[str]] = {name: set() for name in self.by_id}
        for edge in self.edges:
            readers[str(edge.get("from-layer"))].add(str(edge.get("to-layer")))
        return readers

    def of_type(self, *kinds: str) -> list[Any]:
        return [layer for layer in self.layers if layer.get("type") in kinds]

    def sources(self, layer: Any) -> list[Any]:
        """The edges to a layer, in the order of its ports."""
        found = [edge for edge in self.edges if edge.get("to-layer") == layer.get("id")]
        return sorted(found, key=lambda edge: int(edge.get("to-port")))

    def values(self, constant: Any) -> np.ndarray[Any, Any]:
        """A constant's values; writing to them changes the IR."""
        data = constant.find("data")
        shape = [int(size) for size in data.get("shape").split(",") if size.strip()]
        offset = int(data.get("offset"))
        return np.frombuffer(self.weights, np.float32, int(data.get("size")) // 4, offset).reshape(
            shape
        )

    def constant_before(self, layer: Any, port: int) -> Any | None:
        source = self.by_id[self.sources(layer)[port].get("from-layer")]
        is_float = (
            source.get("type") == "Const" and source.find("data").get("element_type") == "f32"
        )
        return source if is_float else None

    def kernels(self) -> list[tuple[Any, np.ndarray[Any, Any]]]:
        """The convolutions and matrix products with their weights."""
        found = []
        for layer in self.of_type("Convolution", "GroupConvolution", "MatMul"):
            constant = self.constant_before(layer, 1)
            if constant is not None:
                found.append((layer, self.values(constant)))
        return found

    def write(self, xml: Path) -> Path:
        xml.parent.mkdir(parents=True, exist_ok=True)
        self.tree.write(xml)
        xml.with_suffix(".bin").write_bytes(self.weights)
        return xml


def middle(items: list[Any]) -> Any:
    if not items:
        raise LookupError
    return items[len(items) // 2]


def transpose_kernel(ir: IrFiles) -> None:
    square = [each for _, each in ir.kernels() if each.shape[-1] == each.shape[-2] > 1]
    values = middle(square)
    values[:] = values.swapaxes(-1, -2).copy()


def enlarge_weights(ir: IrFiles) -> None:
    values = middle(ir.kernels())[1]
    values *= np.float32(1.01)


def swap_filters(ir: IrFiles) -> None:
    values = middle([each for _, each in ir.kernels() if each.shape[0] > 1])
    values[[0, 1]] = values[[1, 0]]


def drop_bias(ir: IrFiles) -> None:
    constants = [ir.constant_before(layer, 1) for layer in ir.of_type("Add")]
    ir.values(middle([each for each in constants if each is not None]))[:] = 0


def _pads(layer: Any, side: str) -> list[int]:
    return [int(each) for each in layer.find("data").get(side).split(",")]


def shift_padding(ir: IrFiles) -> None:
    convolutions = [layer for layer, _ in ir.kernels() if layer.get("type") != "MatMul"]
    layer = middle([each for each in convolutions if min(_pads(each, "pads_begin")) > 0])
    begin, end = _pads(layer, "pads_begin"), _pads(layer, "pads_end")
    layer.find("data").set("pads_begin", ", ".join(str(each - 1) for each in begin))
    layer.find("data").set("pads_end", ", ".join(str(each + 1) for each in end))


def dilate(ir: IrFiles) -> None:
    layers = [
        layer
        for layer, values in ir.kernels()
        if values.shape[-2:] == (3, 3) and layer.find("data").get("pads_begin") == "1, 1"
    ]
    data = middle(layers).find("data")
    for name in ("dilations", "pads_begin", "pads_end"):
        data.set(name, "2, 2")


def drop_activation(ir: IrFiles) -> None:
    layer = middle(ir.of_type("ReLU", "Clamp", "HSwish", "Elu", "Gelu", "Swish", "SoftMax"))
    (source, *_) = ir.sources(layer)
    for edge in ir.edges:
        if edge.get("from-layer") == layer.get("id"):
            edge.set("from-layer", source.get("from-layer"))
            edge.set("from-port", source.get("from-port"))
    graph = ir.tree.getroot()
    graph.find("layers").remove(layer)
    for edge in ir.sources(layer):
        graph.find("edges").remove(edge)


def saturate(ir: IrFiles) -> None:
    """A ReLU that also ends at 1."""
    layer = middle(ir.of_type("ReLU"))
    layer.set("type", "Clamp")
    ElementTree.SubElement(layer, "data", {"min": "0", "max": "1"})


def repeat_summand(ir: IrFiles) -> None:
    """A sum of two branches that reads one of them twice."""
    sums = []
    for layer in ir.of_type("Add"):
        edges = ir.sources(layer)
        if all(ir.by_id[edge.get("from-layer")].get("type") != "Const" for edge in edges):
            sums.append(edges)
    one, other = middle(sums)
    for name in ("from-layer", "from-port"):
        other.set(name, one.get(name))


def change_resize(ir: IrFiles) -> None:
    data = middle(ir.of_type("Interpolate")).find("data")
    data.set("mode", "linear_onnx" if data.get("mode") == "nearest" else "nearest")


#: A fault that a network has no place for raises LookupError.
FAULTS: dict[str, Callable[[IrFiles], None]] = {
    "kernel transposed": transpose_kernel,
    "weights enlarged by 1 %": enlarge_weights,
    "two filters swapped": swap_filters,
    "bias dropped": drop_bias,
    "padding shifted": shift_padding,
    "dilation 2": dilate,
    "activation dropped": drop_activation,
    "activation saturates": saturate,
    "summand repeated": repeat_summand,
    "resize mode": change_resize,
}


def inject(converted: Converted, folder: Path) -> Iterator[tuple[str, bool, Path]]:
    """Each fault that the network has a place for, whether it is in the weak branch, and the IR."""
    for in_branch in (True, False):
        for title, fault in FAULTS.items():
            ir = IrFiles(converted.xml, in_branch=in_branch)
            try:
                fault(ir)
            except LookupError:
                continue
            yield title, in_branch, ir.write(folder / f"{title} {in_branch}" / converted.xml.name)


def measure(name: str, counts: Counter[str], problems: list[str]) -> None:
    """Inject the faults into one network."""
    with tempfile.TemporaryDirectory() as folder:
        converted = convert(name, list(NETWORKS).index(name), Path(folder))
        for title, in_branch, xml in inject(converted, Path(folder)):
            place = "in the weak branch" if in_branch else "elsewhere"
            by_ends = converted.check(xml, by_nodes=False)
            by_nodes = by_ends or converted.check(xml, by_nodes=True)
            counts[f"faults {place}"] += 1
            counts[f"found by outputs {place}"] += bool(by_ends)
            counts[f"found by nodes {place}"] += bool(by_nodes)
            if not by_nodes:
                problems.append(f"{name}: {title} {place} is not found")
                print(problems[-1], flush=True)


def verify(name: str, seed: int, counts: Counter[str], problems: list[str]) -> tuple[float, float]:
    """Check a correct network; the CPU time of its self-check, and of the comparison of nodes."""
    with tempfile.TemporaryDirectory() as folder:
        converted = convert(name, seed, Path(folder))
        start = time.process_time()
        problem = converted.check(converted.xml, by_nodes=False)
        ends_s = converted.reference_s + time.process_time() - start
        start = time.process_time()
        proof, wrong = compare_nodes(
            converted.spec,
            converted.reference.original,
            converted.xml,
            converted.reference.cases[0],
        )
        nodes_s = time.process_time() - start
        counts["correct networks"] += 1
        counts.update(dataclasses.asdict(proof))
        if problem or wrong:
            counts["refused"] += 1
            problems.append(f"{name}, seed {seed}: {problem or wrong}")
            print(problems[-1], flush=True)
        return ends_s, nodes_s


def main() -> int:
    """Convert, inject, count, print and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=6, help="weights for each correct network")
    parser.add_argument("--only", choices=NETWORKS, nargs="*", default=list(NETWORKS))
    args = parser.parse_args()
    torch.set_num_threads(1)  # its threads would wait actively while OpenVINO computes
    # Without inner tensors, it only adds to the message.
    setattr(IrCheck, "_describe_first_difference", lambda *_: "")  # noqa: B010
    counts: Counter[str] = Counter()
    problems: list[str] = []
    ends_s = nodes_s = 0.0
    for name in [SMALL] if IS_TRIAL else args.only:
        measure(name, counts, problems)
        for draw in range(amount(args.draws, trial=1)):
            times = verify(name, 100 + draw, counts, problems)
            ends_s += times[0]
            nodes_s += times[1]
        print(name, dict(counts), f"{ends_s:.1f} s, nodes {nodes_s:.1f} s more", flush=True)
    record(
        "bench_node_proof",
        {**counts, "self_check_cpu_s": ends_s, "nodes_cpu_s": nodes_s, "problems": problems},
    )
    return exit_code(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
