"""TFLite models; Google's LiteRT computes their reference outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.convert.formats import (
    InnerTensors,
    ModelFormat,
    Partner,
    ReferenceRuntime,
    Run,
    Shape,
    Tensor,
    UnknownOperationError,
    import_runtime,
)
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.files.staging import temporary_dir
from posezoo.core.ir.openvino_import import error_text, import_openvino
from posezoo.core.regular_files import open_regular, read_regular_bytes
from posezoo.core.versions import package_version
from posezoo.formats import read_array
from posezoo.formats.flatbuffers import CustomOperation, FlatBuffer
from posezoo.formats.tensorflow import cut_at_tensors
from posezoo.formats.tflite_cutting import COMPUTED, LEVELS, begin_at, read_graph
from posezoo.formats.tflite_rewriting import rewrite_operations, widen_weights

if TYPE_CHECKING:
    from openvino import Model, Node

    from posezoo.core.arrays import Array, NamedArrays

_MODULE = "ai_edge_litert.interpreter"

#: The number of values, and two sums of their bits.
_Values = tuple[int, int, int]

# Those of constants that are compared, by TensorType: FLOAT32, FLOAT16, UINT8, INT8.
_STORED_TYPES = {0: "<f4", 1: "<f2", 3: "u1", 9: "i1"}

#: Operations that only change the form of a tensor, and constants.
_FORMS = {
    "Constant",
    "Convert",
    "Parameter",
    "Reshape",
    "Result",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}


def is_tflite(path: Path) -> bool:
    """Whether a FlatBuffers file has TFLite's identifier, "TFL3", after the first offset
    (schema.fbs).
    """
    with open_regular(path) as stream:
        return stream.read(8)[4:] == b"TFL3"


def _read_weights(_spec: ModelSpec, path: Path) -> Iterator[Array]:
    """The constants that are floats or of 8 bits, read from the tables of FlatBuffers
    (schema.fbs).
    """
    file = FlatBuffer(read_regular_bytes(path))
    buffers = file.read_tables(file.root, 4)
    graphs = file.read_tables(file.root, 2)
    for tensor in (tensor for graph in graphs for tensor in file.read_tables(graph, 0)):
        kind = file.read_field(tensor, 1, "b")
        shape = file.read_integers(tensor, 0)
        number = file.read_field(tensor, 2, "I")
        data = file.find_field(buffers[number], 0) if number else 0
        if not data or kind not in _STORED_TYPES:
            continue
        start = data + file.read("I", data)
        end = start + 4 + file.read("I", start)
        yield from read_array(path, start + 4, end, _STORED_TYPES[kind], shape)


def _find_custom_operations(file: FlatBuffer) -> dict[int, CustomOperation]:
    codes = [
        (file.read_bytes(code, 1).decode(), file.read_field(code, 2, "i", 1))
        for code in file.read_tables(file.root, 1)
    ]
    graph = file.read_tables(file.root, 2)[0]
    operations = {}
    for place, table in enumerate(file.read_tables(graph, 3)):
        name, version = codes[file.read_field(table, 0, "I")]
        if name:
            operations[place] = CustomOperation(name, version, file.read_bytes(table, 5))
    return operations


@contextmanager
def _load(path: Path) -> Iterator[tuple[Any, Any, FlatBuffer]]:
    """OpenVINO's frontend, its InputModel of a file, and the content that it read: without
    operations that it reads wrongly.
    """
    frontend = import_openvino().frontend.FrontEndManager().load_by_framework("tflite")
    input_model = frontend.load(path)  # it reports what is wrong with a damaged file
    file = FlatBuffer(read_regular_bytes(path))
    content = rewrite_operations(path, file)
    if content is None:
        yield frontend, input_model, file
        return
    with temporary_dir() as folder:
        rewritten = folder / path.name
        rewritten.write_bytes(content)
        yield frontend, frontend.load(rewritten), FlatBuffer(content)


def _read_network(spec: ModelSpec, path: Path) -> Model:
    with _load(path) as (frontend, input_model, file):
        cut_at_tensors(input_model, spec, spec.output_names)
        operations = _find_custom_operations(file)
        if not operations:
            return frontend.convert(input_model)
        from posezoo.formats.tflite_operations import GRAPHS, replace_operations

        if not {(each.name, each.version) for each in operations.values()} <= GRAPHS.keys():
            return frontend.convert(input_model)  # its error names the operation
        return replace_operations(frontend.convert_partially(input_model), operations, path)


def _open_runtime(
    _spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    module = import_runtime(_MODULE)
    if module is None:
        return None
    import numpy as np

    try:
        interpreter = _open_interpreter(module, path, sizes)
    except RuntimeError as error:
        if _find_custom_operations(FlatBuffer(read_regular_bytes(path))):
            raise UnknownOperationError(error_text(error)) from error
        raise
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    signatures = {}
    for port in inputs:
        shape = tuple(map(int, port["shape"]))
        signatures[port["name"]] = shape, np.dtype(port["dtype"])

    return ReferenceRuntime(
        f"LiteRT {package_version('ai-edge-litert')}",
        signatures,
        [port["name"] for port in outputs],
        partial(_run, interpreter, outputs),
        in_levels=_computes_in_levels(interpreter),
        inner=InnerTensors(
            partial(_find_partners, path, interpreter),
            partial(_open_inner, module, path, sizes),
            cache(partial(read_graph, interpreter)),
        ),
    )


def _computes_in_levels(interpreter: Any) -> bool:
    """Whether an operation computes integers that stand for floats, other than to round floats."""
    dtypes = {port["index"]: port["dtype"].__name__ for port in interpreter.get_tensor_details()}
    return any(
        dtypes.get(number) in LEVELS
        for operation in interpreter._get_ops_details()
        if operation["op_name"] not in ("QUANTIZE", "RESHAPE")
        for number in operation["outputs"]
    )


def _open_interpreter(
    module: Any,
    path: Path,
    sizes: Mapping[str, Shape],
    *,
    keeps_tensors: bool = False,
    fed: Collection[str] = (),
) -> Any:
    content = widen_weights(FlatBuffer(read_regular_bytes(path)))
    if fed:
        content = begin_at(FlatBuffer(content or read_regular_bytes(path)), fed)
    interpreter = module.Interpreter(
        model_path=None if content else str(path),
        model_content=content,
        # The default delegate is faster and less exact.
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=keeps_tensors,
    )
    interpreter.allocate_tensors()
    _resize(interpreter, sizes)
    return interpreter


def _resize(interpreter: Any, sizes: Mapping[str, Shape]) -> None:
    is_changed = False
    for port in interpreter.get_input_details():
        shape = tuple(port["shape"])
        size = sizes.get(port["name"], shape)
        if size != shape:
            is_changed = True
            interpreter.resize_tensor_input(port["index"], size)
    if is_changed:
        interpreter.allocate_tensors()


def _run(
    interpreter: Any, tensors: Sequence[Mapping[str, Any]], feed: NamedArrays
) -> dict[str, Array]:
    _resize(interpreter, {name: values.shape for name, values in feed.items()})
    for port in interpreter.get_input_details():
        interpreter.set_tensor(port["index"], feed[port["name"]])
    interpreter.invoke()
    return {port["name"]: interpreter.get_tensor(port["index"]) for port in tensors}


def _open_inner(
    module: Any,
    path: Path,
    sizes: Mapping[str, Shape],
    names: Sequence[str],
    fed: NamedArrays,
) -> Run:
    try:
        interpreter = _open_interpreter(module, path, sizes, keeps_tensors=True, fed=fed)
    except ValueError as error:  # it does not take the file
        raise RuntimeError(error_text(error)) from error
    wanted = {f"{name}{COMPUTED}" if name in fed else name: name for name in names}
    tensors = [port for port in interpreter.get_tensor_details() if port["name"] in wanted]

    def run(feed: NamedArrays) -> dict[str, Array]:
        computed = _run(interpreter, tensors, feed)
        return {wanted[name]: values for name, values in computed.items()}

    return run


def _find_partners(path: Path, interpreter: Any, ir: Model) -> dict[str, Partner]:
    """The partners of an IR's tensors, which are in FP32.

    OpenVINO's frontend drops the name of a tensor if it orders its axes otherwise. So it reads the
    file again with all tensors as outputs. Their operations are found in the IR by their types,
    sizes and constants, in order: an operation into which OpenVINO has folded another one has other
    constants.
    """
    details = interpreter.get_tensor_details()
    names = [port["name"] for port in details if port["dtype"].__name__ == "float32"]
    with _load(path) as (frontend, model, _):
        outputs = model.get_outputs()
        declared = set().union(*(place.get_names() for place in outputs))
        inner = map(model.get_place_by_tensor_name, sorted(set(names) - declared))
        model.override_all_outputs([*outputs, *filter(None, inner)])
        network = frontend.convert(model)
    named: dict[Tensor, tuple[str, Shape]] = {}
    results = network.get_results()
    for result in results:
        port = result.input_value(0)
        order: Shape = ()
        name = min(port.names.intersection(names), default="")
        if port.get_node().get_type_name() == "Transpose":
            order = tuple(port.get_node().input_value(1).get_node().data)
            port = port.get_node().input_value(0)
        if name:
            named[port.get_node().get_friendly_name(), port.get_index()] = name, order
    for added in results[len(outputs) :]:  # they would change the order of operations
        network.remove_result(added)
    if network.is_dynamic():  # operations are found by their sizes, too
        inputs = interpreter.get_input_details()
        network.reshape({port["name"]: list(map(int, port["shape"])) for port in inputs})
    theirs, ours = _list_operations(network), _list_operations(ir)
    matcher = SequenceMatcher(None, list(theirs.values()), list(ours.values()), autojunk=False)
    originals, tensors = list(theirs), list(ours)
    same: dict[Tensor, Tensor] = {}
    for start, our_start, count in matcher.get_matching_blocks():
        block = tensors[our_start : our_start + count]
        same.update(zip(block, originals[start : start + count], strict=True))
    partners: dict[str, Partner] = {}
    for tensor, original in same.items():
        if original in named:
            name, order = named[original]
            partners[name] = tensor, order
    return partners


def _list_operations(network: Model) -> dict[Tensor, tuple[str, str, tuple[_Values, ...]]]:
    """Type, shape and constants of the results of a network's operations, in order, but for
    ``_FORMS``.
    """
    operations = {}
    for node in network.get_ordered_ops():
        kind = node.get_type_name()
        if kind not in _FORMS:
            sources = (each.get_source_output().get_node() for each in node.inputs())
            constants = tuple(filter(None, map(_summarize_constant, sources)))
            for port in node.outputs():
                shape = str(port.get_partial_shape())
                operations[node.get_friendly_name(), port.get_index()] = kind, shape, constants
    return operations


def _summarize_constant(node: Node) -> _Values | None:
    """Numbers that only the same values have, in whatever order; None for what is computed, and for
    whole numbers, such as those of axes, which change with the order of axes.
    """
    import numpy as np

    while node.get_type_name() in _FORMS - {"Constant", "Parameter"}:
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or not node.get_element_type().is_real():
        return None
    bits = node.data.astype(np.float32).view(np.uint32)
    squares = bits * bits  # modulo 2**32
    return bits.size, int(bits.sum(dtype=np.uint64)), int(squares.sum(dtype=np.uint64))


FORMAT = ModelFormat(
    "a TFLite model",
    is_tflite,
    frontend="tflite",
    image_layout="NHWC",
    endings=(".tflite",),
    read_network=_read_network,
    runtime_module=_MODULE,
    open_runtime=_open_runtime,
    read_weights=_read_weights,
)
