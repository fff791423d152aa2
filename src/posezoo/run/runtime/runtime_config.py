"""How models run: devices, precision, parallelism; sizes, preprocessing and augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Model, Precision
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError, suggest
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.resolve.resolved import INT8_PRECISIONS
from posezoo.core.settings import DECLARED
from posezoo.core.values import frozen
from posezoo.poses.decoders import Option
from posezoo.run.runtime.input_description import InputDescription

# OpenVINO's plug-ins that give work to real devices; BATCH gives it to one, whose properties it
# takes as its own.
_DISTRIBUTING = ("AUTO", "HETERO", "MULTI")
VIRTUAL_DEVICES = (*_DISTRIBUTING, "BATCH")

_DRIVERS = "its driver is not part of OpenVINO; posezoo doctor lists the devices that are found"

#: With fewer images, all cores work on one after the other: a device may have a stream for each
#: core.
MANY_IMAGES = 8


def choose_requests(images: int | None = None, *, in_turn: bool = False) -> int:
    """``RuntimeConfig.requests`` of ``posezoo run``, ``Estimator.stream`` and the benchmarks: one
    image at a time, or as many as the device processes best.

    Args:
        images: how many there are; None: unknown, as of the frames of a video.
        in_turn: whether each depends on the one before, or has to be processed when it arrives.
    """
    are_few = images is not None and images < MANY_IMAGES
    return int(in_turn or are_few)


def declared_type(model: Model, precision: Precision | None) -> str:
    """The type in which a network computes on a CPU that has it: bf16 if the model declares it,
    else f32. Its IR in INT8 stays in f32.
    """
    is_bf16 = "bf16" in model.compute_types and precision not in INT8_PRECISIONS
    return "bf16" if is_bf16 else "f32"


@frozen
class RuntimeConfig:
    """Where and how a network runs.

    Attributes:
        device: as OpenVINO names it: CPU, GPU, AUTO, HETERO:GPU,CPU, ...
        inference_precision: the requested precision of the computation: f32, bf16, f16;
            ``default`` for the device's own choice: on CPUs with AVX512-BF16 or AMX this is bf16,
            which moves BlazePose's keypoints by a median of 5 px of 512; or ``declared`` for that
            of each model, which is f32 for a network without one.
        cache_dir: the folder in which compiled networks are stored for the next start, for the CPU
            by posezoo, for other devices by OpenVINO; None: they are not stored.
        requests: how many inferences may run at the same time; 0: the device's optimal number;
            None: one, and in ``Estimator.stream`` as ``choose_requests`` says.
        streams: how many of them the device runs in parallel: a number, AUTO, or a number for each
            device, such as ``CPU:4,GPU:2``; empty: the device chooses according to the hint.
        threads: the number of CPU threads; 0: the number of cores.
    """

    device: str = "CPU"
    inference_precision: str = "f32"
    cache_dir: Path | None = None
    requests: int | None = None
    streams: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("requests", "threads"):
            if (getattr(self, name) or 0) < 0:
                raise InferenceError(f"{name}: expected 0 or more, got {getattr(self, name)}")

    @property
    def has_one_request(self) -> bool:
        """Whether one inference runs after the other."""
        return self.requests in (None, 1)

    @property
    def hint(self) -> str:
        """What the device optimizes for."""
        return "LATENCY" if self.has_one_request else "THROUGHPUT"

    def to_openvino_config(self) -> dict[str, Any]:
        """The configuration as OpenVINO properties.

        Raises:
            InferenceError: the streams are invalid.
        """
        config: dict[str, Any] = {"PERFORMANCE_HINT": self.hint}
        if self.inference_precision != "default":
            asked = self.inference_precision
            config["INFERENCE_PRECISION_HINT"] = "f32" if asked == DECLARED else asked
        if self.cache_dir and self.device != "CPU":
            config["CACHE_DIR"] = str(self.cache_dir)
        if self.device.split(":")[0] in _DISTRIBUTING:
            for device, properties in self._device_properties().items():
                config[f"DEVICE_PROPERTIES_{device}"] = properties
        else:
            config |= self._device_properties().get(_real_devices(self.device)[0], {})
        return config

    def choose_precision(self, model: Model, precision: Precision | None) -> RuntimeConfig:
        """The configuration for a model: ``declared`` becomes its ``declared_type``, if this is a
        CPU that has it, else f32.
        """
        if self.inference_precision != DECLARED:
            return self
        declared = declared_type(model, precision)
        if declared == "bf16":
            core = import_openvino(extra="run").Core()
            types = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            declared = "bf16" if self.device == "CPU" and "BF16" in types else "f32"
        return replace(self, inference_precision=declared)

    def _device_properties(self) -> dict[str, dict[str, str]]:
        properties: dict[str, dict[str, str]] = {}
        cpu = {"INFERENCE_NUM_THREADS": str(self.threads)} if self.threads else {}
        # OpenVINO binds each network's threads to the first cores. One thread waits there for other
        # programs: with a load of 13 on two cores, a frame took 20 % longer. Several requests of a
        # detector and of a pose network wait there for each other.
        if self.threads == 1 or not self.has_one_request:
            cpu["ENABLE_CPU_PINNING"] = "NO"
        if cpu and "CPU" in _real_devices(self.device):
            properties["CPU"] = cpu
        parts = self.streams.split(",") if self.streams else []
        if _is_number(self.streams):
            parts = [f"{device}:{self.streams}" for device in _real_devices(self.device)]
        for part in parts:
            device, _, number = part.strip().rpartition(":")
            if not device or not _is_number(number):
                raise InferenceError(
                    "streams: expected a number, AUTO, or one for each device, got"
                    f" {self.streams!r}",
                    hint="4, or CPU:4,GPU:2",
                )
            properties.setdefault(device, {})["NUM_STREAMS"] = number
        return properties


@frozen
class LoadOptions:
    """How a model is run.

    Attributes:
        runtime: where and how the model's networks run.
        target_size: the size to which images are scaled: the height in pixels for openpose and
            lifting_3d, the shorter side for associative_embedding; None: the IR's own input size.
        aspect_size: width and height of the expected images. If the IR allows it, its input gets
            this aspect ratio once; None: the IR's own aspect, or each image's if the IR accepts any
            size.
        decoder: of the outputs of a file without a model.yml; None: as it states or as they show.
        layout: of the network's input, NCHW or NHWC, if the IR's own layout and shape are wrong;
            else empty.
        reverse_input_channels: whether the network takes RGB; None: as the model declares.
        mean: subtracted in the graph, in addition to what the IR does itself: one value for each
            channel, or one for all; None: as the model declares.
        scale: divisor after the mean is subtracted; None: as the model declares.
        flip: also run the mirrored image, and average both results; for openpose,
            associative_embedding and heatmap.
        scales: the relative scales at which each image is run; they must include 1. The results are
            averaged. For openpose and associative_embedding.
        decoder_options: options of the decoder, which override those that the model declares.
        min_person_score: the minimum score of a person, 0..1; of the person detector if one runs.
            None: the decoder's default.
        whole_image: as in ``core.declarations.model.People``; None: as the model declares, 1:
            never.
        skeleton: of the keypoints; None: as the model declares.

    Raises:
        InferenceError: a size is below 1, a score is not 0..1, or the layout is unknown.
    """

    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    target_size: int | None = None
    aspect_size: tuple[int, int] | None = None
    decoder: str | None = None
    layout: str = ""
    reverse_input_channels: bool | None = None
    mean: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    decoder_options: Mapping[str, Option] = field(default_factory=dict)
    min_person_score: float | None = None
    whole_image: float | None = None
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        sizes = (1 if self.target_size is None else self.target_size, *(self.aspect_size or ()))
        if min(sizes) < 1:
            raise InferenceError(
                f"expected a target size and an aspect above 0, got {self.target_size} and"
                f" {self.aspect_size}"
            )
        for name in ("min_person_score", "whole_image"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InferenceError(f"{name}: expected 0 to 1, got {value:g}")
        if self.layout not in ("", "NCHW", "NHWC"):
            raise InferenceError(f"layout: expected NCHW or NHWC, got {self.layout!r}")

    @property
    def has_several_passes(self) -> bool:
        """Whether images are run mirrored or at several scales."""
        return self.flip or tuple(self.scales) != (1.0,)

    @property
    def states_preprocessing(self) -> bool:
        """Whether they say how images are prepared for the network."""
        return (self.reverse_input_channels, self.mean, self.scale) != (None, None, None)

    @property
    def describes_network(self) -> bool:
        """Whether they say what model.yml or the IR's metadata would say."""
        return self.states_preprocessing or any((self.decoder, self.layout, self.skeleton))

    def override(self, description: InputDescription) -> InputDescription:
        """The description of a model's input, with the values that these options set."""
        preprocessing = description.preprocessing
        reverse = self.reverse_input_channels
        preprocessing = replace(
            preprocessing,
            layout=self.layout or preprocessing.layout,
            reverse_input_channels=(
                preprocessing.reverse_input_channels if reverse is None else reverse
            ),
            mean=preprocessing.mean if self.mean is None else tuple(self.mean),
            scale=preprocessing.scale if self.scale is None else tuple(self.scale),
        )
        return replace(description, preprocessing=preprocessing)


@frozen
class VideoOptions:
    """How the people in a video are tracked: arguments of ``Estimator.stream``."""

    track: bool = False
    smooth: bool = False
    detect_every: int | None = None


def _is_number(text: str) -> bool:
    return text == "AUTO" or (text.isdecimal() and int(text) > 0)


def _real_devices(device: str) -> list[str]:
    """The real devices that a device uses: GPU and CPU for HETERO:GPU,CPU."""
    first, _, others = device.partition(":")
    if first not in VIRTUAL_DEVICES:
        return [device]
    return [name.split("(")[0].lstrip("-") for name in others.split(",") if name] or ["CPU"]


def available_devices() -> dict[str, str]:
    """OpenVINO's devices on this machine by name, each with the name of its hardware.

    Raises:
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    return {
        name: str(core.get_property(name, "FULL_DEVICE_NAME")) for name in core.available_devices
    }


@cache
def require_device(device: str) -> None:
    """Make sure that OpenVINO finds this device; the real ones behind HETERO and similar ones are
    not checked. One that was found once is not looked for again, since that takes a while.

    Raises:
        InferenceError: there is no such device; the message lists the available ones.
        MissingPackageError: OpenVINO is not installed or does not load.
    """
    core = import_openvino(extra="run").Core()
    names = [*core.available_devices, *VIRTUAL_DEVICES]
    if device.split(":")[0].split(".")[0] not in {name.split(".")[0] for name in names}:
        hint = suggest(device.upper(), names) or "posezoo doctor lists the devices that are found"
        if device.upper().split(".")[0] in ("GPU", "NPU"):
            hint = _DRIVERS
        problem = f"no device {device!r} was found, only {', '.join(core.available_devices)}"
        raise InferenceError(problem, hint=hint)
