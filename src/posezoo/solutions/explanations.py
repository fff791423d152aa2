"""Why a part of MediaPipe is not in posezoo's stand-in, and what to use instead."""

from __future__ import annotations

_GRAPHS = "posezoo runs no graphs of MediaPipe"
_TASKS = "install MediaPipe 1 in another environment, or use mediapipe.solutions"
# What to use instead, by the first words of a path; the longest ones count.
_INSTEAD = {
    "calculators": _GRAPHS,
    "model_maker": "posezoo trains no models",
    "modules": "posezoo get downloads models",
    "python": _GRAPHS,
    "python.solutions.download_utils": "each solution downloads its models when it is created",
    "python.solutions.objectron": "posezoo finds no boxes in 3D",
    "tasks": _TASKS,
    "tasks.python.vision.face_detector": "mediapipe.solutions.face_detection finds faces",
    "tasks.python.vision.face_landmarker": "mediapipe.solutions.face_mesh finds landmarks of faces",
    "tasks.python.vision.hand_landmarker": "mediapipe.solutions.hands finds hands",
    "tasks.python.vision.holistic_landmarker": "mediapipe.solutions.holistic does this",
    "tasks.python.vision.image_segmenter": (
        "mediapipe.solutions.selfie_segmentation finds the pixels of people"
    ),
    "tasks.python.vision.pose_landmarker": (
        'mediapipe.solutions.pose, or posezoo.load("blazepose-full"), finds poses'
    ),
    "util": _GRAPHS,
}


def explain(path: str) -> str:
    """Why something such as ``mediapipe.tasks`` is not there, and what to use instead."""
    prefixes = [prefix for prefix in _INSTEAD if f"{path}.".startswith(f"mediapipe.{prefix}.")]
    instead = _INSTEAD[max(prefixes, key=len)]
    return f"{path} is not in posezoo's stand-in for mediapipe: {instead}"
