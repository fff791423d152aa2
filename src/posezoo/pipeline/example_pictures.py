"""Example pictures of models: photos with the poses that a model finds, small enough for cards and
sites.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo.errors import DownloadError, ImageError, InferenceError, import_cv2
from posezoo.events import Listener, ignore_event
from posezoo.facts.model_facts import ModelFacts
from posezoo.images import Image
from posezoo.pipeline.get import get_irs
from posezoo.pipeline.load import compile_estimator, detector_irs
from posezoo.pose.drawing import draw
from posezoo.resolve.stage_context import Context
from posezoo.spec.model import Precision

#: The largest side of a picture, in pixels.
LONGEST_SIDE = 640
#: The limit of the size of an encoded picture: a page contains some, and a registry one for each
#: model.
MAX_BYTES = 30_000

_QUALITIES = range(90, 20, -5)


def draw_examples(
    facts: ModelFacts,
    photos: Sequence[Image],
    context: Context,
    *,
    listener: Listener = ignore_event,
) -> tuple[Precision, list[Image]]:
    """The photos with what a model finds on them, as ``posezoo run`` draws them, and the precision
    that ran.

    It is the default precision, or another one if the files of the default cannot be downloaded.

    Args:
        photos: (H, W, 3) uint8, BGR; not changed.
        context: names the detector of a top-down model.

    Raises:
        DownloadError: no precision can be downloaded, or not the detector.
        PosezooError: the model cannot be converted or compiled.
    """
    precision, irs = _get_first_irs(facts, context, listener)
    irs = detector_irs(facts.model, context, listener=listener) | irs
    estimator = compile_estimator(facts.model, context, irs)
    return precision, [
        draw(photo, estimator(photo), min_score=estimator.seen_from) for photo in photos
    ]


def _get_first_irs(
    facts: ModelFacts, context: Context, listener: Listener
) -> tuple[Precision, dict[str, Path]]:
    first_error: DownloadError | None = None
    for precision in dict.fromkeys((facts.usual_precision, *facts.precisions)):
        if precision is None:
            continue
        try:
            return precision, get_irs(facts.model, precision, context, listener=listener)
        except DownloadError as error:
            first_error = first_error or error
    raise first_error or InferenceError(f"{facts.name} is available in no precision")


def join_side_by_side(pictures: Sequence[Image]) -> Image:
    """Several pictures of the same height as one."""
    joined: Image = np.hstack(pictures)
    return joined


def encode_example(picture: Image) -> bytes:
    """A picture as JPEG: at most ``LONGEST_SIDE`` pixels wide and high, and of at most
    ``MAX_BYTES``.

    Raises:
        ImageError: it cannot be made that small.
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_cv2()
    scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for quality in _QUALITIES:
        _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if encoded.size <= MAX_BYTES:
            return bytes(encoded)
    raise ImageError(
        f"the picture has too many details for {MAX_BYTES:,} bytes", hint="use another photo"
    )
