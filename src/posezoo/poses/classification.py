"""Decoder of classifiers: the classes of an image, or of the object that fills it; also of those
of Open Model Zoo with two outputs, such as gender and age.
"""

from __future__ import annotations

import numpy as np

from posezoo.core.arrays import Doubles, Floats
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import (
    Count,
    DecoderOptions,
    DecoderType,
    Maps,
    OutputRule,
    declare_outputs,
)
from posezoo.poses.keypoints import NO_KEYPOINTS, Pose, sort_descending
from posezoo.poses.letterbox import Size

SKELETON = "class"

#: The number of ImageNet's classes; some networks have one more, the background.
IMAGENET = (1000, 1001)

#: The share of an image's shorter side that classifiers of ImageNet are tested on: 224 of 256
#: pixels (``references/classification`` of torchvision).
CENTRAL_SHARE = 0.875


@frozen
class ClassificationOptions(DecoderOptions):
    """Options of the decoder classification.

    Attributes:
        max_classes: the number of classes that are returned, those with the highest scores.
    """

    max_classes: Count = 5


def decode_classes(maps: Maps, size: Size, options: ClassificationOptions) -> list[Pose]:
    """The classes, highest score first, or of several outputs the best of each: poses without
    keypoints, whose boxes are the whole input.

    Args:
        maps: ``scores`` (classes,): probabilities, or the logits of which they are the softmax;
            optionally ``more_scores`` of other classes, which are numbered after those, and
            ``value`` (1,), whose number comes last.
        size: width and height of the input, in pixels.

    Raises:
        InferenceError: a score is not finite.
    """
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    limit = options.max_classes if len(maps) == 1 else 1
    first = 0
    classes = []
    for output in maps.values():
        scores = _compute_shares(output) if len(output) > 1 else output
        for place in sort_descending(scores)[:limit].tolist():
            score = float(scores[place])
            classes.append(Pose(NO_KEYPOINTS, SKELETON, score, box, class_id=first + place))
        first += len(output)
    return classes


def _compute_shares(output: Floats) -> Doubles:
    scores: Doubles = output.astype(np.float64)
    if not np.isfinite(scores).all():
        raise InferenceError("classification: the scores of the classes are not all finite")
    are_probabilities = scores.min() >= 0 and abs(scores.sum() - 1) < 1e-2
    if are_probabilities:
        return scores
    shares = np.exp(scores - scores.max())
    normalized: Doubles = shares / shares.sum()
    return normalized


def _are_scores(_name: str, shape: tuple[int, ...]) -> bool:
    """Whether an output has one number for each of several classes, and nothing else."""
    sides = [side for side in shape if side != 1]
    return len(shape) >= 2 and len(sides) == 1 and sides[0] >= 2


def _is_named(word: str) -> OutputRule:
    return lambda name, shape: name == word and _are_scores(name, shape)


DECODER = DecoderType(
    networks=(declare_outputs(scores=(1, -1)),),
    options=ClassificationOptions,
    decode=decode_classes,
    pipeline="classifier",
    skeleton=SKELETON,
    needs="one score for each class",
    optional=declare_outputs(more_scores=(1, -1), value=(1, 1)),
    # The first are those of vehicle-attributes-recognition-barrier-0039, the second those of
    # age-gender-recognition-retail-0013.
    rules=(
        {"scores": _is_named("color"), "more_scores": _is_named("type")},
        {"scores": _are_scores, "value": lambda _name, shape: set(shape) == {1}},
        {"scores": _are_scores},
    ),
    omz_model_types=("classification",),
    convert_outputs=lambda outputs: {role: array.reshape(1, -1) for role, array in outputs.items()},
    model_info=lambda _options: {"model_type": "Classification"},
    finds_classes=True,
    stretches=True,
    printed=("pose.label", "the class, and pose.score its probability"),
    task="classification",
    needs_task=True,
)
