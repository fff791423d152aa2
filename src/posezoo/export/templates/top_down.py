"""People in pictures, with a network that takes one person at a time and the detector beside it.

The metadata of the network's IR say how people are found and cut out: the section posezoo, pipeline
of its rt_info. It needs only: pip install openvino opencv-python-headless
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino as ov

# Without this setting, many processors compute in bf16, which moves keypoints by some pixels.
F32 = {"INFERENCE_PRECISION_HINT": "f32"}

#: The score of a person, x, y and score of each keypoint, and the area of the crop.
Person = tuple[float, np.ndarray, float]


class Network:
    """An IR that contains its decoder."""

    def __init__(self, xml: Path) -> None:
        model = ov.Core().read_model(xml)
        self.pipeline = _read_section(model, "posezoo", "pipeline")
        self._info = _read_section(model, "model_info")
        self._decoder = _read(model, "posezoo", "decoder")
        self._is_nchw = _read(model, "posezoo", "layout") == "NCHW"
        self._is_rgb = self._info.get("color_space") == "RGB"
        shape = list(model.input().shape)
        self.size = (shape[3], shape[2]) if self._is_nchw else (shape[2], shape[1])
        self._request = ov.compile_model(model, "CPU", F32).create_infer_request()

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The keypoints (N, K, 3) or boxes (N, 4) in an image of the input's size, and scores."""
        if self._is_rgb:
            pixels = pixels[..., ::-1]
        if self._is_nchw:
            pixels = pixels.transpose(2, 0, 1)
        self._request.start_async([np.ascontiguousarray(pixels[None])])
        self._request.wait()  # on one CPU, a call that does not wait reports no failure
        values, scores = (output.data.copy() for output in self._request.output_tensors)
        is_found = values.reshape(len(values), -1).any(axis=1)
        return values[is_found], scores[is_found]

    def find_boxes(self, image: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """The boxes in an image of any size, and their scores, highest first."""
        matrix, pixels = self._fit(image)
        values, scores = self(pixels)
        height, width = image.shape[:2]
        corners = _to_image(matrix, values.reshape(-1, 2, 2)).clip(0, (width, height))
        has_size = (corners[:, 1] > corners[:, 0]).all(axis=1)
        boxes = corners.reshape(-1, 4).astype(float)
        return list(zip(boxes[has_size], scores[has_size].tolist(), strict=True))

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit an image into the input: the matrix, and the pixels."""
        height, width = image.shape[:2]
        resize_type = self._info.get("resize_type", "standard")
        if resize_type == "standard":
            matrix = np.array([[self.size[0] / width, 0, 0], [0, self.size[1] / height, 0]])
            return matrix, warp(image, matrix, self.size, [0, 0, 0])
        scale = min(self.size[0] / width, self.size[1] / height)
        is_cut = self._decoder in ("yolox", "rtmdet")  # as their publishers do
        whole = int if is_cut else round
        inner = (max(1, whole(scale * width)), max(1, whole(scale * height)))
        scales = (scale, scale) if is_cut else (inner[0] / width, inner[1] / height)
        left = top = 0
        if resize_type != "fit_to_window":
            left, top = (self.size[0] - inner[0]) // 2, (self.size[1] - inner[1]) // 2
        value = int(self._info.get("pad_value", 0))
        pixels = np.full((self.size[1], self.size[0], 3), value, np.uint8)
        inside = cv2.resize(shrink(image, scales), inner, interpolation=cv2.INTER_LINEAR)
        pixels[top : top + inner[1], left : left + inner[0]] = inside
        return np.array([[scales[0], 0, left], [0, scales[1], top]]), pixels


class TopDown:
    """A network for one person, with its detector if its metadata name one."""

    def __init__(self, xml: Path) -> None:
        self._network = Network(xml)
        facts = self._network.pipeline
        self._facts = facts
        self._detector = None
        if "detector" in facts:
            self._detector = Network(xml.with_name(facts["detector"]))
        self._padding = float(facts["padding"])
        self._outside = [float(level) for level in facts["outside"].split()]
        pairs = np.array(facts["similarity"].split(), float).reshape(-1, 2)
        self._compared = pairs[:, 0].astype(int)
        self._deviations = pairs[:, 1]

    def __call__(self, image: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """The people in an image, highest score first: the score, and x, y and score of each
        keypoint, (K, 3), in pixels of the image.
        """
        height, width = image.shape[:2]
        whole = (np.array([0.0, 0.0, width, height]), 1.0)
        if self._detector is None:
            return self._find_in(image, [whole], 1)
        boxes = self._detector.find_boxes(image)[: int(self._facts["max_people"])]
        if boxes:
            return self._find_in(image, boxes, self._padding)
        if "whole_image" not in self._facts:
            return []
        return self._find_in_whole(image, whole)

    def _find_in_whole(
        self, image: np.ndarray, whole: tuple[np.ndarray, float]
    ) -> list[tuple[float, np.ndarray]]:
        """The person in the whole image, in which the detector found nobody: what the network finds
        there is looked at once more, in a box around it.
        """
        facts = self._facts
        size = (image.shape[1], image.shape[0])
        boxes = []
        for score, points in self._find_in(image, [whole], 1):
            if score >= float(facts["whole_image"]):
                found = points[points[:, 2] > 0, :2].clip(0, size).astype(float)
                low, high = found.min(axis=0), found.max(axis=0)
                half = (high - low) * float(facts["second_look"]) / 2
                center = (low + high) / 2
                boxes.append((np.concatenate([center - half, center + half]), 1.0))
        people = self._find_in(image, boxes, 1)
        least = float(facts["second_score"])
        share = float(facts["whole_score"])
        return [(score * share, points) for score, points in people if score >= least]

    def _find_in(
        self, image: np.ndarray, boxes: list[tuple[np.ndarray, float]], padding: float
    ) -> list[tuple[float, np.ndarray]]:
        """The people in these boxes; of poses that are too similar, the best."""
        found: list[Person] = []
        for box, box_score in boxes:
            low, high = (corner.clip(0, image.shape[1::-1]) for corner in box.reshape(2, 2))
            if not (high > low).all():
                continue  # nothing of it is visible
            matrix, shown = self._crop(box, image.shape, padding)
            values, scores = self._network(self._extract(image, matrix, shown))
            area = np.prod(self._network.size) / (matrix[0, 0] * matrix[1, 1])
            is_found = values[..., 2:] > 0
            values[..., :2] = np.where(is_found, _to_image(matrix, values[..., :2]), 0)
            people = zip(scores.tolist(), values, strict=True)
            found += [(score * box_score, points, area) for score, points in people]
        found.sort(key=lambda person: -person[0])
        kept: list[Person] = []
        for person in found:
            if not any(self._is_same(person, better) for better in kept):
                kept.append(person)
        return [(score, points) for score, points, _ in kept]

    def _is_same(self, one: Person, other: Person) -> bool:
        """Whether COCO's object keypoint similarity says that two poses are of one person."""
        first, second = (person[1][self._compared, :2].astype(float) for person in (one, other))
        squared = ((first - second) ** 2).sum(axis=1) / self._deviations**2
        area = max((one[2] + other[2]) / 2, 1)
        return bool(np.exp(-squared / (8 * area)).mean() > float(self._facts["max_similarity"]))

    def _crop(
        self, box: np.ndarray, shape: tuple[int, ...], padding: float
    ) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """The matrix from the image to the input, and the part of the image that is visible."""
        kind = self._facts["crop"]
        whole = (0, 0, shape[1], shape[0])
        sides = box[2:] - box[:2]
        center = (box[:2] + box[2:]) / 2
        if kind in ("stretch", "blank"):  # GluonCV's, and AlphaPose's
            usual = 1.25 if kind == "stretch" else 1.2 if sides[0] > 100 else 1.3
            shown = _enlarge(center, sides * (padding or usual) / 2, whole)
            corners = np.array(shown, float)
            sides, center = corners[2:] - corners[:2], (corners[2:] + corners[:2]) / 2
            if kind == "blank":
                sides = self._with_aspect(sides)
            return self._view(center, sides), shown
        sides = self._with_aspect(sides) * (padding or 1.25)
        if kind == "fit":
            return self._view(center, sides), whole
        # Of HRNet, MMPose and UDP: the center of the box is the center of a pixel.
        matrix = self._view(center + 0.5, sides, border=kind == "align")
        if kind == "affine":
            matrix[:, 2] += 0.5
        return matrix, whole

    def _with_aspect(self, sides: np.ndarray) -> np.ndarray:
        """The sides of the smallest rectangle around these that has the aspect of the input."""
        aspect = self._network.size[0] / self._network.size[1]
        height = max(sides[1], sides[0] / aspect)
        return np.array([height * aspect, height])

    def _view(self, center: np.ndarray, sides: np.ndarray, *, border: bool = False) -> np.ndarray:
        size = np.array(self._network.size, float)
        scales = (size - border) / sides
        return np.column_stack([np.diag(scales), size / 2 - scales * center])

    def _extract(
        self, image: np.ndarray, matrix: np.ndarray, shown: tuple[int, int, int, int]
    ) -> np.ndarray:
        left, top, right, bottom = shown
        matrix = matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (left, top)
        part = image[top:bottom, left:right]
        return warp(part, matrix, self._network.size, self._outside)


def warp(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], outside: list[float]
) -> np.ndarray:
    """The pixels of an input of this width and height; large images are averaged first."""
    scales = (matrix[0, 0], matrix[1, 1])
    height, width = image.shape[:2]
    # The part that the input covers, with a margin for the interpolation.
    corners = _to_image(matrix, np.array([[0, 0], size], float))
    margin = 2 / min(scales)
    left, top = np.floor(corners[0] - margin).clip(0, (width, height)).astype(int)
    right, bottom = np.ceil(corners[1] + margin).clip(0, (width, height)).astype(int)
    if left >= right or top >= bottom:
        return np.full((size[1], size[0], 3), np.rint(outside), np.uint8)
    part = shrink(image[top:bottom, left:right], scales)
    stretch = np.array([(right - left) / part.shape[1], (bottom - top) / part.shape[0]])
    across, down = scales * stretch
    # In OpenCV, whole numbers are centers of pixels.
    shift = scales * np.array([left, top]) + matrix[:, 2] + np.array([across, down]) / 2 - 0.5
    # As warpAffine of OpenCV 4; that of OpenCV 5 differs by some levels. Positions are in 1/1024 of
    # a pixel, then in 1/32.
    columns = np.rint(1024 / across * np.arange(size[0])) + np.rint(-1024 / across * shift[0])
    rows = np.rint(1024 / down * (np.arange(size[1]) - shift[1]))
    x, y = np.meshgrid((columns.astype(int) + 16) >> 5, (rows.astype(int) + 16) >> 5)
    places = np.stack([x >> 5, y >> 5], axis=2).clip(-(2**15), 2**15 - 1).astype(np.int16)
    shares = ((y & 31) << 5 | x & 31).astype(np.uint16)
    pixels: np.ndarray = cv2.remap(part, places, shares, cv2.INTER_LINEAR, borderValue=outside)
    return pixels


def shrink(image: np.ndarray, scales: tuple[float, float]) -> np.ndarray:
    """An image, averaged if two pixels of the input are four of the image apart or more."""
    while min(scales) <= 0.125:
        steps = [2 if scale <= 0.125 else 1 for scale in scales]
        image = cv2.resize(image, _divide(image, *steps), interpolation=cv2.INTER_LINEAR)
        scales = (scales[0] * steps[0], scales[1] * steps[1])
    steps = [max(1, int(1 / (2 * scale))) for scale in scales]
    if steps == [1, 1]:
        return image
    reduced: np.ndarray = cv2.resize(image, _divide(image, *steps), interpolation=cv2.INTER_AREA)
    return reduced


def _divide(image: np.ndarray, across: int, down: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    return max(1, width // across), max(1, height // down)


def _enlarge(
    center: np.ndarray, half: np.ndarray, whole: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """The corners of an enlarged box inside the image, in whole pixels."""
    limits = whole[2:]
    low = np.minimum((center - half).clip(0, limits).astype(int), np.array(limits) - 1)
    high = np.maximum((center + half).clip(0, limits).astype(int), low + 1)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _to_image(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the input in pixels of the image."""
    places: np.ndarray = (points - matrix[:, 2]) / (matrix[0, 0], matrix[1, 1])
    return places.astype(np.float32)


def _read(model: ov.Model, *path: str) -> str:
    return model.get_rt_info(list(path)).astype(str) if model.has_rt_info(list(path)) else ""


def _read_section(model: ov.Model, *path: str) -> dict[str, str]:
    if not model.has_rt_info(list(path)):
        return {}
    section = model.get_rt_info(list(path)).astype(dict)
    return {key: value.astype(str) for key, value in section.items()}
