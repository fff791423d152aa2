"""The command that measures a published accuracy again on COCO's val2017."""

from __future__ import annotations

from posezoo.spec.model import ModelSpec, Precision, PublishedAccuracy

#: The height at which OpenPose models are evaluated (Lightweight OpenPose's ``val.py``: base_height).
OPENPOSE_HEIGHT = 368


def rerun_command(spec: ModelSpec, published: PublishedAccuracy) -> str:
    """The command that measures a published accuracy again.

    Heatmaps of one person are evaluated on annotated boxes, as by GluonCV's ``validate.py`` and by Open Model
    Zoo's accuracy-check.yml of single-human-pose-estimation-0001.

    Args:
        spec: the model.
        published: one of its ``published.accuracy``.
    """
    words = ["posezoo evaluate", spec.full_name]
    match spec.decoder.name if spec.decoder is not None else "":
        case "openpose":
            words.append(f"--height {OPENPOSE_HEIGHT}")
        case "associative_embedding":
            image = spec.inputs[0]
            size = dict(zip(image.layout or "NCHW", image.shape, strict=False))
            words.append(f"--short_side {min(size['H'], size['W'])}")
        case "heatmap":
            words.append("--boxes truth")
    if published.flip:
        words.append("--flip")
    if Precision.FP16 not in spec.precisions:
        words.append(f"--precision {spec.precisions[0]}")
    return " ".join(words)
