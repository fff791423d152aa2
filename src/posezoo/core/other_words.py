"""Words of Open Model Zoo's tools, Ultralytics and rtmlib that users try, and what posezoo has."""

from __future__ import annotations

_PREDICT = "posezoo run --input photo.jpg finds the poses in a photo"
_NAMES = "give the names without a flag"
_MODE = "choose a model by its name: pose-fast, pose, or one that posezoo recommend prints"
#: By the word without dashes and value.
_INSTEAD = {
    "add_mo_arg": "omz_converter has this flag: posezoo shims writes that command",
    "balanced": _MODE,
    "conf": "--min_person_score is the least score of a person",
    "detect": _PREDICT,
    "half": "--precision FP16 is the default",
    "imgsz": "--height is the height of the network's input",
    "kpt_thr": "--min_score is the least score of a keypoint that is drawn",
    "lightweight": _MODE,
    "list": _NAMES,
    "m": "give the name without a flag",
    "mode": _MODE,
    "model": "give the name without a flag",
    "name": _NAMES,
    "performance": _MODE,
    "pose": _PREDICT,
    "precisions": "posezoo get has this flag",
    "predict": _PREDICT,
    "print_all": "posezoo list shows all names",
    "remove": "posezoo cache remove removes the files and IR of models",
    "save": "posezoo run writes its pictures always, to the folder of --output",
    "show": "posezoo demo shows a window",
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
