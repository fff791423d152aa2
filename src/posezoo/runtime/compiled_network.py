"""One network on OpenVINO: compiled, and run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import Any

from numpy.typing import NDArray

from posezoo.errors import InferenceError, suggest
from posezoo.ir.openvino_import import error_text
from posezoo.runtime import compiled_model_cache
from posezoo.runtime.devices import require_device
from posezoo.runtime.graph import Graph, Shape, format_shape, port_shapes
from posezoo.runtime.runtime_config import RuntimeConfig

Array = NDArray[Any]
Outputs = Mapping[str, Array]

_ARITHMETIC = ("f32", "bf16", "f16", "i8", "u8")
_HEAVY_LAYERS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")


class CompiledNetwork:
    """A compiled IR: arrays by input name in, arrays by output name out.

    It may be called from several threads: as many inferences as there are requests run at once, the others
    wait for one another. A process that was forked off compiles its own.

    Args:
        ir: the .xml, whose .bin lies beside it; or a graph that was read and fitted to its use.
        runtime: where and how it runs.
        outputs: the only ones that are needed; what leads to the others alone is not computed.

    Attributes:
        path: of the .xml.
        inputs: shape by input name, -1 where any size will do.
        outputs: the same for the outputs.
        device: the devices that it really runs on, with commas between.
        executed_precision: the arithmetic that it really runs in, which is not the one that was
            asked for where the device lacks that.
        requests: how many inferences may run at once.
        streams: how many of them the device really runs side by side; 0 where it does not say.

    Raises:
        InferenceError: the IR is missing or damaged, there is no such device, precision or output,
            or the device refuses the network.
        MissingPackageError: OpenVINO is not installed.
    """

    def __init__(
        self,
        ir: Path | Graph,
        runtime: RuntimeConfig | None = None,
        *,
        outputs: Collection[str] | None = None,
    ) -> None:
        runtime = runtime or RuntimeConfig()
        require_device(runtime.device)
        graph = ir if isinstance(ir, Graph) else Graph(ir)
        if outputs is not None:
            graph.keep_outputs(outputs)
        compiled = _compiled(graph, runtime)
        self.path = graph.path
        self.inputs = port_shapes(compiled.inputs)
        self.outputs = port_shapes(compiled.outputs)
        self.device = ",".join(compiled.get_property("EXECUTION_DEVICES"))
        self.executed_precision = _executed_precision(compiled)
        self.requests = runtime.requests or _property(compiled, "OPTIMAL_NUMBER_OF_INFER_REQUESTS", 1)
        self.streams = _streams(compiled)
        self._process = os.getpid()
        self._compiled = compiled  # and with it the file that it may be mapped from
        self._idle: LifoQueue[Any] = LifoQueue()
        for _ in range(self.requests):
            self._idle.put(compiled.create_infer_request())

    @property
    def supports_batching(self) -> bool:
        """Whether inputs and outputs hold any number of images."""
        return all(shape[:1] == (-1,) for shape in (*self.inputs.values(), *self.outputs.values()))

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, for arrays by input name.

        Raises:
            InferenceError: an input is missing, unknown or of another shape, or the device fails.
        """
        with self.infer(inputs) as outputs:
            return {name: array.copy() for name, array in outputs.items()}

    @contextmanager
    def infer(self, inputs: Mapping[str, Array]) -> Iterator[Outputs]:
        """All outputs by name in the network's own memory: good until the block ends, and not to be written.

        Raises:
            InferenceError: an input is missing, unknown or of another shape, the device fails, or this is a
                fork of the process that made the network.
        """
        self._check(inputs)
        self._check_process()
        request = self._idle.get()
        try:
            yield self._infer(request, inputs)
        except InferenceError:
            # Now and then one that failed tells of it once more where the next inference is meant (2026.4.1).
            request = self._compiled.create_infer_request()
            raise
        finally:
            self._idle.put(request)

    def _infer(self, request: Any, inputs: Mapping[str, Array]) -> Outputs:
        # Not by openvino.AsyncInferQueue: of an inference that fails it tells nobody (2026.4.1).
        try:
            request.start_async(dict(inputs), share_inputs=True)
            request.wait()
            return {name: request.get_output_tensor(place).data for place, name in enumerate(self.outputs)}
        except (RuntimeError, TypeError, ValueError) as error:
            raise InferenceError(f"{self.path}: {self.device} failed: {error_text(error)}") from error

    def _check_process(self) -> None:
        # A fork takes no threads along: OpenVINO would wait for its own for ever (2026.4.1).
        if os.getpid() != self._process:
            raise InferenceError(
                f"{self.path}: was made ready in another process, and a fork cannot run it",
                hint="load the model in the new process, or start that with multiprocessing's spawn",
            )

    def _check(self, inputs: Mapping[str, Array]) -> None:
        for name in inputs.keys() - self.inputs.keys():
            raise InferenceError(
                f"{self.path}: no input {name}: it has {', '.join(self.inputs)}",
                hint=suggest(name, self.inputs),
            )
        for name, shape in self.inputs.items():
            if name not in inputs:
                raise InferenceError(f"{self.path}: input {name} is missing")
            if not _fits(inputs[name].shape, shape):
                expected, given = format_shape(shape), format_shape(inputs[name].shape)
                raise InferenceError(f"{self.path}: input {name}: expected the shape {expected}, got {given}")


def _compiled(graph: Graph, runtime: RuntimeConfig) -> Any:
    """Compiled now, or taken from the cache."""
    config = runtime.to_openvino_config()
    if runtime.cache_dir is None or runtime.device != "CPU":
        return _compile(graph, runtime, config)
    place = compiled_model_cache.cache_path(graph, config, runtime.cache_dir)
    if place is None:
        return _compile(graph, runtime, config)
    compiled = compiled_model_cache.load_compiled(graph.core, place, config)
    if compiled is None:
        compiled = _compile(graph, runtime, config)
        compiled_model_cache.store_compiled(compiled, place)
    return compiled


def _compile(graph: Graph, runtime: RuntimeConfig, config: dict[str, Any]) -> Any:
    try:
        return graph.core.compile_model(graph.model, runtime.device, config)
    except RuntimeError as error:
        raise InferenceError(
            f"{graph.path}: cannot be compiled for {runtime.device}: {error_text(error)}"
        ) from error


def _executed_precision(compiled: Any) -> str:
    """What most of the heavy layers compute in, by the end of their kernels' names: brgconv_avx512_1x1_f32.

    Neither the type that a layer reports (f16 where only its weights are stored so) nor the hint
    (AUTO and HETERO do not hand it on) tells that.
    """
    infos = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    kernels = [str(info["primitiveType"].value).lower() for info in infos if _is_heavy(info)]
    found = Counter(kernel.rsplit("_", 1)[-1] for kernel in kernels)
    known = [arithmetic for arithmetic, _ in found.most_common() if arithmetic in _ARITHMETIC]
    if known:
        return known[0]
    try:
        return str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    except RuntimeError:
        return "unknown"


def _is_heavy(info: Any) -> bool:
    return "primitiveType" in info and str(info["layerType"].value) in _HEAVY_LAYERS


def _streams(compiled: Any) -> int:
    """Of a device that hands the work on, those of all that it hands it to."""
    try:
        behind = compiled.get_property("DEVICE_PROPERTIES").values()
    except (RuntimeError, AttributeError):
        return _property(compiled, "NUM_STREAMS", 0)
    return sum(int(each.get("NUM_STREAMS", 0)) for each in behind)


def _property(compiled: Any, name: str, otherwise: int) -> int:
    try:
        return int(compiled.get_property(name))
    except (RuntimeError, TypeError):
        return otherwise


def _fits(shape: Shape, expected: Shape) -> bool:
    return len(shape) == len(expected) and all(
        want in (-1, side) for side, want in zip(shape, expected, strict=True)
    )
