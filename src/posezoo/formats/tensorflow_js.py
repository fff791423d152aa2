"""TensorFlow.js graph models: a model.json, and files with weights that it names.

OpenVINO reads a TensorFlow graph only as protobuf, so the graph is written as a frozen one
(GraphDef of tensorflow/core/framework/graph.proto). Operations that TensorFlow.js fuses become the
operations that they consist of. Weights become constants as TensorFlow.js reads them (tfjs-core,
src/io/io_utils.ts).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posezoo.core.convert.formats import ModelFormat
from posezoo.core.convert.protobuf_reader import encode_field
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.files.manifest import Json
from posezoo.core.regular_files import open_regular, read_regular_bytes

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

# tensorflow/core/framework/types.proto
_TYPES = {
    "DT_FLOAT": 1, "DT_DOUBLE": 2, "DT_INT32": 3, "DT_UINT8": 4, "DT_INT16": 5, "DT_INT8": 6,
    "DT_STRING": 7, "DT_COMPLEX64": 8, "DT_INT64": 9, "DT_BOOL": 10, "DT_BFLOAT16": 14,
    "DT_UINT16": 17, "DT_HALF": 19,
    "DT_RESOURCE": 20, "DT_VARIANT": 21, "DT_UINT32": 22, "DT_UINT64": 23,
}  # fmt: skip

# The types of constants in numpy; TensorFlow.js itself computes only with float32, int32 and bool.
_CONSTANTS = {
    "DT_FLOAT": "<f4",
    "DT_DOUBLE": "<f8",
    "DT_INT32": "<i4",
    "DT_INT64": "<i8",
    "DT_BOOL": "?",
}
_WEIGHTS = {"float32": "<f4", "int32": "<i4", "bool": "?"}
_QUANTIZED = {"uint8": "<u1", "uint16": "<u2", "float16": "<f2"}

_FUSED = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}
_FUSION_ATTRIBUTES = ("fused_ops", "epsilon", "num_args", "leakyrelu_alpha")
_ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "Tanh")


class Operation(NamedTuple):
    """An operation; the attributes are as in the JSON, or already encoded."""

    name: str
    operation: str
    inputs: Sequence[str]
    attributes: Json


def is_graph_model(path: Path) -> bool:
    """Whether a file is JSON, complete or not, with a network of TensorFlow.js."""
    with open_regular(path) as stream:
        if not stream.read(64).lstrip().startswith(b"{"):
            return False
        stream.seek(0)
        content = stream.read()
    return b'"modelTopology"' in content or b'"weightsManifest"' in content


def find_shards(path: Path) -> list[str]:
    """The names of the files with weights, relative to the folder of a model.json; none is outside
    it.
    """
    groups = _read_json(path)["weightsManifest"]
    return [name for group in groups for name in _shard_names(path, group)]


def read_output_names(path: Path) -> dict[str, str]:
    """The titles of the outputs in a model.json's signature, in its order, with their tensors'
    names.
    """
    with _reading(path, "signature.outputs"):
        outputs = (_read_json(path).get("signature") or {}).get("outputs") or {}
        return {str(title): str(output["name"]) for title, output in outputs.items()}


def write_graph_def(spec: ModelSpec, path: Path) -> bytes:
    """The network of a model.json as a frozen TensorFlow graph; declared shapes replace unknown
    ranks.

    Raises:
        ConversionError: a file is damaged, or contains an operation or a type that is not
            supported.
    """
    model = _read_json(path)
    weights = _read_weights(path, model)
    with _reading(path, "signature.inputs"):
        declared = ((model.get("signature") or {}).get("inputs") or {}).values()
        shapes = {port["name"].partition(":")[0]: port.get("tensorShape") for port in declared}
    for port in spec.inputs:
        if port.shape:
            name = port.name.partition(":")[0]
            shapes[name] = {"dim": [{"size": size} for size in port.shape]}
    encoded: list[bytes] = []
    for index, entry in enumerate(model["modelTopology"]["node"]):
        with _reading(path, f"modelTopology.node[{index}]"):
            name = entry["name"]
            operation = entry["op"]
            attributes = dict(entry.get("attr", {}))
        with _reading(path, f"the node {name!s:.60} ({operation!s:.60})"):
            if operation == "Const":
                attributes["value"] = _encode_value(name, attributes, weights)
            elif operation == "Placeholder" and name in shapes and _has_no_rank(attributes):
                attributes["shape"] = {"shape": shapes[name]}
            node = Operation(name, operation, entry.get("input", []), attributes)
            encoded += map(encode_node, _unfuse(node))
    return b"".join(encoded)


def _encode_value(name: str, attributes: Json, weights: Mapping[str, Array]) -> bytes:
    kind = attributes["dtype"]["type"]
    if name not in weights:
        raise ValueError("is a constant without weights")
    if kind not in _CONSTANTS:
        raise ValueError(f"is a constant of type {kind}, which is not supported")
    array = weights[name]
    shape = _encode_shape({"dim": [{"size": size} for size in array.shape]})
    values = array.astype(_CONSTANTS[kind]).tobytes()
    encoded = encode_field(1, _TYPES[kind])
    encoded += encode_field(2, shape)
    return encode_field(8, encoded + encode_field(4, values))


def _has_no_rank(attributes: Json) -> bool:
    shape = attributes.get("shape", {}).get("shape", {})
    return "dim" not in shape and bool(shape.get("unknownRank", not shape))


def _end_at_tensors(input_model: Any, _spec: ModelSpec, outputs: Sequence[str]) -> None:
    """Make the network end at these tensors; otherwise this frontend removes an Identity that
    others read.
    """
    names = dict.fromkeys(name if ":" in name else f"{name}:0" for name in outputs)
    tensors = list(map(input_model.get_place_by_tensor_name, names))
    if existing := list(filter(None, tensors)):
        input_model.override_all_outputs(existing)


def _read_json(path: Path) -> Json:
    try:
        model = json.loads(read_regular_bytes(path))
    except json.JSONDecodeError as error:
        raise ConversionError(
            f"{path}:{error.lineno}:{error.colno}: is not valid JSON: {error.msg}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConversionError(f"{path}: cannot be read as JSON: {error}") from error
    with _reading(path, "model.json"):
        if (kind := model.get("format", "graph-model")) != "graph-model":
            raise ConversionError(
                f"{path}: format is {sanitize(str(kind))}; only a graph-model can be converted",
                hint="tensorflowjs_converter makes a graph-model of a layers-model",
            )
        for place, value in (
            ("modelTopology.node", model["modelTopology"].get("node")),
            ("weightsManifest", model.get("weightsManifest")),
        ):
            if not isinstance(value, list):
                raise ConversionError(f"{path}: {place} is not a list")
        if (model["modelTopology"].get("library") or {}).get("function"):
            raise ConversionError(
                f"{path}: modelTopology.library has functions, which are not supported"
            )
        return dict(model)


def _shard_names(path: Path, group: Any) -> list[str]:
    with _reading(path, "weightsManifest"):
        names = list(map(str, group["paths"]))
    for name in names:
        if reason := explain_unsafe_file_name(name):
            raise ConversionError(f"{path}: weightsManifest: the path {sanitize(name)} {reason}")
    return names


class _ManifestWeight(NamedTuple):
    """A weight in a model.json; ``stored`` is its type in the file."""

    name: str
    shape: tuple[int, ...]
    kind: str
    stored: Any
    quantization: Json

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def _read_weights(path: Path, model: Json) -> dict[str, Array]:
    import numpy as np

    arrays: dict[str, Array] = {}
    for index, group in enumerate(model["weightsManifest"]):
        with _reading(path, f"weightsManifest[{index}].weights"):
            weights = list(map(_read_weight, group["weights"]))
        content = _read_shards(path, group, weights)
        start = 0
        for weight in weights:
            with _reading(path, f"the weight {weight.name:.60}"):
                values = np.frombuffer(content, weight.stored, weight.size, start)
                if weight.stored.kind == "u":
                    scale, least = (float(weight.quantization[key]) for key in ("scale", "min"))
                    values = values * scale + least
                    if weight.kind == "int32":  # JavaScript rounds .5 up
                        values = np.floor(values + 0.5)
                array = values.astype(_WEIGHTS[weight.kind])
                arrays[weight.name] = array.reshape(weight.shape)
            start += weight.size * weight.stored.itemsize
    return arrays


def _read_weight(entry: Json) -> _ManifestWeight:
    import numpy as np

    quantization: Json = entry.get("quantization") or {}
    name = str(entry["name"])
    shape = entry["shape"]
    kind = entry["dtype"]
    stored = quantization.get("dtype", kind)
    types = _QUANTIZED if quantization else _WEIGHTS
    is_known = kind in _WEIGHTS and stored in types
    if not is_known or (stored == "float16" and kind != "float32"):
        raise ValueError(f"{name} has the type {stored} for {kind}, which is not supported")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"{name} has the shape {shape}")
    return _ManifestWeight(
        name, tuple(shape), kind, np.dtype(types[stored]), quantization=quantization
    )


def _read_shards(path: Path, group: Any, weights: Sequence[_ManifestWeight]) -> bytes:
    """The bytes of the weights: one may begin in one file and end in the next."""
    shards = _shard_names(path, group)
    try:
        content = b"".join(read_regular_bytes(path.parent / shard) for shard in shards)
    except OSError as error:
        raise ConversionError(f"{error.filename}: cannot be read: {error.strerror}") from error
    needed = sum(weight.size * weight.stored.itemsize for weight in weights)
    if len(content) != needed:
        raise ConversionError(
            f"{path.parent / shards[0] if shards else path}: {len(shards)} files of weights"
            f" have {len(content)} bytes, the weights in {path.name} need {needed}",
            hint="a file is incomplete, or belongs to another model",
        )
    return content


def _read_float_weights(_spec: ModelSpec, path: Path) -> list[Array]:
    weights = _read_weights(path, _read_json(path)).values()
    return [array for array in weights if array.dtype.kind == "f"]


def _unfuse(node: Operation) -> list[Operation]:
    """The operations that a node consists of; the last one has its name."""
    if node.operation not in (*_FUSED, "Prelu"):
        return [node]
    parts = _UnfusedOperations(node)
    # Control inputs only set an order.
    inputs = [name for name in node.inputs if not name.startswith("^")]
    if node.operation == "Prelu":
        value = inputs[0]
        inputs = inputs[1:]
        steps = ["Prelu"]
    else:
        value = parts.add(_FUSED[node.operation], *inputs[:2], attributes=parts.kept)
        inputs = inputs[2:]
        names = node.attributes.get("fused_ops", {}).get("list", {}).get("s", [])
        steps = [_decode_text(name).decode() for name in names]
    for step in steps:
        value = parts.add_step(step, value, inputs)
    parts.nodes[-1] = parts.nodes[-1]._replace(name=node.name)
    return parts.nodes


class _UnfusedOperations:
    def __init__(self, node: Operation) -> None:
        self.nodes: list[Operation] = []
        self.kept = {
            key: value for key, value in node.attributes.items() if key not in _FUSION_ATTRIBUTES
        }
        self._node = node
        self._typed = {"T": self.kept.get("T", {"type": "DT_FLOAT"})}

    def add(self, operation: str, *inputs: str, attributes: Json | None = None) -> str:
        name = f"{self._node.name}/unfused_{len(self.nodes)}"
        if attributes is None:
            attributes = self._typed
        self.nodes.append(Operation(name, operation, inputs, attributes))
        return name

    def add_step(self, step: str, value: str, arguments: list[str]) -> str:
        """Add a step that takes this value, and may take the next argument; returns its name."""
        if step in ("BiasAdd", "Prelu") and not arguments:
            raise ValueError(f"has no input for {step}")
        if step == "BiasAdd":
            order = {key: value for key, value in self.kept.items() if key == "data_format"}
            return self.add(step, value, arguments.pop(0), attributes=self._typed | order)
        if step == "Prelu":
            negative = self.add("Relu", self.add("Neg", value))
            positive = self.add("Relu", value)
            return self.add("Sub", positive, self.add("Mul", arguments.pop(0), negative))
        if step == "LeakyRelu":
            alpha = {"alpha": self._node.attributes["leakyrelu_alpha"]}
            return self.add(step, value, attributes=self._typed | alpha)
        if step in _ACTIVATIONS:
            return self.add(step, value)
        raise ValueError(f"contains the fused operation {step}, which is not supported")


def encode_node(node: Operation) -> bytes:
    """A node of GraphDef (node_def.proto)."""
    parts = [encode_field(1, node.name.encode()), encode_field(2, node.operation.encode())]
    parts += [encode_field(3, name.encode()) for name in node.inputs]
    for key, value in node.attributes.items():
        attribute = value if isinstance(value, bytes) else _encode_attribute(value)
        entry = encode_field(1, key.encode()) + encode_field(2, attribute)
        parts.append(encode_field(5, entry))
    return encode_field(1, b"".join(parts))


def _encode_attribute(value: Json) -> bytes:
    """An AttrValue (attr_value.proto); a list has the same fields, repeated."""
    encoded = b""
    for kind, content in value.items():
        if kind == "list":
            pairs = [(key, each) for key, values in content.items() for each in values]
            entries = b"".join(_encode_attribute({key: each}) for key, each in pairs)
            encoded += encode_field(1, entries)
        elif kind in _ATTRIBUTES:
            number, encode = _ATTRIBUTES[kind]
            encoded += encode_field(number, encode(content))
        else:
            raise ValueError(f"has an attribute of kind {kind}, which is not supported")
    return encoded


def _find_type(name: str) -> int:
    if name not in _TYPES:
        raise ValueError(f"has the type {name}, which is not supported")
    return _TYPES[name]


def _decode_text(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _encode_shape(shape: Json) -> bytes:
    """A TensorShapeProto (tensor_shape.proto); JSON omits a size of 0."""
    if shape.get("unknownRank"):
        return encode_field(3, 1)
    encoded = b""
    for dim in shape.get("dim", ()):
        size = int(dim.get("size", 0))
        encoded += encode_field(2, encode_field(1, size))
    return encoded


# The number of the field for each kind of attribute, and its value.
_ATTRIBUTES: Mapping[str, tuple[int, Callable[[Any], bytes | int | float]]] = {
    "s": (2, _decode_text),
    "i": (3, int),
    "f": (4, float),
    "b": (5, lambda content: int(content is True)),
    "type": (6, _find_type),
    "shape": (7, _encode_shape),
}


@contextmanager
def _reading(path: Path, place: str) -> Iterator[None]:
    try:
        yield
    except ConversionError:
        raise
    except KeyError as error:
        raise ConversionError(f"{path}: {place}: has no {error}") from error
    except (
        AttributeError,
        IndexError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        problem = "has an unexpected form"
        if type(error) is ValueError:
            problem = str(error)
        raise ConversionError(f"{path}: {place}: {problem:.200}") from error


GRAPH_MODEL = ModelFormat(
    "a TensorFlow.js graph model",
    is_graph_model,
    frontend="tf",
    image_layout="NHWC",
    external_files=find_shards,
    openvino_input=write_graph_def,
    output_names=read_output_names,
    cut_before_conversion=_end_at_tensors,
    shared_reading="running our translation of the original",
    read_weights=_read_float_weights,
)
