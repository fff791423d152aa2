"""The pictures of a gallery: what each model finds on photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posezoo.cards.card_reader import to_plain_text
from posezoo.cards.usage_section import CREDIT, finds_keypoints
from posezoo.errors import ConversionError, DownloadError, InferenceError
from posezoo.events import Event, Listener, WarningIssued
from posezoo.facts.labels import join
from posezoo.facts.model_facts import ModelFacts
from posezoo.gallery.gallery_data import Picture
from posezoo.images import Image, read_image
from posezoo.pipeline.example_pictures import draw_examples, encode_example, join_side_by_side
from posezoo.resolve.stage_context import Context
from posezoo.spec.model import Precision


def draw_pictures(
    models: Sequence[ModelFacts],
    photos: Sequence[Path],
    context: Context,
    *,
    are_samples: bool,
    listener: Listener,
) -> dict[str, list[Picture]]:
    """The pictures of each pose model whose files can be downloaded, by its name; others cause a
    warning.

    Args:
        are_samples: whether the photos are the sample photos, which become one picture.

    Raises:
        ImageError: a photo cannot be read.
    """
    images = {path: read_image(path) for path in photos}
    names = [] if are_samples else [path.name for path in images]
    pictures = {}
    not_available = []

    def listen(event: Event) -> None:
        # Models whose files cannot be downloaded are named together at the end.
        if not isinstance(event, WarningIssued):
            listener(event)

    for facts in filter(finds_keypoints, models):
        try:
            precision, drawn = draw_examples(facts, [*images.values()], context, listener=listen)
        except DownloadError:
            not_available.append(facts.name)
        except (ConversionError, InferenceError) as error:
            listener(WarningIssued(f"{facts.name}: no picture: {error.problem}"))
        else:
            pictures[facts.name] = _encode_pictures(facts, precision, drawn, names)
    if not_available:
        missing = ", ".join(not_available)
        text = f"no picture of models whose files cannot be downloaded: {missing}"
        listener(WarningIssued(text))
    return pictures


def _encode_pictures(
    facts: ModelFacts, precision: Precision, drawn: Sequence[Image], names: Sequence[str]
) -> list[Picture]:
    """A picture of each photo of the user; without ``names``, the sample photos as one picture."""
    other = precision.value if precision is Precision.FP16_INT8 else ""
    if not names:
        jpeg = encode_example(join_side_by_side(drawn))
        text = f"what {facts.name} finds in two photos"
        return [Picture(jpeg, text, to_plain_text(CREDIT), other)]
    pictures = []
    for name, picture in zip(names, drawn, strict=True):
        text = f"what {facts.name} finds in {name}"
        pictures.append(Picture(encode_example(picture), text, note=join(name, other)))
    return pictures
