"""A frozen TensorFlow graph of the structure that the Object Detection API gives to SSD, with random weights.

Its pictures are resized in a loop of TensorFlow 1. Overlapping boxes are not removed: nothing reads that part of a graph.
"""

from __future__ import annotations

import numpy as np

from fakes.network import _attribute, _field, _node, _shape

_FLOAT, _UINT8, _INT32, _BOOL = 1, 4, 3, 10
SIZE, CELLS, ANCHORS, CLASSES = 16, 8, 2, 3
COUNT = CELLS * CELLS * ANCHORS
PIPELINE = """
model {
  ssd {
    num_classes: 3
    image_resizer { fixed_shape_resizer { height: 16 width: 16 } }
    box_coder { faster_rcnn_box_coder { y_scale: 10.0 x_scale: 10.0 height_scale: 5.0 width_scale: 5.0 } }
    post_processing {
      batch_non_max_suppression {
        score_threshold: 0.3
        iou_threshold: 0.45
        max_detections_per_class: 40
        max_total_detections: 60
        use_static_shapes: false
      }
      score_converter: SIGMOID
    }
  }
}
train_config { batch_size: 24 }
"""
_VARIANCES = np.float32([0.1, 0.1, 0.2, 0.2])
_ARRAYS, _LOOP = "Preprocessor/map", "Preprocessor/map/while"


def decode(encoded: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The corners of boxes [..., 4], as y, x."""
    encoded = encoded * _VARIANCES
    sides = anchors[..., 2:] - anchors[..., :2]
    centers = anchors[..., :2] + sides / 2 + encoded[..., :2] * sides
    sides = sides * np.exp(encoded[..., 2:])
    return np.concatenate([centers - sides / 2, centers + sides / 2], -1)


def intersection_over_union(box: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [np.prod(each[2:] - each[:2]) for each in (box, other)]
    return shared / (sum(areas) - shared)


class Ssd:
    """The graph; the releases since 2019 put the loop behind the mean and the scale."""

    def __init__(self, *, loop_is_last: bool = False) -> None:
        random = np.random.default_rng(0)
        self._nodes: list[bytes] = []
        values = {"box": 4, "class": CLASSES + 1}
        self.kernels = {
            name: random.normal(size=(ANCHORS, 3, each)) for name, each in values.items()
        }
        centers = random.uniform(0.1, 0.9, (COUNT, 2))
        sides = random.uniform(0.1, 0.5, (COUNT, 2))
        self.anchors = np.hstack([centers - sides / 2, centers + sides / 2]).astype("<f4")
        self._write(loop_is_last)

    def content(self) -> bytes:
        return b"".join(_field(1, node) for node in self._nodes)

    def boxes_and_scores(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the network computes for a picture [H, W, 3], RGB: corners as y, x, and scores of all classes."""
        cells = (picture.astype(np.float32) * 2 / 255 - 1)[::2, ::2]
        cells = cells.reshape(-1, 3)
        encoded = np.concatenate(cells @ self.kernels["box"])
        logits = np.concatenate(cells @ self.kernels["class"])
        return decode(encoded, self.anchors), 1 / (1 + np.exp(-logits))

    def _read_picture(self, loop_is_last: bool) -> str:
        dtype = _attribute("dtype", _field(6, _UINT8))
        self._add(
            "image_tensor", "Placeholder", [], dtype, _attribute("shape", _shape((-1, -1, -1, 3)))
        )
        kinds = _attribute("SrcT", _field(6, _UINT8)), _attribute("DstT", _field(6, _FLOAT))
        self._add("ToFloat", "Cast", ["image_tensor"], *kinds)
        steps = (
            (self._normalize, self._resize_in_loop)
            if loop_is_last
            else (self._resize_in_loop, self._normalize)
        )
        return steps[1](steps[0]("ToFloat"))

    def _write(self, loop_is_last: bool) -> None:
        picture = self._read_picture(loop_is_last)
        encoded = self._predict("box", picture, 4)
        decoded = self._decode(*self._pair_with_anchors(encoded), "Postprocessor")
        shape = _attribute("Tshape", _field(6, _INT32))
        self._add("Postprocessor/Shape", "Shape", [encoded], _of(_FLOAT))
        self._add(
            "Postprocessor/Reshape_2",
            "Reshape",
            [decoded, "Postprocessor/Shape"],
            _of(_FLOAT),
            shape,
        )
        self._shape_as("Postprocessor/Reshape_2", "Postprocessor/ExpandDims_1", (-1, COUNT, 1, 4))
        logits = self._predict("class", picture, CLASSES + 1)
        scaled = self._calculate("Postprocessor/scale_logits", "Identity", logits)
        self._calculate("Postprocessor/convert_scores", "Sigmoid", scaled)
        sizes = f"{_ARRAYS}/TensorArrayStack_1/TensorArrayGatherV3"
        ends = {
            "detection_boxes": "Postprocessor/ExpandDims_1",
            "detection_scores": "Postprocessor/convert_scores",
        }
        ends["num_detections"] = self._calculate("Postprocessor/ToFloat", "Identity", sizes)
        for name, source in ends.items():
            self._calculate(name, "Identity", source)

    def _pair_with_anchors(self, encoded: str) -> tuple[str, str]:
        """Rows of the codes and of the anchors, which are repeated for each picture."""
        scope = "Postprocessor"
        anchors = self._constant(f"{scope}/anchors", self.anchors)
        axis = self._constant(f"{scope}/axis", 0)
        of_axis = _attribute("Tdim", _field(6, _INT32))
        self._add(f"{scope}/ExpandDims", "ExpandDims", [anchors, axis], _of(_FLOAT), of_axis)
        counts = self._constant(f"{scope}/Tile/multiples", [1, 1, 1])
        of_counts = _attribute("Tmultiples", _field(6, _INT32))
        self._add(f"{scope}/Tile", "Tile", [f"{scope}/ExpandDims", counts], _of(_FLOAT), of_counts)
        rows = self._shape_as(f"{scope}/Tile", f"{scope}/Reshape", (-1, 4))
        return self._shape_as(encoded, f"{scope}/Reshape_1", (-1, 4)), rows

    def _decode(self, encoded: str, anchors: str, scope: str) -> str:
        """The corners of the boxes, by the code of Faster R-CNN: rows of four values."""
        low, high = self._split(anchors, f"{scope}/Decode/anchors")
        variances = self._constant(f"{scope}/Decode/variances", _VARIANCES)

        def step(name: str, operation: str, *inputs: str) -> str:
            return self._calculate(f"{scope}/Decode/{name}", operation, *inputs)

        moved, grown = self._split(step("mul", "Mul", encoded, variances), f"{scope}/Decode/codes")
        half = self._constant(f"{scope}/Decode/half", 0.5)
        sides = step("sides", "Sub", high, low)
        middle = step("middle", "Mul", step("sum", "AddV2", high, low), half)
        center = step("center", "AddV2", step("shift", "Mul", moved, sides), middle)
        grown = step("growth", "Mul", step("exp", "Exp", grown), sides)
        reach = step("reach", "Mul", grown, half)
        ends = [step("low", "Sub", center, reach), step("high", "AddV2", center, reach)]
        return self._join(f"{scope}/Decode/concat", ends)

    def _join(self, name: str, inputs: list[str]) -> str:
        inputs = [*inputs, self._constant(f"{name}/axis", 1)]
        count = _attribute("N", _field(3, len(inputs) - 1))
        self._add(name, "ConcatV2", inputs, _of(_FLOAT), count)
        return name

    def _split(self, source: str, name: str) -> tuple[str, str]:
        """The first and the last two columns."""
        axis = self._constant(f"{name}/axis", 1)
        self._add(name, "Split", [axis, source], _of(_FLOAT), _attribute("num_split", _field(3, 2)))
        return name, f"{name}:1"

    def _normalize(self, source: str) -> str:
        scaled = self._calculate(
            "Preprocessor/mul", "Mul", self._constant("Preprocessor/mul/x", 2 / 255), source
        )
        return self._calculate(
            "Preprocessor/sub", "Sub", scaled, self._constant("Preprocessor/sub/y", 1.0)
        )

    def _predict(self, name: str, source: str, values: int) -> str:
        """Both heads of the network, one for each anchor of a cell: rows of values for each anchor."""
        strides = _attribute("strides", _field(1, _field(3, bytes([1, 2, 2, 1]))))
        padding = _attribute("padding", _field(2, b"SAME"))
        heads = []
        for number, weights in enumerate(self.kernels[name]):
            head = f"BoxPredictor_{number}/{name}"
            kernel = self._constant(f"{head}/weights", weights[None, None])
            self._add(head, "Conv2D", [source, kernel], _of(_FLOAT), strides, padding)
            heads.append(self._shape_as(head, f"{head}/Reshape", (-1, COUNT // ANCHORS, 1, values)))
        inputs = [*heads, self._constant(f"{name}/concat/axis", 1)]
        self._add(
            f"{name}/concat", "ConcatV2", inputs, _of(_FLOAT), _attribute("N", _field(3, ANCHORS))
        )
        third = _attribute("squeeze_dims", _field(1, _field(3, bytes([2]))))
        self._add(f"{name}/Squeeze", "Squeeze", [f"{name}/concat"], _of(_FLOAT), third)
        return f"{name}/Squeeze"

    def _resize_in_loop(self, source: str) -> str:
        """Each picture of the batch by itself, as TensorFlow's map_fn writes it."""
        first = self._constant(f"{_ARRAYS}/Const", 0)
        count = self._count(source, _ARRAYS)
        ends = [
            first,
            self._count(source, f"{_ARRAYS}/TensorArrayUnstack"),
            self._constant(f"{_ARRAYS}/one", 1),
        ]
        all_of_them = f"{_ARRAYS}/TensorArrayUnstack/range"
        self._add(all_of_them, "Range", ends, _attribute("Tidx", _field(6, _INT32)))
        pictures = _attribute("dtype", _field(6, _FLOAT))
        for name in ("TensorArray", "TensorArray_1"):
            self._add(f"{_ARRAYS}/{name}", "TensorArrayV3", [count], pictures)
        scatter = f"{_ARRAYS}/TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3"
        inputs = [f"{_ARRAYS}/TensorArray", all_of_them, source, f"{_ARRAYS}/TensorArray:1"]
        self._add(scatter, "TensorArrayScatterV3", inputs, _of(_FLOAT))
        self._enter("Enter", first, _INT32)
        self._enter("Enter_1", f"{_ARRAYS}/TensorArray_1:1", _FLOAT)
        for name, kind in (("", _INT32), ("_1", _FLOAT)):
            merged = [f"{_LOOP}/Enter{name}", f"{_LOOP}/NextIteration{name}"]
            self._add(
                f"{_LOOP}/Merge{name}", "Merge", merged, _of(kind), _attribute("N", _field(3, 2))
            )
        self._enter("Less/Enter", count, _INT32, is_constant=True)
        self._add(f"{_LOOP}/Less", "Less", [f"{_LOOP}/Merge", f"{_LOOP}/Less/Enter"], _of(_INT32))
        self._add(f"{_LOOP}/LoopCond", "LoopCond", [f"{_LOOP}/Less"])
        for name, kind in (("", _INT32), ("_1", _FLOAT)):
            inputs = [f"{_LOOP}/Merge{name}", f"{_LOOP}/LoopCond"]
            self._add(f"{_LOOP}/Switch{name}", "Switch", inputs, _of(kind))
            self._add(f"{_LOOP}/Identity{name}", "Identity", [f"{_LOOP}/Switch{name}:1"], _of(kind))
            self._add(f"{_LOOP}/Exit{name}", "Exit", [f"{_LOOP}/Switch{name}"], _of(kind))
        self._write_body(scatter, pictures)
        inputs = [f"{_ARRAYS}/TensorArray_1", all_of_them, f"{_LOOP}/Exit_1"]
        sizes = _attribute("element_shape", _shape((SIZE, SIZE, 3)))
        stacks = [
            f"{_ARRAYS}/{name}/TensorArrayGatherV3"
            for name in ("TensorArrayStack", "TensorArrayStack_1")
        ]
        for name in stacks:
            self._add(name, "TensorArrayGatherV3", inputs, pictures, sizes)
        return stacks[0]

    def _count(self, source: str, scope: str) -> str:
        """The first size of a tensor."""
        self._add(f"{scope}/Shape", "Shape", [source], _of(_FLOAT))
        ends = [
            self._constant(f"{scope}/strided_slice/{name}", [int(name == "end")])
            for name in ("begin", "end")
        ]
        inputs = [f"{scope}/Shape", *ends, self._constant(f"{scope}/strided_slice/step", [1])]
        kinds = _of(_INT32), _attribute("Index", _field(6, _INT32))
        scalar = _attribute("shrink_axis_mask", _field(3, 1))
        self._add(f"{scope}/strided_slice", "StridedSlice", inputs, *kinds, scalar)
        return f"{scope}/strided_slice"

    def _write_body(self, scatter: str, pictures: bytes) -> None:
        self._enter("Read/Enter", f"{_ARRAYS}/TensorArray", 20, is_constant=True)  # 20: DT_RESOURCE
        self._enter("Read/Enter_1", scatter, _FLOAT, is_constant=True)
        inputs = [f"{_LOOP}/Read/Enter", f"{_LOOP}/Identity", f"{_LOOP}/Read/Enter_1"]
        self._add(f"{_LOOP}/Read", "TensorArrayReadV3", inputs, pictures)
        axis = self._constant(f"{_LOOP}/axis", 0)
        sizes = self._constant(f"{_LOOP}/sizes", [SIZE, SIZE])
        of_axis = _attribute("Tdim", _field(6, _INT32))
        self._add(
            f"{_LOOP}/ExpandDims", "ExpandDims", [f"{_LOOP}/Read", axis], _of(_FLOAT), of_axis
        )
        inputs = [f"{_LOOP}/ExpandDims", sizes]
        self._add(f"{_LOOP}/Resize", "ResizeBilinear", inputs, _of(_FLOAT))
        first = _attribute("squeeze_dims", _field(1, _field(3, bytes([0]))))
        self._add(f"{_LOOP}/Squeeze", "Squeeze", [f"{_LOOP}/Resize"], _of(_FLOAT), first)
        self._enter("Write/Enter", f"{_ARRAYS}/TensorArray_1", 20, is_constant=True)
        inputs = [
            f"{_LOOP}/{name}" for name in ("Write/Enter", "Identity", "Squeeze", "Identity_1")
        ]
        self._add(f"{_LOOP}/Write", "TensorArrayWriteV3", inputs, _of(_FLOAT))
        one = self._constant(f"{_LOOP}/add/y", 1)
        self._add(f"{_LOOP}/add", "AddV2", [f"{_LOOP}/Identity", one], _of(_INT32))
        self._add(f"{_LOOP}/NextIteration", "NextIteration", [f"{_LOOP}/add"], _of(_INT32))
        self._add(f"{_LOOP}/NextIteration_1", "NextIteration", [f"{_LOOP}/Write"], _of(_FLOAT))

    def _enter(self, name: str, source: str, kind: int, *, is_constant: bool = False) -> None:
        frame = _attribute("frame_name", _field(2, b"Preprocessor/map/while/while_context"))
        constant = _attribute("is_constant", _field(5, int(is_constant)))
        self._add(f"{_LOOP}/{name}", "Enter", [source], _of(kind), frame, constant)

    def _constant(self, name: str, values: object) -> str:
        array = np.asarray(values)
        kind, stored = (_INT32, "<i4") if array.dtype.kind == "i" else (_FLOAT, "<f4")
        content = array.astype(stored).tobytes()
        tensor = _field(1, kind) + _shape(array.shape, number=2) + _field(4, content)
        dtype = _attribute("dtype", _field(6, kind))
        self._add(name, "Const", [], dtype, _attribute("value", _field(8, tensor)))
        return name

    def _calculate(self, name: str, operation: str, *inputs: str) -> str:
        self._add(name, operation, list(inputs), _of(_FLOAT))
        return name

    def _shape_as(self, source: str, name: str, shape: tuple[int, ...]) -> str:
        sizes = self._constant(f"{name}/shape", shape)
        kind = _attribute("Tshape", _field(6, _INT32))
        self._add(name, "Reshape", [source, sizes], _of(_FLOAT), kind)
        return name

    def _add(self, name: str, operation: str, inputs: list[str], *attributes: bytes) -> None:
        self._nodes.append(_node(name, operation, inputs, *attributes))


def _of(kind: int) -> bytes:
    return _attribute("T", _field(6, kind))
