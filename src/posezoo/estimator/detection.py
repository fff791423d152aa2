"""A detector alone: people as boxes."""

from __future__ import annotations

from posezoo.estimator.pipeline import Ask, Steps
from posezoo.estimator.recognition import roles_of
from posezoo.estimator.setup import Setup, own_size, picture_network
from posezoo.pose.decoders import decode_with
from posezoo.pose.letterbox import Image, Size, stretched


class Detection:
    """The steps of a detector: it sees the whole image, stretched to its input as in its training."""

    def __init__(self, setup: Setup) -> None:
        self._options = setup.options
        graph = setup.graph(0)
        self._roles = roles_of(setup.model, setup.decoder, graph)
        graph.keep(list(self._roles.values()))
        self._size = own_size(graph, setup)
        self.input_size: Size | None = self._size
        self._network = picture_network(graph, setup)
        self.networks = (self._network,)
        (self._input,) = self._network.inputs

    def __call__(self, image: Image) -> Steps:
        """The steps for one image."""
        seen: Size = image.shape[1::-1]
        view = stretched(seen, self._size)
        outputs = yield Ask(self._network, {self._input: view.take(image)[None]})
        maps = {role: outputs[name] for role, name in self._roles.items()}
        # Boxes come as shares of what was seen: the image.
        return decode_with("detection", maps, seen, self._options)
