"""What all solutions have in common: their input, their results, and how their networks run."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from posezoo.core.errors import import_cv2
from posezoo.poses.decoder_type import Maps
from posezoo.solutions.explanations import explain

if TYPE_CHECKING:
    from posezoo.poses.letterbox import Image
    from posezoo.run.runtime.compiled_network import CompiledNetwork

_SolutionT = TypeVar("_SolutionT", bound="SolutionBase")


class SolutionOutputs:
    """What a solution has found, by name: scripts assign to the results and add some."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        vars(self).update(results)

    @property
    def _fields(self) -> tuple[str, ...]:
        return tuple(vars(self))

    def __repr__(self) -> str:
        return f"SolutionOutputs({', '.join(self._fields)})"


class SolutionBase:
    """The class in MediaPipe that runs a graph; here, only what solutions have in common."""

    def __init__(
        self,
        binary_graph_path: str | None = None,
        graph_config: Any = None,
        calculator_params: Mapping[str, Any] | None = None,
        graph_options: Any = None,
        side_inputs: Mapping[str, Any] | None = None,
        outputs: Sequence[str] | None = None,
        stream_type_hints: Mapping[str, Any] | None = None,
    ) -> None:
        raise NotImplementedError(explain("mediapipe.python.solution_base.SolutionBase"))

    def process(self, input_data: Any) -> Any:
        """What is found in an image."""
        raise NotImplementedError

    def reset(self) -> None:
        """Take the next image for the first one of a video."""

    def close(self) -> None:
        """Process no more images."""
        raise NotImplementedError

    def __enter__(self: _SolutionT) -> _SolutionT:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Solution(SolutionBase):
    """The base of all solutions.

    Attributes:
        outputs: the names of its results; a result that was not found is None.
    """

    outputs: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._is_closed = False

    def process(self, image: Image) -> SolutionOutputs:
        """What is found in an image, or in the next frame of a video.

        Args:
            image: uint8 (H, W, 3), RGB.

        Raises:
            ValueError: the image has no three channels, or the solution is closed.
            TypeError: the image is not uint8.
            RuntimeError: the image is empty.
        """
        if self._is_closed:
            raise ValueError(f"{type(self).__name__} is closed: it processes no more images")
        if len(image.shape) != 3 or image.shape[2] != 3:
            raise ValueError("Input image must contain three channel rgb data.")
        # Such as an array of bool.
        if not np.can_cast(image.dtype, np.uint8):
            raise TypeError(f"the image must have the type uint8, not {image.dtype}")
        if not image.size:
            raise RuntimeError("the image is empty")
        results = self._find(np.ascontiguousarray(image, np.uint8))
        return SolutionOutputs(dict.fromkeys(self.outputs) | results)

    def _find(self, image: Image) -> dict[str, Any]:
        raise NotImplementedError

    def close(self) -> None:
        """Process no more images.

        Raises:
            ValueError: it is closed already.
        """
        if self._is_closed:
            raise ValueError(f"{type(self).__name__} is closed already")
        self._is_closed = True


def choose(option: str, value: int, choices: Mapping[int, str]) -> str:
    """The model for the value of an option, such as ``model_complexity``."""
    number = _read_integer(option, value)
    if number not in choices:
        expected = " or ".join(map(str, choices))
        raise ValueError(f"{option} must be {expected}, not {value!r}")
    return choices[number]


def read_count(option: str, value: int) -> int:
    """The value of an option that is the number of hands or faces."""
    number = _read_integer(option, value)
    if number < 1:
        raise ValueError(f"{option} must be a number from 1, not {value!r}")
    return number


def _read_integer(option: str, value: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{option} must be a whole number, not {value!r}") from None


def read_switch(option: str, value: bool) -> bool:
    """The value of an option such as ``enable_segmentation``."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{option} must be True or False, not {value!r}")
    return bool(value)


def read_confidence(option: str, value: float | None) -> float:
    """The value of an option such as ``min_detection_confidence``, 0..1.

    As in MediaPipe, any number is accepted: nothing has a score above 1, and None is 0.
    """
    if value is None:
        return 0.0
    if not isinstance(value, Real):
        raise TypeError(f"{option} must be a number, not {value!r}")
    return min(max(0.0, float(value)), 1.0)


def load_network(name: str, *, without: Sequence[str] = ()) -> CompiledNetwork:
    """A network of the zoo, which is downloaded and converted first if needed, but for the outputs
    ``without``.

    It runs on the device of the settings (``POSEZOO_DEVICE``).
    """
    from posezoo.console.console import show_progress
    from posezoo.core.declarations.model import Precision
    from posezoo.core.errors import DownloadError, SourceError
    from posezoo.core.pipeline.get import get_irs
    from posezoo.core.pipeline.zoo_context import open_context
    from posezoo.core.settings import read_settings, to_settings
    from posezoo.run.load import default_runtime
    from posezoo.run.runtime.compiled_network import CompiledNetwork
    from posezoo.run.runtime.graph import Preprocessing, read_graph

    settings = to_settings(read_settings({}))
    context = open_context(settings)
    # Rounded to FP16, BlazePose's weights move landmarks by up to 28 px (the median is 0.1 px).
    try:
        model = context.registry.find(name)
        irs = get_irs(model, Precision.FP32, context, listener=show_progress)
    except DownloadError as error:
        if type(error) not in (DownloadError, SourceError):
            raise  # a wrong digest, for example
        raise DownloadError(
            f"{name} cannot be downloaded now; on a machine with a network, run: posezoo get"
            f" {name} --precisions FP32. {error.problem}"
        ) from error
    graph = read_graph(irs[name])
    graph.keep_outputs([output for output in graph.outputs if output not in without])
    (taken,) = graph.inputs
    graph.embed_preprocessing(taken, Preprocessing())
    runtime = default_runtime(settings)
    if runtime.device == "CPU":
        # As in MediaPipe. Two threads take 25 to 50 % more CPU time, and wait for each other where
        # other programs run.
        runtime = replace(runtime, threads=1)
    return CompiledNetwork(graph, runtime)


def infer(network: CompiledNetwork, picture: Image) -> Maps:
    """The outputs of a network by name, for an RGB picture of its input's size."""
    cv2 = import_cv2()
    (name,) = network.inputs
    return network({name: cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)[None]})
