"""Draw docs/explanations/judges.md: how far publishers' programs are from ours, as tests/judges recorded it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parents[1] / "tests" / "judges" / "figures.json"

#: What each list has, and the names of the figures.
LISTS = {
    "within": {
        "RTMPose, DWPose": "rtmpose",
        "RTMW, in the boxes of RTMDet": "rtmw",
        "RTMO": "rtmo",
        "RTMDet": "rtmdet",
        "YOLOX": "yolox",
        "ViTPose, with the sigma of transformers": "vitpose",
        "RF-DETR Keypoint": "rf_detr",
        "YOLO-pose": "yolo_pose",
        "MoveNet Lightning": "movenet-lightning",
        "MoveNet Thunder": "movenet-thunder",
        "MoveNet MultiPose": "movenet-multipose",
        "PoseNet": "posenet",
        "OpenPose, decoded as by the judge": "openpose_same_decoder",
        "BlazePose": "blazepose_mediapipe_graph",
        "hand-landmark-full": "mediapipe_hand-landmark-full",
        "hand-landmark-lite": "mediapipe_hand-landmark-lite",
        "face-landmark": "mediapipe_face-landmark",
        "face-landmark-attention": "mediapipe_face-landmark-attention",
        "face-detection-short": "mediapipe_face-detection-short",
        "face-detection-full": "mediapipe_face-detection-full",
    },
    "solutions": {
        "Pose": "solutions_pose",
        "Hands": "solutions_hands",
        "Hands, lite networks": "solutions_hands_lite",
        "FaceMesh": "solutions_face_mesh",
        "FaceMesh, refined": "solutions_face_mesh_refined",
        "FaceDetection": "solutions_face_detection",
        "FaceDetection, full range": "solutions_face_detection_full",
        "Holistic, refined face": "solutions_holistic",
        "Pose, videos": "solutions_pose_video",
        "Hands, videos": "solutions_hands_video",
        "FaceMesh, videos": "solutions_face_mesh_video",
        "FaceMesh, refined, videos": "solutions_face_mesh_refined_video",
        "Holistic, refined face, videos": "solutions_holistic_video",
    },
}

#: What is meant to differ: the name of its figures, and the reason.
DIFFERING = {
    "RTMO, pictures of any aspect": (
        "rtmo_photos",
        "posezoo, like MMPose, puts the picture into the middle of the input, rtmlib into the corner",
    ),
    "RTMW, default options": (
        "rtmw_default",
        "if one person has poses in two boxes, posezoo keeps the best, rtmlib all",
    ),
    "ViTPose": (
        "vitpose_default",
        "posezoo smooths maps as ViTPose's authors do, with a sigma of 2 cells instead of 0.8",
    ),
    "MoveNet Lightning, whole photos": (
        "movenet-lightning_photos",
        "the judge resizes in another way, and truncates; resized as it does, all are equal",
    ),
    "MoveNet Thunder, whole photos": ("movenet-thunder_photos", "the same"),
    "MoveNet MultiPose, whole photos": ("movenet-multipose_photos", "the same"),
    "PoseNet, whole photos": ("posenet_photos", "the same, without the truncation"),
    "BlazePose, 9 x 9 cells": (
        "blazepose_mediapipe",
        "MediaPipe's Python package ignores the 7 x 7 cells of the published graph",
    ),
    "BlazePose, one person": (
        "blazepose_tensorflow_js",
        "TensorFlow.js does not round pixels to whole numbers",
    ),
    "OpenPose": (
        "openpose",
        "posezoo refines peaks below a quarter of a cell of 8 px, and groups limbs in another way",
    ),
    "Associative embedding": (
        "embeddings",
        "the judge's keypoints are at the corner of a cell of 2 px instead of its center",
    ),
}


MASKS = """\
Segmentation masks of BlazePose ({pictures} pictures): the intersection over union of the pixels above 0.5 is {median} in the
median, and {lowest} or more."""

VIDEOS = """\
In {videos} videos of {frames} frames, in which a camera pans over a photo of one person, MediaPipe and `posezoo run --smooth` find
the person in {mediapipe_video[found]:.2f} and {posezoo_video[found]:.2f} of the frames, {mediapipe_video[error]} and {posezoo_video[error]} px from the annotated
keypoints in the median; from frame to frame, this changes by {mediapipe_video[jitter]} and {posezoo_video[jitter]} px."""


def draw_values(format_tools: Any) -> Mapping[str, Any]:
    """The lists."""
    stored = json.loads(FIGURES.read_text("utf-8"))
    return {
        **{name: _list_by_judge(stored, rows) for name, rows in LISTS.items()},
        "differing": "\n".join(
            f"- {name} ({stored[key]['judge']}: {_describe(stored[key])}): {reason}"
            for name, (key, reason) in DIFFERING.items()
        ),
        "masks": MASKS.format(**stored["blazepose_masks"]),
        "videos": VIDEOS.format(**stored["blazepose_videos"]),
        "tools": "; or ".join(sorted({format_tools(each["tools"]) for each in stored.values()})),
    }


def _list_by_judge(stored: Mapping[str, Any], rows: Mapping[str, str]) -> str:
    by_judge: dict[str, list[str]] = {}
    for name, key in rows.items():
        figures = stored[key]
        by_judge.setdefault(figures["judge"], []).append(f"{name} ({_describe(figures)})")
    return "\n".join(f"- {judge}: {'; '.join(listed)}" for judge, listed in by_judge.items())


def _describe(figures: Mapping[str, Any]) -> str:
    """The pictures with the same people, the median and the 95 %, and the AP of both."""
    ap = ", AP {:.3f}, {:.3f}".format(*figures["ap"]) if "ap" in figures else ""
    same = f"{figures['alike']} of {figures['pictures']}"
    return f"{same}, {figures['median']:.2f}, {figures['p95']:.2f} px{ap}"
