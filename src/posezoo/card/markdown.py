"""A model's card, as Markdown: what was declared of it, and what is known of the IR that lie beside it.

Nothing in it changes from run to run, so that an equal card is left alone. Names and descriptions are
data from strangers: all of it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from posezoo import provenance
from posezoo.files import write_whole
from posezoo.layout import Layout
from posezoo.pose.keypoints import SKELETONS
from posezoo.registry import copyright_line
from posezoo.spec.model import CompositeSpec, Input, ModelSpec, Output, Precision

Value = TypeVar("Value")

NAME = "README.md"
LEGEND = {"N": "batch", "C": "channels", "H": "height", "W": "width", "?": "unnamed"}


def write_card(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], layout: Layout) -> Path:
    """Draw the card below the model's folder; left alone where it says the same already.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        layout: where its IR lie.

    Returns:
        The path of the card.

    Raises:
        OutputError: it cannot be written.
    """
    path = layout.model(model) / NAME
    content = draw_card(model, parts, layout).encode()
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
    return path


def draw_card(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], layout: Layout) -> str:
    """The card's text."""
    sections = [
        f"# {escaped(model.name)}",
        "## Use Case and High-Level Description",
        escaped(model.description),
    ]
    if isinstance(model, CompositeSpec):
        steps = (
            f"{number}. `{part.name}`: {escaped(part.description)}" for number, part in enumerate(parts, 1)
        )
        sections += ["It runs its parts in this order:", "\n".join(steps)]
    sections += ["## Specification", _specification(model, parts)]
    for part in parts:
        title = f" of {part.name}" if len(parts) > 1 else ""
        sections += _ends(part, title)
    sections += _keypoints(model.skeleton)
    sections += _converted(parts, layout)
    sections += ["## Use", _use(model), "## Legal Information", *_legal(parts)]
    return "\n\n".join(sections) + "\n"


def _specification(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec]) -> str:
    rows = [
        ("Type", model.task.replace("_", " ").capitalize()),
        ("Source framework", ", ".join(sorted({part.framework.value for part in parts}))),
        ("Published files", f"{sum(file.size for part in parts for file in part.files) / 1e6:.1f} MB"),
    ]
    rows += [("Repository", f"<{url}>") for url in _distinct(part.origin.repository for part in parts)]
    rows += [("Paper", f"<{url}>") for url in _distinct(part.origin.paper for part in parts)]
    return table(("Metric", "Value"), rows)


def _ends(part: ModelSpec, title: str) -> Iterator[str]:
    layouts = [each.layout for each in part.inputs] + [each.layout for each in part.outputs]
    letters = set("".join(layouts))
    yield f"## Inputs{title}"
    yield "### Original Model"
    yield table(
        ("Name", "Shape", "Layout", "Colour order", "Mean", "Scale"),
        [
            (*_shape(each), each.color or "", _numbers(each.mean), _numbers(each.scale))
            for each in part.inputs
        ],
    )
    yield "### Converted Model"
    yield table(
        ("Name", "Shape", "Layout", "Colour order", "Values"),
        [(*_shape(each), each.ir_color or "", _values(each)) for each in part.inputs],
    )
    yield f"## Outputs{title}"
    yield "The original and the converted model have the same."
    yield table(
        ("Name", "Shape", "Layout", "Content"), [(*_shape(each), _content(each)) for each in part.outputs]
    )
    if letters:
        known = [f"`{letter}` {meaning}" for letter, meaning in LEGEND.items() if letter in letters]
        yield f"Layout: {', '.join(known)}."


def _shape(each: Input | Output) -> tuple[str, str, str]:
    sizes = ", ".join("any" if size == -1 else str(size) for size in each.shape)
    return f"`{each.name}`", sizes, each.layout


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _values(each: Input) -> str:
    return "0 to 255: mean and scale are inside" if each.mean or each.scale else "as the original takes them"


def _content(each: Output) -> str:
    return ": ".join(filter(None, (each.role.replace("_", " "), each.note)))


def _keypoints(skeleton: str) -> Iterator[str]:
    if skeleton in SKELETONS:
        yield "## Keypoints"
        names = (f"{index} {name}" for index, name in enumerate(SKELETONS[skeleton].keypoints))
        yield f"Skeleton `{skeleton}`: {', '.join(names)}."


def _converted(parts: Sequence[ModelSpec], layout: Layout) -> Iterator[str]:
    files: list[tuple[str, ...]] = []
    checks: list[tuple[str, ...]] = []
    openvino: set[str] = set()
    for part in parts:
        for precision in Precision:
            record = provenance.read(layout.provenance(part, precision))
            if record is None or part.is_ir:
                continue
            openvino.add(str(record.key.get("openvino")))
            whose = (part.name, precision.value)
            for suffix, content in record.contents.items():
                files.append((*whose, suffix, f"{content.size:,}", f"`{content.digest.value}`"))
            for check in record.checks:
                figures = (f"{check.difference:.1e}", f"{check.tolerance:g}")
                checks.append((*whose, check.output, *figures, check.reference))
    if files:
        yield "## Converted Files"
        yield f"Made by OpenVINO {', '.join(sorted(openvino))}; the same bytes at every run."
        yield table(("Model", "Precision", "File", "Bytes", "SHA-384"), files)
    if checks:
        yield "## Self-Check"
        yield "How far each output is from the original's, as a share of its largest value."
        yield table(("Model", "Precision", "Output", "Difference", "Allowed", "Original run by"), checks)


def _use(model: ModelSpec | CompositeSpec) -> str:
    lines = [f"posezoo download {model.name}", f"posezoo convert {model.name}"]
    if model.decoder is None:
        return "```sh\n" + "\n".join(lines) + "\n```"
    lines.append(f"posezoo run {model.name} --input photo.jpg")
    code = (
        "import posezoo",
        "",
        f'model = posezoo.load("{model.name}", precision="FP16", device="CPU")',
        "poses = model(image)  # uint8 of shape (height, width, 3), BGR as OpenCV reads it",
    )
    return "```sh\n" + "\n".join(lines) + "\n```\n\n```python\n" + "\n".join(code) + "\n```"


def _legal(parts: Sequence[ModelSpec]) -> Iterator[str]:
    for license in _distinct(part.license for part in parts):
        if license.url:
            yield f"The model is distributed under the terms at <{license.url}>."
            continue
        holders = (copyright_line(part) for part in parts if part.license == license)
        holder = next(filter(None, holders), "")
        yield f"The model is distributed under {escaped(license.spdx)} (`licenses/{license.text}`)."
        if holder:
            yield escaped(holder)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped but for code and links that we set ourselves."""
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A stranger's text, drawn as it is written: no markup, no HTML, one line."""
    text = re.sub(r"([\\`*_\[\]#|~])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(text: str) -> str:
    ours = re.fullmatch(r"`[^`]*`|<https?://[^<>|\s]+>", text)
    return text.replace("|", r"\|") if ours else escaped(text)


def _distinct(values: Iterable[Value]) -> list[Value]:
    return [value for value in dict.fromkeys(values) if value]
