"""The configurations with which Model Optimizer ends networks of YOLO 1 to 3 at RegionYolo layers,
and those of TensorFlow's Object Detection API at a DetectionOutput layer.

They are the values of ``--transformations_config``: files of Model Optimizer itself, or files of
the model, whose names contain "yolo". The contents of Model Optimizer's files for YOLO are here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

TRANSFORMATIONS_CONFIG = "--transformations_config"
#: Names the file with which the Object Detection API trained a network.
PIPELINE_CONFIG = "--tensorflow_object_detection_api_pipeline_config"
#: The input with height and width of the picture, and 1: [1, 3].
SIZE_INPUT = "image_info"

#: Of ``ssd_support.json``, for graphs before 2018, and of those of TensorFlow 2 nothing is known.
_DETECTOR_CONFIG = re.compile(
    r"(?!ssd_support\.json)(ssd|faster_rcnn|mask_rcnn|rfcn)(?:_v2)?_support(?:_api_v1\.(\d+))?\.json"
)

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
    return _is_of_model_optimizer(value) and posixpath.basename(value) in REGION_CONFIGS


class Detector(NamedTuple):
    """A detector of the Object Detection API."""

    kind: str  # ssd, faster_rcnn, mask_rcnn or rfcn
    release: int  # 13 for release 1.13 of TensorFlow; 0 for the first graphs of 2018
    pipeline: str  # the file of the model that describes it: $dl_dir/...

    @property
    def stages(self) -> int:
        """1, or 2 if proposals are found first."""
        return 1 if self.kind == "ssd" else 2

    @property
    def difference(self) -> str:
        """What its IR does otherwise than Model Optimizer's."""
        rows = "the rows are sorted by score, not by class"
        if self.stages == 1:
            return rows
        return f"{rows}, and no box without an area is among them"

    @property
    def added_inputs(self) -> frozenset[str]:
        """The inputs beside the declared ones that Model Optimizer, too, gives to the network."""
        return frozenset({SIZE_INPUT} if self.stages == 2 else ())


def find_detector(arguments: Sequence[tuple[str, str]]) -> Detector | None:
    """The detector that the arguments describe; None if they describe none that is known."""
    values = dict(arguments)
    pipeline = values.get(PIPELINE_CONFIG, "")
    config = values.get(TRANSFORMATIONS_CONFIG, "")
    match = _DETECTOR_CONFIG.fullmatch(posixpath.basename(config))
    if not (match and _is_of_model_optimizer(config) and pipeline.startswith("$dl_dir/")):
        return None
    kind, release = match.groups("0")
    return Detector(kind, int(release), pipeline)


def _is_of_model_optimizer(value: str) -> bool:
    folder, _, _ = value.partition("/")
    return folder in ("$mo_dir", "$mo_ext_dir")
