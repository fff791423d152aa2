"""card.json: the facts of a model as JSON, beside its card.

The keys are stable. New keys may be added, but while ``format`` stays the same, no key is removed
or changes its meaning::

    format        int           1
    name          str           the name that a user types; name@tag for a variant
    kind          str           model or composite
    family        str           public or intel
    composite     str | null    the composite that it is a part of
    parts         list of str   a composite's parts in the order in which they run
    tag           str | null    which published variant it is
    task          str           as in model.yml
    approach      str | null    of pose models: top-down (one person at a time) or bottom-up (all at
                                once)
    description   str
    frameworks    list of str   of the published files, as in model.yml; a composite's: all of its
                                parts'
    license       list          of each license: spdx, url, text (a file of licenses/), holder, note
    origin        list          of each part: repository, paper (addresses, or empty), framework (in
                                which it was trained, if it is published as IR, or null)
    citation      list of str   BibTeX
    revision      int           increases when the files change
    deprecated    object|null   since (a date or a version), use (a model's name, or empty)
    decoder       object|null   name and options
    skeleton      object|null   name, keypoints (their names in order), limbs (pairs of indices)
    precisions    list of str   published or convertible; a composite's: those of all its parts
    size_bytes    int | null    of all published files; null if a publisher does not state a size
    files         list          model, name, size (null: unknown), max_size, checksum (algorithm,
                                value; or null), contains (member: {algorithm, value}), pin (strong,
                                weak, none), sources
    inputs        list          model, name, original and converted (each shape (-1: any), layout,
                                color, mean, scale)
    outputs       list          model, name, original and converted (each shape, layout), role,
                                note, original_note (what the original has instead)
    accuracy      list          as published: model, metric, value (a share; MPJPE: mm), unit, ap50,
                                ap75, converted (value of the publisher's own IR, or null; if only
                                this one is published, it is also value), dataset, protocol, flip,
                                how (in words: protocol, flip)
    complexity    list          model; gflops and mparams, each: published (or null), counted (or
                                null)
    known_difference  str       why a published value differs from that of the published weights
    limits        list of str   what the model cannot do, a sentence or two each
    measured      list          what posezoo measured: model, kind (accuracy, complexity,
                                quantization, speed), precision, machine, settings, weights,
                                figures, intervals (95 %), irs (a digest of the measured IR), tools,
                                date
    training      object        command, log: addresses, or empty
    made          list          the IR beside the card; empty in a registry: model, precision,
                                openvino (its version), files (suffix, size, checksum), gflops and
                                mparams (or null), checks (output, difference, tolerance, reference,
                                rounding: relative, absolute, unit; or null), shift (INT8 compared
                                with FP32, or null)
    variants      list          only for the default variant: the facts of the other variants

In ``files``, ``inputs``, ``outputs``, ``accuracy``, ``complexity`` and ``measured`` the key
``model`` is the full name of the model itself or, for a composite, of one of its parts.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from posezoo.facts.labels import format_protocol
from posezoo.facts.model_facts import ModelFacts, converted_input, measurements_of
from posezoo.facts.papers import format_bibtex
from posezoo.ir.provenance import Provenance
from posezoo.measured import measurement_to_json
from posezoo.registry import read_copyright_line
from posezoo.spec.model import (
    Input,
    ModelSpec,
    Output,
    Precision,
    PublishedAccuracy,
    SourceFile,
    Training,
)

FORMAT = 1


def card_json(facts: ModelFacts) -> dict[str, Any]:
    """The content of card.json; the module's docstring explains its keys."""
    model, parts = facts.model, facts.parts
    own = model if isinstance(model, ModelSpec) else None
    licenses = [_license(part) for part in parts]
    deprecated, decoder, skeleton = model.deprecated, model.decoder, facts.skeleton
    return {
        "format": FORMAT,
        "name": facts.name,
        "kind": "model" if own else "composite",
        "family": model.family.value,
        "composite": facts.composite or None,
        "parts": list(facts.stages),
        "tag": (own.tag if own else "") or None,
        "task": model.task,
        "approach": facts.approach or None,
        "description": model.description,
        "frameworks": facts.frameworks,
        "license": [each for index, each in enumerate(licenses) if each not in licenses[:index]],
        "origin": [asdict(each) for each in dict.fromkeys(part.origin for part in parts)],
        "citation": [format_bibtex(paper) for paper in facts.papers],
        "revision": facts.revision,
        "deprecated": asdict(deprecated) if deprecated else None,
        "decoder": {"name": decoder.name, "options": dict(decoder.options)} if decoder else None,
        "skeleton": (
            {
                "name": skeleton.name,
                "keypoints": list(skeleton.keypoints),
                "limbs": [list(pair) for pair in skeleton.limbs],
            }
            if skeleton
            else None
        ),
        "precisions": [precision.value for precision in facts.precisions],
        "size_bytes": facts.size_bytes,
        "files": [_file(part, file) for part in parts for file in part.files],
        "inputs": [_input(part, port) for part in parts for port in part.inputs],
        "outputs": [_output(part, port) for part in parts for port in part.outputs],
        "accuracy": [_accuracy(part, claim) for part in parts for claim in part.published.accuracy],
        "complexity": [_complexity(part) for part in parts],
        "known_difference": " ".join(
            filter(None, (part.published.known_difference for part in parts))
        ),
        "measured": [
            measurement_to_json(each.full_name, measurement)
            for each, measurement in facts.measurements()
        ],
        "limits": facts.limits,
        "training": asdict(own.training if own else Training()),
        "made": [_made(*record) for record in facts.ir_records()],
        "variants": [card_json(variant) for variant in facts.variants],
    }


def _license(part: ModelSpec) -> dict[str, str]:
    return {
        "spdx": part.license.spdx,
        "url": part.license.url,
        "text": part.license.text,
        "holder": read_copyright_line(part),
        "note": part.license_note,
    }


def _file(part: ModelSpec, file: SourceFile) -> dict[str, Any]:
    return {
        "model": part.full_name,
        "name": file.name,
        "size": file.size,
        "max_size": file.max_size or None,
        # A checksum from the user's lock file is not a fact about the model.
        "checksum": (
            asdict(file.checksum) if file.checksum is not None and not file.by_lock else None
        ),
        "contains": {member: asdict(digest) for member, digest in file.contains.items()},
        "pin": ("weak" if file.is_weakly_pinned else "strong") if file.is_pinned else "none",
        "sources": [str(source) for source in file.sources],
    }


def _input(part: ModelSpec, port: Input) -> dict[str, Any]:
    original, converted = (
        {
            "shape": list(each.shape),
            "layout": each.layout,
            "color": each.color.value if each.color else None,
            "mean": list(each.mean),
            "scale": list(each.scale),
        }
        for each in (port, converted_input(part, port))
    )
    return {
        "model": part.full_name,
        "name": port.name,
        "original": original,
        "converted": converted,
    }


def _output(part: ModelSpec, port: Output) -> dict[str, Any]:
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


def _accuracy(part: ModelSpec, claim: PublishedAccuracy) -> dict[str, Any]:
    return {
        "model": part.full_name,
        "metric": claim.metric,
        "value": claim.value,
        "unit": "mm" if claim.metric == "MPJPE" else "share",
        "ap50": claim.ap50,
        "ap75": claim.ap75,
        "converted": claim.converted,
        "dataset": claim.dataset,
        "protocol": claim.protocol,
        "flip": claim.flip,
        "how": format_protocol(claim),
    }


def _made(part: ModelSpec, precision: Precision, record: Provenance) -> dict[str, Any]:
    costs = record.complexity or {}
    return {
        "model": part.full_name,
        "precision": precision.value,
        "openvino": str(record.key.get("openvino")),
        "files": [
            {"suffix": suffix, "size": content.size, "checksum": asdict(content.digest)}
            for suffix, content in record.contents.items()
        ],
        "gflops": costs.get("gflops"),
        "mparams": costs.get("mparams"),
        "checks": [asdict(check) for check in record.checks],
        "shift": dict(record.shift) if record.shift else None,
    }


def _complexity(part: ModelSpec) -> dict[str, Any]:
    counted = next((each.figures for each in measurements_of(part, "complexity")), {})
    return {
        "model": part.full_name,
        "gflops": {"published": part.published.gflops, "counted": counted.get("gflops")},
        "mparams": {"published": part.published.mparams, "counted": counted.get("mparams")},
    }
