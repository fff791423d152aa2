"""A model's card: what was declared of it, and, beside its IR, what is known of these.

Nothing in it changes from run to run, so that an equal card is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from posezoo import provenance
from posezoo.card.figures import COSTS, compact, counted, counted_in_words, measured_sections
from posezoo.card.markdown import Markdown, block, code, escaped, link, local_link, table
from posezoo.card.words import frameworks, megabytes, precisions, size_bytes, task_in_words
from posezoo.files import write_whole
from posezoo.layout import Layout
from posezoo.pose.keypoints import SKELETONS
from posezoo.registry import copyright_line, license_text
from posezoo.spec.model import (
    Accuracy,
    CompositeSpec,
    Digest,
    Input,
    License,
    ModelSpec,
    Output,
    Precision,
    SourceFile,
)

Value = TypeVar("Value")

NAME = "README.md"

#: What the first line of every page of a registry says.
NOTE = "<!-- drawn by `make cards` from model.yml: change it there -->"

#: What the first line of a card beside IR says; any other README.md is somebody's.
OURS = "<!-- drawn by posezoo beside the IR, and anew at each conversion -->"

LEGEND = {
    "N": "batch",
    "C": "channels",
    "D": "depth",
    "H": "height",
    "W": "width",
    "T": "time",
    "?": "unnamed",
}


def write_card(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], layout: Layout) -> Path:
    """Draw the card below the model's folder; left alone where it says the same already.

    A README.md that is no such card is left alone too: where models are converted in the folder that declares
    them, it is their registry's page; else somebody wrote it, or it was published with the model.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        layout: where its IR lie.

    Returns:
        The path of the README.md.

    Raises:
        OutputError: it cannot be written.
    """
    path = layout.model(model) / NAME
    content = draw_card(model, parts, layout).encode()
    there = path.read_bytes() if path.is_file() else None
    if there is None or (there != content and there.startswith(OURS.encode())):
        write_whole(path, content)
    return path


def draw_card(
    model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], layout: Layout | None = None
) -> str:
    """The card's text.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        layout: where its IR lie, of which the card tells too; where None it is the registry's own card,
            which links to the licence and to the cards around it.
    """
    # Weights of the user's own come from nowhere: no command would bring them.
    published = all(file.sources for part in parts for file in part.files)
    paragraphs = [
        NOTE if layout is None else OURS,
        f"# {escaped(model.full_name)}",
        *_use_case(model, parts, linked=layout is None),
        *(_example(model, parts) if published else ()),
        *_specification(model, parts, is_registry_s=layout is None),
        *(paragraph for part in parts for paragraph in _ports(part, alone=len(parts) == 1)),
        *_keypoints(model.skeleton),
        *(paragraph for part in parts for paragraph in _accuracy(part)),
        *(measured_sections(_all(model, parts)) if published else ()),
        *_variants(parts),
        *_files(parts),
        *(_converted(parts, layout) if layout is not None else ()),
        *(_commands(model, parts) if published else ()),
        *_legal(model, parts, linked=layout is None),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _all(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec]) -> list[ModelSpec | CompositeSpec]:
    """A composite and its parts; of a model, itself."""
    return [model, *parts] if isinstance(model, CompositeSpec) else [model]


def _use_case(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], *, linked: bool) -> Iterator[str]:
    yield "## Use Case and High-Level Description"
    yield escaped(model.description)
    if isinstance(model, CompositeSpec):
        yield "It runs its parts in this order:"
        names = [_neighbour(part.name, part.name, linked=linked) for part in parts]
        lines = (f"{name}: {escaped(part.description)}" for name, part in zip(names, parts, strict=True))
        yield "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    elif model.composite:
        yield f"It is a part of {_neighbour('..', model.composite, linked=linked)}."


def _neighbour(folder: str, name: str, *, linked: bool) -> Markdown:
    return local_link(f"{folder}/{NAME}", name) if linked else code(name)


def _example(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec]) -> Iterator[str]:
    if precision := _usual(parts):
        ready_to_run = f"posezoo run {model.full_name} --input photo.jpg"
        command = ready_to_run if model.decoder else f"posezoo get {model.full_name} --precisions {precision}"
        yield "## Example"
        yield block("sh", [_trusting(command, parts)])


def _trusting(command: str, parts: Sequence[ModelSpec]) -> str:
    """The command as it has to be said where nothing pins a file."""
    return command if _is_pinned(parts) else f"{command} --trust_on_first_use"


def _is_pinned(parts: Sequence[ModelSpec]) -> bool:
    return all(file.is_pinned for part in parts for file in part.files)


def _usual(parts: Sequence[ModelSpec]) -> Precision | None:
    """The precision that examples take: the one that posezoo run takes by default, where it is there."""
    available = precisions(parts)
    return Precision.FP16 if Precision.FP16 in available else next(iter(available), None)


def _specification(
    model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], *, is_registry_s: bool
) -> Iterator[str]:
    size = size_bytes(parts)
    rows = [
        ("Type", task_in_words(model.task)),
        ("Source framework", ", ".join(frameworks(parts))),
        ("IR precisions", ", ".join(precisions(parts))),
        ("Published files", "size unknown" if size is None else f"{megabytes(size)} ({size:,} bytes)"),
        *(row for part in parts for row in _costs(part, alone=len(parts) == 1, recorded=is_registry_s)),
    ]
    yield "## Specification"
    yield table(("Metric", "Value"), [row for row in rows if row[1]])


def _costs(part: ModelSpec, *, alone: bool, recorded: bool) -> Iterator[tuple[str, str]]:
    """GFLOPs and MParams, as published and as counted here; a card beside an IR tells that IR's own."""
    whose = "" if alone else f" of {part.full_name}"
    counts = dict(counted_in_words(part)) if recorded else {}
    for metric, value in (("GFLOPs", part.published.gflops), ("MParams", part.published.mparams)):
        yield f"{metric}{whose}, as published", "" if value is None else f"{value:.6g}"
        yield f"{metric}{whose}, counted on the IR", counts.get(metric, "")


def _accuracy(part: ModelSpec) -> Iterator[str]:
    """What its publisher says of it, with the page's own percentages."""
    if part.published.accuracy:
        yield f"## Accuracy of {escaped(part.full_name)}"
        yield compact(
            ("Metric", "Value", "AP50", "AP75", "Flip", "Dataset", "Protocol"),
            [_accuracy_row(each) for each in part.published.accuracy],
        )
    if part.published.known_difference:
        yield f"Known difference: {escaped(part.published.known_difference)}"
    yield from _training(part)


def _training(part: ModelSpec, of: str = "") -> Iterator[str]:
    links = {f"Training command{of}": part.training.command, f"Training log{of}": part.training.log}
    yield from (f"{title}: {link(address)}" for title, address in links.items() if address)


def _accuracy_row(each: Accuracy) -> tuple[str, ...]:
    value = f"{each.value:g} mm" if each.metric == "MPJPE" else _percent(each.value)
    flip = "yes" if each.flip else ""
    return each.metric, value, _percent(each.ap50), _percent(each.ap75), flip, each.dataset, each.protocol


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}".replace("0%", "%").replace("%", " %")


def _variants(parts: Sequence[ModelSpec]) -> Iterator[str]:
    for part in parts:
        if not part.variants:
            continue
        yield "## Variants"
        yield f"{code(part.full_name)} is {code(f'{part.name}@{part.tag}')}; besides there is:"
        rows = []
        for each in part.variants:
            sizes = "; ".join(_shape(port)[1] for port in each.inputs)
            start = (code(each.full_name), sizes, *counted(each))
            rows += [(*start, *_accuracy_row(row)) for row in each.published.accuracy] or [
                (*start, *("",) * 7)
            ]
        headers = (
            "Variant",
            "Input",
            *COSTS.values(),
            "Metric",
            "Value",
            "AP50",
            "AP75",
            "Flip",
            "Dataset",
            "Protocol",
        )
        yield compact(headers, rows)
        for each in part.variants:
            yield from _training(each, f" of {code(each.tag)}")
        yield _file_table([file for each in part.variants for file in each.files])


def _ports(part: ModelSpec, *, alone: bool) -> Iterator[str]:
    whose = "" if alone else f" of {escaped(part.name)}"
    if part.inputs:
        yield f"## Inputs{whose}"
        yield from [_original_inputs(part)] if part.is_ir else _both_inputs(part)
    if part.outputs:
        yield f"## Outputs{whose}"
        if not part.is_ir:
            yield "The original's and the converted model's are the same."
        rows = [(*_shape(each), _content(each)) for each in part.outputs]
        yield compact(("Name", "Shape", "Layout", "Content"), rows)
    letters = {letter for port in part.inputs + part.outputs for letter in port.layout}
    if known := [f"{code(letter)} {meaning}" for letter, meaning in LEGEND.items() if letter in letters]:
        yield f"Layout: {', '.join(known)}."


def _both_inputs(part: ModelSpec) -> Iterator[str]:
    yield "### Original Model"
    yield _original_inputs(part)
    yield "### Converted Model"
    rows = [(*_shape(_as_in_the_ir(each)), _ir_color(each), _values(each)) for each in part.inputs]
    yield compact(("Name", "Shape", "Layout", "Colour order", "Values"), rows)


def _original_inputs(part: ModelSpec) -> Markdown:
    rows = [
        (*_shape(each), each.color or "", _numbers(each.mean), _numbers(each.scale)) for each in part.inputs
    ]
    return compact(("Name", "Shape", "Layout", "Colour order", "Mean", "Scale"), rows)


def _as_in_the_ir(port: Input) -> Input:
    return replace(port, shape=port.ir_shape, layout=port.ir_layout)


def _shape(port: Input | Output) -> tuple[str, str, str]:
    sizes = ", ".join("any" if size == -1 else str(size) for size in port.shape)
    return code(port.name), sizes, port.layout


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _values(port: Input) -> str:
    return "0 to 255: mean and scale are inside" if port.mean or port.scale else "as the original takes them"


def _ir_color(port: Input) -> str:
    # Open Model Zoo states the reversal alone, not what is reversed.
    return port.ir_color or ("reversed" if port.reverse_input_channels else "")


def _content(port: Output) -> str:
    return ": ".join(filter(None, (port.role.replace("_", " "), port.note)))


def _keypoints(skeleton: str) -> Iterator[str]:
    if skeleton in SKELETONS:
        yield "## Keypoints"
        names = (f"{index} {name}" for index, name in enumerate(SKELETONS[skeleton].keypoints))
        yield f"Skeleton {code(skeleton)}: {', '.join(names)}."


def _files(parts: Sequence[ModelSpec]) -> Iterator[str]:
    yield "## Files"
    yield _file_table([file for part in parts for file in part.files])
    if not _is_pinned([part for each in parts for part in (each, *each.variants)]):
        yield (
            "A file without a pin is downloaded only with `--trust_on_first_use`; `posezoo.lock` holds it "
            "from then on."
        )


def _file_table(files: Sequence[SourceFile]) -> Markdown:
    rows = []
    for file in files:
        sources = Markdown(", else ".join(link(str(source)) for source in file.sources))
        size = f"unknown, at most {file.cap:,}" if file.size is None else f"{file.size:,}"
        rows.append((code(file.name), size, _pin(file), sources))
    return table(("File", "Bytes", "Digest", "From"), rows)


def _pin(file: SourceFile) -> Markdown:
    """What a file's bytes are held against."""
    if file.checksum is not None and not file.by_lock:
        pin = f"{_algorithm(file.checksum)} {code(file.checksum.value)}"
        return Markdown(f"{pin}, of the first download (weak)" if file.first_use else pin)
    members = ", ".join(
        f"{_algorithm(digest)} {code(digest.value)} of {code(member)}"
        for member, digest in file.contains.items()
    )
    return Markdown(f"{members} (weak)" if file.is_pinned else f"no pin; {members}".removesuffix("; "))


def _algorithm(digest: Digest) -> str:
    return digest.algorithm.upper().replace("SHA", "SHA-")


def _converted(parts: Sequence[ModelSpec], layout: Layout) -> Iterator[str]:
    files: list[tuple[str, ...]] = []
    costs: dict[str, tuple[str, ...]] = {}
    checks: list[tuple[str, ...]] = []
    shifts: list[tuple[str, ...]] = []
    openvino: set[str] = set()
    for part in parts:
        for precision in Precision:
            record = provenance.read(layout.provenance(part, precision))
            if record is None:
                continue
            openvino.add(str(record.key.get("openvino")))
            whose = (part.full_name, precision.value)
            for suffix, content in record.contents.items():
                files.append((*whose, suffix, f"{content.size:,}", code(content.digest.value)))
            if record.complexity:
                gflops, mparams = record.complexity["gflops"], record.complexity["mparams"]
                costs[part.name] = (part.name, f"{gflops:.4g}", f"{mparams:.4g}")
            if shift := record.shift:
                shifts.append((*whose, *_shift_row(shift)))
            for check in record.checks:
                figures = (f"{check.difference:.1e}", f"{check.tolerance:g}")
                checks.append((*whose, check.output, *figures, check.reference))
    if files:
        yield "## Converted Files"
        yield f"Made by OpenVINO {escaped(', '.join(sorted(openvino)))}; the same bytes at every run."
        yield table(("Model", "Precision", "File", "Bytes", "SHA-384"), files)
    if costs:
        yield "## Complexity"
        yield "Counted on the IR, as Open Model Zoo's cards do; the same in every precision."
        yield table(("Model", "GFLOPs", "MParams"), list(costs.values()))
    if checks:
        yield "## Self-Check"
        yield "How far each output is from the original's, as a share of its largest value."
        yield table(("Model", "Precision", "Output", "Difference", "Allowed", "Original run by"), checks)
    if shifts:
        yield "## Quantization"
        yield (
            "How far what INT8 finds lies from what FP32 finds, in pixels of the network's input, on photos "
            "that it was not calibrated on; agreement is the share that both found of all that either did."
        )
        yield table(
            (
                "Model",
                "Precision",
                "Median",
                "90 %",
                "People FP32",
                "INT8",
                "Agreement",
                "Photos",
                "Calibrated on",
            ),
            shifts,
        )


def _shift_row(shift: Mapping[str, float]) -> tuple[str, ...]:
    people = (f"{shift[name]:.0f}" for name in ("found_fp32", "found_int8"))
    photos = (f"{shift[name]:.0f}" for name in ("measured_photos", "calibration_photos"))
    moved = (f"{shift[name]:.2f}" for name in ("shift_p50_px", "shift_p90_px"))
    return *moved, *people, f"{shift['agreement']:.0%}", *photos


def _commands(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec]) -> Iterator[str]:
    to_convert = any(part.precisions and not part.is_ir for part in parts)
    yield "## Download and Convert" if to_convert else "## Download"
    commands = [_trusting(f"posezoo download {model.full_name}", parts)]
    if to_convert:
        commands.append(f"posezoo convert {model.full_name}")
    yield block("sh", commands)
    if precision := _usual(parts):
        yield "## From Python"
        yield block("python", _python(model, precision, _is_pinned(parts)))


def _python(model: ModelSpec | CompositeSpec, precision: Precision, is_pinned: bool) -> Sequence[str]:
    wanted = f'"{model.full_name}", precision="{precision}"{"" if is_pinned else ", trust_on_first_use=True"}'
    if model.decoder is None:
        return (
            "import posezoo",
            "",
            f"irs = posezoo.get({wanted})  # the path of each .xml by its model's name",
        )
    return (
        "import cv2",
        "import posezoo",
        "",
        f'model = posezoo.load({wanted}, device="CPU")',
        'for pose in model(cv2.imread("photo.jpg")):',
        f"    print(pose.score, {_TELLING.get(model.decoder.name, _KEYPOINTS)}",
    )


_KEYPOINTS = "pose.keypoints)  # x and y in pixels of the image, score"
# What a pose of these decoders tells instead.
_TELLING = {
    "detection": "pose.box)  # left, top, right, bottom in pixels of the image",
    "lifting_3d": "pose.camera)  # x to the right, y down, z away from the camera, in cm",
}


def _legal(model: ModelSpec | CompositeSpec, parts: Sequence[ModelSpec], *, linked: bool) -> Iterator[str]:
    yield "## Legal Information"
    for license in _distinct(part.license for part in parts):
        part = next(part for part in parts if part.license == license)
        terms = _terms(license, part, model.path.parent if linked else None)
        yield f"The model is distributed under {terms}."
        if holder := copyright_line(part) if license.text else "":
            yield escaped(holder)
    for note in _distinct(part.license_note for part in parts):
        yield escaped(note)
    for title, addresses in (
        ("Origin", _distinct(part.origin.repository for part in parts)),
        ("Paper", _distinct(part.origin.paper for part in parts)),
    ):
        if addresses:
            yield f"{title}: {', '.join(map(link, addresses))}"


def _terms(license: License, part: ModelSpec, folder: Path | None) -> str:
    if not license.text:
        words = " ".join(filter(None, (license.spdx, "the terms at" if license.url else "")))
        return " ".join(filter(None, (escaped(words), link(license.url)))) or "terms that nobody declared"
    text = license_text(part)
    if folder is None:
        return f"{escaped(license.spdx)} ({code(f'licenses/{license.text}')})"
    return local_link(Path(os.path.relpath(text, folder)).as_posix(), license.spdx)


def _distinct(values: Iterable[Value]) -> list[Value]:
    return [value for value in dict.fromkeys(values) if value]
