"""The interface to the feature that puts a decoder into the graph of an IR (``--decode``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.model import Decoder, Input, ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.plugins import Hook
from posezoo.core.resolve.input_options import InputOptions

if TYPE_CHECKING:
    from openvino import Model

    from posezoo.core.arrays import Array, NamedArrays

Shapes = Mapping[str, tuple[int, ...]]

USUAL = InputOptions()


class GraphDecoder:
    """Refuses to put a decoder into a graph; a feature overrides all methods.

    All but the first take a model that the first returned.
    """

    def with_decoding(
        self,
        spec: ModelSpec,
        decoder: Decoder | None,  # noqa: ARG002
        options: InputOptions = USUAL,  # noqa: ARG002
    ) -> ModelSpec:
        """The model with ``decoding``: its own decoder or its composite's, and the user's limits.

        Raises:
            ConversionError: the decoder cannot be put into the IR.
            InferenceError: the decoder or one of its options does not exist.
        """
        raise ConversionError(f"{spec.full_name}: no decoder can be put into its IR")

    def append(self, network: Model, spec: ModelSpec) -> Model:
        """The network (``openvino.Model``), which is changed, with the decoder after its outputs;
        a ConversionError if it does not fit them.
        """
        raise NotImplementedError

    def fit_node(self, spec: ModelSpec, element_type: Any) -> Callable[[Any], Any]:
        """A preprocessing step that fits frames of any size into the network's input."""
        raise NotImplementedError

    def fit_frame(self, frame: Array, spec: ModelSpec, port: Input) -> Array:
        """The same in numpy: a frame f32, in the layout of the network's input ``port``."""
        raise NotImplementedError

    def find_outputs(self, spec: ModelSpec, shapes: Shapes) -> Sequence[str]:
        """The names of the network's outputs that the decoder takes, of all with their shapes."""
        raise NotImplementedError

    def add_network_outputs(self, ir: Model, names: Sequence[str]) -> Model:
        """An IR with a decoder, with these outputs of its network before its own."""
        raise NotImplementedError

    def compare(
        self,
        spec: ModelSpec,
        feed: NamedArrays,
        prepared: NamedArrays,
        computed: NamedArrays,
        names: Sequence[str],
    ) -> dict[str, tuple[float, float]]:
        """The largest differences of the decoder's outputs from what numpy decodes, and their
        limits, by name.

        Args:
            feed, prepared: the inputs of the IR and of its network.
            computed: the outputs of the IR from ``add_network_outputs``.
            names: the network's among them.
        """
        raise NotImplementedError


GRAPH_DECODER = Hook(GraphDecoder())
