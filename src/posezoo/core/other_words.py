"""The words of Open Model Zoo's tools, Ultralytics, rtmlib and MediaPipe that users try, and what
posezoo has instead.
"""

from __future__ import annotations

from collections.abc import Sequence

_RUN_FINDS = "posezoo run --input photo.jpg finds the poses in a photo"
_NAMES = "give the names without a flag"
_MODE = "choose a model by its name: pose-fast, pose, or one that posezoo recommend prints"
#: By the word without dashes and value.
_INSTEAD = {
    "add_mo_arg": "omz_converter has this flag: posezoo shims writes that command",
    "balanced": _MODE,
    "detect": _RUN_FINDS,
    "half": "--precision FP16 is the default",
    "lightweight": _MODE,
    "list": _NAMES,
    "mode": _MODE,
    "model_complexity": "choose a model by its name: blazepose-full or blazepose-heavy",
    "name": _NAMES,
    "performance": _MODE,
    "pose": _RUN_FINDS,
    "predict": _RUN_FINDS,
    "print_all": "posezoo list shows all names",
    "remove": "posezoo cache remove removes the files and IR of models",
    "save": "posezoo run writes its pictures always, to the folder of --output",
    "show": "posezoo demo shows a window",
    "smooth_landmarks": "posezoo run --input walk.mp4 --smooth smooths keypoints over time",
    "track": "posezoo run --input walk.mp4 --track gives people numbers",
    "train": "posezoo trains no models",
    "val": "posezoo evaluate measures the AP on annotated photos",
}

#: The flag with the same meaning, by the flag of another program; both have one value or more.
#: Empty: the value stands without a flag.
_FLAGS = {
    "conf": "--min_person_score",
    "data_type": "--precisions",
    "imgsz": "--height",
    "input_model": "",
    "kpt_thr": "--min_score",
    "m": "",
    "max_people": "--decoder_options max_people=",
    "min_detection_confidence": "--min_person_score",
    "model": "",
    "model_asset_path": "",
    "source": "--input",
    "weights": "",
}

#: Values that another program spells otherwise.
_VALUES = {"data_type": {"half": "FP16", "float": "FP32"}}


def find_own_flag(word: str) -> str | None:
    """The flag with the meaning of another program's flag; empty if its value stands alone, None
    if there is no such flag.
    """
    return _FLAGS.get(word.lstrip("-"))


def exchange_flags(words: Sequence[str]) -> list[str]:
    """A command with the flags of posezoo in place of those of other programs, which have one
    value each; they come last, where no other flag takes their values.

    >>> exchange_flags(["--imgsz=640", "net", "--input_model", "net.onnx"])
    ['net.onnx', 'net', '--height', '640']
    """
    first: list[str] = []
    kept: list[str] = []
    last: list[str] = []
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        own = find_own_flag(word) if word.startswith("-") else None
        if own is None:
            kept.append(f"{word}{equals}{value}")
            continue
        if not equals:
            value = rest.pop(0) if rest else ""
        value = _VALUES.get(word.lstrip("-"), {}).get(value, value)
        exchanged = f"{own}{value}".split(" ", 1) if own.endswith("=") else [own, value]
        if own:
            last += exchanged
        else:
            first.append(value)
    return [*first, *kept, *last]


def explain_other_word(word: str) -> str:
    """What to use instead of a verb or a ``key=value`` of another program; empty for any other
    word.
    """
    name, equals, value = word.lstrip("-").partition("=")
    if equals and find_own_flag(name):
        return " ".join(exchange_flags([f"--{name}={value}"]))
    return _INSTEAD.get(name, "")
