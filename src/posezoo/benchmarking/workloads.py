"""What can be measured: a network alone, or a model's whole way from a picture to the picture with poses.

A subject is made in one process and loaded in another, so it holds paths and values only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from posezoo.runtime.compiled_network import Array, CompiledNetwork
from posezoo.runtime.devices import available_devices
from posezoo.runtime.graph import Graph
from posezoo.runtime.runtime_config import RuntimeConfig
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.runtime.estimator import Estimator

# Networks are fed with noise: no network of ours takes longer for one picture than for another.
_SEED = 0


@dataclass(frozen=True, slots=True)
class LoadedWorkload:
    """A subject, loaded.

    Attributes:
        work: one inference, or one picture's whole way.
        images: how many pictures a piece of work is.
        requests: how many pieces may be under way at once.
        streams: how many of them the device really runs side by side; 0 where it does not say.
        device: where it really runs.
        executed_precision: the arithmetic that it really runs in.
        compile_s: from the IR on disk to what can be run, nothing taken from a cache.
        hardware: what the devices that it runs on, and the CPU, call themselves.
        settings: what else its figures depend on.
    """

    work: Callable[[], None]
    images: int
    requests: int
    streams: int
    device: str
    executed_precision: str
    compile_s: float
    hardware: Mapping[str, str]
    settings: Mapping[str, str | int]


class Workload(Protocol):
    """Something whose speed can be measured."""

    @property
    def description(self) -> str:
        """What of it is measured, in a few words."""
        ...

    def load(self, runtime: RuntimeConfig) -> LoadedWorkload:
        """Read, compile, and get ready to run.

        Raises:
            InferenceError: an IR is missing or damaged, or the device or the network refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class BenchmarkCase:
    """What one row of figures is of.

    Attributes:
        model: its name; of an IR that no model.yml describes, the file's.
        precision: of the IR; None where nobody knows.
        subject: what is run.
        runtime: where and how.
        weights: ``published``, or ``generated`` where nobody trained them.
        is_recordable: whether there is a measured.yml for its figures.
    """

    model: str
    precision: Precision | None
    subject: Workload
    runtime: RuntimeConfig
    weights: str = "published"
    is_recordable: bool = True

    @property
    def label(self) -> str:
        """What it is called where people read it."""
        requested = self.runtime.requests
        requests = (
            "as many requests as it likes"
            if requested == 0
            else f"{requested} request{'s' * (requested > 1)}"
        )
        precision = [self.precision.value] if self.precision else []
        return f"{self.model} ({', '.join([*precision, self.subject.description, requests])})"


@dataclass(frozen=True, slots=True)
class NetworkWorkload:
    """An IR as it lies on disk, fed with noise in its own input's form.

    Attributes:
        xml: the IR.
        batch: how many pictures an inference takes.
        size: height and width of the picture, where the IR leaves them open; None: it leaves none.
    """

    xml: Path
    batch: int = 1
    size: tuple[int, int] | None = None

    @property
    def description(self) -> str:
        """What of it is measured, in a few words."""
        return f"batch {self.batch}"

    def load(self, runtime: RuntimeConfig) -> LoadedWorkload:
        """Read, reshape and compile.

        Raises:
            InferenceError: the IR is missing or damaged, or it or the device refuses.
        """
        hardware = available_devices()  # and with it OpenVINO is imported, which is no part of compiling
        start_time = time.perf_counter()
        graph = Graph(self.xml)
        was_open = graph.fix_dynamic_sizes(self.size)
        graph.set_batch(self.batch)
        types = graph.input_types
        network = CompiledNetwork(graph, runtime)
        compile_s = time.perf_counter() - start_time
        inputs = _noise(network, types)

        def work() -> None:
            with network.infer(inputs):
                pass

        size = dict(zip(("height", "width"), self.size, strict=True)) if self.size and was_open else {}
        return LoadedWorkload(
            work=work,
            images=self.batch,
            requests=network.requests,
            streams=network.streams,
            device=network.device,
            executed_precision=network.executed_precision,
            compile_s=compile_s,
            hardware=_taking_part(hardware, network.device),
            settings={"batch": self.batch, **size},
        )


@dataclass(frozen=True, slots=True)
class PipelineWorkload:
    """A model's whole way: a picture is read from its file, its people are found and drawn.

    Attributes:
        picture: a file.
        compile: makes the estimator where it is to run; a function of a module, so that another process
            finds it too.
        min_score: keypoints below are not drawn.
    """

    picture: Path
    compile: Callable[[RuntimeConfig], Estimator]
    min_score: float = 0.5

    @property
    def description(self) -> str:
        """What of it is measured, in a few words."""
        return f"pipeline, {self.picture.name}"

    def load(self, runtime: RuntimeConfig) -> LoadedWorkload:
        """Read and compile all networks.

        Raises:
            InferenceError: an IR is missing or damaged, or the device refuses it.
            ImageError: the picture cannot be read.
        """
        from posezoo.images import read_image
        from posezoo.pose.drawing import draw

        hardware = available_devices()
        image = read_image(self.picture)
        start_time = time.perf_counter()
        estimator = self.compile(runtime)
        compile_s = time.perf_counter() - start_time

        def work() -> None:
            image = read_image(self.picture)
            draw(image, estimator(image), min_score=self.min_score)

        return LoadedWorkload(
            work=work,
            images=1,
            requests=estimator.requests,
            streams=estimator.streams,
            device=estimator.device,
            executed_precision=estimator.executed_precision,
            compile_s=compile_s,
            hardware=_taking_part(hardware, estimator.device),
            settings={
                "pipeline": "read, found, drawn",
                "picture": f"{image.shape[1]}x{image.shape[0]}",
                "people": len(estimator(image)),
            },
        )


def _noise(network: CompiledNetwork, types: Mapping[str, Any]) -> dict[str, Array]:
    """Inputs by name: numbers from 0 to 255 in the input's own type, the same at each run."""
    dice = np.random.default_rng(_SEED)
    return {name: dice.integers(0, 256, shape).astype(types[name]) for name, shape in network.inputs.items()}


def _taking_part(hardware: Mapping[str, str], device: str) -> dict[str, str]:
    """The CPU, which always does, and the devices that networks run on."""
    used = {"CPU", *device.split(",")}
    return {name: told for name, told in hardware.items() if name in used}
