"""What the pipeline.config of TensorFlow's Object Detection API says of a detector's boxes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from posezoo.core.declarations.routes import MO_ADVICE
from posezoo.core.errors import ConversionError, sanitize
from posezoo.formats.caffe.prototxt import Message, read_prototxt

#: The known fields of three messages. Of their other fields, only a switch that is off is known.
_FIXED_FIELDS = {"height", "width", "resize_method"}
_KEPT_FIELDS = {"min_dimension", "max_dimension", "resize_method"}
_POSTPROCESSING_FIELDS = {"batch_non_max_suppression", "score_converter", "logit_scale"}
_NMS_FIELDS = {
    "score_threshold",
    "iou_threshold",
    "max_detections_per_class",
    "max_total_detections",
    "use_static_shapes",
}
_SCORE_CONVERTERS = ("SIGMOID", "SOFTMAX")

#: Of boxes, classes, or pixels of a side. No detector has more.
_MAX_COUNT = 100_000


class Limits(NamedTuple):
    """Which boxes are left; an IoU above ``iou_threshold`` removes the box with the lower score."""

    score_threshold: float
    iou_threshold: float
    per_class: int  # boxes of each class whose overlaps are compared
    total: int


class DetectionConfig(NamedTuple):
    """What the network's pipeline.config says of its input and its boxes.

    Attributes:
        smallest: height and width, or the shorter side if the resizer keeps the aspect ratio.
        largest: the same, or the longest side.
        proposals: the limits of the first of two stages; None for an SSD.
    """

    classes: int  # without the background
    smallest: tuple[int, int]
    largest: tuple[int, int]
    detections: Limits
    proposals: Limits | None = None

    def accepts(self, height: int, width: int) -> bool:
        """Whether the network leaves the size of such a picture as it is."""
        if self.smallest == self.largest:
            return (height, width) == self.smallest
        short, long = sorted((height, width))
        least = self.smallest[0]
        most = self.largest[0]
        return (short == least and long <= most) or (long == most and short <= least)


def read_pipeline(path: Path, *, stages: int) -> DetectionConfig:
    """The description of an SSD (1 stage) or of a network that finds proposals first (2).

    Raises:
        ConversionError: the file is missing, damaged, describes another kind of network, or has a
            value that is not supported.
    """
    model = read_prototxt(path).message("model")
    name, title = ("ssd", "SSD") if stages == 1 else ("faster_rcnn", "Faster R-CNN")
    if name not in model.fields:
        kinds = sanitize(", ".join(model.fields) or "nothing")
        raise ConversionError(f"{path}: describes no {title}, but: {kinds}", hint=MO_ADVICE)
    network = model.message(name)
    smallest, largest = _read_sizes(network.message("image_resizer"))
    classes = _read_count(network, "num_classes")
    if stages == 1:
        detections = _read_limits(network.message("post_processing"))
        if not network.flag("add_background_class", True):
            raise network.make_error("add_background_class: false is not supported")
        return DetectionConfig(classes, smallest, largest, detections)
    detections = _read_limits(network.message("second_stage_post_processing"))
    count = _read_count(network, "first_stage_max_proposals", 300)
    proposals = Limits(
        _read_share(network, "first_stage_nms_score_threshold", 0.0),
        _read_share(network, "first_stage_nms_iou_threshold", 0.7),
        count,
        count,
    )
    return DetectionConfig(classes, smallest, largest, detections, proposals=proposals)


def _read_sizes(resizers: Message) -> tuple[tuple[int, int], tuple[int, int]]:
    _refuse_other_fields(resizers, {"fixed_shape_resizer", "keep_aspect_ratio_resizer"})
    if "keep_aspect_ratio_resizer" in resizers.fields:
        resizer = resizers.message("keep_aspect_ratio_resizer")
        _refuse_other_fields(resizer, _KEPT_FIELDS)
        shortest = _read_count(resizer, "min_dimension", 600)
        longest = _read_count(resizer, "max_dimension", 1024)
        return (shortest, shortest), (longest, longest)
    resizer = resizers.message("fixed_shape_resizer")
    _refuse_other_fields(resizer, _FIXED_FIELDS)
    size = (_read_count(resizer, "height", 300), _read_count(resizer, "width", 300))
    return size, size


def _read_limits(postprocessing: Message) -> Limits:
    _refuse_other_fields(postprocessing, _POSTPROCESSING_FIELDS)
    converter = postprocessing.text("score_converter", "IDENTITY")
    if converter not in _SCORE_CONVERTERS:
        raise postprocessing.make_error(f"score_converter {sanitize(converter)} is not supported")
    nms = postprocessing.message("batch_non_max_suppression")
    _refuse_other_fields(nms, _NMS_FIELDS)
    return Limits(
        _read_share(nms, "score_threshold", 0.0),
        _read_share(nms, "iou_threshold", 0.6),
        _read_count(nms, "max_detections_per_class", 100),
        _read_count(nms, "max_total_detections", 100),
    )


def _read_count(message: Message, name: str, default: int = 0) -> int:
    count = message.integer(name, default)
    if not 1 <= count <= _MAX_COUNT:
        raise message.make_error(f"{name}: expected 1 to {_MAX_COUNT}, got {count}")
    return count


def _read_share(message: Message, name: str, default: float) -> float:
    share = message.number(name, default)
    if not 0 <= share <= 1:
        raise message.make_error(f"{name}: expected 0 to 1, got {share:g}")
    return share


def _refuse_other_fields(message: Message, supported: set[str]) -> None:
    for name in message.fields.keys() - supported:
        if message.fields[name] != ["false"]:
            raise message.make_error(f"{sanitize(name)} is not supported")
