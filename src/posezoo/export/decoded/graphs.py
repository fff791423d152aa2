"""The decoders that can become part of an IR (``--decode``), and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from posezoo.core.plugins import LazyTable
from posezoo.core.values import frozen
from posezoo.poses.blazepose import decode_faces
from posezoo.poses.decoder_type import Maps
from posezoo.poses.keypoints import Pose
from posezoo.poses.letterbox import Size


@frozen
class DecoderGraph:
    """How a decoder becomes part of an IR.

    Attributes:
        build: the function that builds it, as ``module:function``, because it imports OpenVINO. It
            takes the outputs by role, the width and height of the network's input, the options, and
            the number of people (0: all). It returns keypoints [N, K, 3] or boxes [N, 4], in pixels
            of the network's input, as ``DecoderType.decode`` computes them; and scores [N].
        score_option: the option that is the minimum score of a person; empty: there is none, and
            the scores of the graph are compared.
        options: options that it has in a graph, if the model does not declare them.
        decode_first: as ``DecoderType.decode``, for the outputs of the first of two networks, with
            their batch axis; None: only the last network gets a decoder.
    """

    build: str
    score_option: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    decode_first: Callable[[Maps, Size, Any], list[Pose]] | None = None


def _decode_faces(maps: Maps, size: Size, options: Any) -> list[Pose]:
    return decode_faces(maps["boxes"], maps["scores"], options).to_poses(None, size)


_HERE = "posezoo.export.decoded"
_PEOPLE = f"{_HERE}.people_graphs"
_PERSON_SCORE = "min_score"
_BOX_SCORE = "min_box_score"

BLAZEPOSE_GRAPH = DecoderGraph(
    f"{_HERE}.blazepose_graph:build", "min_presence", decode_first=_decode_faces
)
COORDINATES_GRAPH = DecoderGraph(f"{_PEOPLE}:build_coordinates")
DETECTION_GRAPH = DecoderGraph(f"{_PEOPLE}:build_ssd", _BOX_SCORE)
DETRPOSE_GRAPH = DecoderGraph(f"{_PEOPLE}:build_detrpose", _PERSON_SCORE)
HEATMAP_GRAPH = DecoderGraph(f"{_HERE}.heatmap_graph:build")
MOVENET_GRAPH = DecoderGraph(f"{_PEOPLE}:build_movenet")
MULTIPOSE_GRAPH = DecoderGraph(f"{_PEOPLE}:build_multipose", _PERSON_SCORE)
NANODET_GRAPH = DecoderGraph(f"{_PEOPLE}:build_nanodet", _BOX_SCORE)
OPENPOSE_GRAPH = DecoderGraph(
    f"{_HERE}.openpose_graph:build", options={"single_pass": True, "max_peaks": 32}
)
PICODET_GRAPH = DecoderGraph(f"{_PEOPLE}:build_picodet", _BOX_SCORE)
POSENET_GRAPH = DecoderGraph(f"{_HERE}.posenet_graph:build", _PERSON_SCORE)
RF_DETR_GRAPH = DecoderGraph(f"{_PEOPLE}:build_rf_detr", _PERSON_SCORE)
RTMDET_GRAPH = DecoderGraph(f"{_PEOPLE}:build_rtmdet", _BOX_SCORE)
RTMO_GRAPH = DecoderGraph(f"{_PEOPLE}:build_rtmo", _PERSON_SCORE)
SIMCC_GRAPH = DecoderGraph(f"{_PEOPLE}:build_simcc")
YOLO_POSE_GRAPH = DecoderGraph(f"{_PEOPLE}:build_yolo_pose", _PERSON_SCORE)
YOLOX_GRAPH = DecoderGraph(f"{_PEOPLE}:build_yolox", _BOX_SCORE)

#: By the name of the decoder.
GRAPHS = LazyTable(
    "posezoo.decoder_graphs",
    DecoderGraph,
    {
        "blazepose": f"{_HERE}.graphs:BLAZEPOSE_GRAPH",
        "coordinates": f"{_HERE}.graphs:COORDINATES_GRAPH",
        "detection": f"{_HERE}.graphs:DETECTION_GRAPH",
        "detrpose": f"{_HERE}.graphs:DETRPOSE_GRAPH",
        "heatmap": f"{_HERE}.graphs:HEATMAP_GRAPH",
        "movenet": f"{_HERE}.graphs:MOVENET_GRAPH",
        "movenet_multipose": f"{_HERE}.graphs:MULTIPOSE_GRAPH",
        "nanodet": f"{_HERE}.graphs:NANODET_GRAPH",
        "openpose": f"{_HERE}.graphs:OPENPOSE_GRAPH",
        "picodet": f"{_HERE}.graphs:PICODET_GRAPH",
        "posenet": f"{_HERE}.graphs:POSENET_GRAPH",
        "rf_detr": f"{_HERE}.graphs:RF_DETR_GRAPH",
        "rtmdet": f"{_HERE}.graphs:RTMDET_GRAPH",
        "rtmo": f"{_HERE}.graphs:RTMO_GRAPH",
        "simcc": f"{_HERE}.graphs:SIMCC_GRAPH",
        "yolo_pose": f"{_HERE}.graphs:YOLO_POSE_GRAPH",
        "yolox": f"{_HERE}.graphs:YOLOX_GRAPH",
    },
)
