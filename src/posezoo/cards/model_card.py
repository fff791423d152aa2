"""A model's card: what was declared of it, and, beside its IR, what is known of these.

Its sections bear the titles that Open Model Zoo's cards have, so that one reader reads both. Nothing in it
changes from run to run, so that an equal card is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from posezoo.cards.accuracy_section import (
    draw_accuracy_section,
    draw_variants_section,
    specification_accuracy,
)
from posezoo.cards.card_json import collect_facts
from posezoo.cards.files_section import draw_files_section, draw_ir_section
from posezoo.cards.front_matter import draw_front_matter
from posezoo.cards.legal_section import draw_legal_sections, draw_limitations_section, draw_training_section
from posezoo.cards.markdown import (
    Markdown,
    escape,
    format_code,
    format_image,
    format_local_link,
    format_table,
)
from posezoo.cards.measurement_tables import describe_complexity, draw_measurement_sections
from posezoo.cards.ports_section import draw_ports_sections
from posezoo.cards.skeleton_svg import draw_skeleton
from posezoo.cards.usage_section import draw_example_section, draw_performance_hint, draw_usage_sections
from posezoo.facts.labels import (
    Model,
    common_precisions,
    download_size,
    format_megabytes,
    framework_labels,
    task_label,
)
from posezoo.files.verified_files import write_atomically
from posezoo.layout import ModelLayout
from posezoo.measured import load_measurements
from posezoo.pose.keypoints import SKELETONS
from posezoo.registry import registry_root
from posezoo.spec.model import CompositeSpec, ModelSpec

NAME = "README.md"
FACTS = "card.json"
#: Below the registry's root; beside an IR the picture lies beside the card.
PICTURES = "skeletons"

#: Who drew a page of a registry.
NOTE = "drawn by `make cards` from model.yml: change it there"

#: Who drew a card beside IR; any other README.md is somebody's.
OURS = "drawn by posezoo beside the IR, and anew at each conversion"

#: So far into a file the line stands that says who drew it.
_HEAD = 200


def write_card(model: Model, parts: Sequence[ModelSpec], layout: ModelLayout) -> Path:
    """Draw the card below the model's folder, its facts and the picture of its skeleton beside it.

    What says the same already is left alone. A README.md that is no such card is left alone too: where models
    are converted in the folder that declares them, it is their registry's page; else somebody wrote it, or it
    was published with the model.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        layout: where its IR lie.

    Returns:
        The path of the README.md.

    Raises:
        OutputError: it cannot be written.
    """
    path = layout.model_dir(model) / NAME
    if has_note(path, OURS) or not path.exists():
        for name, content in draw_ir_files(model, parts, layout).items():
            target = path.with_name(name)
            if name in (NAME, FACTS) or not target.exists():
                _write(target, content)
    return path


def draw_ir_files(model: Model, parts: Sequence[ModelSpec], layout: ModelLayout) -> dict[str, str]:
    """What stands beside a model's IR, by file name: its facts, the picture of its skeleton, its card."""
    files = {FACTS: draw_facts(model, parts, layout)}
    if model.skeleton in SKELETONS and SKELETONS[model.skeleton].keypoints:
        files[f"{model.skeleton}.svg"] = draw_skeleton(SKELETONS[model.skeleton])
    # The card is last: where it is, the others are.
    return {**files, NAME: draw_card(model, parts, layout)}


def draw_facts(model: Model, parts: Sequence[ModelSpec], layout: ModelLayout | None = None) -> str:
    """The text of the card.json; with a layout of one beside IR."""
    return json.dumps(collect_facts(model, parts, layout=layout), indent=1, ensure_ascii=False) + "\n"


def has_note(path: Path, note: str) -> bool:
    """Whether a file says of itself, by the note, who drew it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return note in file.read(_HEAD)
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    content = text.encode()
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)


def draw_card(model: Model, parts: Sequence[ModelSpec], layout: ModelLayout | None = None) -> str:
    """The card's text.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        layout: where its IR lie, of which the card tells too; where None it is the registry's own card,
            which links to the licence and to the cards around it.
    """
    # Weights of the user's own come from nowhere: no command would bring them.
    published = all(file.sources for part in parts for file in part.files)
    in_registry = layout is None
    paragraphs = [
        draw_front_matter(model, parts, NOTE if in_registry else OURS),
        f"# {escape(model.full_name)}",
        *_use_case(model, parts, linked=in_registry),
        *(draw_example_section(model, parts, linked=in_registry) if published else ()),
        *_specification(model, parts, is_registry_s=in_registry),
        *(draw_accuracy_section(parts) if published else ()),
        *(draw_measurement_sections(_all(model, parts)) if published else ()),
        *(draw_performance_hint(model, parts) if published and not _is_timed(_all(model, parts)) else ()),
        *_ports(parts),
        *_keypoints(model, linked=in_registry),
        *(draw_usage_sections(model, parts) if published else ()),
        *draw_variants_section(parts),
        *draw_files_section(parts),
        *(draw_ir_section(parts, layout) if layout is not None else ()),
        *draw_training_section(parts),
        *draw_limitations_section(model, parts),
        *draw_legal_sections(model, parts, linked=in_registry),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _is_timed(models: Sequence[Model]) -> bool:
    return any(measurement.kind == "speed" for model in models for measurement in load_measurements(model))


def _all(model: Model, parts: Sequence[ModelSpec]) -> list[Model]:
    """A composite and its parts; of a model, itself."""
    return [model, *parts] if isinstance(model, CompositeSpec) else [model]


def _use_case(model: Model, parts: Sequence[ModelSpec], *, linked: bool) -> Iterator[str]:
    if model.deprecated is not None:
        yield f"> **This model is {escape(str(model.deprecated))}.**"
    yield "## Use Case and High-Level Description"
    yield escape(model.description)
    if isinstance(model, CompositeSpec):
        yield "It runs its parts in this order:"
        names = [_link_to_model(part.name, part.name, linked=linked) for part in parts]
        lines = (f"{name}: {escape(part.description)}" for name, part in zip(names, parts, strict=True))
        yield "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    elif model.composite:
        yield f"It is a part of {_link_to_model('..', model.composite, linked=linked)}."


def _link_to_model(folder: str, name: str, *, linked: bool) -> Markdown:
    return format_local_link(f"{folder}/{NAME}", name) if linked else format_code(name)


def _specification(model: Model, parts: Sequence[ModelSpec], *, is_registry_s: bool) -> Iterator[str]:
    size = download_size(parts)
    alone = len(parts) == 1
    rows = [
        ("Type", task_label(model.task)),
        *(row for part in parts if (row := specification_accuracy(part))),
        *(row for part in parts for row in _complexity_rows(part, alone=alone, recorded=is_registry_s)),
        ("Source framework", ", ".join(framework_labels(parts))),
        ("IR precisions", ", ".join(common_precisions(parts))),
        ("Published files", "size unknown" if size is None else f"{format_megabytes(size)} ({size:,} bytes)"),
        ("Revision", ", ".join(dict.fromkeys(str(part.revision) for part in parts))),
    ]
    yield "## Specification"
    yield format_table(("Metric", "Value"), [row for row in rows if row[1]])


def _complexity_rows(part: ModelSpec, *, alone: bool, recorded: bool) -> Iterator[tuple[str, str]]:
    """GFLOPs and MParams, as published and as counted here; a card beside an IR tells that IR's own."""
    whose = "" if alone else f" of {part.full_name}"
    counts = dict(describe_complexity(part)) if recorded else {}
    for metric, value in (("GFLOPs", part.published.gflops), ("MParams", part.published.mparams)):
        yield f"{metric}{whose}", "" if value is None else f"{value:.6g}"
        yield f"{metric}{whose}, counted on the IR", counts.get(metric, "")


def _ports(parts: Sequence[ModelSpec]) -> Iterator[str]:
    if len(parts) == 1:
        yield from draw_ports_sections(parts[0])
        return
    for part in parts:
        yield f"## {escape(part.name)} model specification"
        yield from draw_ports_sections(part, "###")


def _keypoints(model: Model, *, linked: bool) -> Iterator[str]:
    skeleton = SKELETONS.get(model.skeleton)
    if skeleton is None or not skeleton.keypoints:
        return
    yield "## Keypoints"
    file = f"{skeleton.name}.svg"
    path = os.path.relpath(registry_root(model) / PICTURES / file, model.path.parent) if linked else file
    yield format_image(Path(path).as_posix(), f"the skeleton {skeleton.name}")
    names = (f"{index} {name}" for index, name in enumerate(skeleton.keypoints))
    yield f"Skeleton {format_code(skeleton.name)}: {', '.join(names)}."
