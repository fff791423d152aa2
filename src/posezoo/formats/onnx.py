"""ONNX models; Microsoft's ONNX Runtime computes their reference outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posezoo.core.arrays import Array, NamedArrays, widen_bfloat16
from posezoo.core.convert.formats import (
    InnerTensors,
    ModelFormat,
    OriginalGraph,
    Partner,
    ReferenceRuntime,
    Run,
    Shape,
    UnknownOperationError,
    find_same_names,
    import_runtime,
    with_default_sizes,
)
from posezoo.core.convert.protobuf_reader import (
    LENGTH,
    VARINT,
    Buffer,
    ProtobufError,
    ProtobufField,
    encode_field,
    find_messages,
    has_fields,
    map_file,
    read_fields,
    read_integers,
    read_texts,
    read_varint,
    replace_fields,
)
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.files.staging import temporary_dir
from posezoo.core.ir.openvino_import import error_text
from posezoo.core.versions import package_version
from posezoo.core.workers.threads import library_threads
from posezoo.formats import read_array
from posezoo.formats.double_onnx import compute_in_double
from posezoo.formats.onnx_cutting import COMPUTED, begin_at, read_graph

if TYPE_CHECKING:
    from openvino import Model


_MODULE = "onnxruntime"
_BFLOAT16 = "tensor(bfloat16)"

# ModelProto of onnx.proto; its graph is field 7.
_MODEL = {1: VARINT, 5: VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), LENGTH)

# For each message of onnx.proto: the fields that contain tensors, directly or nested, with their
# messages.
_FIELDS_WITH_TENSORS: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Training": {1: "Graph", 2: "Graph"},
    "Tensor": {13: "ExternalData"},  # pairs of key (1) and value (2), among them "location"
    "ExternalData": {},
}

# How deep graphs may be nested: each level doubles the time of OpenVINO's simplifications.
_MAX_GRAPHS = 8
# How deep the messages of these graphs are: a graph inside a graph is three deeper.
_MAX_DEPTH = 3 * _MAX_GRAPHS + 1
#: Reads the parts of a model one after the other.
ReadParts = Callable[[], Iterable[bytes]]

_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
_TYPES = {
    "tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8", "tensor(uint8)": "u1",
    "tensor(int8)": "i1", "tensor(int16)": "i2", "tensor(uint16)": "u2", "tensor(int32)": "i4",
    "tensor(uint32)": "u4", "tensor(int64)": "i8", "tensor(uint64)": "u8", "tensor(bool)": "?",
}  # fmt: skip


def is_onnx(path: Path) -> bool:
    """Whether a file is a complete ModelProto with a graph, and the messages of its tensors are
    valid.
    """
    try:
        external_data_files(path)
    except ProtobufError:
        return False
    return has_fields(path, _MODEL, needed=7)


def external_data_files(path: Path) -> frozenset[str]:
    """The names of an ONNX file's external files with tensors; ProtobufError if it is none,
    ConversionError if its graphs are nested too deeply.
    """
    with map_file(path) as buffer:
        try:
            return frozenset(_locations(buffer, "Model", None, depth=0))
        except RecursionError as error:
            problem = f"{path}: graphs are nested in graphs, more than {_MAX_GRAPHS} deep"
            hint = "export the network without nested conditions and loops"
            raise ConversionError(problem, hint=hint) from error


def _locations(
    buffer: Buffer, kind: str, message: ProtobufField | None, depth: int
) -> Iterator[str]:
    if kind == "Graph" and depth > _MAX_DEPTH:
        raise RecursionError
    members = _FIELDS_WITH_TENSORS[kind]
    texts: dict[int, bytes] = {}
    for field in read_fields(buffer, message):
        if kind == "ExternalData" and field.kind == LENGTH:
            texts[field.number] = buffer[field.start : field.end]
        elif field.number in members:
            if field.kind != LENGTH:
                raise ProtobufError
            yield from _locations(buffer, members[field.number], field, depth + 1)
    if texts.get(1) == b"location":
        yield texts.get(2, b"").decode("utf-8", "replace")


def _node_outputs(path: Path) -> dict[str, str]:
    """The tensor of each output of a node, by ``node:number``; that of the first output also by
    ``node``.
    """
    tensors = {}
    for outputs, names in _read_nodes(path):
        for name in filter(None, names[-1:]):
            for index, tensor in enumerate(outputs):
                tensors[f"{name}:{index}"] = tensor
                tensors.setdefault(name, tensor)
    return tensors


def _read_nodes(path: Path) -> Iterator[Sequence[list[str]]]:
    with map_file(path) as buffer:
        for node in find_messages(buffer, 7, 1):  # the graph, its nodes
            yield read_texts(buffer, node, 2, 3)


def _read_weights(_spec: ModelSpec, path: Path) -> Iterator[Array]:
    """The float weights."""
    with map_file(path) as buffer:
        # The graph, its initializers; and the values of its nodes Constant.
        tensors = [_read_tensor(buffer, tensor) for tensor in find_messages(buffer, 7, 5)]
        for node in find_messages(buffer, 7, 1):
            (kinds,) = read_texts(buffer, node, 4)
            if kinds == ["Constant"]:
                for value in find_messages(buffer, 5, 5, within=node):
                    tensors.append(_read_tensor(buffer, value))
    # Outside of the mapping, whose pages take memory as long as it exists.
    for tensor in tensors:
        yield from _read_values(path, tensor)


class _StoredTensor(NamedTuple):
    """The weights of a tensor, and where in the file they are, in bytes."""

    dtype: str  # empty for a type that is not read
    shape: list[int]
    start: int
    end: int
    external: Mapping[str, str]  # where its values are, if they are in another file


def _read_tensor(buffer: Buffer, tensor: ProtobufField) -> _StoredTensor:
    shape: list[int] = []
    start = end = 0
    dtype = ""
    external: dict[str, str] = {}
    for field in read_fields(buffer, tensor):
        if field.number == 1:  # dims, one by one or packed
            shape += read_integers(buffer, field)
        elif field.number == 2:  # data_type
            kind, _ = read_varint(buffer, field.start, field.end)
            dtype = {1: "<f4", 10: "<f2", 11: "<f8"}.get(kind, "")
        elif field.number in (4, 9, 10) and field.kind == LENGTH:
            start = field.start  # float_data, raw_data, double_data
            end = field.end
        elif field.number == 13:  # external_data
            (key,), (value,) = read_texts(buffer, field, 1, 2)
            external[key] = value
    return _StoredTensor(dtype, shape, start, end, external)


def _read_values(path: Path, weight: _StoredTensor) -> list[Array]:
    if not weight.dtype:
        return []
    if not weight.external:
        return read_array(path, weight.start, weight.end, weight.dtype, weight.shape)
    path = path.parent / weight.external.get("location", "")
    if not path.is_file():
        return []
    size = path.stat().st_size
    start = int(weight.external.get("offset", 0))
    end = start + int(weight.external.get("length", size - start))
    if not 0 <= start <= end <= size:
        return []
    return read_array(path, start, end, weight.dtype, weight.shape)


def open_runtime(
    _spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    """A model in ONNX Runtime; None if that is missing.

    Raises:
        UnknownOperationError: it cannot run the model in these sizes.
    """
    module = import_runtime(_MODULE)
    if module is None:
        return None
    import numpy as np

    inputs = {}
    changed = _find_other_shapes(path, sizes)
    read = partial(_edit_graph, path, changed)
    try:
        session = _open_session(module, path, read() if changed else ())
        for port in session.get_inputs():
            # A dynamic size is a name or None instead of a number.
            declared = [size if isinstance(size, int) else -1 for size in port.shape]
            shape = sizes.get(port.name) or with_default_sizes(declared, "")
            inputs[port.name] = shape, np.dtype(_TYPES[port.type])
    except Exception as error:  # one of its many: it lacks an operation that OpenVINO knows
        raise UnknownOperationError(error_text(error)) from error
    outputs = [port.name for port in session.get_outputs()]
    runtime = ReferenceRuntime(
        f"ONNX Runtime {package_version('onnxruntime')}",
        inputs,
        outputs,
        partial(_run, session, outputs),
        inner=InnerTensors(
            partial(_find_partners, path),
            partial(_open_inner, module, path, read, outputs, None),
            cache(partial(_read_graph, module, path, read, outputs)),
        ),
    )
    return replace(runtime, open_double=partial(_open_double, module, path, read, runtime))


def _open_double(
    module: Any, path: Path, read: ReadParts, single: ReferenceRuntime
) -> ReferenceRuntime | None:
    outputs = list(single.outputs)
    content = b"".join(read())
    try:
        _, ports = _list_ports(module, path, content, outputs)
        ranks = {port.name: len(port.shape) for port in ports if port.type == "tensor(float)"}
        ranks |= {f"{name}{COMPUTED}": rank for name, rank in ranks.items()}
        double = compute_in_double(content, ranks)
        session = _open_session(module, path, [double])
    except Exception:  # noqa: BLE001 one of its many: an operation lacks a variant
        return None
    rewrite = partial(compute_in_double, ranks=ranks)
    assert single.inner
    return replace(
        single,
        name=f"{single.name} in double precision",
        run=partial(_run, session, outputs),
        inner=replace(
            single.inner, open=partial(_open_inner, module, path, read, outputs, rewrite)
        ),
        single=single,
    )


def _list_ports(
    module: Any, path: Path, content: bytes, outputs: Sequence[str]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """The inputs, and each tensor that a node computes, as ONNX Runtime describes them."""
    computed = [name for made, _ in _read_nodes(path) for name in made if name]
    session = _open_session(module, path, [content, _declare_outputs(computed, outputs)])
    return session.get_inputs(), session.get_outputs()


def _read_graph(
    module: Any, path: Path, read: ReadParts, outputs: Sequence[str]
) -> OriginalGraph | None:
    content = b"".join(read())
    try:
        inputs, computed = _list_ports(module, path, content, outputs)
        floats = {port.name for port in (*inputs, *computed) if port.type in _FLOATS}
        return read_graph(content, floats)
    except Exception:  # noqa: BLE001 one of its many: a value that is no tensor
        return None


def _open_session(module: Any, path: Path, parts: Iterable[bytes]) -> Any:
    """The file in ONNX Runtime; ``parts`` of another model in its place if there are any."""
    options = module.SessionOptions()
    # Without optimizations it computes the nodes exactly as they are in the file.
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = library_threads()
    # Outputs would keep the arena, with the memory of all tensors, after the session has ended.
    options.enable_cpu_mem_arena = False
    # Idle threads would spin and slow down the compilation of the IR, which runs at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path.parent)
    )
    open_file = partial(
        module.InferenceSession, sess_options=options, providers=["CPUExecutionProvider"]
    )
    if not parts:
        return open_file(str(path))
    with temporary_dir() as folder:  # a session that is opened from bytes would keep these
        edited = folder / "edited.onnx"
        with open(edited, "wb") as stream:
            stream.writelines(parts)
        return open_file(str(edited))


def _run(session: Any, names: Sequence[str], feed: NamedArrays) -> dict[str, Array]:
    try:
        if any(port.type == _BFLOAT16 for port in session.get_outputs()):
            return _run_in_bfloat16(session, names, feed)
        return dict(zip(names, session.run(names, dict(feed)), strict=True))
    except Exception as error:  # its classes derive from Exception directly
        raise RuntimeError(error_text(error)) from error


def _run_in_bfloat16(session: Any, names: Sequence[str], feed: NamedArrays) -> dict[str, Array]:
    """As ``_run``; what numpy does not have is read out of ONNX Runtime's memory."""
    import ctypes

    import numpy as np

    module = import_runtime(_MODULE)
    assert module  # it made the session
    make = module.OrtValue.ortvalue_from_numpy
    given = {name: make(np.asarray(each)) for name, each in feed.items()}
    values = session.run_with_ort_values(names, given)
    outputs = {}
    for name, value in zip(names, values, strict=True):
        if value.data_type() == _BFLOAT16:
            memory = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
            bits = np.frombuffer(memory, np.uint16)
            outputs[name] = widen_bfloat16(bits).reshape(value.shape())
        else:
            outputs[name] = value.numpy()
    return outputs


def _find_partners(path: Path, ir: Model) -> dict[str, Partner]:
    names = [name for outputs, _ in _read_nodes(path) for name in outputs]
    return find_same_names(ir, names)


def _open_inner(
    module: Any,
    path: Path,
    read: ReadParts,
    outputs: Sequence[str],
    rewrite: Callable[[bytes], bytes] | None,
    names: Sequence[str],
    fed: NamedArrays,
) -> Run:
    """As ``InnerTensors.open``; ``rewrite`` changes how the model computes."""
    parts = read()
    wanted = {name: f"{name}{COMPUTED}" if name in fed else name for name in names}
    try:
        if fed:
            parts = [begin_at(b"".join(parts), fed)]
        if rewrite:
            parts = [rewrite(b"".join(parts))]
        declared = _declare_outputs(list(wanted.values()), outputs)
        session = _open_session(module, path, chain(parts, [declared]))
    except Exception as error:
        raise RuntimeError(error_text(error)) from error

    def run(feed: NamedArrays) -> dict[str, Array]:
        computed = _run(session, list(wanted.values()), feed)
        return {name: computed[made] for name, made in wanted.items()}

    return run


def _declare_outputs(names: Sequence[str], present: Sequence[str]) -> bytes:
    """A part that adds outputs to a model: messages that follow each other are one message, with
    the fields of both.
    """
    added = [name for name in names if name not in present]
    return encode_field(
        7, b"".join(encode_field(12, encode_field(1, name.encode())) for name in added)
    )


def _find_other_shapes(path: Path, sizes: Mapping[str, Shape]) -> dict[str, Shape]:
    shapes = {}
    with map_file(path) as buffer:
        for port in find_messages(buffer, 7, 11):  # the graph, its inputs
            name = _read_name(buffer, port)
            # Its type, that of a tensor, the shape, the sizes: a name or a number each.
            sides = find_messages(buffer, 2, 1, 2, 1, within=port)
            for side, requested in zip(sides, sizes.get(name, ()), strict=False):
                for field in read_fields(buffer, side):
                    if field.kind == VARINT and read_integers(buffer, field) != [requested]:
                        shapes[name] = sizes[name]
    return shapes


def _edit_graph(path: Path, shapes: Mapping[str, Shape]) -> Iterator[bytes]:
    with map_file(path) as buffer:
        yield from replace_fields(buffer, 7, 11, partial(_declare_input, buffer, shapes))


def _read_name(buffer: Buffer, port: ProtobufField) -> str:
    return "".join(*read_texts(buffer, port, 1))


def _declare_input(
    buffer: Buffer, shapes: Mapping[str, Shape], port: ProtobufField
) -> Iterator[bytes]:
    name = _read_name(buffer, port)
    if name not in shapes:
        yield buffer[port.start : port.end]
        return
    (tensor,) = find_messages(buffer, 2, 1, within=port)  # its type
    kind = next(field for field in read_fields(buffer, tensor) if field.number == 1)
    (number,) = read_integers(buffer, kind)
    sides = b"".join(encode_field(1, encode_field(1, size)) for size in shapes[name])
    new_type = encode_field(1, encode_field(1, number) + encode_field(2, sides))
    yield encode_field(1, name.encode()) + encode_field(2, new_type)


FORMAT = ModelFormat(
    "an ONNX model",
    is_onnx,
    frontend="onnx",
    image_layout="NCHW",
    endings=(".onnx",),
    external_files=external_data_files,
    node_outputs=_node_outputs,
    runtime_module=_MODULE,
    open_runtime=open_runtime,
    read_weights=_read_weights,
)
