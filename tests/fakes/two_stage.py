"""A frozen TensorFlow graph of the structure that the Object Detection API gave to Faster R-CNN and Mask R-CNN in 2018.

Its loops have no bodies, and what they return is not computed: nothing reads them. Its weights are random.
"""

from __future__ import annotations

import numpy as np

from fakes.network import _attribute, _field
from fakes.ssd import _FLOAT, _INT32, SIZE, Ssd, _of, decode, intersection_over_union

STRIDE, CELLS, CHANNELS, ANCHORS, CLASSES, PROPOSALS, ROWS, CROP, MASK = 2, 8, 4, 2, 3, 12, 20, 4, 2
COUNT = CELLS * CELLS * ANCHORS
SCALES = (0.5, 1.25)  # of anchors of 8 pixels
PIPELINE = """
model {
  faster_rcnn {
    num_classes: 3
    image_resizer { keep_aspect_ratio_resizer { min_dimension: 16 max_dimension: 32 } }
    first_stage_anchor_generator { grid_anchor_generator {
      height: 8 width: 8 height_stride: 2 width_stride: 2 scales: [0.5, 1.25] aspect_ratios: [1.0]
    } }
    first_stage_nms_score_threshold: 0.0
    first_stage_nms_iou_threshold: 0.7
    first_stage_max_proposals: 12
    initial_crop_size: 4
    maxpool_kernel_size: 2
    maxpool_stride: 2
    second_stage_post_processing {
      batch_non_max_suppression {
        score_threshold: 0.2
        iou_threshold: 0.6
        max_detections_per_class: 20
        max_total_detections: 20
      }
      score_converter: SOFTMAX
    }
  }
}
"""


class TwoStage(Ssd):
    """The graph; with masks, or without."""

    def __init__(self, *, masks: bool = False) -> None:
        self.masks = masks
        self._random = np.random.default_rng(20)
        self._values: dict[str, np.ndarray] = {}
        self._nodes: list[bytes] = []
        centers = np.stack(np.meshgrid(*[np.arange(CELLS) * STRIDE] * 2, indexing="ij"), -1)
        centers = np.repeat(centers.reshape(-1, 2), ANCHORS, 0)
        sides = np.tile(8 * np.float32(SCALES), CELLS * CELLS)[:, None]
        self.anchors = np.hstack([centers - sides / 2, centers + sides / 2]).astype("<f4")
        self._write(loop_is_last=False)

    def compute(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the second stage computes for a picture [H, W, 3], RGB: boxes [proposals, classes, 4] with corners as y, x
        in pixels, the scores [proposals, classes] of all but the background, and the features [H, W, channels].
        """
        cells = (picture.astype(np.float32) * 2 / 255 - 1)[::STRIDE, ::STRIDE]
        features = np.maximum(self._apply("features", cells), 0)
        encoded = self._apply("FirstStageBoxPredictor/BoxEncodingPredictor", features)
        logits = self._apply("FirstStageBoxPredictor/ClassPredictor", features).reshape(-1, 2)
        boxes = decode(encoded.reshape(-1, 4), np.clip(self.anchors, 0, SIZE)).clip(0, SIZE)
        proposals = np.zeros((PROPOSALS, 4))
        kept = suppress(boxes, softmax(logits)[:, 1], 0.7, PROPOSALS)
        proposals[: len(kept)] = boxes[kept]
        pooled = self._pool(features, proposals / SIZE)
        encoded = self._apply("SecondStageBoxPredictor/BoxEncodingPredictor", pooled)
        logits = self._apply("SecondStageBoxPredictor/ClassPredictor", pooled)
        boxes = decode(encoded.reshape(PROPOSALS, CLASSES, 4), proposals[:, None])
        scores = softmax(logits)[:, 1:]
        scores[len(kept) :] = 0
        return boxes, scores, features

    def masks_of(self, features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """The masks [boxes, classes, height, width] in boxes with corners as y, x from 0 to 1."""
        values = self._apply("SecondStageBoxPredictor_1/Conv_3", _crop_all(features, boxes))
        return 1 / (1 + np.exp(-values.transpose(0, 3, 1, 2)))

    def _pool(self, features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return _crop_all(features, boxes).mean((1, 2))

    def _apply(self, name: str, values: np.ndarray) -> np.ndarray:
        return values @ self._values[f"{name}/weights"] + self._values[f"{name}/biases"]

    def _write(self, loop_is_last: bool) -> None:
        picture = self._read_picture(loop_is_last)
        self._add("Shape", "Shape", [picture], _of(_FLOAT))
        first = self._layer("features", picture, 3, CHANNELS, stride=STRIDE)
        features = self._calculate("FirstStageFeatureExtractor/Relu", "Relu", first)
        boxes, scores = self._write_first_stage(features)
        scope = "BatchMultiClassNonMaxSuppression/map"
        chosen, *_, count = self._skip_loop(scope, [boxes, scores], results=5)
        (scaled,) = self._skip_loop("map", [chosen])
        (pixels,) = self._skip_loop("map_1", [scaled])
        scope = "" if self.masks else "SecondStagePostprocessor/"
        decoded = self._write_second_stage(features, scaled, pixels, scope)
        scope += f"BatchMultiClassNonMaxSuppression{'_1' if self.masks else ''}/map"
        ends = self._skip_loop(scope, [*decoded, count], results=3)
        names = ("detection_boxes", "detection_scores", "num_detections")
        for name, end in zip(names, ends, strict=True):
            self._calculate(name, "Identity", end)
        if self.masks:
            cropped = self._crop("CropAndResize_1", features, ends[0], ROWS)
            self._layer("SecondStageBoxPredictor_1/Conv_3", cropped, CHANNELS, CLASSES)

    def _write_first_stage(self, features: str) -> list[str]:
        scope = "FirstStageBoxPredictor"
        codes = self._layer(f"{scope}/BoxEncodingPredictor", features, CHANNELS, 4 * ANCHORS)
        logits = self._layer(f"{scope}/ClassPredictor", features, CHANNELS, 2 * ANCHORS)
        self._shape_as(codes, f"{scope}/Reshape", (1, -1, 1, 4))
        self._shape_as(logits, f"{scope}/Reshape_1", (1, -1, 2))
        self._calculate(
            "GridAnchorGenerator/Identity", "Identity", self._constant("grid", self.anchors)
        )
        cast = _attribute("SrcT", _field(6, _INT32)), _attribute("DstT", _field(6, _FLOAT))
        self._add("ToFloat_1", "Cast", ["Shape"], *cast)
        kinds = _of_gather()
        inputs = ["ToFloat_1", self._constant("axes", [1, 2, 1, 2]), self._constant("axis", 0)]
        self._add("window", "GatherV2", inputs, *kinds)
        anchors = self._calculate("Minimum", "Minimum", "GridAnchorGenerator/Identity", "window")
        anchors = self._calculate("Maximum", "Maximum", anchors, self._constant("low", 0.0))
        anchors = self._keep_with_area(anchors)
        rows = self._shape_as(f"{scope}/Reshape", "codes", (-1, 4))
        boxes = self._shape_as(self._decode(rows, anchors, "First"), "ExpandDims_1", (1, -1, 1, 4))
        softmax = self._calculate("First/Softmax", "Softmax", f"{scope}/Reshape_1")
        return [boxes, self._foreground("ExpandDims_2", softmax, (1, -1, 1))]

    def _keep_with_area(self, anchors: str) -> str:
        """The anchors that have an area within the picture: all, as each center is in it."""
        low, high = self._split(anchors, "ClipToWindow/split")
        sides = self._calculate("ClipToWindow/sub", "Sub", high, low)
        axis = self._constant("ClipToWindow/axis", 1)
        of_axis = _attribute("Tidx", _field(6, _INT32))
        self._add("ClipToWindow/Prod", "Prod", [sides, axis], _of(_FLOAT), of_axis)
        zero = self._constant("ClipToWindow/zero", 0.0)
        has_area = self._calculate("ClipToWindow/Greater", "Greater", "ClipToWindow/Prod", zero)
        self._add("ClipToWindow/Where", "Where", [has_area], _of(_BOOL))
        inputs = ["ClipToWindow/Where", self._constant("ClipToWindow/shape", [-1])]
        of_shape = _attribute("Tshape", _field(6, _INT32))
        self._add("ClipToWindow/Reshape", "Reshape", inputs, _of(_INT64), of_shape)
        inputs = [anchors, "ClipToWindow/Reshape", self._constant("ClipToWindow/first", 0)]
        self._add("ClipToWindow/Gather", "GatherV2", inputs, *_of_gather(indices=_INT64))
        return "ClipToWindow/Gather"

    def _write_second_stage(self, features: str, scaled: str, pixels: str, scope: str) -> list[str]:
        cropped = self._crop("CropAndResize", features, scaled, PROPOSALS)
        inputs = [cropped, self._constant("AvgPool/axes", [1, 2])]
        of_axes = _attribute("Tidx", _field(6, _INT32)), _attribute("keep_dims", _field(5, 0))
        self._add("AvgPool", "Mean", inputs, _of(_FLOAT), *of_axes)
        codes, logits = (
            self._dense(f"SecondStageBoxPredictor/{name}", "AvgPool", count)
            for name, count in (
                ("BoxEncodingPredictor", 4 * CLASSES),
                ("ClassPredictor", CLASSES + 1),
            )
        )
        codes = self._shape_as(codes, "SecondStageBoxPredictor/Reshape", (-1, 1, CLASSES, 4))
        logits = self._shape_as(logits, "SecondStageBoxPredictor/Reshape_1", (-1, 1, CLASSES + 1))
        if not self.masks:
            codes = self._shape_as(codes, f"{scope}Reshape", (-1, PROPOSALS, CLASSES, 4))
            logits = self._shape_as(logits, f"{scope}Reshape_1", (-1, PROPOSALS, CLASSES + 1))
        name = f"{scope}ExpandDims{'_7' if self.masks else ''}"
        priors = self._shape_as(pixels, name, (1, PROPOSALS, 1, 4))
        of_counts = _attribute("Tmultiples", _field(6, _INT32))
        counts = self._constant(f"{scope}multiples", [1, 1, CLASSES, 1])
        self._add(f"{scope}Tile", "Tile", [priors, counts], _of(_FLOAT), of_counts)
        priors = self._shape_as(f"{scope}Tile", f"{scope}priors", (-1, 4))
        rows = self._shape_as(codes, f"{scope}rows", (-1, 4))
        boxes = self._decode(rows, priors, f"{scope}Second")
        boxes = self._shape_as(boxes, f"{scope}Reshape_4", (1, PROPOSALS, CLASSES, 4))
        softmax = self._calculate(f"{scope}Softmax", "Softmax", logits)
        shape = (1, PROPOSALS, CLASSES)
        ends = [boxes, self._foreground(f"{scope}Reshape_5", softmax, shape)]
        sizes = "Preprocessor/map/TensorArrayStack_1/TensorArrayGatherV3"
        return [*ends, self._calculate("ToFloat_6", "Identity", sizes)] if self.masks else ends

    def _layer(self, name: str, source: str, inputs: int, outputs: int, stride: int = 1) -> str:
        """A convolution of single pixels."""
        weights, biases = self._draw(name, inputs, outputs)
        kernel = self._constant(f"{name}/weights", weights[None, None])
        strides = _attribute("strides", _field(1, _field(3, bytes([1, stride, stride, 1]))))
        padding = _attribute("padding", _field(2, b"SAME"))
        self._add(f"{name}/Conv2D", "Conv2D", [source, kernel], _of(_FLOAT), strides, padding)
        return self._calculate(f"{name}/BiasAdd", "BiasAdd", f"{name}/Conv2D", biases)

    def _dense(self, name: str, source: str, outputs: int) -> str:
        weights, biases = self._draw(name, CHANNELS, outputs)
        inputs = [source, self._constant(f"{name}/weights", weights)]
        self._add(f"{name}/MatMul", "MatMul", inputs, _of(_FLOAT))
        return self._calculate(f"{name}/BiasAdd", "BiasAdd", f"{name}/MatMul", biases)

    def _draw(self, name: str, inputs: int, outputs: int) -> tuple[np.ndarray, str]:
        weights = self._random.normal(size=(inputs, outputs)).astype(np.float32)
        biases = self._random.normal(size=outputs).astype(np.float32) / 4
        self._values |= {f"{name}/weights": weights, f"{name}/biases": biases}
        return weights, self._constant(f"{name}/biases", biases)

    def _foreground(self, name: str, source: str, shape: tuple[int, ...]) -> str:
        inputs = [
            source,
            *(self._constant(f"{name}/{end}", value) for end, value in _SLICE.items()),
        ]
        axes = _attribute("Index", _field(6, _INT32))
        masks = _attribute("begin_mask", _field(3, 0)), _attribute("ellipsis_mask", _field(3, 1))
        self._add(
            f"{name}/slice",
            "StridedSlice",
            inputs,
            _of(_FLOAT),
            axes,
            *masks,
            _attribute("end_mask", _field(3, 2)),
        )
        return self._shape_as(f"{name}/slice", name, shape)

    def _crop(self, name: str, features: str, boxes: str, count: int) -> str:
        rows = self._shape_as(boxes, f"{name}/Reshape", (-1, 4))
        numbers = self._constant(f"{name}/numbers", [0] * count)
        inputs = [features, rows, numbers, self._constant(f"{name}/size", [CROP, CROP])]
        self._add(name, "CropAndResize", inputs, _of(_FLOAT))
        strides = [
            _attribute(key, _field(1, _field(3, bytes([1, 2, 2, 1]))))
            for key in ("strides", "ksize")
        ]
        padding = _attribute("padding", _field(2, b"SAME"))
        pooled = f"{name.replace('CropAndResize', 'MaxPool2D')}/MaxPool"
        self._add(pooled, "MaxPool", [name], _of(_FLOAT), *strides, padding)
        return pooled

    def _skip_loop(self, scope: str, sources: list[str], results: int = 1) -> list[str]:
        """The nodes before and behind a loop."""
        numbers = self._constant(f"{scope}/range", [0])
        pictures = _attribute("dtype", _field(6, _FLOAT))
        array = f"{scope}/TensorArray"
        self._add(array, "TensorArrayV3", [self._constant(f"{scope}/count", 1)], pictures)
        flows = []
        for number, source in enumerate(sources):
            name = f"{scope}/TensorArrayUnstack{f'_{number}' if number else ''}"
            flows.append(f"{name}/TensorArrayScatter/TensorArrayScatterV3")
            inputs = [array, numbers, source, f"{array}:1"]
            self._add(flows[-1], "TensorArrayScatterV3", inputs, _of(_FLOAT))
        count = _attribute("N", _field(3, len(flows)))
        self._add(f"{scope}/while/Exit", "AddN", flows, _of(_FLOAT), count)
        ends = []
        for number in range(results):
            name = f"{scope}/TensorArrayStack{f'_{number}' if number else ''}/TensorArrayGatherV3"
            self._add(
                name, "TensorArrayGatherV3", [array, numbers, f"{scope}/while/Exit"], pictures
            )
            ends.append(name)
        return ends


#: Types of TensorFlow.
_INT64, _BOOL = 9, 10
_SLICE = {"begin": [0, 1], "end": [0, 0], "step": [1, 1]}  # [..., 1:]


def _of_gather(indices: int = _INT32) -> list[bytes]:
    kinds = {"Tparams": _FLOAT, "Tindices": indices, "Taxis": _INT32}
    return [_attribute(key, _field(6, kind)) for key, kind in kinds.items()]


def softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def suppress(boxes: np.ndarray, scores: np.ndarray, overlap: float, limit: int) -> list[int]:
    """The places of the boxes that are left, the best first; a box without an area is none."""
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        is_empty = (boxes[place, 2:] <= boxes[place, :2]).any()
        shared = (intersection_over_union(boxes[place], boxes[other]) for other in kept)
        if not is_empty and all(each <= overlap for each in shared):
            kept.append(int(place))
    return kept[:limit]


def _crop_all(features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Bilinear crops, of whose values the largest of each four is taken: [boxes, CROP / 2, CROP / 2, channels]."""
    crops = np.stack([_crop(features, box) for box in boxes])
    return crops.reshape(len(boxes), CROP // 2, 2, CROP // 2, 2, -1).max((2, 4))


def _crop(features: np.ndarray, box: np.ndarray) -> np.ndarray:
    steps = np.arange(CROP) / (CROP - 1)
    last = CELLS - 1
    rows, columns = ((box[axis] + (box[axis + 2] - box[axis]) * steps) * last for axis in (0, 1))
    by_row = _interpolate(features, rows)
    return _interpolate(by_row.swapaxes(0, 1), columns).swapaxes(0, 1)


def _interpolate(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    low = np.clip(np.floor(places).astype(int), 0, len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (places - low)[:, None, None]
    return values[low] * (1 - share) + values[high] * share
