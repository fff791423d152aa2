"""The configurations with which Model Optimizer ends networks of YOLO 1 to 3 at RegionYolo layers,
and those of TensorFlow's Object Detection API (SSD) at a DetectionOutput layer.

They are the values of ``--transformations_config``: files of Model Optimizer itself, or files of
the model, whose names contain "yolo". The contents of Model Optimizer's files for YOLO are here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Sequence
from types import MappingProxyType
from typing import Any

TRANSFORMATIONS_CONFIG = "--transformations_config"
#: Names the file with which the Object Detection API trained a network.
PIPELINE_CONFIG = "--tensorflow_object_detection_api_pipeline_config"

#: The releases of the API since 2018 differ in the names of a few operations.
_SSD_CONFIGS = ("ssd_v2_support.json", "ssd_support_api_v1.14.json", "ssd_support_api_v1.15.json")

_COCO_ANCHORS = (0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052,
                 9.16828)  # fmt: skip
_VOC_ANCHORS = (1.3221, 1.73145, 3.19275, 4.00944, 5.05587, 8.09892, 9.47112, 4.84053, 11.2364,
                10.0071)  # fmt: skip
_TINY_VOC_ANCHORS = (1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52)
_V3_ANCHORS = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
_V3_TINY_ANCHORS = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)


def _configure_v1_or_v2(classes: int, num: int, anchors: tuple[float, ...] = ()) -> dict[str, Any]:
    attributes = {"classes": classes, "coords": 4, "num": num, "do_softmax": int(bool(anchors))}
    return {"id": "TFYOLO", "custom_attributes": {**attributes, "anchors": anchors}}


def _configure_v3(name: str, classes: int, anchors: tuple[float, ...]) -> dict[str, Any]:
    count = len(anchors) // 2
    heads = range(count // 3)
    attributes = {
        "classes": classes,
        "coords": 4,
        "num": count,
        "anchors": anchors,
        "masks": [[3 * head, 3 * head + 1, 3 * head + 2] for head in reversed(heads)],
        "entry_points": [f"detector/{name}/Reshape{f'_{4 * head}' * (head > 0)}" for head in heads],
    }
    return {"id": "TFYOLOV3", "custom_attributes": attributes}


#: By the names of Model Optimizer's files (extensions/front/tf of release 2024.6).
REGION_CONFIGS = MappingProxyType(
    {
        "yolo_v1.json": _configure_v1_or_v2(20, 3),
        "yolo_v1_tiny.json": _configure_v1_or_v2(20, 2),
        "yolo_v2.json": _configure_v1_or_v2(80, 5, _COCO_ANCHORS),
        "yolo_v2_tiny.json": _configure_v1_or_v2(80, 5, _COCO_ANCHORS),
        "yolo_v2_tiny_voc.json": _configure_v1_or_v2(20, 5, _TINY_VOC_ANCHORS),
        "yolo_v2_voc.json": _configure_v1_or_v2(20, 5, _VOC_ANCHORS),
        "yolo_v3.json": _configure_v3("yolo-v3", 80, _V3_ANCHORS),
        "yolo_v3_tiny.json": _configure_v3("yolo-v3-tiny", 80, _V3_TINY_ANCHORS),
        "yolo_v3_voc.json": _configure_v3("yolo-v3", 20, _V3_ANCHORS),
    }
)


def is_region_config(value: str) -> bool:
    """Whether a value of ``--transformations_config`` is one of YOLO, by its name."""
    folder, _, _ = value.partition("/")
    if folder == "$dl_dir":
        return bool(re.fullmatch(r".*yolo.*\.json", posixpath.basename(value)))
    return _is_of_model_optimizer(value, REGION_CONFIGS)


def find_ssd_pipeline(arguments: Sequence[tuple[str, str]]) -> str:
    """The file of the model (``$dl_dir/...``) that describes its SSD; empty if it is no SSD of the
    Object Detection API.
    """
    values = dict(arguments)
    pipeline = values.get(PIPELINE_CONFIG, "")
    is_ssd = _is_of_model_optimizer(values.get(TRANSFORMATIONS_CONFIG, ""), _SSD_CONFIGS)
    return pipeline if is_ssd and pipeline.startswith("$dl_dir/") else ""


def _is_of_model_optimizer(value: str, names: Container[str]) -> bool:
    folder, _, _ = value.partition("/")
    return folder in ("$mo_dir", "$mo_ext_dir") and posixpath.basename(value) in names
