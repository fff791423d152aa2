"""What the core calls to put a decoder into an IR, and to check it there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import Input, ModelSpec
from posezoo.core.resolve.graph_decoder import GraphDecoder, Shapes
from posezoo.export import decoded

if TYPE_CHECKING:
    from openvino import Model, Node, Type


class _Decoded(GraphDecoder):
    with_decoding = staticmethod(decoded.with_decoding)
    append = staticmethod(decoded.append_decoder)

    def fit_node(self, spec: ModelSpec, element_type: Type) -> Callable[[Node], Node]:
        from posezoo.export.decoded.frames import FrameFit

        return partial(FrameFit.of(spec).fit, element_type=element_type)

    def fit_frame(self, frame: Array, spec: ModelSpec, port: Input) -> Array:
        from posezoo.export.decoded import reference

        return reference.fit_frame(frame, spec, port)

    def find_outputs(self, spec: ModelSpec, shapes: Shapes) -> Sequence[str]:
        return tuple(decoded.match_roles(spec, shapes).values())

    def add_network_outputs(self, ir: Model, names: Sequence[str]) -> Model:
        from posezoo.export.decoded import reference

        return reference.add_network_outputs(ir, names)

    def compare(
        self,
        spec: ModelSpec,
        feed: NamedArrays,
        prepared: NamedArrays,
        computed: NamedArrays,
        names: Sequence[str],
    ) -> dict[str, tuple[float, float]]:
        from posezoo.export.decoded import reference

        ((name, frame),) = feed.items()
        view = reference.view_of(spec, frame.shape, prepared[name].shape)
        own_outputs = [computed[f"decoded {place}"] for place in range(2)]
        outputs = {name: computed[name] for name in names}
        return reference.compare_decoding(spec, outputs, own_outputs, view)


DECODER = _Decoded()
