"""The configurations with which Model Optimizer ends networks of YOLO 1 to 3 at RegionYolo layers,
and those of TensorFlow's Object Detection API at a DetectionOutput layer.

They are values of ``--transformations_config``: Model Optimizer's files (for YOLO in
region_configs.json), the model's, whose names contain "yolo", or the user's.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import PIPELINE_CONFIG, TRANSFORMATIONS_CONFIG
from posezoo.core.regular_files import read_regular_text

#: The input with height and width of the picture, and 1: [1, 3].
SIZE_INPUT = "image_info"

#: The authors' script that makes a frozen graph of a YOLO of Darknet.
FREEZING_SCRIPT = "keras-YOLOv3-model-set/tools/model_converter/keras_to_tensorflow.py"

#: The transformations for YOLO: the ends of the network, or the places that the file names.
WITH_OUTPUTS = "TFYOLO"
WITH_HEADS = "TFYOLOV3"

#: Of ``ssd_support.json``, for graphs before 2018, and of those of TensorFlow 2 nothing is known.
_DETECTOR_CONFIG = re.compile(
    r"(?!ssd_support\.json)(ssd|faster_rcnn|mask_rcnn|rfcn)(?:_v2)?_support(?:_api_v1\.(\d+))?\.json"
)

#: By the names of Model Optimizer's files (extensions/front/tf of release 2024.6).
REGION_CONFIGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
)


def is_region_config(value: str) -> bool:
    """Whether a value of ``--transformations_config`` is one of YOLO.

    A model's file is known by its name, one on the user's disk, ``$dl_dir//...``, by its content.
    """
    folder, _, name = value.partition("/")
    if folder != "$dl_dir":
        return _is_of_model_optimizer(value) and posixpath.basename(value) in REGION_CONFIGS
    if not name.startswith("/"):
        return bool(re.fullmatch(r".*yolo.*\.json", posixpath.basename(value)))
    try:
        return read_region_config(Path(name))["id"] in (WITH_HEADS, WITH_OUTPUTS)
    except ValueError:
        return False


def read_region_config(path: Path) -> Mapping[str, Any]:
    """The only configuration in a file, with its ``id``; a ValueError if it cannot be read."""
    config: Mapping[str, Any]
    try:
        (config,) = json.loads(read_regular_text(path))
        is_named = isinstance(config["id"], str)
    except (OSError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(path) from error
    if not is_named:
        raise ValueError(path)
    return config


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


def find_only(spec: ModelSpec, suffix: str) -> str | None:
    """The file of a model with this ending; None if there is none, or several."""
    names = [name for name in spec.file_names if name.endswith(suffix)]
    return names[0] if len(names) == 1 else None
