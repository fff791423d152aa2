"""The words of Open Model Zoo's tools, Ultralytics, rtmlib and MediaPipe that users try, and what
posezoo has instead.
"""

from __future__ import annotations

_RUN_FINDS = "posezoo run --input photo.jpg finds the poses in a photo"
_NAMES = "give the names without a flag"
_MODE = "choose a model by its name: pose-fast, pose, or one that posezoo recommend prints"
_PERSON_SCORE = "--min_person_score is the least score of a person"
#: By the word without dashes and value.
_INSTEAD = {
    "add_mo_arg": "omz_converter has this flag: posezoo shims writes that command",
    "balanced": _MODE,
    "conf": _PERSON_SCORE,
    "detect": _RUN_FINDS,
    "half": "--precision FP16 is the default",
    "imgsz": "--height is the height of the network's input",
    "kpt_thr": "--min_score is the least score of a keypoint that is drawn",
    "lightweight": _MODE,
    "list": _NAMES,
    "m": "give the name without a flag",
    "min_detection_confidence": _PERSON_SCORE,
    "mode": _MODE,
    "model": "give the name without a flag",
    "model_asset_path": "give the name of a model, such as pose_landmarker_lite",
    "model_complexity": "choose a model by its name: blazepose-full or blazepose-heavy",
    "name": _NAMES,
    "performance": _MODE,
    "pose": _RUN_FINDS,
    "precisions": "posezoo get has this flag",
    "predict": _RUN_FINDS,
    "print_all": "posezoo list shows all names",
    "remove": "posezoo cache remove removes the files and IR of models",
    "save": "posezoo run writes its pictures always, to the folder of --output",
    "show": "posezoo demo shows a window",
    "smooth_landmarks": "posezoo run --input walk.mp4 --smooth smooths keypoints over time",
    "source": "posezoo run takes photos, videos, folders and addresses after --input",
    "track": "posezoo run --input walk.mp4 --track gives people numbers",
    "train": "posezoo trains no models",
    "val": "posezoo evaluate measures the AP on annotated photos",
    "weights": "name the file of your network in place of the model, or after --checkpoint",
}


def explain_other_word(word: str) -> str:
    """What to use instead of a flag, a verb or a ``key=value`` of another program; empty for any
    other word.
    """
    return _INSTEAD.get(word.lstrip("-").partition("=")[0], "")
