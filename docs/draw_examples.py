"""Draw example.jpg of each model whose files can be downloaded: its results on the sample
photos.

docs/draw_examples.py [MODEL ...]: the models to run (default: all). The picture shows what the
command of the page finds, so a model gets none if only another precision than that of the command
can be downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posezoo.core.declarations.model import Model, Precision
from posezoo.core.errors import (
    ConversionError,
    DownloadError,
    InferenceError,
    MissingPackageError,
    import_cv2,
)
from posezoo.core.events import ignore_event
from posezoo.core.files.verified_files import write_atomically
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import read_settings, to_settings
from posezoo.figures.model_facts import ModelFacts, describe_model
from posezoo.media.images import Image, read_image, sample_photos
from posezoo.pages.cards.usage_section import PICTURE, finds_keypoints
from posezoo.poses.drawing import draw
from posezoo.poses.people import noun_of
from posezoo.run.load import compile_pipeline, default_runtime, get_detector_irs
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.runtime.runtime_config import LoadOptions

#: The largest side of a picture, in pixels.
LONGEST_SIDE = 640
#: The limit of the size of an encoded picture: a registry has one for each model.
MAX_BYTES = 30_000

_QUALITIES = range(90, 20, -5)
# By this factor a picture becomes smaller if its lowest quality is too large.
_SMALLER = 0.8


def draw_examples(
    facts: ModelFacts,
    photos: Sequence[Image],
    context: Context,
) -> tuple[Precision, list[Image]]:
    """The photos, (H, W, 3) uint8, BGR, with what a model finds on them, as ``posezoo run`` draws
    them, and the precision that ran: the default one, or another if its files cannot be downloaded.

    Raises:
        DownloadError: no precision can be downloaded, or not the detector.
        PosezooError: the model cannot be converted or compiled.
    """
    precision, irs = _get_first_irs(facts, context)
    pipeline = resolve_pipeline(facts.model, context, precision)
    irs |= get_detector_irs(pipeline, context, ignore_event)
    options = LoadOptions(default_runtime(context.settings))
    estimator = compile_pipeline(pipeline, irs, options)
    return precision, [draw(photo, estimator(photo)) for photo in photos]


def _get_first_irs(facts: ModelFacts, context: Context) -> tuple[Precision, dict[str, Path]]:
    first_error: DownloadError | None = None
    for precision in dict.fromkeys((facts.usual_precision, *facts.precisions)):
        if precision is None:
            continue
        try:
            return precision, get_irs(facts.model, precision, context)
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


def main(names: Sequence[str]) -> int:
    """Run each model, and write the pictures that changed."""
    context = open_context(to_settings(read_settings({})))
    selection = context.registry.select(names or None)
    models: list[Model] = [*selection.composites, *selection.models]
    for model in models:
        facts = describe_model(model, context.registry)
        if not finds_keypoints(facts):
            continue
        photos = [read_image(path) for path in sample_photos(noun_of(model))]
        try:
            precision, pictures = draw_examples(facts, photos, context)
        except DownloadError:
            print(f"{model.name}: its files cannot be downloaded")
            continue
        # Its IR is made by PyTorch, or by its authors' code alone.
        except (ConversionError, MissingPackageError) as error:
            print(f"{model.name}: {error.problem}")
            continue
        if precision is not facts.usual_precision:
            print(f"{model.name}: only its {precision} IR can be downloaded")
            continue
        path = model.path.with_name(PICTURE)
        write_atomically(path, encode_example(pictures))
        print(f"drew {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
