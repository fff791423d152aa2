"""What a pipeline is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import InferenceError, TargetSizeError
from posezoo.pose.letterbox import Size
from posezoo.runtime.compiled_network import CompiledNetwork
from posezoo.runtime.graph import Graph, Preprocessing, format_shape
from posezoo.runtime.load_options import LoadOptions
from posezoo.spec.model import CompositeSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """What a pipeline is made of: a model, its IR, and how they are run.

    Attributes:
        model: what is run.
        irs: the .xml of each of its networks, in the order in which they run.
        decoder: a name of ``pose.decoders.DECODERS``.
        decoder_options: an instance of the decoder's ``options``.
        preprocessing: what the IR do not do themselves.
        options: where and how the model runs.
        graphs: the IR, if they have been read already.
    """

    model: ModelSpec | CompositeSpec
    irs: tuple[Path, ...]
    decoder: str
    decoder_options: Any
    preprocessing: Preprocessing
    options: LoadOptions
    graphs: tuple[Graph, ...] = ()

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
        if self.options.target_size is not None:
            raise TargetSizeError(
                f"{self.model.full_name}: its input size is fixed, so the target size "
                f"{self.options.target_size} cannot be used",
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
    return CompiledNetwork(graph, config.options.runtime)
