"""card.json: the facts of a model as JSON, beside its card.

The keys are stable. New keys may be added, but while ``format`` stays the same, no key is removed
or changes its meaning::

    format        int           2
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
    origin        list          of each part: repository, paper (addresses, or empty), based_on
                                (addresses of other papers), framework (in which it was trained, if
                                it is published as IR, or null)
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
                                rounding: relative, absolute, unit; or null), not_compared (why
                                nothing but the reader that made the IR read its original; empty if
                                something else did), reduction (what was left out of the self-check
                                of a costly network), nodes (inner tensors: equal, within_noise,
                                unprovable, no_partner, recorded; null without --proof nodes), int8
                                (INT8 of declared ranges compared with FP16: limit, photos,
                                deviation of each output; or null), shift (INT8 compared with FP32,
                                or null), accuracy, speed and in_float (of
                                INT8: as in provenance.json, or null)
    variants      list          only for the default variant: the facts of the other variants

In ``files``, ``inputs``, ``outputs``, ``accuracy``, ``complexity`` and ``measured`` the key
``model`` is the full name of the model itself or, for a composite, of one of its parts.
"""

from __future__ import annotations

from pathlib import Path

from posezoo.console.json_projection import Json, distinct, project, to_json
from posezoo.console.labels import format_protocol
from posezoo.core.declarations.model import Input, ModelSpec, Output, Precision, PublishedAccuracy
from posezoo.core.files.manifest import read_digests
from posezoo.core.ir.provenance import Provenance
from posezoo.core.license_notice import read_copyright_line
from posezoo.figures.measured import measurement_to_json, measurements_of
from posezoo.figures.model_facts import ModelFacts, converted_input, unique
from posezoo.figures.papers import format_bibtex

FORMAT = 2

_MODEL = (
    "name kind family=model.family composite=model.composite? parts=model.stages tag=model.tag?"
    " task=model.task approach?"
    " description=model.description frameworks"
)
_FILE = "name size max_size? checksum=declared_checksum contains pin sources=addresses"
_PORT = "shape layout color? mean scale"
_IR_RECORD = "checks not_compared reduction nodes? int8? shift? accuracy? speed? in_float?"


def card_json(facts: ModelFacts) -> Json:
    """The content of card.json; the module's docstring explains its keys."""
    parts = facts.parts
    measured = [measurement_to_json(model.full_name, each) for model, each in facts.measurements()]
    differences = (part.published.known_difference for part in parts)
    return {
        "format": FORMAT,
        **project(facts, _MODEL),
        "license": distinct(map(_license, parts)),
        "origin": to_json(unique(part.origin for part in parts)),
        "citation": list(map(format_bibtex, facts.papers)),
        **project(facts, "revision=model.revision deprecated=model.deprecated"),
        "decoder": _given(facts.model.decoder, "name options"),
        "skeleton": _given(facts.skeleton, "name keypoints limbs"),
        **project(facts, "precisions size_bytes"),
        "files": [_of_part(part, file, _FILE) for part in parts for file in part.files],
        "inputs": [_input(part, port) for part in parts for port in part.inputs],
        "outputs": [_output(part, port) for part in parts for port in part.outputs],
        "accuracy": [_accuracy(part, claim) for part, claim in facts.published_accuracies],
        "complexity": list(map(_complexity, parts)),
        "known_difference": " ".join(filter(None, differences)),
        "measured": measured,
        **project(facts, "limits training=model.training"),
        "made": [_made(*record) for record in facts.ir_records()],
        "variants": list(map(card_json, facts.variants)),
    }


def _license(part: ModelSpec) -> dict[str, str]:
    return {
        **project(part.license, "spdx url text"),
        "holder": read_copyright_line(part),
        "note": part.license_note,
    }


def _given(value: object, keys: str) -> Json | None:
    return project(value, keys) if value else None


def _of_part(part: ModelSpec, value: object, keys: str) -> Json:
    return {"model": part.full_name, **project(value, keys)}


def _input(part: ModelSpec, port: Input) -> Json:
    return {
        **_of_part(part, port, "name"),
        "original": project(port, _PORT),
        "converted": project(converted_input(part, port), _PORT),
    }


def _output(part: ModelSpec, port: Output) -> Json:
    shape = project(port, "shape layout")
    return {
        **_of_part(part, port, "name"),
        "original": shape,
        "converted": shape,
        **project(port, "role note"),
        "original_note": port.original or port.note,
    }


def _accuracy(part: ModelSpec, claim: PublishedAccuracy) -> Json:
    return {
        **_of_part(part, claim, "metric value"),
        "unit": "mm" if claim.metric == "MPJPE" else "share",
        **project(claim, "ap50 ap75 converted dataset protocol flip"),
        "how": format_protocol(claim),
    }


def _made(part: ModelSpec, precision: Precision, record: Provenance) -> Json:
    files = [
        {"suffix": Path(name).suffix, "size": entry.get("size"), "checksum": each}
        for name, entry in record.manifest.files.items()
        for each in to_json(read_digests(entry))
    ]
    return {
        "model": part.full_name,
        "precision": precision.value,
        "openvino": str(record.key.get("openvino")),
        "files": files,
        "gflops": record.complexity.get("gflops"),
        "mparams": record.complexity.get("mparams"),
        **project(record, _IR_RECORD),
    }


def _complexity(part: ModelSpec) -> Json:
    counts = measurements_of(part, "complexity")
    counted = counts[0].figures if counts else {}
    complexity: Json = {"model": part.full_name}
    for name, published in project(part.published, "gflops mparams").items():
        complexity[name] = {"published": published, "counted": counted.get(name)}
    return complexity
