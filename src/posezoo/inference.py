"""One network on OpenVINO: read, compiled, and run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from posezoo.errors import InferenceError, nearest
from posezoo.openvino_runtime import openvino, reason_of

Array = NDArray[Any]

# OpenVINO's plugins that hand the work on to real devices.
_VIRTUAL_DEVICES = ("AUTO", "BATCH", "HETERO", "MULTI")

_DRIVERS = "its driver is installed apart from OpenVINO; posezoo doctor lists what is seen"
_MISSING_DEVICES = {"GPU": _DRIVERS, "NPU": _DRIVERS}

_ARITHMETIC = ("f32", "bf16", "f16", "i8", "u8")
_HEAVY_LAYERS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")


class Network:
    """A compiled IR: arrays by input name in, arrays by output name out.

    Calls from several threads wait for one another.

    Args:
        xml: the IR; its .bin lies beside it.
        device: where it runs, as OpenVINO names it: CPU, GPU, AUTO, ...
        inference_precision: the arithmetic to ask for: f32, bf16, f16, or ``default`` for the
            device's own choice. That is bf16 on CPUs with AVX512-BF16 or AMX, and moves BlazePose's
            keypoints by a median of 5 px of 512.
        cache_dir: where OpenVINO may keep the compiled network for the next start.
        outputs: the only ones that are needed; what leads to the others alone is not computed.

    Attributes:
        path: of the .xml.
        inputs: shape by input name, -1 where any size will do.
        outputs: the same for the outputs.
        device: the devices that it really runs on, with commas between.
        executed_precision: the arithmetic that it really runs in, which is not the one that was
            asked for where the device lacks that.

    Raises:
        InferenceError: the IR is missing or damaged, there is no such device, precision or output,
            or the device refuses the network.
        MissingPackageError: OpenVINO is not installed.
    """

    def __init__(
        self,
        xml: Path,
        device: str = "CPU",
        inference_precision: str = "f32",
        cache_dir: Path | None = None,
        *,
        outputs: Collection[str] | None = None,
    ) -> None:
        core = openvino(extra="run").Core()
        _check_device(core, device)
        model = _read(core, xml)
        if outputs is not None:
            model = _only(model, outputs, xml)
        compiled = _compile(core, model, xml, device, inference_precision, cache_dir)
        self.path = xml
        self.inputs = {port.any_name: _shape(port) for port in compiled.inputs}
        self.outputs = {port.any_name: _shape(port) for port in compiled.outputs}
        self.device = ",".join(compiled.get_property("EXECUTION_DEVICES"))
        self.executed_precision = _executed_precision(compiled)
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, for arrays by input name.

        Raises:
            InferenceError: an input is missing, unknown or of another shape, or the device fails.
        """
        self._check(inputs)
        with self._turn:
            try:
                results = self._request.infer(dict(inputs))  # copied: the next call writes elsewhere
            except (RuntimeError, TypeError, ValueError) as error:
                raise InferenceError(f"{self.path}: {self.device} failed: {reason_of(error)}") from error
            return {name: results[name] for name in self.outputs}

    def _check(self, inputs: Mapping[str, Array]) -> None:
        for name in inputs.keys() - self.inputs.keys():
            raise InferenceError(
                f"{self.path}: no input {name}: it has {', '.join(self.inputs)}",
                hint=nearest(name, self.inputs),
            )
        for name, shape in self.inputs.items():
            if name not in inputs:
                raise InferenceError(f"{self.path}: input {name} is missing")
            if not _fits(inputs[name].shape, shape):
                expected, given = shape_text(shape), shape_text(inputs[name].shape)
                raise InferenceError(f"{self.path}: input {name}: expected the shape {expected}, got {given}")


def available_devices() -> dict[str, str]:
    """OpenVINO's devices on this machine by name, each with what its hardware calls itself.

    Raises:
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = openvino(extra="run").Core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices}


def check_device(device: str) -> None:
    """Make sure that OpenVINO has a device of this name here.

    Raises:
        InferenceError: it has not; the problem lists those that it has.
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    _check_device(openvino(extra="run").Core(), device)


def _check_device(core: Any, device: str) -> None:
    known = [*core.available_devices, *_VIRTUAL_DEVICES]
    names = [name.split(".")[0] for name in known]
    if device.split(":")[0].split(".")[0] not in names:
        raise InferenceError(
            f"no device {device!r} here: there is {', '.join(core.available_devices)}",
            hint=_MISSING_DEVICES.get(device.split(".")[0]) or nearest(device.upper(), known),
        )


def _read(core: Any, xml: Path) -> Any:
    for file in (xml, xml.with_suffix(".bin")):
        if not file.is_file():
            raise InferenceError(f"{file}: no such file", hint="posezoo convert makes it")
    with open(xml, "rb") as stream:
        if b"<net" not in stream.read(1024):  # else OpenVINO tries all its other readers, loudly
            raise InferenceError(f"{xml}: is not an IR", hint="posezoo convert makes one")
    try:
        return core.read_model(xml)
    except RuntimeError as error:
        raise InferenceError(
            f"{xml}: cannot be read as an IR: {reason_of(error)}", hint="convert the model again"
        ) from error


def _only(model: Any, outputs: Collection[str], xml: Path) -> Any:
    known = {name: port for port in model.outputs for name in port.names}
    for name in outputs:
        if name not in known:
            raise InferenceError(
                f"{xml}: no output {name}: it has {', '.join(sorted(known))}", hint=nearest(name, known)
            )
    return openvino(extra="run").Model(
        [known[name].node for name in outputs], model.get_parameters(), model.get_name()
    )


def _compile(
    core: Any, model: Any, xml: Path, device: str, inference_precision: str, cache_dir: Path | None
) -> Any:
    config = {"PERFORMANCE_HINT": "LATENCY"}
    if inference_precision != "default":
        config["INFERENCE_PRECISION_HINT"] = inference_precision
    if cache_dir is not None:
        config["CACHE_DIR"] = str(cache_dir)
    try:
        return core.compile_model(model, device, config)
    except RuntimeError as error:
        raise InferenceError(f"{xml}: cannot be compiled for {device}: {reason_of(error)}") from error


def _executed_precision(compiled: Any) -> str:
    """What most of the heavy layers compute in, by the end of their kernels' names: brgconv_avx512_1x1_f32.

    Neither the type that a layer reports (f16 where only its weights are stored so) nor the hint
    (AUTO and HETERO do not hand it on) tells that.
    """
    infos = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    kernels = [str(info["primitiveType"].value) for info in infos if _is_heavy(info)]
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


def _shape(port: Any) -> tuple[int, ...]:
    return tuple(-1 if side.is_dynamic else side.get_length() for side in port.partial_shape)


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(shape) == len(expected) and all(
        want in (-1, side) for side, want in zip(shape, expected, strict=True)
    )


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as people write it: 1x3x256x456, with ? for any size."""
    return "x".join("?" if side == -1 else str(side) for side in shape)
