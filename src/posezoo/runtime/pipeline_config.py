"""What a pipeline is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import InferenceError, TargetSizeError
from posezoo.pose.letterbox import Size
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.runtime.graph import Graph, Preprocessing, format_shape
from posezoo.runtime.runtime_config import RuntimeConfig
from posezoo.spec.model import CompositeSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """What a pipeline is made of: a model, its IR, and all that was said about how to run them.

    Attributes:
        model: what is to be run.
        irs: the .xml of each of its networks, in the order they run in.
        decoder: a name of ``pose.decoders.DECODERS``.
        options: the decoder's: an instance of its ``options``.
        runtime: where and how the networks run.
        preprocessing: what the IR do not do themselves.
        target_size: the side that decides how large images are seen, in pixels; None: the IR's own.
        aspect_size: width and height of the images to come; None: any.
        graphs: the IR, where they were read already.
        flip: look at the mirrored image, too, and average both answers.
        scales: at which to look at each image, relative to the usual one, and average the answers.
    """

    model: ModelSpec | CompositeSpec
    irs: tuple[Path, ...]
    decoder: str
    options: Any
    runtime: RuntimeConfig
    preprocessing: Preprocessing
    target_size: int | None = None
    aspect_size: Size | None = None
    graphs: tuple[Graph, ...] = ()
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    @property
    def uses_augmentation(self) -> bool:
        """Whether an image is looked at more than once."""
        return self.flip or self.scales != (1.0,)

    def read_graph(self, place: int = 0) -> Graph:
        """One of the IR, read.

        Raises:
            InferenceError: it is missing or damaged.
        """
        return self.graphs[place] if self.graphs else Graph(self.irs[place])

    def refuse_target_size(self) -> None:
        """Say that these networks have one size.

        Raises:
            TargetSizeError: another one was asked for.
        """
        if self.target_size is not None:
            raise TargetSizeError(
                f"{self.model.full_name}: its input has one size, {self.target_size} cannot be had",
                hint="leave out the target size",
            )


def image_input(graph: Graph) -> str:
    """The input that takes pictures.

    Raises:
        InferenceError: there is not exactly one.
    """
    names = list(graph.inputs)
    if len(names) != 1:
        raise InferenceError(f"{graph.path}: takes {', '.join(names) or 'nothing'}, not one picture")
    return names[0]


def image_layout(graph: Graph, preprocessing: Preprocessing) -> str:
    """Where the channels are of the input that takes pictures: NCHW or NHWC.

    Raises:
        InferenceError: nothing tells, or it cannot be so.
    """
    name = image_input(graph)
    shape = graph.inputs[name]
    layout = preprocessing.layout or graph.image_layout(name)
    if not layout or len(shape) != 4 or shape[layout.index("C")] not in (3, -1):
        raise InferenceError(
            f"{graph.path}: its input {name}, {format_shape(shape)}, takes no pictures of three colours"
            + (f" as {layout}" if layout else ""),
            hint="say the layout, NCHW or NHWC, if you know it",
        )
    return layout


def fixed_input_size(graph: Graph, config: PipelineConfig) -> Size:
    """Width and height of an input that has one size.

    Raises:
        InferenceError: it takes any, or another one was asked for.
    """
    config.refuse_target_size()
    size = graph.image_size(image_input(graph), image_layout(graph, config.preprocessing))
    if -1 in size:
        raise InferenceError(
            f"{graph.path}: takes pictures of any size, so nobody knows how large a person is to be",
            hint="convert it without --dynamic",
        )
    return size


def compile_image_network(graph: Graph, config: PipelineConfig) -> CompiledNetwork:
    """A network that takes one picture as it is, uint8 (1, height, width, 3), BGR.

    Raises:
        InferenceError: the IR takes none, or the device refuses it.
    """
    image_layout(graph, config.preprocessing)
    graph.embed_preprocessing(image_input(graph), config.preprocessing)
    return CompiledNetwork(graph, config.runtime)
