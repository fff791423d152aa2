"""INT8 without photos: the ranges of activations that NNCF measured once, beside the model.yml, for
the published weights.

A file with ranges is a safetensors file with these tensors:

- ``activations/NAME``, f32: the least and the largest value of a quantizer, with 256 levels; NAME
  says where it is, as NNCF names it: ``OPERATION/fq_output_PORT``, ``OPERATION/fq_input_PORT``.
- ``weights/OPERATION``, i64: the axes of weights that have a range of their own for each index.
  Each range is symmetric, with 255 levels, and reaches to the largest absolute value.
- ``half/OPERATION``, f32, 1: such weights use half of their levels, so that sums of 16 bits do not
  overflow.
- ``biases/OPERATION``, f32: what the fast bias correction made of the constant that an Add adds.

Method: Kozlov et al., "Neural Network Compression Framework for fast model inference", 2020,
arXiv:2002.08679; names, levels and smallest ranges as in NNCF 3.4, ``openvino/graph/
model_transformer.py`` and ``quantization/fake_quantize.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.feature_steps import Int8Maker
from posezoo.core.declarations.model import Decoder, ModelSpec, Precision
from posezoo.core.errors import ConversionError, QuantizationError, import_optional, os_reason
from posezoo.core.ir import ir_writer
from posezoo.core.ir.inference import run_request
from posezoo.core.ir.openvino_import import (
    error_text,
    import_openvino,
    openvino_core,
    static_sizes,
)
from posezoo.core.values import frozen
from posezoo.networks.checkpoints.mapped_file import MappedFile, shorten
from posezoo.networks.checkpoints.safetensors import read_safetensors
from posezoo.proof.recorded_outputs import verify_file_beside
from posezoo.proof.reference_outputs import EXACT
from posezoo.quantize.int8_layers import WEIGHTED

if TYPE_CHECKING:
    from openvino import Model, Node, Output

ACTIVATION_LEVELS = 256
WEIGHT_LEVELS = 255

#: How much wider than its values on two photos a range may be: the ranges in the registry, measured
#: on more photos, are up to 1.7 times as wide.
WIDEST = 4

# Of a channel whose weights are nearly zero: a share of the largest range, and a value.
_LEAST_SHARE = np.float32(0.01)
_LEAST_RANGE = np.float32(8e-5)

# What a check allows: biases are stored in FP16, and a weight in the middle of two levels may go to
# either.
_HALF_ROUNDING = 1e-3
_MOST_OF_A_STEP = 0.501

_QUANTIZER = re.compile(r"(.+)/fq_(input|output)_(0|[1-9][0-9]?)")
_WEIGHTS = "{}/fq_weights_1"


def _is_range(ends: Array) -> bool:
    if ends.dtype != np.float32 or ends.shape[:1] != (2,):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        width = ends[1] - ends[0]
    return bool(((width > 0) & (width < np.inf)).all())


# For each group of tensors: whether a tensor has the right form, and what that is.
_FORMS: dict[str, tuple[Callable[[Array], bool], str]] = {
    "activations": (_is_range, "a finite value and a larger one in f32"),
    "weights": (
        lambda axes: axes.dtype == np.int64 and axes.ndim == 1,
        "a list of axes in i64",
    ),
    "half": (lambda flag: flag.dtype == np.float32 and flag.tolist() == [1], "a 1 in f32"),
    "biases": (
        lambda values: values.dtype == np.float32 and bool(np.isfinite(values).all()),
        "finite values in f32",
    ),
}


@frozen
class Int8Ranges:
    """The content of a file with ranges.

    Attributes:
        activations: the least and the largest value by the quantizer's name, f32, [2, ...].
        weights: the axes with ranges of their own.
        half: those whose weights use half of their levels.
        biases: the corrected biases, f32.
    """

    activations: NamedArrays
    weights: Mapping[str, tuple[int, ...]]
    half: frozenset[str]
    biases: NamedArrays

    @classmethod
    def from_tensors(cls, tensors: NamedArrays) -> Int8Ranges:
        """The ranges in the tensors of a file.

        Raises:
            ValueError: a tensor is not one of such a file.
        """
        groups: dict[str, dict[str, Array]] = {name: {} for name in _FORMS}
        for title, tensor in tensors.items():
            group, _, name = title.partition("/")
            if group not in groups:
                raise ValueError(f"it has a tensor {shorten(title)}")
            has_form, form = _FORMS[group]
            if not has_form(tensor):
                raise ValueError(f"{shorten(title)} has to be {form}")
            groups[group][name] = tensor
        if not groups["weights"]:
            raise ValueError("it has no weights")
        axes = {name: tuple(map(int, each)) for name, each in groups["weights"].items()}
        return cls(groups["activations"], axes, frozenset(groups["half"]), groups["biases"])

    def to_tensors(self) -> dict[str, Array]:
        """The tensors of a file with these ranges, by name."""
        axes = {name: np.array(each, np.int64) for name, each in self.weights.items()}
        half = {name: np.ones(1, np.float32) for name in sorted(self.half)}
        groups: tuple[NamedArrays, ...] = (self.activations, axes, half, self.biases)
        return {
            f"{group}/{name}": tensor
            for group, tensors in zip(_FORMS, groups, strict=True)
            for name, tensor in tensors.items()
        }

    def weight_range(self, operation: str, weights: Array) -> Array:
        """The upper end of the range of each weight, with 1 for the other axes; ``weights`` are the
        operation's second input, in f32.

        Raises:
            ValueError: it has no such axes.
        """
        axes = self.weights[operation]
        others = tuple(set(range(weights.ndim)) - set(axes))
        if len(axes) + len(others) != weights.ndim:
            raise ValueError(f"the weights of {operation} do not have the declared axes")
        largest = np.abs(weights).max(axis=others, keepdims=True)
        smallest = max(largest.max() * _LEAST_SHARE, _LEAST_RANGE)
        high = np.maximum(largest, smallest)
        return np.asarray(high * 2 if operation in self.half else high, np.float32)


def read_ranges(spec: ModelSpec) -> Int8Ranges:
    """The ranges of a model that declares some.

    Raises:
        ConversionError: as for ``verify_file_beside``, or it is not such a file.
        MissingPackageError: a package that reads it is not installed.
    """
    assert spec.int8_ranges
    path = verify_file_beside(spec, spec.int8_ranges)
    try:
        return Int8Ranges.from_tensors(read_safetensors(MappedFile(path)))
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read: {os_reason(error)}") from error
    except ValueError as error:
        raise ConversionError(f"{path}: is not a file with ranges: {error}") from error


class _Nodes(dict[str, "Node"]):
    def __init__(self, network: Model) -> None:
        super().__init__((node.get_friendly_name(), node) for node in network.get_ops())

    def __missing__(self, name: str) -> Node:
        raise ValueError(f"there is no operation {shorten(name)}")


def apply_ranges(network: Model, ranges: Int8Ranges, name: str) -> None:
    """Give a network, an IR in FP16 as it was read, INT8 weights, and quantizers before and after
    its operations.

    Raises:
        QuantizationError: the ranges do not fit it.
    """
    nodes = _Nodes(network)
    try:
        for operation in ranges.weights:
            weights = nodes[operation].input_value(1)
            readers = weights.get_target_inputs()
            high = ranges.weight_range(operation, _read_input(nodes[operation], 1))
            rounded = _quantize(weights, -high, high, WEIGHT_LEVELS, _WEIGHTS.format(operation))
            for reader in readers:
                reader.replace_source_output(rounded)
        for quantizer_name, (low, high) in ranges.activations.items():
            source, readers = _find_place(quantizer_name, nodes)
            rounded = _quantize(source, low, high, ACTIVATION_LEVELS, quantizer_name)
            for reader in readers:
                reader.replace_source_output(rounded)
        for operation, values in ranges.biases.items():
            _replace_constant(nodes[operation], values)
    except (ValueError, RuntimeError) as error:
        raise QuantizationError(
            f"{name}: its int8_ranges do not fit its network: {error_text(error)}",
            hint="they are those of another network, or of another version of OpenVINO",
        ) from error
    transformations = import_optional("openvino._offline_transformations", extra="run")
    transformations.compress_quantize_weights_transformation(network)


def _find_place(name: str, nodes: Mapping[str, Node]) -> tuple[Output, Iterable[Any]]:
    """The values that a quantizer rounds, and the inputs that take what it rounded."""
    match = _QUANTIZER.fullmatch(name)
    if match is None:
        raise ValueError(f"{shorten(name)} is not the name of a quantizer")
    operation, side, number = match.groups()
    node = nodes[operation]
    if side == "output":
        source = node.output(int(number))
        return source, tuple(source.get_target_inputs())
    reader = node.input(int(number))
    return reader.get_source_output(), (reader,)


def _quantize(source: Output, low: Array, high: Array, levels: int, name: str) -> Output:
    """The values, rounded to one of the levels.

    Raises:
        ValueError: the ranges are those of another shape.
    """
    sizes = static_sizes(source.get_partial_shape())
    fits = all(end in (1, size) for end, size in zip(low.shape[::-1], sizes[::-1], strict=False))
    if low.ndim > len(sizes) or not fits:
        raise ValueError(f"{name} has ranges of the shape {list(low.shape)}")
    operations = import_optional("openvino.opset13", extra="run")
    ends = {"input_low": low, "input_high": high, "output_low": low, "output_high": high}
    constants = [
        operations.constant(value, dtype=np.float32, name=f"{name}/{end}")
        for end, value in ends.items()
    ]
    return operations.fake_quantize(source, *constants, levels, name=name).output(0)


def _find_constant(node: Node) -> Node:
    """The constant that a node is, or that it converts to f32.

    Raises:
        ValueError: it is computed.
    """
    constant = node.input_value(0).get_node() if node.get_type_name() == "Convert" else node
    if constant.get_type_name() != "Constant":
        raise ValueError(f"{node.get_friendly_name()} is computed")
    return constant


def _replace_constant(addition: Node, values: Array) -> None:
    """Give an Add another constant, which is stored in the type of the one that it has.

    Raises:
        ValueError: it has another shape, or is too large for the type.
    """
    operations = import_optional("openvino.opset13", extra="run")
    port = addition.input(1)
    source = port.get_source_output().get_node()
    old = _find_constant(source)
    if tuple(old.shape) != values.shape:
        raise ValueError(f"{addition.get_friendly_name()} adds {list(old.shape)} values")
    if old is not source:
        port = source.input(0)
    with np.errstate(over="ignore"):
        stored = values.astype(old.data.dtype)
    if not np.isfinite(stored).all():
        raise ValueError(f"{addition.get_friendly_name()} would add an infinite value")
    new = operations.constant(stored, name=old.get_friendly_name())
    port.replace_source_output(new.output(0))


def find_ranges(half: Model, int8: Model) -> Int8Ranges:
    """The ranges with which ``apply_ranges`` makes an INT8 network, from FP16 (``half``) and what
    NNCF made of it.

    Raises:
        QuantizationError: they cannot describe all that NNCF changed.
    """
    nodes = _Nodes(half)
    activations: dict[str, Array] = {}
    biases: dict[str, Array] = {}
    for node in int8.get_ordered_ops():
        name = node.get_friendly_name()
        if node.get_type_name() == "FakeQuantize":
            activations[name] = np.stack([_read_input(node, port) for port in (1, 2)])
        elif node.get_type_name() == "Add" and name in nodes:
            with suppress(ValueError):  # it adds two tensors that the network computes
                bias = _read_input(node, 1)
                if not np.array_equal(bias, _read_input(nodes[name], 1)):
                    biases[name] = bias
    all_scales = _find_all_scales(int8)
    rounded = _Nodes(int8)
    for name in all_scales:
        sharing = len(nodes[name].input_value(1).get_target_inputs())
        in_int8 = len(rounded[name].input_value(1).get_target_inputs())
        if sharing != in_int8:
            raise QuantizationError(
                f"{name}: {sharing} operations share its weights, and {in_int8} of them have INT8",
                hint="keep all of them in floating point, or none (quantization.in_float)",
            )
    axes = {
        name: tuple(axis for axis, size in enumerate(scales.shape) if size > 1)
        for name, scales in all_scales.items()
    }
    ranges = Int8Ranges(activations, axes, frozenset(), biases)
    used_half = set()
    for name, scales in all_scales.items():
        high = ranges.weight_range(name, _read_input(nodes[name], 1))
        if np.isclose(scales, 4 * high / (WEIGHT_LEVELS - 1)).all():
            used_half.add(name)
    return replace(ranges, half=frozenset(used_half))


def _find_all_scales(int8: Model) -> dict[str, Array]:
    scales = {}
    for node in int8.get_ordered_ops():
        if node.get_type_name() in WEIGHTED:
            name = node.get_friendly_name()
            product = node.input_value(1).get_node()
            if product.get_friendly_name() == _WEIGHTS.format(name):
                scales[name] = _read_input(product, 1)
    return scales


def _read_input(node: Node, port: int) -> Array:
    constant = _find_constant(node.input_value(port).get_node())
    return np.asarray(constant.data, np.float32)


class RangesMaker(Int8Maker):
    """Makes INT8 with the ranges that a model declares."""

    def check_declared(self, spec: ModelSpec) -> None:
        """See ``Int8Maker``."""
        read_ranges(spec)

    def write(self, half: Path, xml: Path, spec: ModelSpec, decoder: Decoder | None) -> Path:
        """See ``Int8Maker``."""
        network = openvino_core().read_model(half)
        apply_ranges(network, read_ranges(spec), spec.full_name)
        ir_writer.prepare_for_writing(network, spec, decoder)
        return ir_writer.write_ir(network, xml, Precision.FP16_INT8)

    def explain_difference(self, half: Path, xml: Path, spec: ModelSpec) -> str:
        """See ``Int8Maker``."""
        networks = [openvino_core().read_model(path) for path in (half, xml)]
        applied = find_ranges(*networks).to_tensors()
        declared = read_ranges(spec).to_tensors()
        if names := applied.keys() ^ declared.keys():
            return f"only one of them has {min(names)}"
        for name, tensor in declared.items():
            actual = applied[name]
            if actual.shape != tensor.shape or not np.allclose(actual, tensor, _HALF_ROUNDING):
                return f"it has other {name}"
        return _find_wrong_weight(*networks)

    def explain_wide_range(self, half: Path, spec: ModelSpec, feeds: Sequence[NamedArrays]) -> str:
        """See ``Int8Maker``."""
        ranges = read_ranges(spec).activations
        measured = _measure_widths(openvino_core().read_model(half), list(ranges), feeds)
        for (name, (low, high)), values in zip(ranges.items(), measured, strict=True):
            width = float(high.max() - low.min())
            if width > WIDEST * values > 0:
                return (
                    f"{name} is {width:.3g} wide, {width / values:.0f} times as wide as its"
                    f" values on {len(feeds)} photos, {WIDEST} times is allowed"
                )
        return ""


def _measure_widths(network: Model, names: Sequence[str], feeds: Sequence[NamedArrays]) -> Array:
    """From the least to the largest value at each quantizer's place, for all of some inputs."""
    operations = import_optional("openvino.opset13", extra="run")
    nodes = _Nodes(network)
    sources = [_find_place(name, nodes)[0] for name in names]
    ends = []
    for reduce in (operations.reduce_min, operations.reduce_max):
        for source in sources:
            axes = np.arange(len(source.get_partial_shape()))
            ends.append(operations.result(reduce(source, axes)))
    measured = import_openvino().Model(ends, network.get_parameters(), "ranges")
    request = openvino_core().compile_model(measured, "CPU", EXACT).create_infer_request()
    values = np.array([[float(end) for end in run_request(request, feed)] for feed in feeds])
    least, largest = np.split(values, 2, axis=1)
    return np.asarray(largest.max(0) - least.min(0))


def _find_wrong_weight(half: Model, int8: Model) -> str:
    exact = _Nodes(half)
    rounded = _Nodes(int8)
    for name, scales in _find_all_scales(int8).items():
        levels = _read_input(rounded[name].input_value(1).get_node(), 0)
        error = np.abs(levels * scales - _read_input(exact[name], 1))
        if not (error <= _MOST_OF_A_STEP * scales).all():
            return f"weights of {name}"
    return ""


MAKER = RangesMaker()
