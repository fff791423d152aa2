"""A model's card: declared and measured values and, for a card beside IR, the facts of the IR.

It has the titles of Open Model Zoo's cards, so one parser reads both, and is the same on every run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from posezoo.console.labels import join
from posezoo.core.declarations.model import CompositeSpec, License, Model, ModelSpec, Precision
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.manifest import Json, read_manifest, write_listed
from posezoo.core.files.verified_files import is_device
from posezoo.core.ir.provenance import EQUAL, OutputCheck
from posezoo.core.layout import find_link_out
from posezoo.core.license_notice import read_copyright_line
from posezoo.core.registry import is_declared, license_path, registry_root
from posezoo.core.regular_files import read_beginning
from posezoo.figures.model_facts import ModelFacts, unique
from posezoo.pages.cards.card_json import card_json
from posezoo.pages.cards.markdown import (
    Markdown,
    Paragraphs,
    escape,
    format_code,
    format_code_block,
    format_image,
    format_link,
    format_local_link,
    is_safe_url,
    one_line,
)
from posezoo.pages.cards.ports_section import render_ports_sections
from posezoo.pages.cards.skeleton_svg import render_skeleton
from posezoo.pages.cards.specification_section import render_specification_section
from posezoo.pages.cards.usage_section import (
    has_picture,
    render_people,
    render_picture,
    render_usage_sections,
    select_registry,
)

NAME = "README.md"
FACTS = "card.json"
#: The page of a registry that compares all models.
INDEX = "index.md"
#: The folder of images below the registry's root; for a card beside IR, the image is beside the
#: card.
PICTURES = "skeletons"

#: Marks a registry page that posezoo generated; ``draw_note`` says by which command.
NOTE = "from model.yml: change it there"

#: Marks a card beside IR that posezoo generated; posezoo does not own any other README.md there.
OURS = "drawn by posezoo beside the IR"

#: What hubs call tasks; the others have no word there.
_HUB_TASKS = {
    "human_pose_estimation": "keypoint-detection",
    "human_pose_estimation_3d": "keypoint-detection",
    "detection": "object-detection",
    "classification": "image-classification",
    "object_attributes": "image-classification",
    "instance_segmentation": "image-segmentation",
    "semantic_segmentation": "image-segmentation",
    "monocular_depth_estimation": "depth-estimation",
    "image_processing": "image-to-image",
    "machine_translation": "translation",
    "optical_character_recognition": "image-to-text",
    "question_answering": "question-answering",
    "speech_recognition": "automatic-speech-recognition",
    "text_to_speech": "text-to-speech",
}

#: Licenses that hubs know by their SPDX identifier in lower case; for any other license they use
#: ``other``.
_KNOWN = (
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "isc",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "gpl-3.0",
)
#: Texts near the beginning of each card.json.
FACTS_SIGNS = ('{\n "format": ', ' "name": "', ' "family": "', ' "composite": ')

#: The card beside IR contains a license text up to this length: MIT and BSD texts must be part of
#: every copy.
SHORT = 4000

#: The note is within this many characters of a file's beginning.
_HEAD = 200


def write_card(facts: ModelFacts, recipe: Json, listener: Listener = ignore_event) -> Path:
    """Write the card into the folder of the model's IR, with card.json and an image, and return its
    path. Nothing is written behind a link that leads out of the layout's folders.

    If posezoo did not draw the README.md, nothing is written: it may be the registry's own page,
    the publisher's, or the user's. A card that was changed since is kept under another name.

    Args:
        recipe: what the card is drawn from, for the manifest.
    """
    assert facts.layout
    folder = facts.layout.model_dir(facts.model)
    path = folder / NAME
    is_ours = NAME in read_manifest(folder).files or has_note(path, OURS)
    if (path.exists() and not is_ours) or find_link_out(path, facts.layout.roots):
        return path
    contents = {
        name: text.encode()
        for name, text in render_card_files(facts).items()
        if not is_device(path.with_name(name))  # a pipe would wait for a reader
    }
    write_listed(folder, contents, recipe, listener, model=facts.model.full_name)
    return path


def render_card_files(facts: ModelFacts) -> dict[str, str]:
    """The text of the card and of the files beside it, by name.

    The card is the last: if it was written, the other files exist too.
    """
    files = {FACTS: json.dumps(card_json(facts), indent=1, ensure_ascii=False) + "\n"}
    skeleton = facts.skeleton
    if skeleton and skeleton.keypoints:
        files[f"{skeleton.name}.svg"] = render_skeleton(skeleton)
    return files | {NAME: render_card(facts)}


def render_model_pages(facts: ModelFacts) -> dict[str, str]:
    """A model's own pages in a registry and their image, by path below the root."""
    files = render_card_files(facts)
    folder = facts.model.subdirectory
    pages = {f"{folder}/{NAME}": files.pop(NAME)}
    for name, text in files.items():
        place = PICTURES if name.endswith(".svg") else folder
        pages[f"{place}/{name}"] = text
    return pages


def draw_note(model: Model) -> str:
    """The note of the pages of a model's registry, with the command that draws them there."""
    flags = select_registry(model)
    command = f"posezoo card --all --in_place{flags}" if flags else "make docs"
    return f"drawn by `{command}` {NOTE}"


def has_note(path: Path, note: str) -> bool:
    """Whether a file begins with the note that marks it as generated."""
    try:
        return note in read_beginning(path, _HEAD)
    except OSError:
        return False


def render_card(facts: ModelFacts) -> str:
    """The card's text.

    Without a layout it is the registry's card, which links to the license and to other cards; else
    the card beside the IR, which it also describes.
    """
    paragraphs = filter(None, _paragraphs(facts))
    return "\n\n".join(paragraphs) + "\n"


def _paragraphs(facts: ModelFacts) -> Paragraphs:
    in_registry = facts.layout is None
    # No command can download the user's own weights.
    published = is_declared(facts.model) and all(
        file.sources for part in facts.parts for file in part.files
    )
    note = f"{OURS}: if you change it, your text is kept as {NAME}.bak1 when it is drawn again"
    if in_registry:
        note = draw_note(facts.model)
    yield _render_front_matter(facts, note)
    yield f"# {escape(facts.name)}"
    yield from _use_case(facts)
    yield from render_specification_section(facts, is_published=published)
    if facts.model.stages:
        where = "the cards of its parts" if facts.layout is None else format_code(FACTS)
        yield f"Inputs and outputs are those of its parts: see {where}."
    else:
        yield from render_ports_sections(facts.parts[0])
    yield from _keypoints(facts)
    if published:
        yield from render_usage_sections(facts)
    yield from _self_checks(facts)
    yield from _legal_sections(facts)
    yield from _more(facts)


def _render_front_matter(facts: ModelFacts, note: str) -> str:
    task = facts.model.task
    pipeline = _HUB_TASKS.get(task)
    tags = ["openvino", task.replace("_", "-")]
    if any(Precision.FP16_INT8 in part.precisions for part in facts.parts):
        tags.append("int8")
    lines = ["---", f"# {note}", *_hub_license(facts.parts), "library_name: openvino"]
    if pipeline:
        lines.append(f"pipeline_tag: {pipeline}")
    # The model was not trained again, so no base model is named.
    lines.append(f"tags: {_quoted(tags)}")
    return "\n".join([*lines, "---"])


def _hub_license(parts: Sequence[ModelSpec]) -> list[str]:
    licenses = {part.license for part in parts}
    first = parts[0].license
    if len(licenses) == 1 and first.spdx.lower() in _KNOWN:
        return [f"license: {first.spdx.lower()}"]
    names = {each.spdx or "see link" for each in licenses}
    text = " and ".join(sorted(names))
    lines = ["license: other", f"license_name: {_quoted(text)}"]
    addresses = (each.url for each in licenses)
    link = next(filter(is_safe_url, addresses), "")
    if link:
        lines.append(f"license_link: {_quoted(link)}")
    return lines


def _quoted(value: str | list[str]) -> str:
    """A form that is the same in YAML and JSON; characters with a meaning in Markdown or HTML are
    escaped, because some readers show front matter as text.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    quoted = json.dumps(one_line(value), ensure_ascii=False)
    return re.sub(r"[<>&\[\]`*|~]", lambda match: f"\\u{ord(match.group()):04x}", quoted)


def _use_case(facts: ModelFacts) -> Paragraphs:
    model = facts.model
    if model.deprecated:
        yield f"> **This model is {escape(str(model.deprecated))}.**"
    yield "## Use Case and High-Level Description"
    yield escape(model.description)
    if isinstance(model, CompositeSpec):
        yield "It runs its parts in this order:"
        lines = []
        for number, part in enumerate(facts.parts, 1):
            lines.append(f"{number}. {_link_to_model(facts, part.subdirectory, part.name)}")
        yield "\n".join(lines)
    elif model.composite:
        folder = Path(model.subdirectory).parent.as_posix()
        yield f"It is a part of {_link_to_model(facts, folder, model.composite)}."
    yield from render_picture(facts)
    yield from render_people(facts)
    yield "\n".join(f"- {escape(limit)}" for limit in facts.limits)


def _link_to_model(facts: ModelFacts, folder: str, name: str) -> Markdown:
    if facts.layout:
        return format_code(name)
    path = Path(os.path.relpath(folder, facts.model.subdirectory), NAME)
    return format_local_link(path.as_posix(), name)


def _keypoints(facts: ModelFacts) -> Paragraphs:
    model = facts.model
    skeleton = facts.skeleton
    if skeleton is None or not skeleton.keypoints:
        return
    path = Path(f"{skeleton.name}.svg")
    if facts.layout is None:
        path = Path(os.path.relpath(registry_root(model) / PICTURES / path, model.path.parent))
    yield "## Keypoints"
    name = format_code(skeleton.name)
    if has_picture(facts):
        name = format_local_link(path.as_posix(), skeleton.name)
    else:
        yield format_image(path.as_posix(), f"the skeleton {skeleton.name}")
    yield f"{len(skeleton.keypoints)} keypoints: {name}, named in {_facts_link(facts)}."


def _self_checks(facts: ModelFacts) -> Paragraphs:
    """How the IR beside the card were compared with their originals; card.json has each output."""
    lines = []
    for part, precision, record in facts.ir_records():
        made = f"{part.full_name} {precision}, made by OpenVINO {record.key.get('openvino')}"
        worst = max(record.checks, key=_used_tolerance, default=None)
        verdict = "not compared with its original"
        if record.proof == EQUAL and record.reduction:
            verdict = record.reduction  # as in a lock, which lists no outputs
        if worst:
            verdict = (
                f"differs by {worst.difference:.1e} from {worst.reference}, {worst.tolerance:g} is"
                " allowed"
            )
        if record.int8:
            verdict = f"{record.int8}"
        lines.append(f"- {escape(f'{made}: {verdict}')}")
        if record.accuracy:  # of INT8, which may miss its limit
            lines.append(f"- {escape(f'{part.full_name}: {record.accuracy}')}")
    if lines:
        yield "## Self-Check"
        yield "\n".join(lines)


def _used_tolerance(check: OutputCheck) -> float:
    return check.difference / check.tolerance


def _facts_link(facts: ModelFacts) -> Markdown:
    return format_code(FACTS) if facts.layout else format_local_link(FACTS, FACTS)


def _more(facts: ModelFacts) -> Paragraphs:
    """Where all is that this card leaves out."""
    yield "## More"
    tags = [format_code(variant.name) for variant in facts.variants]
    variants = f" Variants: {', '.join(tags)}." if tags else ""
    yield (
        f"{_facts_link(facts)}: files, digests and sources, each figure with its conditions, papers"
        f" to cite.{variants}"
    )
    if facts.layout is None:
        root = os.path.relpath(registry_root(facts.model), facts.model.path.parent)
        index = format_local_link(Path(root, INDEX).as_posix(), INDEX)
        yield f"{index}: all models compared."


def _legal_sections(facts: ModelFacts) -> Paragraphs:
    parts = facts.parts
    yield "## Legal Information"
    by_license: dict[License, ModelSpec] = {}
    for part in parts:
        by_license.setdefault(part.license, part)
    for part in by_license.values():
        terms = _terms(part, facts)
        yield f"The model is distributed under {terms}." if terms else "No license is declared."
        yield escape(read_copyright_line(part))
        # A copy without its registry has to have the terms.
        text = _short_text(part) if facts.layout else ""
        if text:
            yield format_code_block("text", text.splitlines())
    yield from map(escape, unique(part.license_note for part in parts))
    repositories = unique(part.origin.repository for part in parts)
    papers = unique(address for part in parts for address in part.origin.papers)
    for title, listed in (("Origin", repositories), ("Paper", papers)):
        if listed:
            yield f"{title}: {', '.join(map(format_link, listed))}"


def _terms(part: ModelSpec, facts: ModelFacts) -> str:
    """The name of a part's license and where its text is; empty if none is declared."""
    license = part.license
    name = escape(license.spdx)
    if not license.text:
        address = f"the terms at {format_link(license.url)}" if license.url else ""
        return join(name, address, separator=" ")
    if facts.layout:
        return f"{name} ({format_code(f'licenses/{license.text}')})"
    # The registry's card can link to its files.
    return link_to_license(part, facts.model.path.parent)


def link_to_license(part: ModelSpec, folder: Path) -> Markdown:
    """The link to the text of a part's license, from a page in a folder of its registry."""
    path = Path(os.path.relpath(license_path(part), folder))
    return format_local_link(path.as_posix(), part.license.spdx)


def _short_text(part: ModelSpec) -> str:
    try:
        text = read_beginning(license_path(part), 2 * SHORT)
    except OSError:
        return ""
    if len(text) > SHORT or not read_copyright_line(part):
        return ""
    plain = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    return re.sub(r"\A.*\n+", "", plain).rstrip()
