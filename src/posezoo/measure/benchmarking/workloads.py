"""The workloads: a network alone, or a model's whole pipeline from an image file to drawn poses.

It contains only paths and values, since another process loads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posezoo.console.labels import format_count
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import InferenceError, UsageError
from posezoo.core.values import frozen
from posezoo.figures.measured import CROPS, FOUND, SHOWN, TARGET_SIZE, people_settings
from posezoo.media.images import read_image
from posezoo.poses.drawing import draw
from posezoo.poses.letterbox import Image, describe_size
from posezoo.run.machine import Machine
from posezoo.run.runtime.compiled_network import CompiledNetwork, describe_run
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import LoadOptions, RuntimeConfig
from posezoo.run.verbs.run_flags import name_target_size

if TYPE_CHECKING:
    from posezoo.run.runtime.estimator import Estimator

#: One inference, or one image through the whole pipeline.
Work = Callable[[], None]


@frozen
class WorkloadInfo:
    """How a loaded workload runs.

    Attributes:
        streams: the number of runs in parallel; 0 if the device does not report this.
        executed_precision: the type of the arithmetic.
        compile_s: the time from the IR on disk to a compiled model, without any cache.
        machine: the machine that it runs on, as ``Machine.describe`` describes it.
        settings: others that affect the values.
        provenance: as from ``describe_run``.
    """

    batch: int
    requests: int
    streams: int
    device: str
    executed_precision: str
    compile_s: float
    machine: str
    settings: Mapping[str, str | int]
    provenance: Mapping[str, Any]


@frozen
class BenchmarkCase:
    """The case that one row of the results measures.

    Attributes:
        model: its name; for an IR without a model.yml, the file's.
        precision: the IR's precision.
        weights: ``published``, or ``generated`` for random ones.
        is_recordable: whether the model has a measured.yml.
    """

    model: str
    precision: Precision
    workload: NetworkWorkload | PipelineWorkload
    runtime: RuntimeConfig
    weights: str = "published"
    is_recordable: bool = True

    @property
    def label(self) -> str:
        """The case's name for people."""
        count = 1 if self.runtime.has_one_request else self.runtime.requests
        requests = "optimal number of requests"
        if count:
            requests = f"{count} request{'s' * (count > 1)}"
        return f"{self.model} ({self.precision}, {self.workload.description}, {requests})"


@frozen
class NetworkWorkload:
    """An IR as it is on disk; its input is random data in its own format.

    Attributes:
        size: height and width, for an IR with dynamic sizes; else None.
        is_size_given: whether the user gave it; an IR with fixed sizes is then an error.
    """

    xml: Path
    batch: int
    size: tuple[int, int] | None = None
    is_size_given: bool = False

    @property
    def irs(self) -> tuple[Path, ...]:
        """The .xml of each network."""
        return (self.xml,)

    @property
    def description(self) -> str:
        """What is measured, in a few words."""
        return f"batch {self.batch}"

    def load(self, runtime: RuntimeConfig) -> tuple[Work, WorkloadInfo]:
        """Read, reshape and compile the IR.

        Raises:
            InferenceError: the IR is missing or damaged, the device or the network refuses it, or
                it does not take ``size``.
        """
        machine = Machine.here()  # also imports OpenVINO, which is not part of compiling
        start_time = time.perf_counter()
        graph = Graph(self.xml)
        was_dynamic = graph.fix_dynamic_sizes(self.size)
        if self.is_size_given and not was_dynamic:
            raise UsageError(f"--size: the inputs of {self.xml} have fixed sizes")
        graph.set_batch(self.batch)
        types = graph.input_types
        network = CompiledNetwork(graph, runtime)
        compile_s = time.perf_counter() - start_time
        # Each run uses the same data. The time of the zoo's networks does not depend on the image.
        random = np.random.default_rng(0)
        inputs = {
            name: random.integers(0, 256, shape).astype(types[name])
            for name, shape in network.inputs.items()
        }

        def work() -> None:
            with network.infer(inputs):
                pass

        settings = {"batch": self.batch}
        if self.size and was_dynamic:
            settings["height"], settings["width"] = self.size
        name = graph.read_rt_info("posezoo", "model") or self.xml.stem
        arithmetic = network.executed_precision
        provenance = describe_run(name, 0, [network], network.device, arithmetic)
        return work, _describe(network, compile_s, machine, settings, provenance, batch=self.batch)


@frozen
class PipelineWorkload:
    """A model's whole pipeline: read an image file, find its people, and draw them.

    Attributes:
        compile: creates the estimator; a module-level function.
        shown: the number of people on the image; 0 if it is the user's.
        target_size: as in ``LoadOptions``.
    """

    image: Path
    compile: Callable[[LoadOptions], Estimator]
    irs: tuple[Path, ...]
    shown: int
    target_size: int | None

    @property
    def description(self) -> str:
        """What is measured, in a few words."""
        size = f", height {self.target_size}" if self.target_size else ""
        return f"pipeline, {self.image.name}{size}"

    def load(self, runtime: RuntimeConfig) -> tuple[Work, WorkloadInfo]:
        """Read the image and compile all networks.

        Raises:
            ImageError: the image cannot be read.
            InferenceError: an IR is missing or damaged, or the device refuses it; or another number
                of people is computed than the image shows.
        """
        machine = Machine.here()
        image = read_image(self.image)
        start_time = time.perf_counter()
        with name_target_size("--heights", self.target_size):
            estimator = self.compile(LoadOptions(runtime, target_size=self.target_size))
        compile_s = time.perf_counter() - start_time

        crops = self._count_crops(estimator, image)

        def work() -> None:
            image = read_image(self.image)
            draw(image, estimator(image))

        settings: dict[str, str | int] = {
            "pipeline": "read, found, drawn",
            "picture": f"{image.shape[1]}x{image.shape[0]}",
            "input": describe_size(estimator.input_size),
            **({TARGET_SIZE: self.target_size} if self.target_size else {}),
            FOUND: len(estimator(image)),
            SHOWN: self.shown,
            CROPS: crops,
            **people_settings(estimator.people_from, estimator.detector_precision),
        }
        return work, _describe(estimator, compile_s, machine, settings, estimator.provenance())

    def _count_crops(self, estimator: Estimator, image: Image) -> int:
        from posezoo.run.runtime.estimator import count_crops

        crops = count_crops(estimator, image)
        sees_crops = len(estimator.networks) > 1
        if self.shown and sees_crops and crops != self.shown:
            is_single = self.shown == 1
            shown = "1 person" if is_single else f"{self.shown} people"
            fewer = "" if is_single else "--people 1 shows one person; "
            raise InferenceError(
                f"{estimator.model.full_name}: computed {format_count(crops, 'crop')}, and the"
                f" picture shows {shown}",
                hint=f"{fewer}--input names a picture of your own",
            )
        return crops


def _describe(
    loaded: CompiledNetwork | Estimator,
    compile_s: float,
    machine: Machine,
    settings: Mapping[str, str | int],
    provenance: Mapping[str, Any],
    batch: int = 1,
) -> WorkloadInfo:
    return WorkloadInfo(
        batch=batch,
        requests=loaded.requests,
        streams=loaded.streams,
        device=loaded.device,
        executed_precision=loaded.executed_precision,
        compile_s=compile_s,
        machine=machine.describe(loaded.device),
        settings=settings,
        provenance=provenance,
    )
