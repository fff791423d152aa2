"""Commands and code on a card that a user can paste and run."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from functools import cache
from pathlib import Path

from posezoo.core.declarations.model import TRACKING, WHOLE_IMAGE, Model, People, Precision
from posezoo.core.install_commands import pip_arguments
from posezoo.core.registry import (
    is_declared,
    open_registry,
    registry_name,
    registry_root,
)
from posezoo.core.settings import WHEEL_REGISTRIES
from posezoo.networks.custom_weights import with_known_network
from posezoo.pages.cards.markdown import (
    Paragraphs,
    escape,
    format_code,
    format_code_block,
    format_image,
    format_local_link,
)
from posezoo.pages.facts.model_facts import ModelFacts, unique
from posezoo.poses.decoder_type import KEYPOINTS_PRINTED
from posezoo.poses.decoders import DECODERS
from posezoo.poses.people import declared_people, noun_of, plural_of

PHOTO = "photo.jpg"
#: Height and width used to measure networks of any input size, also by `make measure`.
SIZE = "368,432"

#: An image beside a model.yml: the model's results on the sample photos, as posezoo run draws them.
PICTURE = "example.jpg"


def _is_drawn(facts: ModelFacts) -> bool:
    return noun_of(facts.model) in ("hand", "palm")


def describe_picture(facts: ModelFacts) -> str:
    """What a model's picture shows."""
    shown = "a drawn hand" if _is_drawn(facts) else "two photos"
    return f"what {facts.name} finds in {shown}"


def credit_picture(facts: ModelFacts) -> str:
    """Where the photos of a model's picture come from, in Markdown."""
    if _is_drawn(facts):
        return "*A drawing of posezoo.*"
    return (
        "*Photos: an astronaut's portrait (Eileen Collins, by NASA, public domain) and a man behind"
        " a camera (by Lav Varshney, CC0), both from the Python package scikit-image.*"
    )


def render_example_section(facts: ModelFacts, *, linked: bool = False) -> Paragraphs:
    """The section Example; ``linked``: the card is in the registry and shows an image beside it."""
    model = facts.model
    precision = facts.usual_precision
    if precision is None:
        return
    yield "## Example"
    if linked and model.path.with_name(PICTURE).is_file():
        yield format_image(PICTURE, describe_picture(facts))
        yield credit_picture(facts)
    parts = map(with_known_network, facts.parts)
    extras = ["run"]
    if any(part.network is not None for part in parts):
        extras.append("torch")
    named = " and ".join(map(format_code, extras))
    install = format_code(f"pip install {pip_arguments(','.join(extras))}")
    checkout = "checkout of posezoo" if select_registry(model) else "checkout"
    plural = "s" * (len(extras) > 1)
    yield f"The example needs the extra{plural} {named}: {install} in a {checkout}."
    run = format_shortest_command(facts, precision)
    if model.decoder is None:
        yield format_code_block("sh", [run])
        return
    samples = "a drawn hand" if _is_drawn(facts) else "two sample photos"
    yield f"Run it on {samples}, or on a photo of your own:"
    yield format_code_block(
        "sh", [run, format_shortest_command(facts, precision, f" --input {PHOTO}")]
    )
    people = declared_people(model)
    if people:
        yield from _describe_people(facts, people, linked=linked)


def _describe_people(facts: ModelFacts, people: People, *, linked: bool) -> Paragraphs:
    named = format_code("--detector MODEL")
    noun = noun_of(facts.model)
    if people.photo == WHOLE_IMAGE:
        yield (
            f"It treats the whole image as one person. With {named}, a detector finds the people"
            " first."
        )
    else:
        detector = _link_to_model(facts, people.photo, linked=linked)
        yield (
            f"It processes one {noun} at a time: {detector} finds the {plural_of(noun)} first;"
            f" {named} names another."
        )
    if people.detectors:
        measured = [_link_to_model(facts, name, linked=linked) for name in people.detectors]
        yield (
            f"It was measured with {', '.join(measured)}; its AP with another detector, and"
            " the right limits of scores, are unknown."
        )
    if people.whole_image is not None:
        yield (
            "If the detector finds no person in a photo, the whole photo is treated as one person."
            f" The minimum score is {people.whole_image:g}, and 5/6 of it in a second run on the"
            " part with the keypoints."
        )
    decoder = DECODERS.find(facts.model.decoder.name) if facts.model.decoder else None
    if decoder and decoder.next_crop and people.video != TRACKING:
        yield f"With {format_code('--detector none')}, one person is tracked through a video."
    if people.video == TRACKING:
        yield (
            "In a video, it follows one person: each frame is cropped to the person in the frame"
            " before."
        )


def _link_to_model(facts: ModelFacts, name: str, *, linked: bool) -> str:
    folder = None
    if linked:
        folder = next(registry_root(facts.model).glob(f"*/{name}"), None)
    if folder is None:
        return format_code(name)
    path = os.path.relpath(folder / "README.md", facts.model.path.parent)
    return format_local_link(Path(path).as_posix(), name)


def render_usage_sections(facts: ModelFacts) -> Paragraphs:
    """The sections about downloading, converting, quantizing and using a model."""
    title = "## Download a Model"
    ours = [_command(facts, f"download {facts.name}")]
    omz = [f"python tools/downloader/downloader.py --name {facts.name}{_trust(facts)}"]
    if any(part.precisions and not part.is_ir for part in facts.parts):
        title += " and Convert it into OpenVINO IR Format"
        ours.append(f"posezoo convert {facts.name}{select_registry(facts.model)}")
        omz.append(f"python tools/downloader/converter.py --name {facts.name}")
    yield title
    yield format_code_block("sh", ours)
    if not select_registry(facts.model):
        yield "Or with Open Model Zoo's commands, from a checkout:"
        yield format_code_block("sh", omz)
    yield from _quantization(facts)
    precision = facts.usual_precision
    if precision is None:
        return
    yield "## Use from Python"
    yield format_code_block("python", _python(facts, precision))
    if facts.approach:
        yield "## Demo usage"
        yield (
            "With a camera, or on an image without a window; `posezoo demo --help` lists all"
            " options:"
        )
        inputs = ("-i 0", f"-i {PHOTO} -no_show -o poses.jpg")
        demos = [_command(facts, f"demo -m {facts.name} {each}") for each in inputs]
        yield format_code_block("sh", demos)


def _quantization(facts: ModelFacts) -> Paragraphs:
    photos = _photos_of_ranges(facts)
    if photos:
        yield (
            "INT8 needs no photos: the registry has the ranges of its values, measured on"
            f" {escape(photos)}."
        )
        yield format_code_block("sh", [_command(facts, f"get {facts.name} --precisions FP16-INT8")])
    names = []
    refused = {}
    for part in facts.parts:
        if part.quantization and part.quantization.refused:
            refused[part.full_name] = part.quantization.refused
        else:
            names.append(part.full_name)
    if not refused:
        names = [facts.name]
    is_published = Precision.FP16_INT8 in facts.precisions and not photos
    is_quantized = is_published or any(part.quantized for part in facts.parts)
    is_in_float = facts.model.decoder is not None and Precision.FP32 in facts.precisions
    if names and is_in_float and not is_quantized:
        yield "To quantize it to INT8, with photos of people in the folder `photos`:"
        command = f"posezoo quantize {' '.join(names)} --images photos"
        yield format_code_block("sh", [f"{command}{select_registry(facts.model)}"])
    for name, reason in refused.items():
        yield f"{format_code(name)} is not quantized to INT8: {escape(reason)}"


def _photos_of_ranges(facts: ModelFacts) -> str:
    """The photos on which the ranges of all parts were measured; empty if a part has no ranges."""
    ranges = [part.int8_ranges for part in facts.parts if part.int8_ranges]
    if len(ranges) < len(facts.parts):
        return ""
    return "; ".join(unique(each.photos for each in ranges))


def render_performance_hint(facts: ModelFacts) -> Paragraphs:
    """The section Performance of a model whose speed was not measured."""
    if facts.usual_precision:
        yield "## Performance"
        yield "No measurement is recorded yet. To measure on your machine:"
        ports = [port for part in facts.parts for port in part.inputs]
        is_open = any(-1 in port.shape and port.usual_size is None for port in ports)
        size = f" --size {SIZE}" if is_open else ""
        yield format_code_block("sh", [_command(facts, f"benchmark {facts.name}{size}")])


def format_shortest_command(facts: ModelFacts, precision: Precision, inputs: str = "") -> str:
    """The command that runs a model, by default on the sample photos, or gets its IR if it has no
    decoder.
    """
    if facts.model.decoder is None:
        return _command(facts, f"get {facts.name} --precisions {precision}")
    selected = "" if precision is Precision.FP16 else f" --precision {precision}"
    return _command(facts, f"run {facts.name}{selected}{inputs}")


def finds_keypoints(facts: ModelFacts) -> bool:
    """Whether it is run by itself and finds keypoints, so that its results can be drawn."""
    skeleton = facts.skeleton
    if facts.model.composite or facts.model.decoder is None:
        return False
    return skeleton is not None and bool(skeleton.keypoints)


def _command(facts: ModelFacts, arguments: str) -> str:
    return f"posezoo {arguments}{_trust(facts)}{select_registry(facts.model)}"


def select_registry(model: Model) -> str:
    """The flag that selects the model's registry, after a space; empty for posezoo's own."""
    flag, value = _registry_flag(model)
    return f" {flag} {shlex.quote(value)}" if flag else ""


def _registry_flag(model: Model) -> tuple[str, str]:
    """The flag that selects the model's registry, and its value; empty for posezoo's own and its
    copies.

    A folder is given by its name alone, so that a card says nothing of the machine that drew it,
    nor of the path by which the folder was named.
    """
    root = registry_root(model)
    if not is_declared(model) or _is_copy_of_ours(root):
        return "", ""
    name = registry_name(root)
    if name in WHEEL_REGISTRIES:
        return "--registry", name
    return "--models_dir", root.resolve().name


def _trust(facts: ModelFacts) -> str:
    return "" if facts.is_pinned else " --trust_on_first_use"


def _python(facts: ModelFacts, precision: Precision) -> list[str]:
    trust = "" if facts.is_pinned else ", trust_on_first_use=True"
    flag, value = _registry_flag(facts.model)
    keyword = {"--registry": "registries", "--models_dir": "models_dir"}.get(flag)
    registry = f', {keyword}="{value}"' if keyword else ""
    arguments = f'"{facts.name}", precision="{precision}"{trust}{registry}'
    if facts.model.decoder is None:
        return [
            "import posezoo",
            "",
            f"irs = posezoo.get({arguments})  # the path of each .xml by its model's name",
        ]

    expression, comment = facts.decoder.printed if facts.decoder else KEYPOINTS_PRINTED
    return [
        "import cv2",
        "import posezoo",
        "",
        f'model = posezoo.load({arguments}, device="CPU")',
        f'for pose in model(cv2.imread("{PHOTO}")):',
        f"    print(pose.score, {expression})  # {comment}",
    ]


def _is_copy_of_ours(root: Path) -> bool:
    """Whether it has most of posezoo's folders of models: neither the path by which it was named
    nor an edited model.yml makes a difference.
    """
    ours = _builtin_names()
    shared = 0
    for family, names in ours.items():
        with suppress(OSError):  # it has no such family
            # Path.iterdir would make a path of each model of the registry, for each command.
            there = os.listdir(root / family)  # noqa: PTH208
            shared += len(names.intersection(there))
    return shared * 2 > sum(map(len, ours.values()))


@cache
def _builtin_names() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for entry in open_registry().entries.values():
        if not entry.composite:
            folder = entry.path.parent
            names.setdefault(folder.parent.name, set()).add(folder.name)
    return names
