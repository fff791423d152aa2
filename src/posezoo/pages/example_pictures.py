"""Photos with the poses that a model finds, small enough for cards, galleries and sites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo.console.labels import join
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import (
    ConversionError,
    DownloadError,
    InferenceError,
    MissingPackageError,
    import_cv2,
)
from posezoo.core.events import Event, Listener, WarningIssued, ignore_event
from posezoo.core.pipeline.get import get_irs
from posezoo.core.resolve.stage_context import Context
from posezoo.pages.cards.card_reader import to_plain_text
from posezoo.pages.cards.usage_section import (
    credit_picture,
    describe_picture,
    finds_keypoints,
)
from posezoo.pages.facts.model_facts import ModelFacts
from posezoo.pages.gallery.gallery_data import Picture
from posezoo.poses.drawing import draw
from posezoo.poses.people import noun_of
from posezoo.run.images import Image, read_image, sample_photos
from posezoo.run.load import compile_pipeline, default_runtime, get_detector_irs
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.runtime.runtime_config import LoadOptions

#: The largest side of a picture, in pixels.
LONGEST_SIDE = 640
#: The limit of the size of an encoded picture: a page contains some, and a registry one for each
#: model.
MAX_BYTES = 30_000

_QUALITIES = range(90, 20, -5)
# By this factor a picture becomes smaller if its lowest quality is too large.
_SMALLER = 0.8


def draw_examples(
    facts: ModelFacts,
    photos: Sequence[Image],
    context: Context,
    *,
    listener: Listener = ignore_event,
) -> tuple[Precision, list[Image]]:
    """The photos, (H, W, 3) uint8, BGR, with what a model finds on them, as ``posezoo run`` draws
    them, and the precision that ran: the default one, or another if its files cannot be downloaded.

    Raises:
        DownloadError: no precision can be downloaded, or not the detector.
        PosezooError: the model cannot be converted or compiled.
    """
    precision, irs = _get_first_irs(facts, context, listener)
    pipeline = resolve_pipeline(facts.model, context, precision)
    irs |= get_detector_irs(pipeline, context, listener)
    options = LoadOptions(default_runtime(context.settings))
    estimator = compile_pipeline(pipeline, irs, options)
    return precision, [draw(photo, estimator(photo)) for photo in photos]


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


def encode_example(pictures: Sequence[Image]) -> bytes:
    """Pictures of the same height side by side as JPEG, as small as needed: at most
    ``LONGEST_SIDE`` pixels wide and high, and of at most ``MAX_BYTES``.

    Raises:
        MissingPackageError: OpenCV is not installed.
    """
    cv2 = import_cv2()
    picture = np.hstack(pictures)
    scale = min(1.0, LONGEST_SIDE / max(picture.shape[:2]))
    while True:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for quality in _QUALITIES:
            _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if encoded.size <= MAX_BYTES:
                return bytes(encoded)
        scale *= _SMALLER


def draw_pictures(
    models: Sequence[ModelFacts],
    photos: Sequence[Path],
    context: Context,
    *,
    are_samples: bool,
    listener: Listener,
) -> dict[str, list[Picture]]:
    """The pictures of each pose model whose files can be downloaded and converted here, by its
    name; others cause a warning. The sample photos (``are_samples``) become one picture.

    Raises:
        ImageError: a photo cannot be read.
    """
    images = {path: read_image(path) for path in photos}
    pictures = {}
    without: dict[str, list[str]] = {}  # the models that have no picture, by the reason

    def listen(event: Event) -> None:
        # Models without a picture are named together at the end.
        if not isinstance(event, WarningIssued):
            listener(event)

    for facts in filter(finds_keypoints, models):
        try:
            shown = [*images.values()]
            if are_samples:
                shown = [read_image(path) for path in sample_photos(noun_of(facts.model))]
            precision, drawn = draw_examples(facts, shown, context, listener=listen)
        except DownloadError:
            reason = "the files cannot be downloaded"
        except MissingPackageError as error:  # PyTorch makes its IR
            reason = f"{error.problem}: {error.hint}"
        except (ConversionError, InferenceError) as error:
            reason = error.problem.removeprefix(f"{facts.name}: ")
        else:
            other = precision.value if precision is Precision.FP16_INT8 else ""
            if are_samples:
                jpeg = encode_example(drawn)
                credit = to_plain_text(credit_picture(facts))
                pictures[facts.name] = [Picture(jpeg, describe_picture(facts), credit, other)]
                continue
            of_photos = []
            for path, picture in zip(images, drawn, strict=True):
                text = f"what {facts.name} finds in {path.name}"
                jpeg = encode_example([picture])
                of_photos.append(Picture(jpeg, text, note=join(path.name, other)))
            pictures[facts.name] = of_photos
            continue
        without.setdefault(reason, []).append(facts.name)
    for reason, names in without.items():
        listener(WarningIssued(f"no picture of {', '.join(names)}: {reason}"))
    return pictures
