"""What a user can try if poses are missing, and what is assumed about keypoints."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import WHOLE_IMAGE, Decoder, Model, Precision
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import UNKNOWN
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import DEFAULT_MODEL
from posezoo.poses.decoders import find_decoder, resolve_options
from posezoo.poses.people import noun_of
from posezoo.run.pipeline_spec import resolve_pipeline

if TYPE_CHECKING:
    from posezoo.run.measured import Measurement
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
    """Why a model found no person, and what a user of the command line can try.

    Args:
        context: the settings name the detector.
        min_person_score: the minimum score that the user chose; None for the decoder's.
        inputs: the values of ``--input``, for the command in the text.
    """
    noun = noun_of(estimator.model) if estimator.finds_people else "object"
    detector = None
    if estimator.people_from != WHOLE_IMAGE:
        detector = resolve_pipeline(estimator.model, context).detector
    model = detector or estimator.model
    decoder = model.decoder or Decoder(estimator.decoder)
    option = find_decoder(decoder.name).person_score
    problem = f"{f'the {noun} detector ' if detector else ''}{model.full_name} found no {noun}"
    advice = []
    if option:
        least = min_person_score
        if least is None:
            least = getattr(resolve_options(decoder), option)
        problem += f" with a score of {least:g} or more"
        if least:
            advice.append(f"--min_person_score {least / 2:g}")
    if detector:
        advice.append(f"--detector none if one {noun} fills the photo")
    if noun != "person":
        advice.append(f"a photo in which {noun}s are larger")
    elif estimator.model.name != FALLBACK_MODEL and estimator.model.task != "detection":
        given = ["--input", *inputs] if inputs else []
        advice.append(shlex.join(["posezoo", "run", FALLBACK_MODEL, *given]))
    else:
        advice.append("a photo in which people are larger")
    return f"{problem}; try {', or '.join(advice)}"


def describe_assumed_skeleton(model: Model, skeletons: Iterable[Skeleton]) -> str:
    """What is assumed about the keypoints of a model that declares no skeleton; else empty.

    Args:
        model: as in ``Estimator.model``.
        skeletons: the skeletons of the poses. COCO's is the usual one, and not reported.
    """
    for skeleton in skeletons:
        count = len(skeleton.keypoints)
        if skeleton.name.startswith(UNKNOWN):
            return f"the {count} keypoints are numbered, and drawn as points"
        if not model.skeleton and skeleton.name not in ("box", "class", "coco-17"):
            return f"{count} keypoints are assumed to be {skeleton.name}"
    return ""


def advise_for_groups(model: Model, context: Context) -> str:
    """Which model finds more of several people, if measured APs say so; else empty."""
    if model.full_name in (DEFAULT_MODEL, FALLBACK_MODEL):
        return ""  # these have the highest APs
    own_found = _pipeline_accuracy(model)
    if own_found is None or FALLBACK_MODEL not in context.registry.entries:
        return ""
    other_found = _pipeline_accuracy(context.registry.find(FALLBACK_MODEL))
    if other_found is None or own_found.intervals["AP"][1] >= other_found.figures["AP"]:
        return ""
    from posezoo.run.measurement_selection import format_measurement_setting

    if format_measurement_setting(own_found) != format_measurement_setting(other_found):
        return ""
    return (
        f"does it miss people? In photos of several people, {FALLBACK_MODEL} finds"
        f" {other_found.figures['AR50_several']:.0%} of them, and {model.full_name}"
        f" {own_found.figures['AR50_several']:.0%}: posezoo run {FALLBACK_MODEL}"
    )


def _pipeline_accuracy(model: Model) -> Measurement | None:
    """The measured accuracy of a model with its usual detector, if confidence intervals are known:
    of FP16, or else of any precision.
    """
    from posezoo.run.measurement_selection import MeasurementSelection

    measured = [
        each
        for each in MeasurementSelection().select_of_pipeline(model, "accuracy")
        if "AP" in each.intervals and "AR50_several" in each.figures
    ]
    measured.sort(key=lambda each: each.precision is not Precision.FP16)
    return next(iter(measured), None)
