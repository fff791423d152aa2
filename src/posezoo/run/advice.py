"""What a user can try if poses are missing, and what is assumed about keypoints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import WHOLE_IMAGE, Decoder, Model
from posezoo.core.declarations.skeletons import UNKNOWN
from posezoo.core.resolve.stage_context import Context
from posezoo.poses.decoders import find_decoder, resolve_options
from posezoo.poses.people import noun_of, plural_of
from posezoo.run.pipeline_spec import resolve_pipeline

if TYPE_CHECKING:
    from posezoo.run.runtime.estimator import Estimator

#: The model to suggest if no person was found: it needs no detector, and finds people whom others
#: miss.
FALLBACK_MODEL = "posenet-mobilenet-v1"


def explain_no_people(
    estimator: Estimator,
    context: Context,
    min_person_score: float | None,
    inputs: Sequence[str] = (),
) -> str:
    """Why a model found no person, and what a user of the command line can try; ``inputs`` are the
    values of ``--input``.
    """
    noun = noun_of(estimator.model) if estimator.finds_people else "object"
    detector = pipeline = None
    if estimator.people_from != WHOLE_IMAGE:
        pipeline = resolve_pipeline(estimator.model, context)
        detector = pipeline.detector
    model = detector or estimator.model
    decoder = model.decoder or Decoder(estimator.decoder)
    option = find_decoder(decoder.name).person_score
    problem = f"{f'the {noun} detector ' if detector else ''}{model.full_name} found no {noun}"
    advice = []
    if option:
        least = min_person_score
        if least is None and pipeline:
            least = pipeline.limits.min_score
        if least is None:
            least = getattr(resolve_options(decoder), option)
        problem += f" with a score of {least:g} or more"
        if least:
            advice.append(f"--min_person_score {least / 2:g}")
    if detector:
        advice.append(f"--detector none if one {noun} fills the photo")
    has_fallback = (
        FALLBACK_MODEL in context.registry.entries and estimator.model.name != FALLBACK_MODEL
    )
    if noun != "person" or not has_fallback or estimator.model.task == "detection":
        advice.append(f"a photo in which {plural_of(noun)} are larger")
    else:
        given = ["--input", *inputs] if inputs else []
        advice.append(shlex.join(["posezoo", "run", FALLBACK_MODEL, *given]))
    return f"{problem}; try {', or '.join(advice)}"


def describe_assumed_skeleton(model: Model, skeletons: Mapping[str, int]) -> str:
    """What is assumed about the keypoints of an ``Estimator.model`` that declares no skeleton; else
    empty.

    Args:
        skeletons: the numbers of keypoints by skeleton. COCO's is the usual one, and not reported.
    """
    if model.assumption:
        return model.assumption
    for name, count in skeletons.items():
        if name.startswith(UNKNOWN):
            return f"the {count} keypoints are numbered, and drawn as points"
        if not model.skeleton and name not in ("box", "class", "coco-17"):
            return f"{count} keypoints are assumed to be {name}"
    return ""
