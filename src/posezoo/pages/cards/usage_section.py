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
from posezoo.figures.model_facts import ModelFacts
from posezoo.networks.custom_weights import with_known_network
from posezoo.pages.cards.markdown import (
    Paragraphs,
    escape,
    format_code,
    format_code_block,
    format_image,
    format_local_link,
)
from posezoo.poses.decoder_type import KEYPOINTS_PRINTED
from posezoo.poses.decoders import DECODERS
from posezoo.poses.people import declared_people, noun_of, plural_of

PHOTO = "photo.jpg"
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
    return "*Photos: Eileen Collins (NASA, public domain), a photographer (Lav Varshney, CC0).*"


def has_picture(facts: ModelFacts) -> bool:
    """Whether it is for a card in a registry that has an image beside it."""
    return facts.layout is None and facts.model.path.with_name(PICTURE).is_file()


def render_picture(facts: ModelFacts) -> Paragraphs:
    """What the model finds."""
    if has_picture(facts):
        yield format_image(PICTURE, describe_picture(facts))
        yield credit_picture(facts)


def render_people(facts: ModelFacts) -> Paragraphs:
    """What finds the people, of a model for one person at a time."""
    if people := declared_people(facts.model):
        yield " ".join(_describe_people(facts, people, linked=facts.layout is None))


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
        yield f"{detector} finds the {plural_of(noun)} first; {named} names another."
    decoder = DECODERS.find(facts.model.decoder.name) if facts.model.decoder else None
    if decoder and decoder.next_crop and people.video != TRACKING:
        yield f"With {format_code('--detector none')}, one person is tracked through a video."
    if people.video == TRACKING:
        yield "In a video, it follows one person."


def _link_to_model(facts: ModelFacts, name: str, *, linked: bool) -> str:
    folder = None
    if linked:
        folder = next(registry_root(facts.model).glob(f"*/{name}"), None)
    if folder is None:
        return format_code(name)
    path = os.path.relpath(folder / "README.md", facts.model.path.parent)
    return format_local_link(Path(path).as_posix(), name)


def render_usage_sections(facts: ModelFacts) -> Paragraphs:
    """The sections about downloading, converting and using a model."""
    title = "## Download a Model"
    ours = [_command(facts, f"download {facts.name}")]
    omz = [f"python tools/downloader/downloader.py --name {facts.name}{_trust(facts)}"]
    if any(part.precisions and not part.is_ir for part in facts.parts):
        title += " and Convert it into OpenVINO IR Format"
        ours.append(f"posezoo convert {facts.name}{select_registry(facts.model)}")
        omz.append(f"python tools/downloader/converter.py --name {facts.name}")
    precision = facts.usual_precision
    if precision and facts.model.decoder:
        ours.append(format_shortest_command(facts, precision, f" --input {PHOTO}"))
    if facts.parts and all(part.int8_ranges for part in facts.parts):
        ours.append(_command(facts, f"get {facts.name} --precisions FP16-INT8"))
    yield title
    yield f"After {format_code(f'pip install {pip_arguments(_extras(facts))}')}:"
    yield format_code_block("sh", ours)
    if not select_registry(facts.model):
        yield "Open Model Zoo's commands:"
        yield format_code_block("sh", omz)
    for part in facts.parts:
        if part.quantization and part.quantization.refused:
            name = format_code(part.full_name)
            yield f"{name} is not quantized to INT8: {escape(part.quantization.refused)}"
    if precision:
        yield "In Python:"
        yield format_code_block("python", _python(facts, precision))


def _extras(facts: ModelFacts) -> str:
    parts = map(with_known_network, facts.parts)
    return "run,torch" if any(part.network is not None for part in parts) else "run"


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

    expression, _ = facts.decoder.printed if facts.decoder else KEYPOINTS_PRINTED
    return [
        "import cv2",
        "import posezoo",
        "",
        f'model = posezoo.load({arguments}, device="CPU")',
        f'for pose in model(cv2.imread("{PHOTO}")):',
        f"    print(pose.score, {expression})",
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
