"""The steps from an image to its poses, as a generator that asks for inferences.

A pipeline itself never waits for a device: it yields what it wants to know, and whoever follows it decides
whether to infer now, elsewhere, or for several images at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, Size
from posezoo.runtime.compiled_network import Array, CompiledNetwork, Outputs


@dataclass(frozen=True, eq=False, slots=True)
class InferenceRequest:
    """What a pipeline wants to know: the outputs of one of its networks for arrays by input name."""

    network: CompiledNetwork
    inputs: Mapping[str, Array]


#: Asks, is sent the outputs by name, and returns the poses. What it is sent is the network's own memory:
#: to be read only, and only until the next ask or the return.
PipelineSteps = Generator[InferenceRequest, Outputs, list[Pose]]


class Pipeline(Protocol):
    """How the networks of a model find poses; safe to call from several threads."""

    @property
    def networks(self) -> Sequence[CompiledNetwork]:
        """All that it asks, the first one first."""
        ...

    @property
    def input_size(self) -> Size | None:
        """Width and height in pixels of what the first network takes; None where it varies."""
        ...

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps from an (H, W, 3) uint8 BGR image to its poses, surest first."""
        ...


def run_batched(many: Sequence[PipelineSteps]) -> list[list[Pose]]:
    """Carry out several pipelines side by side: what they ask of one network is one inference, if it can be.

    Raises:
        InferenceError: a device fails.
    """
    results: dict[int, list[Pose]] = {}
    asks: dict[int, InferenceRequest] = {}

    def go_on(place: int, outputs: Outputs | None) -> None:
        try:
            steps = many[place]
            asks[place] = next(steps) if outputs is None else steps.send(outputs)
        except StopIteration as done:
            results[place] = done.value

    for place in range(len(many)):
        go_on(place, None)
    while asks:
        first = next(iter(asks.values()))
        places = [place for place, ask in asks.items() if _can_be_batched(ask, first)]
        requested = [asks.pop(place) for place in (places if first.network.supports_batching else places[:1])]
        inputs = {name: np.concatenate([ask.inputs[name] for ask in requested]) for name in first.inputs}
        with first.network.infer(inputs) as outputs:
            for row, place in enumerate(places[: len(requested)]):
                go_on(place, {name: output[row : row + 1] for name, output in outputs.items()})
    return [results[place] for place in range(len(many))]


def _can_be_batched(one: InferenceRequest, other: InferenceRequest) -> bool:
    return one.network is other.network and all(
        one.inputs[name].shape == array.shape for name, array in other.inputs.items()
    )


def collect_inputs(network: CompiledNetwork, pipeline: Pipeline, image: Image) -> list[Mapping[str, Array]]:
    """What a pipeline asks one of its networks about an image: arrays by input name, once for each ask.

    Raises:
        InferenceError: a device fails.
    """
    steps, requested = pipeline(image), []
    ask = next(steps, None)
    while ask is not None:
        if ask.network is network:
            requested.append(ask.inputs)
            if len(pipeline.networks) == 1:  # it looks once: its own answer tells nothing more
                steps.close()
                break
        with ask.network.infer(ask.inputs) as outputs:
            try:
                ask = steps.send(outputs)
            except StopIteration:
                break
    return requested


#: From arrays by input name to outputs by name: what stands in for a network.
InferFunction = Callable[[Mapping[str, Array]], Outputs]


def run_with_override(steps: PipelineSteps, network: CompiledNetwork, answer: InferFunction) -> list[Pose]:
    """Carry out the steps; one of the networks is not asked, since somebody else answers for it.

    Raises:
        InferenceError: a device fails.
    """
    try:
        ask = next(steps)
        while True:
            if ask.network is network:
                ask = steps.send(answer(ask.inputs))
            else:
                with ask.network.infer(ask.inputs) as outputs:
                    ask = steps.send(outputs)
    except StopIteration as done:
        return list(done.value)


def run_pipeline(steps: PipelineSteps) -> list[Pose]:
    """Carry out the steps, one inference after the other.

    Raises:
        InferenceError: a device fails.
    """
    try:
        ask = next(steps)
    except StopIteration as done:
        return list(done.value)
    while True:
        with ask.network.infer(ask.inputs) as outputs:
            try:
                ask = steps.send(outputs)
            except StopIteration as done:
                return list(done.value)
