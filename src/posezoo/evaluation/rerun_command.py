"""The command that measures a published figure again, once COCO's val2017 is at hand."""

from __future__ import annotations

from posezoo.spec.model import ModelSpec, Precision
from posezoo.spec.model import PublishedAccuracy as Claim

#: At this height OpenPose's kind is measured (Lightweight OpenPose's ``val.py``: base_height).
OPENPOSE_HEIGHT = 368


def rerun_command(spec: ModelSpec, claim: Claim) -> str:
    """How to measure a claim again.

    Heatmaps of one person are measured on annotated boxes, as by GluonCV's ``validate.py`` and by Open Model
    Zoo's accuracy-check.yml of single-human-pose-estimation-0001.

    Args:
        spec: the model.
        claim: one of its ``published.accuracy``.
    """
    words = ["posezoo evaluate", spec.full_name, *_looks(spec)]
    if claim.flip:
        words.append("--flip")
    if Precision.FP16 not in spec.precisions:
        words.append(f"--precision {spec.precisions[0]}")
    return " ".join(words)


def _looks(spec: ModelSpec) -> list[str]:
    decoder = spec.decoder.name if spec.decoder is not None else ""
    image = spec.inputs[0]
    size = dict(zip(image.layout or "NCHW", image.shape, strict=False))
    match decoder:
        case "openpose":
            return [f"--height {OPENPOSE_HEIGHT}"]
        case "associative_embedding":
            return [f"--short_side {min(size['H'], size['W'])}"]
        case "heatmap":
            return ["--boxes truth"]
    return []
