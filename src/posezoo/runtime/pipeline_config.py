"""The configuration from which a pipeline is created, and networks that take images."""

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
    """The configuration of a pipeline: a model, its IRs, and how they are run.

    Attributes:
        model: the model that is run.
        irs: the .xml of each of its networks, in the order in which they run.
        decoder: a name of ``pose.decoders.DECODERS``.
        decoder_options: an instance of the decoder's ``options``.
        preprocessing: the preprocessing that the IRs do not do themselves.
        options: where and how the model runs.
        graphs: the IRs, if they have already been read.
    """

    model: ModelSpec | CompositeSpec
    irs: tuple[Path, ...]
    decoder: str
    decoder_options: Any
    preprocessing: Preprocessing
    options: LoadOptions
    graphs: tuple[Graph, ...] = ()

    def read_graph(self, place: int = 0) -> Graph:
        """Read one of the IRs, unless it has already been read.

        Raises:
            InferenceError: it is missing or damaged.
        """
        return self.graphs[place] if self.graphs else Graph(self.irs[place])

    def refuse_target_size(self) -> None:
        """Refuse a target size, for networks whose input size is fixed.

        Raises:
            TargetSizeError: a target size is given.
        """
        if self.options.target_size is not None:
            raise TargetSizeError(
                f"{self.model.full_name}: its input size is fixed, so the target size "
                f"{self.options.target_size} cannot be used",
                hint="leave out the target size",
            )


def image_input(graph: Graph, preprocessing: Preprocessing) -> tuple[str, str]:
    """The name of the input that takes images, and its layout: NCHW or NHWC.

    Raises:
        InferenceError: the IR does not have exactly one input, or the layout is unknown or does not fit the
            input's shape.
    """
    names = list(graph.inputs)
    if len(names) != 1:
        raise InferenceError(f"{graph.path}: takes {', '.join(names) or 'nothing'}, not one image")
    name, shape = names[0], graph.inputs[names[0]]
    layout = preprocessing.layout or graph.image_layout(name)
    if not layout or len(shape) != 4 or shape[layout.index("C")] not in (3, -1):
        raise InferenceError(
            f"{graph.path}: its input {name}, {format_shape(shape)}, takes no images of three colors"
            + (f" as {layout}" if layout else ""),
            hint="give the layout, NCHW or NHWC, if you know it",
        )
    return name, layout


def fixed_input_size(graph: Graph, config: PipelineConfig) -> Size:
    """Width and height of an input with a fixed size.

    Raises:
        InferenceError: the size is dynamic, or a target size is given.
    """
    config.refuse_target_size()
    size = graph.image_size(*image_input(graph, config.preprocessing))
    if -1 in size:
        raise InferenceError(
            f"{graph.path}: its input size is dynamic, so the expected size of a person is unknown",
            hint="convert it without --dynamic",
        )
    return size


def compile_image_network(graph: Graph, config: PipelineConfig) -> CompiledNetwork:
    """Compile a network that takes one image without preprocessing: uint8 (1, height, width, 3), BGR.

    Raises:
        InferenceError: the IR takes no images, or the device refuses it.
    """
    name, _ = image_input(graph, config.preprocessing)
    graph.embed_preprocessing(name, config.preprocessing)
    return CompiledNetwork(graph, config.options.runtime)
