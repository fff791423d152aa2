"""The layers of Caffe's branch ``ssd``, which single shot detectors need.

Source: Liu et al., SSD: Single Shot MultiBox Detector, 2016; parameters as in that branch's
``caffe.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from openvino import Node, Output
from openvino import opset14 as ops

from posezoo.formats.caffe.layer import Layer, LayerBuilder, along_axis, constant, integers

_CODES = {"1": "CORNER", "2": "CENTER_SIZE", "3": "CORNER_SIZE"}


def _build_normalize(layer: Layer) -> Node:
    declared = layer.declared.message("norm_param")
    axes = [1, 2, 3] if declared.flag("across_spatial", True) else [1]
    epsilon = declared.number("eps", 1e-10)
    normalized = ops.normalize_l2(layer.input, integers(axes), epsilon, "add")
    factors = along_axis(layer.vector(0), 4, 1)
    return ops.multiply(normalized, constant(factors))


def _build_prior_box(layer: Layer) -> Node:
    declared = layer.declared.message("prior_box_param")
    for name in ("img_size", "img_h", "img_w", "step_h", "step_w"):
        if declared.texts(name):
            raise layer.make_error(f"{name} is not supported")
    features, image, *_ = layer.require_inputs(2)
    attributes = {
        "min_size": declared.numbers("min_size"),
        "max_size": declared.numbers("max_size"),
        "aspect_ratio": declared.numbers("aspect_ratio"),
        "variance": declared.numbers("variance") or [0.1],
        "flip": declared.flag("flip", True),
        "clip": declared.flag("clip", False),
        "offset": declared.number("offset", 0.5),
        "step": declared.number("step", 0.0),
        "scale_all_sizes": True,
    }
    boxes = ops.prior_box(_spatial_sizes(features), _spatial_sizes(image), attributes)
    return ops.unsqueeze(boxes, integers(0))


def _spatial_sizes(values: Output) -> Node:
    """Height and width as a tensor, so that the network can get another input size."""
    return ops.gather(ops.shape_of(values), integers([2, 3]), integers(0))


def _build_detection_output(layer: Layer) -> Node:
    declared = layer.declared.message("detection_output_param")
    suppression = declared.message("nms_param")
    code = declared.text("code_type", "CORNER")
    code = _CODES.get(code, code)
    if code not in _CODES.values():
        raise layer.make_error(f"code_type {code} is not supported")
    locations, scores, boxes = layer.require_inputs(3)[:3]
    attributes = {
        "background_label_id": declared.integer("background_label_id", 0),
        "top_k": suppression.integer("top_k", -1),
        "keep_top_k": np.array([declared.integer("keep_top_k", -1)], np.int32),
        "code_type": f"caffe.PriorBoxParameter.{code}",
        "nms_threshold": suppression.number("nms_threshold", 0.3),
        "confidence_threshold": declared.number("confidence_threshold", 0.0),
        "share_location": declared.flag("share_location", True),
        "variance_encoded_in_target": declared.flag("variance_encoded_in_target", False),
        # OpenCV's addition, which its face detector declares.
        "clip_before_nms": declared.flag("clip", False),
        "normalized": True,
    }
    return ops.detection_output(locations, scores, boxes, attributes)


#: By the layer's type.
DETECTION_LAYERS: Mapping[str, LayerBuilder] = {
    "DetectionOutput": _build_detection_output,
    "Normalize": _build_normalize,
    "PriorBox": _build_prior_box,
}
