"""The steps from an image to its poses, as a generator that requests inferences.

A pipeline never waits for a device: what runs it decides whether to infer now, with another
network, or for several images at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from posezoo.core.arrays import NamedArrays
from posezoo.core.values import frozen, frozen_with_arrays
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Image, Size
from posezoo.run.runtime.compiled_network import CompiledNetwork, Outputs
from posezoo.run.runtime.frame_changes import SceneCuts


@frozen_with_arrays
class InferenceRequest:
    """A request for the outputs of a network, for arrays by input name."""

    network: CompiledNetwork
    inputs: NamedArrays


@frozen
class ParallelSteps:
    """A request for the results of steps that do not depend on each other."""

    steps: Sequence[Steps[Any]]


Result = TypeVar("Result")

#: They yield requests, receive the outputs by name, or the list of the results of parallel steps,
#: and return a result. The outputs are in the network's own memory: they are read-only, and valid
#: until the next request or the return.
Steps = Generator[InferenceRequest | ParallelSteps, Any, Result]

#: The steps to the poses in an image.
PipelineSteps = Steps[list[Pose]]

#: Replaces a network: takes arrays by input name, and returns outputs by name.
InferFunction = Callable[[NamedArrays], Outputs]


class Pipeline(Protocol):
    """The interface of all pipelines; they are thread-safe.

    Attributes:
        networks: in the order in which they run.
        input_size: width and height in pixels of the input of the network that finds the keypoints;
            None if it varies.
    """

    networks: tuple[CompiledNetwork, ...]
    input_size: Size | None

    def __call__(self, image: Image) -> PipelineSteps:
        """The steps from an (H, W, 3) uint8 BGR image to its poses, highest score first."""
        ...


#: The steps for the next frame of a video, which depend on the frames before.
FrameSteps = Callable[[Image], PipelineSteps]


@runtime_checkable
class VideoPipeline(Protocol):
    """A pipeline that can follow people through a video."""

    @property
    def can_track(self) -> bool:
        """Whether it does so with its present options."""
        ...

    def track(self) -> FrameSteps:
        """The steps for the frames of one video, of one size, in which people are tracked; they
        must not overlap.
        """
        ...

    def detect_every(self, number: int) -> FrameSteps:
        """As ``track``; the detector, which there must be, runs on each ``number``-th frame."""
        ...


#: The region of a person, hand or face that a network processes, in the form of each pipeline.


def best_first(poses: Iterable[Pose]) -> list[Pose]:
    """The poses, highest score first."""
    return sorted(poses, key=lambda pose: -pose.score)


def restart_at_each_scene(start: Callable[[], FrameSteps]) -> FrameSteps:
    """The steps for a video: ``start`` returns those of one scene, whose frames have one size."""
    steps = start()
    cuts = SceneCuts()

    def restart_or_continue(image: Image) -> PipelineSteps:
        nonlocal steps
        if cuts.begins(image):
            steps = start()
        return steps(image)

    return restart_or_continue
