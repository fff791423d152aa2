"""What to type, on a card: lines that work as they are pasted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from posezoo.cards.markdown import format_code_block, format_image
from posezoo.facts.labels import Model, common_precisions, find_approach
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision

PHOTO = "photo.jpg"
#: Height and width that networks of any size are measured at, by `make measure` too.
SIZE = "368,432"

#: Beside a model.yml, what the model finds in the sample photos, as posezoo run draws it.
PICTURE = "example.jpg"
CREDIT = (
    "*Photos: an astronaut's portrait (Eileen Collins, by NASA, public domain) and a man behind a camera (by "
    "Lav Varshney, CC0), both out of the Python package scikit-image.*"
)


def draw_example_section(model: Model, parts: Sequence[ModelSpec], *, linked: bool = False) -> Iterator[str]:
    """The section Example: what the model finds in a picture, and the shortest way to see that oneself.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        linked: whether the card lies in the registry, beside the picture, if there is one.
    """
    if precision := default_precision(parts):
        yield "## Example"
        if linked and model.path.with_name(PICTURE).is_file():
            yield format_image(PICTURE, f"what {model.full_name} finds in two photos")
            yield CREDIT
        if model.decoder is None:
            yield format_code_block(
                "sh", [_trusting(f"posezoo get {model.full_name} --precisions {precision}", parts)]
            )
            return
        run = f"posezoo run {model.full_name}"
        yield "On two sample photos, and on one of your own:"
        yield format_code_block("sh", [_trusting(run, parts), _trusting(f"{run} --input {PHOTO}", parts)])


def draw_usage_sections(model: Model, parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The sections that tell how to download, convert, quantize and use a model."""
    name, available = model.full_name, common_precisions(parts)
    to_convert = any(part.precisions and not part.is_ir for part in parts)
    to_quantize = Precision.FP32 in available and _can_be_quantized(model, parts)
    yield f"## Download a Model{' and Convert it into OpenVINO IR Format' if to_convert else ''}"
    lines = [_trusting(f"posezoo download {name}", parts)]
    lines += [f"posezoo convert {name}"] if to_convert else []
    yield format_code_block("sh", lines)
    yield "Or, as with Open Model Zoo's tools, from a checkout:"
    lines = [_trusting(f"python tools/downloader/downloader.py --name {name}", parts)]
    lines += [f"python tools/downloader/converter.py --name {name}"] if to_convert else []
    yield format_code_block("sh", lines)
    if to_quantize:
        yield "To INT8, with photos of people in the folder `photos`:"
        yield format_code_block("sh", [f"posezoo quantize {name} --dataset_dir photos"])
    if precision := default_precision(parts):
        yield "## Use from Python"
        yield format_code_block("python", _python(model, precision, _is_pinned(parts)))
        if find_approach(model):
            yield from _demo(model)


def draw_performance_hint(model: Model, parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Performance of a model whose speed nobody measured: how to measure it."""
    if default_precision(parts):
        yield "## Performance"
        yield "Not recorded of any machine yet; of yours:"
        is_open = any(-1 in port.shape for part in parts for port in part.inputs)
        command = f"posezoo benchmark {model.full_name}{f' --size {SIZE}' if is_open else ''}"
        yield format_code_block("sh", [_trusting(command, parts)])


def default_precision(parts: Sequence[ModelSpec]) -> Precision | None:
    """The precision that examples take: the one that posezoo run takes by default, where it is there."""
    available = common_precisions(parts)
    return Precision.FP16 if Precision.FP16 in available else next(iter(available), None)


def _can_be_quantized(model: Model, parts: Sequence[ModelSpec]) -> bool:
    """Whether posezoo quantize has anything to do here; what is published as INT8 needs it no more."""
    if model.decoder is None or Precision.FP16_INT8 in common_precisions(parts):
        return False
    return not any(part.quantized for part in parts)


def _demo(model: Model) -> Iterator[str]:
    yield "## Demo usage"
    yield "On a camera, or on a picture and without a window; `posezoo demo --help` tells of more:"
    start = f"posezoo demo -m {model.full_name}"
    yield format_code_block("sh", [f"{start} -i 0", f"{start} -i {PHOTO} -no_show -o found.jpg"])


def _trusting(command: str, parts: Sequence[ModelSpec]) -> str:
    """The command as it has to be said where nothing pins a file."""
    return command if _is_pinned(parts) else f"{command} --trust_on_first_use"


def _is_pinned(parts: Sequence[ModelSpec]) -> bool:
    return all(file.is_pinned for part in parts for file in part.files)


def _python(model: ModelSpec | CompositeSpec, precision: Precision, is_pinned: bool) -> Sequence[str]:
    requested = (
        f'"{model.full_name}", precision="{precision}"{"" if is_pinned else ", trust_on_first_use=True"}'
    )
    if model.decoder is None:
        return (
            "import posezoo",
            "",
            f"irs = posezoo.get({requested})  # the path of each .xml by its model's name",
        )
    from posezoo.pose.decoder_type import KEYPOINTS_PRINTED
    from posezoo.pose.decoders import DECODERS

    decoder = DECODERS.find(model.decoder.name)
    expression, comment = decoder.printed if decoder else KEYPOINTS_PRINTED
    return (
        "import cv2",
        "import posezoo",
        "",
        f'model = posezoo.load({requested}, device="CPU")',
        f'for pose in model(cv2.imread("{PHOTO}")):',
        f"    print(pose.score, {expression})  # {comment}",
    )
