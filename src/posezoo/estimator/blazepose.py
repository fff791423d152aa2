"""BlazePose: a detector looks at the whole image, a landmark network at every person it found."""

from __future__ import annotations

from collections.abc import Generator

from posezoo.errors import InferenceError
from posezoo.estimator.pipeline import Ask, Steps
from posezoo.estimator.setup import Setup, picture_network
from posezoo.inference import Graph, Network, Outputs, shape_text
from posezoo.pose import blazepose
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.pose.decoders import DECODERS
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, Size, View, letterbox
from posezoo.spec.model import Output


class BlazePose:
    """The steps of BlazePose's two networks."""

    def __init__(self, setup: Setup) -> None:
        setup.refuse_target_size()
        self._options: BlazePoseOptions = setup.options
        self._detector, self._landmarks = (
            picture_network(_fitting(setup.graph(place), outputs), setup)
            for place, outputs in enumerate(DECODERS["blazepose"].networks)
        )
        self.networks = (self._detector, self._landmarks)
        self.input_size: Size | None = blazepose.DETECTOR_SIZE

    def __call__(self, image: Image) -> Steps:
        """The steps for one image."""
        options = self._options
        view = letterbox(image.shape[1::-1], blazepose.DETECTOR_SIZE)
        outputs = yield _look(self._detector, view, image)
        found = blazepose.detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        squares = blazepose.regions(found[: options.max_people], view)
        poses = []
        for square in squares:
            pose = yield from self._pose(square, image)
            if pose is not None:
                poses.append(pose)
        poses = blazepose.distinct(poses, max_similarity=options.max_similarity)
        return sorted(poses, key=lambda pose: -pose.score)

    def _pose(self, square: View, image: Image) -> Generator[Ask, Outputs, Pose | None]:
        outputs = yield _look(self._landmarks, square, image)
        presence = float(outputs["Identity_1"].item())
        if presence < self._options.min_presence:
            return None
        return blazepose.pose(outputs["Identity"], presence, square, image.shape[1::-1])


def _fitting(graph: Graph, outputs: tuple[Output, ...]) -> Graph:
    graph.keep([output.name for output in outputs])
    for output in outputs:
        found = graph.outputs[output.name]
        if found != output.shape:
            raise InferenceError(
                f"{graph.path}: is another network: its output {output.name} is {shape_text(found)}, "
                f"not {shape_text(output.shape)}"
            )
    return graph


def _look(network: Network, view: View, image: Image) -> Ask:
    (name,) = network.inputs
    return Ask(network, {name: view.take(image)[None]})
