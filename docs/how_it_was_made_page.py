"""Draw docs/explanations/how_it_was_made.md: how far publishers' programs are from ours, as tests/judges recorded it, and
how far models without published weights came, as tests/rehearse.py wrote it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry
from posezoo.pages.cards.markdown import format_code
from rehearsal_table import DONE, STEPS, declared_digest, read_table

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
    },
    "solutions_in_videos": {
        "Pose": "solutions_pose_video",
        "Hands": "solutions_hands_video",
        "FaceMesh": "solutions_face_mesh_video",
        "FaceMesh, refined": "solutions_face_mesh_refined_video",
        "Holistic, refined face": "solutions_holistic_video",
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
    """The lists, and how many models came how far."""
    stored = json.loads(FIGURES.read_text("utf-8"))
    rows = read_table().values()
    rehearsed = [row for row in rows if row["get"]]
    return {
        **{name: _list_by_judge(stored, listed) for name, listed in LISTS.items()},
        "differing": "\n".join(
            f"- {name} ({stored[key]['judge']}: {_describe(stored[key])}): {reason}"
            for name, (key, reason) in DIFFERING.items()
        ),
        "masks": MASKS.format(**stored["blazepose_masks"]),
        "videos": VIDEOS.format(**stored["blazepose_videos"]),
        "tools": "; or ".join(sorted({format_tools(each["tools"]) for each in stored.values()})),
        "count": len(rows),
        "at_hand": len(rows) - len(rehearsed),
        "summary": _summary(rehearsed),
        "changed": _list_models(row for row in rehearsed if is_changed(row)),
    }


def _list_by_judge(stored: Mapping[str, Any], listed: Mapping[str, str]) -> str:
    """A line for each program: what it was compared in, and the largest distances."""
    by_judge: dict[str, list[str]] = {}
    for name, key in listed.items():
        by_judge.setdefault(stored[key]["judge"], []).append(name)
    lines = []
    for judge, names in by_judge.items():
        figures = [stored[listed[name]] for name in names]
        whole = {key: sum(each[key] for each in figures) for key in ("alike", "pictures")}
        whole |= {key: max(each[key] for each in figures) for key in ("median", "p95")}
        lines.append(f"- {judge} ({_describe(whole)}): {'; '.join(names)}")
    return "\n".join(lines)


def _describe(figures: Mapping[str, Any]) -> str:
    """The pictures with the same people, the median and the 95 %, and the AP of both."""
    ap = ", AP {:.3f}, {:.3f}".format(*figures["ap"]) if "ap" in figures else ""
    same = f"{figures['alike']} of {figures['pictures']}"
    return f"{same}, {figures['median']:.2f}, {figures['p95']:.2f} px{ap}"


def _summary(rows: list[dict[str, str]]) -> str:
    ended = Counter(step for row in rows for step in STEPS if row[step].startswith(DONE))
    steps = ", ".join(f"{step} {ended[step]}" for step in STEPS)
    whole = sum(all(row[step].startswith(DONE) for step in STEPS) for row in rows)
    return f"Of {len(rows)} models, {whole} come to the end of all steps: {steps}."


def _list_models(rows: Iterable[Mapping[str, str]]) -> str:
    return ", ".join(format_code(row["model"]) for row in rows) or "none"


def is_changed(row: Mapping[str, str]) -> bool:
    """Whether a model.yml is another one than that of the rehearsal."""
    spec = open_registry().find(row["model"])
    assert isinstance(spec, ModelSpec)
    return bool(row["declared"]) and row["declared"] != declared_digest(spec.path)
