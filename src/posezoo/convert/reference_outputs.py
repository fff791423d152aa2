"""What the original itself computes: by an independent runtime where one is installed.

The preprocessing is done here in numpy, so that the IR's own is compared with something else.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from posezoo.convert import frontends
from posezoo.convert.check_images import draw_test_image
from posezoo.convert.cut_graph import cut_outputs, find_input
from posezoo.convert.cut_inputs import cut_inputs, to_frozen_array
from posezoo.errors import SelfCheckError
from posezoo.ir.ir_writer import without_mmap
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.spec import supported_mo_args
from posezoo.spec.model import Framework, Input, ModelSpec
from posezoo.versions import package_version

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
TensorSignature = tuple[Shape, np.dtype[Any]]

#: One picture per seed goes through both networks.
SEEDS = (1, 2)

#: Numerical comparisons need f32 in words: CPUs with AMX or AVX512-BF16 run f32 networks in bf16. The threads
#: of two networks that are checked at a time would be pinned to the same core, and wait for each other.
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO"}

# Sizes that a network leaves open: one image, of a side that all strides divide.
_OPEN_SIZES = {"N": 1, "H": 128, "W": 128}


class ReferenceRuntime(Protocol):
    """Something that runs an original."""

    name: str
    inputs: Mapping[str, TensorSignature]
    outputs: Collection[str]

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""


@dataclass(frozen=True, slots=True)
class ReferenceSample:
    """One picture and what becomes of it.

    Attributes:
        seed: that the picture was drawn from.
        feed: the inputs by name as the IR takes them, 0..255.
        outputs: what the original computes of them, by name.
    """

    seed: int
    feed: Mapping[str, Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class ReferenceOutputs:
    """What the IR of a model must compute."""

    runtime: str
    cases: tuple[ReferenceSample, ...]


def compute_reference(spec: ModelSpec, path: Path) -> ReferenceOutputs:
    """Run the original on seeded pictures.

    Args:
        spec: the model.
        path: its original, verified.

    Raises:
        SelfCheckError: no runtime can run it, or what it computes is not finite.
    """
    try:
        runtime = _open_runtime(spec, path)
        cases = tuple(_case(spec, runtime, seed) for seed in SEEDS)
    except (RuntimeError, ValueError) as error:
        problem = f"{spec.full_name}: the original cannot be run: {error_text(error)}"
        raise SelfCheckError(problem, hint="without the original's outputs nothing can be proven") from error
    for case in cases:
        for name, values in case.outputs.items():
            if not np.isfinite(values).all():
                raise SelfCheckError(
                    f"{spec.full_name}: the original itself computes inf or nan in {name}",
                    hint="its weights may be damaged: compare the file with its authors'",
                )
    return ReferenceOutputs(runtime.name, cases)


def _case(spec: ModelSpec, runtime: ReferenceRuntime, seed: int) -> ReferenceSample:
    declared = {port.name: port for port in spec.inputs}
    feed, prepared = {}, {}
    # Several inputs get different pictures, so that two of them cannot be taken for each other.
    frozen = supported_mo_args.frozen_inputs(spec.mo_args)
    for number, (name, (shape, dtype)) in enumerate(runtime.inputs.items()):
        if name in frozen:
            prepared[name] = to_frozen_array(frozen[name], shape, dtype)
            continue
        port = declared.get(name) or Input(name, shape, "")
        drawn = draw_test_image(spec.self_check.inputs, _seen(port, shape), port.layout, seed + 1000 * number)
        image = _as_type(drawn, _taken(port, dtype))
        feed[name] = _to_ir_layout(image, port)
        if port.resize:
            image = resize(image.astype(np.float32), port.layout, shape)
        prepared[name] = preprocess(image.astype(dtype), port).astype(dtype)
    return ReferenceSample(seed, feed, runtime.run(prepared))


def _as_type(drawn: Array, dtype: np.dtype[Any]) -> Array:
    """What was drawn, 0..255, in a type; wide whole numbers choose rows of tables, which have two or more."""
    array = drawn.astype(dtype)
    return array % 2 if dtype.kind in "iu" and dtype.itemsize > 1 else array


def _taken(port: Input, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that the IR takes."""
    if not port.element_type:
        return dtype
    taken: np.dtype[Any] = getattr(import_openvino().Type, port.element_type).to_dtype()
    return np.dtype(taken)


def _seen(port: Input, shape: Shape) -> Shape:
    """The shape of what the IR is given: one that it resizes is higher and narrower than the network's."""
    changes = {"H": (3, 2), "W": (2, 3)} if port.resize else {}
    axes = port.layout or "?" * len(shape)
    return tuple(
        side * changes[axis][0] // changes[axis][1] + 1 if axis in changes else side
        for axis, side in zip(axes, shape, strict=True)
    )


def resize(image: Array, layout: str, shape: Shape) -> Array:
    """A picture of another height and width: linear between the centres of pixels, its edges going on."""
    for axis in (layout.index("H"), layout.index("W")):
        before, after = image.shape[axis], shape[axis]
        place = np.clip((np.arange(after, dtype=np.float64) + 0.5) * before / after - 0.5, 0, before - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, before - 1)
        share = (place - low).reshape([-1 if each == axis else 1 for each in range(image.ndim)])
        image = np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
    return image.astype(np.float32)


def _to_ir_layout(image: Array, port: Input) -> Array:
    """A picture in the network's layout as the IR takes it."""
    axes = [port.layout.index(letter) for letter in port.ir_layout]
    return np.ascontiguousarray(image.transpose(axes)) if port.to_layout else image


def preprocess(image: Array, port: Input) -> Array:
    """What the original takes, from a picture in its layout: reversed, minus mean, over scale."""
    channel = port.layout.find("C")
    if port.reverse_input_channels:
        image = np.flip(image, channel)
    for values, apply in ((port.mean, np.subtract), (port.scale, np.divide)):
        if values:
            along = [1] * image.ndim
            along[channel] = len(values)
            image = apply(image, np.asarray(values, np.float32).reshape(along))
    return np.ascontiguousarray(image)


def _open_runtime(spec: ModelSpec, path: Path) -> ReferenceRuntime:
    sizes = {port.name: _with_fixed_sizes(port.shape, port.layout) for port in spec.inputs if port.shape}
    open_independent = INDEPENDENT.get(spec.framework)
    independent = open_independent(spec, path, sizes) if open_independent else None
    # Inner tensors, where one is declared as output, are shown by none but OpenVINO.
    if independent is None or not _has_all_outputs(independent, spec):
        return _OpenVinoRuntime(spec, path, sizes)
    return independent


def _has_all_outputs(runtime: ReferenceRuntime, spec: ModelSpec) -> bool:
    named = {port.name for port in spec.inputs} | set(supported_mo_args.frozen_inputs(spec.mo_args))
    return named <= set(runtime.inputs) and {port.name for port in spec.outputs} <= set(runtime.outputs)


def _sizes_of(shape: Any) -> Shape:
    """A shape of OpenVINO's; -1 where a size is open."""
    return tuple(-1 if size.is_dynamic else size.get_length() for size in shape)


def _with_fixed_sizes(shape: Sequence[int], layout: str) -> Shape:
    axes = layout or ("N" + "H" * len(shape))[: len(shape)]
    return tuple(
        _OPEN_SIZES.get(axis, 1) if size < 0 else size for axis, size in zip(axes, shape, strict=True)
    )


class _LiteRtRuntime:
    """Google's own interpreter, without the delegate that trades exactness for speed."""

    def __init__(self, module: Any, path: Path, sizes: Mapping[str, Shape]) -> None:
        self.name = f"LiteRT {package_version('ai-edge-litert')}"
        self._interpreter = module.Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        for port in self._interpreter.get_input_details():
            size = sizes.get(port["name"])
            if size is not None and tuple(port["shape"]) != size:
                self._interpreter.resize_tensor_input(port["index"], size)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()
        self.inputs: Mapping[str, TensorSignature] = {
            port["name"]: (tuple(map(int, port["shape"])), np.dtype(port["dtype"])) for port in details
        }
        self.outputs: Collection[str] = [port["name"] for port in self._interpreter.get_output_details()]

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        for port in self._interpreter.get_input_details():
            self._interpreter.set_tensor(port["index"], feed[port["name"]])
        self._interpreter.invoke()
        outputs = self._interpreter.get_output_details()
        return {port["name"]: self._interpreter.get_tensor(port["index"]) for port in outputs}


class _OnnxRuntime:
    """Microsoft's own runtime, computing what the file says, node by node."""

    def __init__(self, module: Any, path: Path, sizes: Mapping[str, Shape]) -> None:
        self.name = f"ONNX Runtime {package_version('onnxruntime')}"
        module.disable_telemetry_events()
        options = module.SessionOptions()
        options.graph_optimization_level = module.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        # Idle threads would spin, and take the cores from the IR that are being compiled meanwhile.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs: Mapping[str, TensorSignature] = {
            port.name: (sizes.get(port.name) or _onnx_shape(port), np.dtype(_ONNX_TYPES[port.type]))
            for port in self._session.get_inputs()
        }
        self.outputs: Collection[str] = [port.name for port in self._session.get_outputs()]
        #: It takes no other sizes than the file says, even where --input_shape asks for them.
        self.takes_these_sizes = all(
            _may_be(port.shape, self.inputs[port.name][0]) for port in self._session.get_inputs()
        )

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return dict(zip(self.outputs, self._session.run(self.outputs, dict(feed)), strict=True))
        except Exception as error:  # its classes come straight below Exception
            raise RuntimeError(error_text(error)) from error


_ONNX_TYPES = {
    "tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8", "tensor(uint8)": "u1",
    "tensor(int8)": "i1", "tensor(int32)": "i4", "tensor(int64)": "i8", "tensor(bool)": "?",
}  # fmt: skip


def _may_be(said: Sequence[object], shape: Shape) -> bool:
    """Whether sizes that a file says, some by a name, may be these."""
    return len(said) == len(shape) and all(
        not isinstance(size, int) or size == actual for size, actual in zip(said, shape, strict=True)
    )


def _onnx_shape(port: Any) -> Shape:
    """Open sizes have a name there, or nothing, in place of a number."""
    return _with_fixed_sizes([size if isinstance(size, int) else -1 for size in port.shape], "")


class _OpenVinoRuntime:
    """OpenVINO's own reading of the original: proves the preprocessing and the writing, not the reading."""

    def __init__(self, spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> None:
        self.name = f"OpenVINO {package_version('openvino')}, reading the original"
        ov = import_openvino()
        network = cut_inputs(frontends.read_network(spec, path), spec)
        declared = {port.name for port in spec.inputs if find_input(network, port.name)}
        names = [next(iter(port.names & declared), port.any_name) for port in network.inputs]
        shapes = {
            name: sizes.get(name) or _with_fixed_sizes(_sizes_of(port.partial_shape), "")
            for name, port in zip(names, network.inputs, strict=True)
        }
        network.reshape({name: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
        network = cut_outputs(network, [port.name for port in spec.outputs], spec.name)
        self._compiled = without_mmap(ov).compile_model(network, "CPU", EXACT)
        self.inputs: Mapping[str, TensorSignature] = {
            name: (shapes[name], port.element_type.to_dtype())
            for name, port in zip(names, network.inputs, strict=True)
        }
        self.outputs: Collection[str] = [name for port in network.outputs for name in port.names]

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        return run_compiled(self._compiled, feed)


def run_compiled(compiled: Any, feed: Mapping[str, Array]) -> dict[str, Array]:
    """All outputs of an ``openvino.CompiledModel`` by name, copied out of its memory."""
    results = compiled(dict(feed))
    return {name: results[port].copy() for port in compiled.outputs for name in port.names}


_MODULES = {Framework.ONNX: "onnxruntime", Framework.TFLITE: "ai_edge_litert.interpreter"}


def import_runtime(framework: Framework) -> Any:
    """The module of the independent runtime; None where it is not installed, or where there is none.

    It takes a tenth of a second: whoever waits for something else anyhow can have it done meanwhile.
    """
    try:
        return importlib.import_module(_MODULES[framework]) if framework in _MODULES else None
    except (ImportError, OSError):  # OSError: without a system library that it needs
        return None


def _open_litert(_spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime | None:
    module = import_runtime(Framework.TFLITE)
    return _LiteRtRuntime(module, path, sizes) if module else None


def _open_onnx_runtime(_spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime | None:
    module = import_runtime(Framework.ONNX)
    if module is None:
        return None
    try:
        runtime = _OnnxRuntime(module, path, sizes)
        return runtime if runtime.takes_these_sizes else None
    except Exception:  # noqa: BLE001 one of its many: it does not know an operation that OpenVINO has read
        return None


def _open_pytorch(spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime:
    from posezoo.convert.pytorch import PyTorchReference

    return PyTorchReference(spec, path, sizes)


#: Runtimes other than OpenVINO by framework; each is None where it is not installed.
INDEPENDENT: dict[Framework, Callable[[ModelSpec, Path, Mapping[str, Shape]], ReferenceRuntime | None]] = {
    Framework.ONNX: _open_onnx_runtime,
    Framework.PYTORCH: _open_pytorch,
    Framework.TFLITE: _open_litert,
}
