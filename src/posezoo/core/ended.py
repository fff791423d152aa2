"""What earlier versions had, by what a user types, and what to use instead."""

from __future__ import annotations

_COMPARISON = "0.3.0: posezoo recommend --all prints each row, and with --format json each value"
_CARD = "0.3.0: posezoo card draws complete cards from model.yml"
_COPY = "0.3.0: copy the folder, and lock it: docs/operators.md#copy-models-to-other-machines"
_ENDED: dict[str, str] = {
    "--explain axis-words": _CARD,
    "--explain decoder-of-kin": "0.3.0: the rule unlike-siblings replaces it",
    "--explain description-differs": _CARD,
    "--explain index-row": "0.3.0: posezoo card --all --in_place draws an index of all models",
    "--explain int8-ranges": "0.3.0: the rule files-beside replaces it",
    "--explain misplaced-section": _CARD,
    "--explain missing-figures": _CARD,
    "--explain missing-section": _CARD,
    "--explain misspelt-flag": (
        "0.3.0: posezoo get --dry_run names each argument of model.yml that it cannot use; the rule"
        " card-command checks the flags on cards"
    ),
    "--explain misspelt-heading": _CARD,
    "--explain recorded-outputs": "0.3.0: the rule files-beside replaces it",
    "--explain video-task": "0.3.0: no other rule replaces it",
    "folders in stores": (
        "0.3.0: mount the store, or copy the folder with rclone:"
        " docs/operators.md#folders-in-an-object-store"
    ),
    "posezoo get --device": "0.3.0: posezoo verify NAME --device DEVICE after it",
    "posezoo get --inference_precision": "0.3.0: posezoo verify NAME --device DEVICE after it",
    "posezoo plan --device": "0.3.0: posezoo verify NAME --device DEVICE after posezoo get",
    "posezoo seed": (
        "0.3.0: give the files of posezoo's folders to other packages:"
        " docs/operators.md#files-for-other-packages"
    ),
    "posezoo push": _COPY,
    "posezoo pull": _COPY,
    "login_host": _COPY,
    "--to frigate": "0.3.0: use --to folder, and name its IR in Frigate's config.yml",
    "--to kserve": "0.3.0: use --to ovms, and name its folder in an InferenceService",
    "--to node": "0.3.0: use --to onnx, which has a program for Node",
    "posezoo export --storage_uri": "0.3.0: use --to ovms, and copy its folder",
    **dict.fromkeys(
        ("posezoo lock --sign", "posezoo lock --verify_signature"),
        "0.4.0: sign posezoo.lock as any other file: docs/operators.md#sign-it",
    ),
    "posezoo download --verify": "0.4.0: files are always read again",
    "posezoo bom": "0.3.0: use posezoo licenses and posezoo info --format json",
    **dict.fromkeys(
        ("posezoo run --mqtt", "posezoo demo --mqtt"),
        "0.3.0: --json_lines - | mosquitto_pub -h HOST -t TOPIC -l sends each line to a broker",
    ),
    **dict.fromkeys(
        ("posezoo run --stream", "posezoo demo --stream"),
        "0.3.0: ffmpeg -i VIDEO -map 0:v:1 -c copy ONE.mp4 takes the second video stream out",
    ),
    "posezoo compare without --keypoints": _COMPARISON,
    "posezoo compare --all": _COMPARISON,
    "posezoo compare --figures": "0.3.0: posezoo recommend and gallery have this flag",
    "posezoo compare --machine": "0.3.0: posezoo recommend and gallery have this flag",
    "posezoo compare --picture": "0.3.0: posezoo gallery draws charts of models",
    "posezoo compare --setting": "0.3.0: posezoo recommend and gallery have this flag",
}


def explain_ended(typed: str) -> str:
    """Which version ended a verb, flag or target, and what to use instead; empty if none did."""
    return f"{typed} ended in {_ENDED[typed]}" if typed in _ENDED else ""
