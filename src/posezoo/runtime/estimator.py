"""A model that finds poses in images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from posezoo.images import to_bgr
from posezoo.pose.decoders import find_decoder, require_top_down
from posezoo.pose.keypoints import Pose
from posezoo.pose.ssd_detection import Box, parse_boxes
from posezoo.runtime.compiled_network import Array
from posezoo.runtime.inference_pipeline import (
    InferFunction,
    Pipeline,
    collect_inputs,
    run_batched,
    run_pipeline,
    run_with_override,
)
from posezoo.runtime.result_stream import Item, ResultStream
from posezoo.runtime.top_down_pipeline import TopDownPipeline
from posezoo.spec.model import CompositeSpec, ModelSpec


class Estimator:
    """A model that finds poses in images; made by ``load``.

    Attributes:
        model: what it was made of; of an IR alone, what the IR says of itself.
        decoder: how outputs become poses: a name of ``pose.decoders.DECODERS``.
        device: where it runs, as OpenVINO names it.
        executed_precision: the arithmetic that it really runs in: f32, bf16, ...
        requests: how many images may be in the works at once.
        streams: how many inferences the device really runs side by side; 0 where it does not say.
        input_size: width and height in pixels of what the (first) network sees; None where it varies.
        seen_from: keypoints of a lower score are guesses, which pictures had better leave out.
    """

    def __init__(self, model: ModelSpec | CompositeSpec, decoder: str, pipeline: Pipeline) -> None:
        networks = pipeline.networks
        self.model, self.decoder = model, decoder
        self.device = _joined(network.device for network in networks)
        self.executed_precision = _joined(network.executed_precision for network in networks)
        self.requests = networks[0].requests
        self.streams = networks[0].streams
        self.input_size = pipeline.input_size
        self.seen_from = find_decoder(decoder).visible_score
        self._pipeline = pipeline

    def __call__(
        self, image: object, color: str = "BGR", boxes: Iterable[Sequence[float] | Box] | None = None
    ) -> list[Pose]:
        """The people in an image, surest first; an empty list where there is none.

        Args:
            image: uint8 of shape (H, W, 3), (H, W) or (H, W, 4), any size.
            color: the order of its channels, BGR (as ``images.read_image`` and OpenCV give it) or RGB.
            boxes: where people are, for a model that is shown one person at a time: x0, y0, x1, y1 in image
                pixels each, and a score where there is one; None: wherever they are found.

        Raises:
            ImageError: it is no such image.
            InferenceError: the device fails, a box is none, or the model finds people itself.
        """
        picture = to_bgr(image, color)
        if boxes is None:
            return run_pipeline(self._pipeline(picture))
        return run_pipeline(self._require_top_down().steps_for_boxes(picture, parse_boxes(boxes)))

    def with_detector(self, detector: Estimator) -> Estimator:
        """The same model, shown those whom another one finds, box by box.

        Raises:
            InferenceError: this model is not shown one person at a time.
        """
        return Estimator(self.model, self.decoder, self._require_top_down().with_detector(detector._pipeline))

    def _require_top_down(self) -> TopDownPipeline:
        require_top_down(self.decoder, self.model.full_name)
        assert isinstance(self._pipeline, TopDownPipeline)
        return self._pipeline

    def batch(self, images: Iterable[object], color: str = "BGR") -> list[list[Pose]]:
        """The people in each of several images, in one inference where the network takes batches.

        Args:
            images: each as for a call.
            color: the order of their channels.

        Raises:
            ImageError: one is no such image.
            InferenceError: the device fails.
        """
        if any(network.supports_batching for network in self._pipeline.networks):
            return run_batched([self._pipeline(to_bgr(image, color)) for image in images])
        with self.stream(images, lambda image: to_bgr(image, color)) as stream:
            return [poses for _, poses in stream]

    def stream(
        self, items: Iterable[Item], image: Callable[[Item], object] = lambda item: item
    ) -> ResultStream[Item, list[Pose]]:
        """Items with the people in their images, in order; ``requests`` of them are in the works at once.

        The next item is taken when a slot is free and the caller asks for more. What an item fails with is
        raised at its place, and the next one can be had by asking again. Left early, the stream is to be
        closed (it is a context manager, too): nothing runs any more when ``close`` returns.

        Args:
            items: anything; read in the caller's thread.
            image: from an item to its image, as for a call and BGR; called in other threads.
        """
        return ResultStream(items, lambda item: self(image(item)), self.requests)

    def with_network_override(self, answer: InferFunction, place: int = -1) -> Callable[[object], list[Pose]]:
        """The same model, for one of whose networks somebody else answers: another precision of it, say.

        Args:
            answer: from what the network would be asked, uint8 (1, height, width, 3), BGR, to its outputs.
            place: of the network among those of the model, in the order they run in.
        """
        network = self._pipeline.networks[place]
        return lambda image: run_with_override(self._pipeline(to_bgr(image)), network, answer)

    def collect_network_inputs(self, image: object, place: int = 0) -> list[Mapping[str, Array]]:
        """What one of the networks is asked about an image: what calibrates it, say.

        Args:
            image: as for a call, BGR.
            place: of the network among those of the model, in the order they run in.

        Returns:
            Arrays by input name, once for each time that it is asked: uint8 (1, height, width, 3), BGR.

        Raises:
            ImageError: it is no such image.
            InferenceError: the device fails.
        """
        return collect_inputs(self._pipeline.networks[place], self._pipeline, to_bgr(image))


def _joined(words: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(words))
