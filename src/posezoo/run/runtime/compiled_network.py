"""Compile one network with OpenVINO and run it."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import shutil
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import Digest
from posezoo.core.errors import InferenceError, OutputError, memory_hint, os_reason, suggest
from posezoo.core.files.staging import create_parent
from posezoo.core.files.verified_files import write_atomically
from posezoo.core.ir.inference import run_request
from posezoo.core.ir.openvino_import import (
    error_text,
    import_openvino,
    openvino_core,
    static_sizes,
)
from posezoo.core.operating_system import PROC, call_around_forks
from posezoo.core.regular_files import open_regular
from posezoo.core.versions import package_version, version
from posezoo.poses.keypoints import RESULT_FORMAT
from posezoo.run.machine import processor_details
from posezoo.run.runtime.forks import InferenceGate, keep_forever
from posezoo.run.runtime.graph import (
    Graph,
    Shape,
    format_shape,
    port_name,
    read_graph,
)
from posezoo.run.runtime.runtime_config import RuntimeConfig, choose_requests, require_device

if TYPE_CHECKING:
    from openvino import CompiledModel, Core

Outputs = NamedArrays

_PRECISIONS = ("f32", "bf16", "f16", "i8", "u8")
#: A compiled network is kept in a file for the next start: the SHA-256 of the exported network in
#: 64 hexadecimal digits, and then the network, at an offset that is aligned for vector loads.
#: OpenVINO's own cache runs a damaged file.
_DIGITS = 64
#: Of all files in the folder; HigherHRNet-W32 takes 115 MB.
_MAX_BYTES = 1 << 30
# A copy is not worth the space that results need.
_LEFT_FREE_BYTES = 256 << 20

_HEAVY_LAYERS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")


class CompiledNetwork:
    """A compiled IR: it takes arrays by input name, and returns arrays by output name.

    Threads may call it: ``requests`` inferences run at the same time, further ones wait. A forked
    process compiles its own network; a fork waits until no inference runs.

    Args:
        ir: the .xml, with its .bin in the same folder; or a graph.

    Attributes:
        path: the path of the .xml.
        inputs: the shape of each input by name; -1 stands for any size.
        outputs: the shape of each output by name.
        device: the devices on which it actually runs, separated by commas.
        executed_precision: the actual precision of most layers. It differs from the requested one
            if the device does not support that.
        requests: how many inferences may run at the same time.
        streams: how many of them the device actually runs in parallel; 0 if it does not report
            this.

    Raises:
        InferenceError: the IR is missing or damaged, there is no such device or precision, or the
            device refuses the network.
        MissingPackageError: OpenVINO is not installed.
    """

    def __init__(self, ir: Path | Graph, runtime: RuntimeConfig | None = None) -> None:
        runtime = runtime or RuntimeConfig()
        require_device(runtime.device)
        graph = read_graph(ir)
        with _GATE.inference():
            compiled = _load_or_compile(graph, runtime)
        self.path = graph.path
        self.inputs = _shapes_by_name(graph.model.inputs, compiled.inputs)
        self.outputs = _shapes_by_name(graph.model.outputs, compiled.outputs)
        self.device = ",".join(compiled.get_property("EXECUTION_DEVICES"))
        self.executed_precision = _executed_precision(compiled)
        self.requests = 1
        if not runtime.has_one_request:
            optimum = _property(compiled, "OPTIMAL_NUMBER_OF_INFER_REQUESTS", 1)
            self.requests = runtime.requests or optimum
        try:  # a virtual device has the streams of its real devices
            devices = compiled.get_property("DEVICE_PROPERTIES").values()
            self.streams = sum(int(properties.get("NUM_STREAMS", 0)) for properties in devices)
        except (RuntimeError, AttributeError):
            self.streams = _property(compiled, "NUM_STREAMS", 0)
        self._graph = graph
        self._runtime = runtime
        self._for_stream: CompiledNetwork | None = None
        self._compile = partial(_load_or_compile, graph, runtime)
        self._is_on_cpu = runtime.device == "CPU"
        self.release()
        self._compiled: CompiledModel | None = compiled  # None after a failed inference
        self._process: int | None = os.getpid()
        _NETWORKS.add(self)

    @property
    def digests(self) -> dict[Path, Digest]:
        """The SHA-384 of each of its files.

        Raises:
            InferenceError: a file cannot be read now.
        """
        try:
            return self._graph.digests
        except OSError as error:
            raise InferenceError(f"{self.path}: cannot be read: {os_reason(error)}") from error

    def for_stream(self) -> CompiledNetwork:
        """The network for images that do not depend on each other: with as many requests as the
        device processes best, unless their number is stated. It is compiled at the first call.

        Raises:
            InferenceError: the device refuses it.
        """
        if self._runtime.requests is not None:
            return self
        if self._for_stream is None:
            runtime = replace(self._runtime, requests=choose_requests())
            self.release()  # most programs only stream, or only call
            self._for_stream = CompiledNetwork(self._graph, runtime)
        return self._for_stream

    def release(self) -> None:
        """Forget the compiled network: the next inference compiles it again, also in a fork."""
        self._process = None
        self._lock = threading.Lock()
        self._compiled = None
        self._idle = _Slots(self.requests)

    @property
    def is_kept(self) -> bool:
        """Whether it stays compiled when the process forks, since it was used, or is not for the
        CPU.
        """
        slots = self._idle.free
        is_used = len(slots) < self.requests or any(slot.compiled for slot in slots)
        return is_used or not self._is_on_cpu

    def begin_fork(self) -> None:
        """Make a fork's copy usable: what belongs to the parent's threads stays untouched."""
        for thing in (self._compiled, *self._idle.free):
            keep_forever(thing)
        if self._is_on_cpu:
            self.release()

    @property
    def supports_batching(self) -> bool:
        """Whether inputs and outputs take any number of images."""
        shapes = (*self.inputs.values(), *self.outputs.values())
        return all(shape[:1] == (-1,) for shape in shapes)

    def __call__(self, inputs: NamedArrays) -> dict[str, Array]:
        """All outputs by name, for arrays by input name.

        Raises:
            InferenceError: an input is missing, unknown or of another shape, or the device fails.
        """
        with self.infer(inputs) as outputs:
            return {name: array.copy() for name, array in outputs.items()}

    @contextmanager
    def infer(self, inputs: NamedArrays) -> Iterator[Outputs]:
        """All outputs by name, in the network's own memory: they are read-only, and valid inside
        the block.

        Raises:
            InferenceError: an input is missing, unknown or of another shape, the device fails, or
                this process is a fork of the one that compiled the network, for another device than
                the CPU.
        """
        with _GATE.inference(), self._infer(inputs) as outputs:
            yield outputs

    @contextmanager
    def _infer(self, inputs: NamedArrays) -> Iterator[Outputs]:
        self._check(inputs)
        if self._process not in (None, os.getpid()):
            raise InferenceError(
                f"{self.path}: was compiled in another process, and a fork cannot run it",
                hint=(
                    "load the model in the new process, or start that process with"
                    " multiprocessing's spawn"
                ),
            )
        idle = self._idle
        slot = idle.get()
        try:
            try:
                arrays = self._run(slot, inputs)
            except (RuntimeError, TypeError, ValueError) as error:
                raise InferenceError(
                    f"{self.path}: {self.device} failed: {error_text(error)}"
                ) from error
            yield dict(zip(self.outputs, arrays, strict=True))
        finally:
            idle.put(slot)

    def _run(self, slot: _Slot, inputs: NamedArrays) -> list[Array]:
        # If the sizes inside of a network do not fit, OpenVINO 2026.4.1 reports that again for each
        # further input, also in new requests, until the network is compiled again.
        with self._lock:
            if self._compiled is None:
                self._compiled = self._compile()
                self._process = os.getpid()
            compiled = self._compiled
        slot.use(compiled)
        try:
            return run_request(slot.request, inputs, share_inputs=True)
        except RuntimeError:
            with self._lock:
                if self._compiled is slot.compiled:
                    self._compiled = None
            if self.requests == 1:
                raise
        # The error may be that of an inference which ran at the same time: this input decides
        # in a network of its own.
        slot.use(self._compile())
        return run_request(slot.request, inputs, share_inputs=True)

    def _check(self, inputs: NamedArrays) -> None:
        for name in inputs.keys() - self.inputs.keys():
            raise InferenceError(
                f"{self.path}: no input {name}: it has {', '.join(self.inputs)}",
                hint=suggest(name, self.inputs),
            )
        for name, shape in self.inputs.items():
            if name not in inputs:
                raise InferenceError(f"{self.path}: input {name} is missing")
            given = inputs[name].shape
            sides = zip(shape, given, strict=False)
            if len(given) != len(shape) or any(side not in (-1, actual) for side, actual in sides):
                raise InferenceError(
                    f"{self.path}: input {name}: expected the shape {format_shape(shape)}, "
                    f"got {format_shape(given)}"
                )


class _Slot:
    """One of the inferences that may run at the same time.

    Attributes:
        compiled: the network that it runs; it also keeps the cache file mapped. None: none so far.
        request: the ``openvino.InferRequest``.
    """

    compiled: CompiledModel | None = None
    request: Any = None

    def use(self, compiled: CompiledModel) -> None:
        if compiled is not self.compiled:
            self.compiled = compiled
            self.request = compiled.create_infer_request()


_GATE = InferenceGate()


class _Slots:
    """The slots that are free; threads get them in the order in which they ask, so none starves."""

    def __init__(self, count: int) -> None:
        self.free = [_Slot() for _ in range(count)]
        self._lock = threading.Lock()
        self._waiting: deque[SimpleQueue[_Slot]] = deque()

    def get(self) -> _Slot:
        with self._lock:
            if self.free:
                return self.free.pop()
            given: SimpleQueue[_Slot] = SimpleQueue()
            self._waiting.append(given)
        try:
            return given.get()
        except BaseException:  # such as ^C: the slot is for the next thread
            with self._lock:
                if given in self._waiting:
                    self._waiting.remove(given)
            if not given.empty():
                self.put(given.get())
            raise

    def put(self, slot: _Slot) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(slot)
            else:
                self.free.append(slot)


# The networks of this process.
_NETWORKS: WeakSet[CompiledNetwork] = WeakSet()


@cache
def _shared_core() -> tuple[Core, int]:
    """The ``openvino.Core`` of all networks, and the thread that made it."""
    return openvino_core(extra="run"), threading.get_ident()


def _before_fork() -> None:
    _GATE.close()
    if not _shared_core.cache_info().currsize:
        return
    core, thread = _shared_core()
    # The stack for signals, which OpenVINO gives to a thread, is freed with the core: if another
    # thread did that, the next signal would end the process.
    if thread == threading.get_ident() and not any(network.is_kept for network in _NETWORKS):
        # A fork can have several threads only if its parent has none.
        core.set_property({"FORCE_TBB_TERMINATE": True})
        _shared_core.cache_clear()
        for network in list(_NETWORKS):
            network.release()
        return
    # OpenVINO gives the threads of a deleted network to the next one that fits, also in a fork,
    # which has no threads. The end of any core makes it forget them (2026.4.1).
    openvino_core(extra="run").get_property("CPU", "FULL_DEVICE_NAME")


def _in_fork() -> None:
    _GATE.open_in_child()
    if not _shared_core.cache_info().currsize:
        return
    keep_forever(_shared_core())
    _shared_core.cache_clear()
    for network in list(_NETWORKS):
        network.begin_fork()


call_around_forks(_before_fork, _GATE.open, _in_fork)


def _shapes_by_name(ports: Any, compiled_ports: Any) -> dict[str, Shape]:
    """The shape of each compiled port, by its name in the graph; -1 stands for any size.

    Compiling gives a port the names of tensors that OpenVINO merged with it, and keeps the order.
    """
    return {
        port_name(port): static_sizes(compiled.partial_shape)
        for port, compiled in zip(ports, compiled_ports, strict=True)
    }


def _load_or_compile(graph: Graph, runtime: RuntimeConfig) -> CompiledModel:
    core, _ = _shared_core()
    config = runtime.to_openvino_config()
    path = None
    if runtime.cache_dir and runtime.device == "CPU":
        path = cache_path(graph, core, config, runtime.cache_dir)
    compiled = load_compiled(core, path, config) if path else None
    if compiled is not None:
        return compiled
    try:
        compiled = core.compile_model(graph.model, runtime.device, config)
    except (RuntimeError, MemoryError) as error:
        raise InferenceError(
            f"{graph.path}: cannot be compiled for {runtime.device}: {error_text(error)}",
            hint=memory_hint(error),
        ) from error
    if path:
        store_compiled(compiled, path)
    return compiled


def _executed_precision(compiled: CompiledModel) -> str:
    """The precision of most heavy layers, from the end of their kernels' names, as in
    brgconv_avx512_1x1_f32.

    Other sources are not reliable: a layer reports f16 even if only its weights are f16, and AUTO
    and HETERO do not report the precision hint.
    """
    endings: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        info = layer.get_rt_info()
        if "primitiveType" in info and str(info["layerType"].value) in _HEAVY_LAYERS:
            endings[str(info["primitiveType"].value).lower().rsplit("_", 1)[-1]] += 1
    for precision, _ in endings.most_common():
        if precision in _PRECISIONS:
            return precision
    try:
        return str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    except RuntimeError:
        return "unknown"


def describe_run(
    model: str, revision: int, networks: Iterable[CompiledNetwork], device: str, arithmetic: str
) -> dict[str, Any]:
    """What runs, for every kind of result.

    Args:
        model: its name.
        revision: of its files, as model.yml counts them; 0 if it has none.
        networks: its networks, and those of its detector.
        device, arithmetic: as an estimator's ``device`` and ``executed_precision``.

    Returns:
        Also ``format``: ``RESULT_FORMAT``; ``files``: the SHA-384 of each file of the networks by
        the name that ``posezoo.lock`` has for it; ``posezoo`` and ``openvino``: the versions; and
        ``date``: year-month-day, UTC, since the same run gives the same results.
    """
    files = {}
    for network in networks:
        for path, digest in network.digests.items():
            files[f"{path.parent.name}/{path.name}"] = digest.value
    return {
        "format": RESULT_FORMAT,
        "model": model,
        **({"revision": revision} if revision else {}),
        "files": files,
        "device": device,
        "executed_precision": arithmetic,
        "posezoo": version(),
        "openvino": package_version("openvino"),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def _property(compiled: CompiledModel, name: str, default: int) -> int:
    try:
        return int(compiled.get_property(name))
    except (RuntimeError, TypeError):
        return default


def cache_path(graph: Graph, core: Core, config: dict[str, Any], folder: Path) -> Path | None:
    """The cache file for a graph and a configuration on this CPU; None if the IR cannot be read."""
    try:
        # Archives and `cp -p` give other weights of a network the same size and date.
        digests = [digest.value for digest in graph.digests.values()]
    except OSError:
        return None
    name = core.get_property("CPU", "FULL_DEVICE_NAME")
    # Virtual machines give processors with other instructions the same name.
    processor = (name, processor_details(PROC / "cpuinfo"))
    openvino = package_version("openvino")
    facts = (openvino, processor, digests, graph.changes, sorted(config.items()))
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return folder / f"{graph.path.stem}-{digest}.compiled"


def load_compiled(core: Core, path: Path, config: dict[str, Any]) -> CompiledModel | None:
    """The compiled network in a file; None if the file is missing or damaged, or if this OpenVINO
    does not import it.

    The file stays mapped as long as the network exists.
    """
    try:
        # OpenVINO needs a writable buffer, but does not write to it.
        with open_regular(path) as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):
        return None
    content = np.frombuffer(mapped, np.uint8)
    digest = hashlib.sha256(content[_DIGITS:].data).hexdigest()
    if digest.encode() != content[:_DIGITS].tobytes():
        return None
    tensor = import_openvino(extra="run").Tensor(content[_DIGITS:], shared_memory=True)
    try:
        compiled = core.import_model(tensor, "CPU", config)
    except Exception:  # noqa: BLE001 without its copy, the network is compiled
        return None
    if sys.platform != "win32":
        # OpenVINO has copied most of it, and the rest is read again: 17 of the default's 216 MiB.
        mapped.madvise(mmap.MADV_DONTNEED)
    compiled.mapped = content
    return compiled


def store_compiled(compiled: CompiledModel, path: Path) -> None:
    """Write a compiled network to a file, unless little space is free, and delete the oldest files
    if the cache is too large.
    """
    stream = io.BytesIO(b"0" * _DIGITS)
    stream.seek(_DIGITS)
    try:
        compiled.export_model(stream)
        content = stream.getbuffer()
        content[:_DIGITS] = hashlib.sha256(content[_DIGITS:]).hexdigest().encode()
        size = content.nbytes
        content.release()
        create_parent(path)
        if shutil.disk_usage(path.parent).free < size + _LEFT_FREE_BYTES:
            return
        write_atomically(path, stream.getvalue(), lasting=False)
        total = 0
        files = path.parent.glob("*.compiled")
        for file in sorted(files, key=lambda file: -file.stat().st_mtime_ns):
            total += file.stat().st_size
            if total > _MAX_BYTES:
                file.unlink(missing_ok=True)
    # OpenVINO raises a ValueError where memory is short.
    except (RuntimeError, ValueError, MemoryError, OSError, OutputError):
        return
