"""Which faults the self-check finds in IR, and whether it refuses a correct IR.

Every network of posezoo is converted with some draws of random weights, and each is checked on some
pairs of random images; models that were downloaded are checked as often with their own weights. One
fault at a time is built into the IR of the first weights: in preprocessing, weights,
hyperparameters or graph, the classes of FetaFix (arXiv 2312.15101). The old criterion, 1e-3 for
FP32 and 2e-2 for FP16, is applied to the same files. Ends with 1 if a correct IR is refused.

    python benchmarks/bench_self_check.py [--weights 1] [--images 12] [--no-faults] [--only NETWORK
    ...] python benchmarks/bench_self_check.py --only --models NAME ... --downloads DIR
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from bench_convert import declare
from harness import machine, record, spread
from torch import nn

from posezoo.convert import frontends, preprocess, reference_outputs, self_check
from posezoo.convert.check_images import draw_test_image
from posezoo.convert.reference_outputs import (
    EXACT,
    ReferenceOutputs,
    compute_reference,
    run_compiled,
)
from posezoo.convert.self_check import check_fp16, check_ir, compute_difference
from posezoo.errors import SelfCheckError
from posezoo.ir import ir_writer
from posezoo.ir.openvino_import import openvino_core
from posezoo.layout import ModelLayout
from posezoo.networks import NETWORKS, build_network
from posezoo.registry import open_registry
from posezoo.spec.model import Precision

FP32, FP16 = Precision.FP32, Precision.FP16

#: The criterion that the measured one replaced.
OLD = {FP32: 1e-3, FP16: 2e-2}

MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


# --- networks


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


@dataclasses.dataclass
class Converted:
    """A network in both precisions, and what its original computes."""

    spec: Any
    source: Path
    irs: dict[Precision, Path]
    reference: Future[ReferenceOutputs]

    def draw_images(self, *pairs: int) -> None:
        """Compute the original's outputs for other pairs of images."""
        seeds: Any = tuple(2 * pair + number for pair in pairs for number in (1, 2))
        reference_outputs.SEEDS = seeds
        self.reference = Future()
        self.reference.set_result(compute_reference(self.spec, self.source))


def convert(name: str, seed: int, folder: Path) -> Converted:
    """Export, read, prepare and write a network, as a conversion does."""
    shape = _small_shape(name)
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
    shapes = {each: tuple(tensor.shape) for each, tensor in zip(names, tensors, strict=True)}
    title = name.replace(".", "_")
    drawing: Any = SimpleNamespace(shape=shape, outputs=shapes)
    declare(title, drawing, file.getvalue(), folder / "models", folder / "downloads", (MEAN, SCALE))
    spec: Any = open_registry((folder / "models",)).find(title)
    spec = dataclasses.replace(spec, self_check=NETWORKS[name].self_check)
    return write_irs(spec, folder / "downloads", folder)


def write_irs(spec: Any, downloads: Path, folder: Path) -> Converted:
    """Read, prepare and write a model that was downloaded."""
    source = frontends.source_model_path(spec, ModelLayout(downloads, folder))
    model = preprocess.apply_model_yml(frontends.read_network(spec, source), spec)
    ir_writer.prepare_for_writing(model, spec, None)
    irs = {
        each: ir_writer.write_ir(model, folder / "irs" / each / f"{spec.name}.xml", each)
        for each in (FP32, FP16)
    }
    return Converted(spec, source, irs, Future())


def _small_shape(name: str) -> tuple[int, ...]:
    """A small image, so that the time depends on the number of layers alone."""
    return (1, NETWORKS[name].input.shape[1], 64, 96)


# --- faults


class IrFiles:
    """The two files of an IR, to be changed and written elsewhere."""

    def __init__(self, xml: Path) -> None:
        self.tree: Any = ElementTree.parse(xml)
        self.weights = bytearray(xml.with_suffix(".bin").read_bytes())
        self.layers = list(self.tree.getroot().iterfind("layers/layer"))
        self.by_id = {layer.get("id"): layer for layer in self.layers}
        self.edges = list(self.tree.getroot().iterfind("edges/edge"))

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
        types = {"f32": np.float32, "f16": np.float16}
        offset, dtype = int(data.get("offset")), types[data.get("element_type")]
        count = int(data.get("size")) // np.dtype(dtype).itemsize
        return np.frombuffer(self.weights, dtype, count, offset).reshape(shape)

    def constant_before(self, layer: Any, port: int) -> Any | None:
        """The constant that a port reads, also if a conversion from FP16 is between."""
        source = self.by_id[self.sources(layer)[port].get("from-layer")]
        if source.get("type") == "Convert":
            source = self.by_id[self.sources(source)[0].get("from-layer")]
        return source if source.get("type") == "Const" else None

    def kernels(self) -> list[tuple[Any, np.ndarray[Any, Any]]]:
        """The convolutions of the network and their weights."""
        found = []
        for layer in self.of_type("Convolution", "GroupConvolution"):
            constant = self.constant_before(layer, 1)
            if constant is not None:
                found.append((layer, self.values(constant)))
        return found

    def prepare_mean(self) -> np.ndarray[Any, Any]:
        """The values that the first layer subtracts."""
        constant = self.constant_before(self.of_type("Subtract")[0], 1)
        if constant is None:
            raise LookupError
        return self.values(constant).reshape(-1)

    def write(self, xml: Path) -> None:
        xml.parent.mkdir(parents=True, exist_ok=True)
        self.tree.write(xml)
        xml.with_suffix(".bin").write_bytes(self.weights)


def middle(items: list[Any]) -> Any:
    if not items:
        raise LookupError
    return items[len(items) // 2]


def swap_channels(ir: IrFiles) -> None:
    mean = ir.prepare_mean()
    mean[:] = mean[::-1].copy()
    values = ir.kernels()[0][1]
    values[:] = values[:, ::-1].copy()


def _set_mean(change: Callable[[Any], Any]) -> Callable[[IrFiles], None]:
    def fault(ir: IrFiles) -> None:
        values = ir.prepare_mean()
        values[:] = change(values)

    return fault


def scale_1_percent(ir: IrFiles) -> None:
    values = ir.kernels()[0][1]  # OpenVINO folds the scale into it
    values[:] = values / 1.01


def transpose_kernel(ir: IrFiles) -> None:
    values = middle([each for _, each in ir.kernels() if each.shape[-1] == each.shape[-2] > 1])
    values[:] = values.swapaxes(-1, -2).copy()


def zero_weight(rank: Callable[[Any], int]) -> Callable[[IrFiles], None]:
    def fault(ir: IrFiles) -> None:
        flat = middle(ir.kernels())[1].reshape(-1)
        flat[rank(np.abs(flat))] = 0

    return fault


def change_epsilon(*, everywhere: bool) -> Callable[[IrFiles], None]:
    """Normalizations with 1e-3 in place of 1e-5; they are in the weights of the convolutions before
    them.
    """

    def fault(ir: IrFiles) -> None:
        rng = np.random.default_rng(0)
        kernels = [values for _, values in ir.kernels()]
        for values in kernels if everywhere else [middle(kernels)]:
            variance = rng.uniform(0.5, 1.5, (values.shape[0], *[1] * (values.ndim - 1)))
            values[:] = values * np.sqrt((variance + 1e-5) / (variance + 1e-3))

    return fault


def swap_filters(ir: IrFiles) -> None:
    values = middle([each for _, each in ir.kernels() if each.shape[0] > 1])
    values[[0, 1]] = values[[1, 0]]


def drop_bias(ir: IrFiles) -> None:
    constants = [ir.constant_before(layer, 1) for layer in ir.of_type("Add")]
    found = [
        each
        for each in constants
        if each is not None and each.find("data").get("element_type")[0] == "f"
    ]
    ir.values(middle(found))[:] = 0


def round_weights(ir: IrFiles) -> None:
    for _, values in ir.kernels():
        if values.dtype == np.float16:
            raise LookupError
        values[:] = values.astype(np.float16)


def shift_padding(ir: IrFiles) -> None:
    def pads(layer: Any, side: str) -> list[int]:
        return [int(each) for each in layer.find("data").get(side).split(",")]

    layers = [layer for layer, _ in ir.kernels() if min(pads(layer, "pads_begin")) > 0]
    layer = middle(
        [each for each in layers if each.find("data").get("strides") != "1, 1"] or layers
    )
    begin, end = pads(layer, "pads_begin"), pads(layer, "pads_end")
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


def drop_relu(ir: IrFiles) -> None:
    layer = middle(ir.of_type("ReLU", "Clamp", "HSwish", "Elu", "PReLU"))
    source, *_ = ir.sources(layer)
    for edge in ir.edges:
        if edge.get("from-layer") == layer.get("id"):
            edge.set("from-layer", source.get("from-layer"))
            edge.set("from-port", source.get("from-port"))
    graph = ir.tree.getroot()
    graph.find("layers").remove(layer)
    for edge in ir.sources(layer):
        graph.find("edges").remove(edge)


def _shape_of(ir: IrFiles, edge: Any) -> list[Any]:
    ports = ir.by_id[edge.get("from-layer")].iterfind("output/port")
    port = next(each for each in ports if each.get("id") == edge.get("from-port"))
    return [size.text for size in port.iterfind("dim")]


def swap_concatenation(ir: IrFiles) -> None:
    for layer in ir.of_type("Concat"):
        edges = ir.sources(layer)
        for one, other in itertools.pairwise(edges):
            if _shape_of(ir, one) == _shape_of(ir, other):
                for name in ("from-layer", "from-port"):
                    first, second = one.get(name), other.get(name)
                    one.set(name, second)
                    other.set(name, first)
                return
    raise LookupError


def repeat_summand(ir: IrFiles) -> None:
    """A sum of two branches that reads one of them twice."""
    sums = []
    for layer in ir.of_type("Add"):
        one, other = ir.sources(layer)
        kinds = {ir.by_id[edge.get("from-layer")].get("type") for edge in (one, other)}
        if not kinds & {"Const", "Convert"} and _shape_of(ir, one) == _shape_of(ir, other):
            sums.append((one, other))
    one, other = middle(sums)
    for name in ("from-layer", "from-port"):
        other.set(name, one.get(name))


def change_resize(attribute: str) -> Callable[[IrFiles], None]:
    others = {
        "linear_onnx": "nearest", "linear": "nearest", "nearest": "linear_onnx",
        "half_pixel": "asymmetric", "pytorch_half_pixel": "align_corners",
        "align_corners": "half_pixel", "asymmetric": "half_pixel",
    }  # fmt: skip

    def fault(ir: IrFiles) -> None:
        data = middle(ir.of_type("Interpolate")).find("data")
        data.set(attribute, others[data.get(attribute)])

    return fault


#: What can go wrong, by class; a fault that a network has no place for raises LookupError.
FAULTS: dict[str, dict[str, Callable[[IrFiles], None]]] = {
    "preprocessing": {
        "channels not reversed": swap_channels,
        "mean 127.5": _set_mean(lambda values: np.full_like(values, 127.5)),
        "mean + 0.5": _set_mean(lambda values: values + 0.5),
        "scale by 1 %": scale_1_percent,
    },
    "weights": {
        "kernel transposed": transpose_kernel,
        "largest weight zeroed": zero_weight(lambda sizes: int(sizes.argmax())),
        "median weight zeroed": zero_weight(lambda sizes: int(sizes.argsort()[sizes.size // 2])),
        "epsilon 1e-3 in all layers": change_epsilon(everywhere=True),
        "epsilon 1e-3 in one layer": change_epsilon(everywhere=False),
        "two filters swapped": swap_filters,
        "bias dropped": drop_bias,
        "weights rounded to FP16": round_weights,
    },
    "hyperparameters": {
        "padding shifted": shift_padding,
        "dilation 2": dilate,
        "resize mode": change_resize("mode"),
        "resize coordinates": change_resize("coordinate_transformation_mode"),
    },
    "graph": {
        "activation dropped": drop_relu,
        "concatenation swapped": swap_concatenation,
        "summand repeated": repeat_summand,
    },
}


# --- criteria


class CompiledOnce:
    """Stands for OpenVINO's core in the self-check: the last IR is not compiled again."""

    def __init__(self) -> None:
        self.core, self.xml, self.compiled = openvino_core(), Path(), None

    def compile_model(self, xml: Path, *args: Any) -> Any:
        if xml != self.xml:
            self.xml, self.compiled = Path(), None
            self.compiled = self.core.compile_model(xml, *args)
            self.xml = xml
        return self.compiled

    def forget(self) -> None:
        self.xml = Path()


CORE = CompiledOnce()


def difference(converted: Converted, xml: Path) -> float:
    """The largest difference of an IR's outputs; inf if it cannot be run."""
    reference = converted.reference.result()
    try:
        compiled = CORE.compile_model(xml, "CPU", EXACT)
        return max(
            compute_difference(values, actual[name], converted.spec.self_check.measure)
            for case in reference.cases
            for actual in [run_compiled(compiled, case.feed)]
            for name, values in case.outputs.items()
        )
    except RuntimeError:
        return float("inf")


def refusal(converted: Converted, irs: dict[Precision, Path], checked: Future[Any]) -> str:
    """Why the self-check refuses the IR; empty if it accepts them.

    Args:
        checked: the check of the FP32 IR; if it is empty, it is done and put there.
    """
    try:
        if not checked.done():
            checked.set_result(
                check_ir(converted.spec, irs[FP32], converted.source, converted.reference)
            )
        check_fp16(
            converted.spec, irs[FP16], converted.source, irs[FP32], checked, converted.reference
        )
    except SelfCheckError as error:
        return error.problem
    return ""


def faulty(
    converted: Converted, fault: Callable[[IrFiles], None], folder: Path
) -> dict[Precision, Path]:
    """Both IR with a fault; raises LookupError if the network has no place for it."""
    shutil.rmtree(folder, ignore_errors=True)
    changed = {}
    for precision, xml in converted.irs.items():
        ir = IrFiles(xml)
        try:
            fault(ir)
        except LookupError:
            if precision == FP32:
                raise
            continue
        changed[precision] = folder / precision / xml.name
        ir.write(changed[precision])
    return changed


def inject(
    converted: Converted, checked: Future[Any], folder: Path
) -> Iterator[tuple[str, str, dict[str, bool]]]:
    """Each fault with what the criteria find: in FP32, and in FP16 if both IR have it or that one
    alone.
    """
    for kind, faults in FAULTS.items():
        for title, fault in faults.items():
            try:
                irs = faulty(converted, fault, folder)
            except LookupError:
                continue
            found: dict[str, bool] = {}
            CORE.forget()
            off = difference(converted, irs[FP32])
            if not off:
                continue
            try:
                check_ir(converted.spec, irs[FP32], converted.source, converted.reference)
                found["new FP32"] = False
            except SelfCheckError:
                found["new FP32"] = True
            found["old FP32"] = not off <= OLD[FP32]
            if FP16 in irs:
                found["old FP16"] = not difference(converted, irs[FP16]) <= OLD[FP16]
                found["new FP16"] = found["new FP32"]
                alone = {FP32: converted.irs[FP32], FP16: irs[FP16]}
                found["new FP16 alone"] = bool(refusal(converted, alone, checked))
            yield kind, title, found


def measure_margins(converted: Converted, pairs: range) -> Iterator[tuple[float, dict[str, float]]]:
    """How far a correct IR is from being refused, for pairs of images.

    Yields:
        The largest difference, and the difference divided by its limit in the output for which this
        is largest, by the number of moved images from which the limit is computed: 1, 2, and for
        the first pair, or if it is above 0.5 for two, 10; 0 if no image can be moved. Empty if
        numbers prove no output.
    """
    converted.draw_images(*pairs)
    reference = converted.reference.result()
    compiled = CORE.compile_model(converted.irs[FP32], "CPU", EXACT)
    computed = [run_compiled(compiled, case.feed) for case in reference.cases]
    moved = reference.move(0) or [[] for _ in reference.cases]
    names = tuple(reference.cases[0].outputs)
    for place, pair in enumerate(pairs):
        both = slice(2 * place, 2 * place + 2)
        cases = reference.cases[both]
        one, other = moved[both]
        draws = [[one, []], [one, other]] if one else [[[], []]]
        margins: dict[str, float] = {}
        while draws:
            chosen = draws.pop(0)
            outputs, unprovable = self_check._compare_outputs(
                converted.spec, FP32, names, cases, computed[both], chosen
            )
            limits = [
                each.difference / each.tolerance
                for key, each in outputs.items()
                if key not in unprovable
            ]
            if limits:
                margins[str(sum(map(len, chosen)))] = max(limits)
            if len(margins) == 2 and not draws and (not place or margins["2"] > 0.5):
                converted.draw_images(pair)
                further = converted.reference.result().move(1)
                draws.append(
                    [[*few, *more] for few, more in zip((one, other), further, strict=True)]
                )
        yield max(each.difference for each in outputs.values()), margins


def check_correct(
    name: str, args: argparse.Namespace, counts: dict[str, Counter[str]]
) -> dict[str, Any]:
    """Check correct IR, and count the faults that are found; returns what to record of the correct
    ones.
    """
    refused, margins, found = [], defaultdict(list), Counter[str]()
    start = time.process_time()
    for draw in range(args.weights):
        pairs = range(draw * args.images, (draw + 1) * args.images)
        with tempfile.TemporaryDirectory() as folder:
            if name in NETWORKS:
                converted = convert(name, list(NETWORKS).index(name) + draw, Path(folder))
            else:
                converted = write_irs(open_registry().find(name), args.downloads, Path(folder))
            CORE.forget()
            for off, by_moved in measure_margins(converted, pairs):
                found["unprovable"] += not by_moved
                found["refused in FP32 by the old criterion"] += not off <= OLD[FP32]
                if by_moved and not (limit := list(by_moved.values())[-1]) <= 1:
                    refused.append(f"weights {draw}: {limit:.2f} times the limit")
                for count, margin in by_moved.items():
                    margins[count].append(margin)
            converted.draw_images(pairs[0])
            checked: Future[Any] = Future()
            if problem := refusal(converted, converted.irs, checked):
                refused.append(f"weights {draw}: {problem}")
            if (
                args.faults
                and not draw
                and name in NETWORKS
                and not problem
                and not checked.result().unprovable
            ):
                for kind, title, finds in inject(converted, checked, Path(folder) / "faulty"):
                    for key in (title, kind, "all"):
                        counts[key].update(
                            ["faults", *(each for each, value in finds.items() if value)]
                        )
                        counts[key]["faults FP16"] += "old FP16" in finds
    return {
        "weights": args.weights if name in NETWORKS else 1,
        "checks": args.weights * args.images,
        "refused": refused,
        **found,
        "difference by limit, by number of moved images": {
            count: {
                "checks": len(values),
                **spread(values),
                "above 1": sum(value > 1 for value in values),
            }
            for count, values in margins.items()
        },
        "CPU seconds": round(time.process_time() - start),
    }


def main() -> int:
    """Check all networks; print and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=int, default=1, help="draws of weights for each network")
    parser.add_argument(
        "--images", type=int, default=12, help="pairs of images for each draw of weights"
    )
    parser.add_argument("--faults", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--only", choices=NETWORKS, nargs="*", default=list(NETWORKS))
    parser.add_argument(
        "--models", nargs="*", default=[], help="models of the zoo, with their own weights"
    )
    parser.add_argument("--downloads", type=Path, help="the download folder of --models")
    args = parser.parse_args()
    print(machine())
    torch.set_num_threads(1)  # its threads would wait actively while OpenVINO computes
    setattr(self_check, "openvino_core", lambda: CORE)  # noqa: B010
    # It takes seconds, and only adds to the message.
    setattr(self_check, "find_first_difference", lambda *_: "")  # noqa: B010

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    checks = refused = 0
    for name in [*args.only, *args.models]:
        correct = check_correct(name, args, counts)
        checks, refused = checks + correct["checks"], refused + len(correct["refused"])
        print(f"{name:32} {correct}", flush=True)
        record("bench_self_check", {"network": name, **correct})
    for title, count in counts.items():
        print(f"{title:28} {dict(count)}")
    print(f"correct IR refused: {refused} of {checks}")
    if counts:
        found = {title: dict(count) for title, count in counts.items()}
        record("bench_self_check", {"networks": args.only, "found": found})
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
