"""Detectors, and landmark networks that see the turned squares which follow from detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from posezoo.poses import blazeface
from posezoo.poses.blazeface import BlazeFaceOptions, Detections
from posezoo.poses.decoder_type import DecoderType, Maps
from posezoo.poses.keypoints import Pose
from posezoo.poses.landmarks import FaceOptions, HandOptions, find_distinct_squares
from posezoo.poses.letterbox import (
    Image,
    ImageTransform,
    Size,
    image_size,
    letterbox_transform,
    to_image_pixels,
)
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import crop_square
from posezoo.solutions.solution import Solution, infer, load_network


def resize_square(square: Box, before: Size, after: Size) -> Box:
    """A square of the last frame in a frame that may have another size: place and sides are
    relative to the image's, as MediaPipe's.
    """
    across = after[0] / before[0]
    down = after[1] / before[1]
    return replace(
        square,
        x0=square.x0 * across,
        y0=square.y0 * down,
        x1=square.x1 * across,
        y1=square.y1 * down,
    )


class RoleNetwork:
    """A network of the zoo whose outputs have roles; ``size`` is width and height of its input, in
    pixels.
    """

    def __init__(self, model: str, decoder: DecoderType) -> None:
        self._network = load_network(model)
        # By the first rules that the outputs fit.
        self._roles: dict[str, str] = {}
        for rules in decoder.rules:
            self._roles = {
                role: name
                for role, fits in rules.items()
                for name, shape in self._network.outputs.items()
                if fits(name, shape)
            }
            if len(self._roles) == len(rules):
                break
        ((_, height, width, _),) = self._network.inputs.values()
        self.size: Size = (width, height)

    def infer(self, picture: Image) -> Maps:
        """The outputs by role, for an RGB picture of the input's size."""
        outputs = infer(self._network, picture)
        return {role: outputs[name] for role, name in self._roles.items()}


class DetectorNetwork(RoleNetwork):
    """Finds faces or palms with at least this score, 0..1."""

    def __init__(self, model: str, min_score: float) -> None:
        super().__init__(model, blazeface.DECODER)
        self._options = BlazeFaceOptions(min_detection_score=min_score)

    def find(self, image: Image, transform: ImageTransform | None = None) -> Detections:
        """The detections in an image, or in the part that a transform maps to the input, in pixels
        of the image.
        """
        view = transform or letterbox_transform(image_size(image), self.size)
        maps = self.infer(view.sample(image))
        return blazeface.decode_maps(maps, self.size, self._options).to_image(view)


class LandmarkNetwork(RoleNetwork):
    """Finds the landmarks of the hand or face in a turned square."""

    def __init__(
        self, model: str, decoder: DecoderType, options: HandOptions | FaceOptions
    ) -> None:
        super().__init__(model, decoder)
        self._decode = decoder.decode
        self.options = options

    def find(self, image: Image, square: Box) -> Pose | None:
        """The landmarks in pixels of the image; None if their presence is too low."""
        size = image_size(image)
        view = crop_square(square, size, self.size).view
        maps = self.infer(view.sample(image, repeats_edges=True))
        for pose in to_image_pixels(self._decode(maps, self.size, self.options), view, size):
            # As in MediaPipe, a presence of 1 is not above a threshold of 1.
            if pose.score > self.options.min_presence:
                return pose
        return None

    def follow(self, pose: Pose, square: Box) -> Box:
        """The square in the next frame of a video, from the landmarks in this one."""
        return self.options.follow(pose.keypoints[:, :2], square)


class TrackingSolution(Solution):
    """Finds hands or faces, and follows them through a video: the detector runs while fewer are
    followed than wanted.
    """

    def __init__(
        self, detector: DetectorNetwork, network: LandmarkNetwork, most: int, *, is_video: bool
    ) -> None:
        super().__init__()
        self._detector = detector
        self._network = network
        self._most = most
        self._is_video = is_video
        self.reset()

    def reset(self) -> None:
        """Stop following all people."""
        self._followed: list[Box] = []
        self._size: Size = (1, 1)  # of the last frame

    def _find(self, image: Image) -> dict[str, Any]:
        size = image_size(image)
        squares = [resize_square(square, self._size, size) for square in self._followed]
        if len(squares) < self._most:
            squares = [*self._detect(image), *squares]
        # Also if none is new: two followed squares may have moved onto the same hand or face.
        squares = find_distinct_squares(squares)
        poses = []
        self._followed = []
        self._size = size
        for square in squares:
            pose = self._network.find(image, square)
            if pose is None:
                continue
            poses.append(pose)
            if self._is_video:
                self._followed.append(self._network.follow(pose, square))
        return self._describe(poses, size) if poses else {}

    def _detect(self, image: Image) -> list[Box]:
        detected = self._detector.find(image)[: self._most]
        pairs = zip(detected.boxes, detected.keypoints, strict=True)
        find_squares = self._network.options.find_squares
        return [square for pair in pairs for square in find_squares(*pair)]

    def _describe(self, poses: Sequence[Pose], size: Size) -> dict[str, Any]:
        raise NotImplementedError
