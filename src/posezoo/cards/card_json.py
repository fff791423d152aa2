"""What is known of a model, as plain values: the card.json beside its card, and what a gallery shows.

The keys are stable: new ones may come, none goes or changes its meaning while ``format`` stays the same::

    format        int           1
    name          str           what a user types: the name, or name@tag for a variant
    kind          str           model or composite
    family        str           public or intel
    composite     str | null    the composite that it is a part of
    parts         list of str   a composite's parts in the order they run in
    tag           str | null    which of the published variants it is
    task          str           as in model.yml
    approach      str | null    top-down (one person at a time), bottom-up (everybody at once), null: no poses
    description   str
    frameworks    list of str   of the published files, as in model.yml; a composite's: all of its parts'
    license       list          of each terms: spdx, url, text (a file of licenses/), holder, note
    origin        list          of each part: repository, paper; addresses, or empty
    citation      list of str   BibTeX
    revision      int           counts up when the files change
    deprecated    object|null   since (a date or a version), use (a model's name, or empty)
    decoder       object|null   name and options
    skeleton      object|null   name, keypoints (names in their order), limbs (pairs of their indices)
    precisions    list of str   published or convertible; a composite's: those of all its parts
    size_bytes    int | null    of the published files together; null where a publisher does not say
    files         list          model, name, size (null: unknown), max_size, checksum (algorithm, value; or
                                null), contains (member: {algorithm, value}), pin (strong, weak, none),
                                sources
    inputs        list          model, name, original and converted (each shape (-1: any), layout, color,
                                mean, scale)
    outputs       list          model, name, original and converted (each shape, layout), role, note,
                                original_note (what the original has there)
    accuracy      list          as published: model, metric, value (a share; MPJPE: mm), unit, ap50, ap75,
                                converted (value of the publisher's own IR, or null), dataset, protocol,
                                flip, how (in words: scale, flip, protocol)
    complexity    list          model, and of gflops and mparams: published (or null), counted (or null)
    known_difference  str       why a published figure is not what the published weights have
    limits        list of str   what the model cannot do, a sentence or two each
    measured      list          what posezoo measured: model, kind (accuracy, complexity, quantization,
                                speed), precision, machine, settings, weights, figures, tools, date
    training      object        command, log: addresses, or empty
    made          list          of the IR that lie beside the card; empty in a registry: model, precision,
                                openvino (its version), files (suffix, size, checksum), gflops and mparams (or
                                null), checks (output, difference, tolerance, reference), shift (what INT8
                                moves, or null)
    variants      list          of the default variant: the facts of the others

In ``files``, ``inputs``, ``outputs``, ``accuracy``, ``complexity`` and ``measured`` the key ``model`` is the
full name of whose it is: the model itself or, of a composite, one of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from posezoo.cards.files_section import read_ir_records
from posezoo.cards.legal_section import list_limitations
from posezoo.facts.labels import common_precisions, download_size, find_approach, format_protocol
from posezoo.facts.papers import collect_papers, format_bibtex
from posezoo.ir.provenance import Provenance
from posezoo.layout import ModelLayout
from posezoo.measured import Measurement, load_measurements, measurement_to_json
from posezoo.registry import read_copyright_line
from posezoo.spec.model import (
    CompositeSpec,
    Digest,
    Input,
    ModelSpec,
    Output,
    Precision,
    PublishedAccuracy,
    SourceFile,
)

FORMAT = 1

Facts = dict[str, Any]
Measured = Callable[[ModelSpec | CompositeSpec], Sequence[Measurement]]
FactT = TypeVar("FactT")


def collect_facts(
    model: ModelSpec | CompositeSpec,
    parts: Sequence[ModelSpec],
    measured: Measured = load_measurements,
    layout: ModelLayout | None = None,
) -> Facts:
    """The facts of a model, in JSON's types; see the module for the keys.

    Args:
        model: whose facts they are.
        parts: the parts of a composite; a model itself, alone.
        measured: what was measured of a model or composite.
        layout: where its IR lie, of which the facts tell too; None: of none.

    Raises:
        SpecError: a measured.yml says something that cannot be meant.
    """
    own = model if isinstance(model, ModelSpec) else None
    everyone = [model, *parts] if own is None else [model]
    return {
        "format": FORMAT,
        "name": model.full_name,
        "kind": "composite" if own is None else "model",
        "family": model.family.value,
        "composite": (own.composite if own else "") or None,
        "parts": list(model.stages) if isinstance(model, CompositeSpec) else [],
        "tag": (own.tag if own else "") or None,
        "task": model.task,
        "approach": find_approach(model) or None,
        "description": model.description,
        "frameworks": sorted({part.framework.value for part in parts}),
        "license": _distinct(_license(part) for part in parts),
        "origin": _distinct(
            {"repository": part.origin.repository, "paper": part.origin.paper} for part in parts
        ),
        "citation": [format_bibtex(paper) for paper in collect_papers(parts)],
        "revision": own.revision if own else 1,
        "deprecated": {"since": model.deprecated.since, "use": model.deprecated.use}
        if model.deprecated
        else None,
        "decoder": {"name": model.decoder.name, "options": dict(model.decoder.options)}
        if model.decoder
        else None,
        "skeleton": _skeleton(model.skeleton),
        "precisions": [precision.value for precision in common_precisions(parts)],
        "size_bytes": download_size(parts),
        "files": [_file(part, file) for part in parts for file in part.files],
        "inputs": [_input(part, port) for part in parts for port in part.inputs],
        "outputs": [_output(part, port) for part in parts for port in part.outputs],
        "accuracy": [_accuracy(part, each) for part in parts for each in part.published.accuracy],
        "complexity": [_complexity(part, measured) for part in parts],
        "known_difference": " ".join(filter(None, (part.published.known_difference for part in parts))),
        "measured": [
            measurement_to_json(each.full_name, found) for each in everyone for found in measured(each)
        ],
        "limits": list_limitations(model, parts),
        "training": {"command": own.training.command, "log": own.training.log}
        if own
        else {"command": "", "log": ""},
        "made": [_made(*record) for record in read_ir_records(parts, layout)] if layout is not None else [],
        "variants": [collect_facts(variant, (variant,), measured) for variant in own.variants] if own else [],
    }


def _distinct(values: Iterable[FactT]) -> list[FactT]:
    found: list[FactT] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _license(part: ModelSpec) -> Facts:
    return {
        "spdx": part.license.spdx,
        "url": part.license.url,
        "text": part.license.text,
        "holder": read_copyright_line(part) if part.license.text else "",
        "note": part.license_note,
    }


def _skeleton(name: str) -> Facts | None:
    from posezoo.pose.keypoints import SKELETONS

    if name not in SKELETONS:
        return None
    found = SKELETONS[name]
    return {"name": name, "keypoints": list(found.keypoints), "limbs": [list(pair) for pair in found.limbs]}


def _file(part: ModelSpec, file: SourceFile) -> Facts:
    return {
        "model": part.full_name,
        "name": file.name,
        "size": file.size,
        "max_size": file.max_size or None,
        # What a user's lock knows of a file is no fact of the model.
        "checksum": _digest(file.checksum) if file.checksum is not None and not file.by_lock else None,
        "contains": {member: _digest(digest) for member, digest in file.contains.items()},
        "pin": ("weak" if file.is_weakly_pinned else "strong") if file.is_pinned else "none",
        "sources": [str(source) for source in file.sources],
    }


def _digest(digest: Digest) -> Facts:
    return {"algorithm": digest.algorithm, "value": digest.value}


def _input(part: ModelSpec, port: Input) -> Facts:
    original = {
        "shape": list(port.shape),
        "layout": port.layout,
        "color": port.color.value if port.color else None,
        "mean": list(port.mean),
        "scale": list(port.scale),
    }
    # The IR of what was published as IR is the original; what we convert takes mean and scale in.
    inside: Facts = {} if part.is_ir else {"mean": [], "scale": []}
    converted = {
        **original,
        "shape": list(port.ir_shape),
        "layout": port.ir_layout,
        "color": port.ir_color.value if port.ir_color else None,
        **inside,
    }
    return {"model": part.full_name, "name": port.name, "original": original, "converted": converted}


def _output(part: ModelSpec, port: Output) -> Facts:
    shape = {"shape": list(port.shape), "layout": port.layout}
    return {
        "model": part.full_name,
        "name": port.name,
        "original": shape,
        "converted": dict(shape),
        "role": port.role,
        "note": port.note,
        "original_note": port.original or port.note,
    }


def _accuracy(part: ModelSpec, each: PublishedAccuracy) -> Facts:
    return {
        "model": part.full_name,
        "metric": each.metric,
        "value": each.value,
        "unit": "mm" if each.metric == "MPJPE" else "share",
        "ap50": each.ap50,
        "ap75": each.ap75,
        "converted": each.converted,
        "dataset": each.dataset,
        "protocol": each.protocol,
        "flip": each.flip,
        "how": format_protocol(each),
    }


def _made(part: ModelSpec, precision: Precision, record: Provenance) -> Facts:
    costs = record.complexity or {}
    return {
        "model": part.full_name,
        "precision": precision.value,
        "openvino": str(record.key.get("openvino")),
        "files": [
            {"suffix": suffix, "size": content.size, "checksum": _digest(content.digest)}
            for suffix, content in record.contents.items()
        ],
        "gflops": costs.get("gflops"),
        "mparams": costs.get("mparams"),
        "checks": [
            {
                "output": check.output,
                "difference": check.difference,
                "tolerance": check.tolerance,
                "reference": check.reference,
            }
            for check in record.checks
        ],
        "shift": dict(record.shift) if record.shift else None,
    }


def _complexity(part: ModelSpec, measured: Measured) -> Facts:
    counted = next((each.figures for each in measured(part) if each.kind == "complexity"), {})
    return {
        "model": part.full_name,
        "gflops": {"published": part.published.gflops, "counted": counted.get("gflops")},
        "mparams": {"published": part.published.mparams, "counted": counted.get("mparams")},
    }
