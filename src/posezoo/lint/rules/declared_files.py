"""Rules that need only model.yml: whether it can be read, and its keys, addresses, sizes and parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.errors import SpecError
from posezoo.lint.accuracy_check_yml import find_node, list_below
from posezoo.lint.finding import FileLocation, Place, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.spec.model import CompositeSpec, HttpSource
from posezoo.spec.yaml_nodes import YamlNode

_WARNING = re.compile(r":([0-9]+):([0-9]+): (\S+): unknown key, left out; (.*)$", re.DOTALL)
_PRECISION = re.compile(r"(?:^|/)(FP(?:32|16)(?:-INT(?:8|1))?)/")


@rule(
    "readable",
    "model.yml and accuracy-check.yml can be read: every value has the right type and an allowed value.",
    "framework: caffee",
)
def readable(view: ModelView) -> Iterator[RuleViolation]:
    for error in (view.parsed, view.accuracy_check):
        if isinstance(error, SpecError):
            problem = error.problem.removeprefix(f"{error.file}:{error.line}:{error.column}: ")
            hint = f"; {error.hint}" if error.hint else ""
            yield RuleViolation(error, f"{problem}{hint}", error.field)


@rule(
    "too-large",
    "A card is not larger than what is read of it: text after the limit is not checked.",
    "a README.md of ten megabytes",
)
def too_large(view: ModelView) -> Iterator[RuleViolation]:
    if view.own_card is not None and view.own_card.truncation_note:
        message = f"the card is too large: {view.own_card.truncation_note}"
        yield RuleViolation(view.card_line(), message, "card")


@rule(
    "known-keys",
    "Every key of model.yml is known: tools ignore a misspelt key without a message.",
    "licence: https://..., where license is meant",
)
def known_keys(view: ModelView) -> Iterator[RuleViolation]:
    for warning in () if isinstance(view.parsed, SpecError) else view.parsed.warnings:
        if match := _WARNING.search(warning):
            line, column, key, hint = match.groups()
            location = FileLocation(str(view.entry.path), int(line), int(column))
            yield RuleViolation(location, f"{key}: unknown key, left out; {hint}", key, key, hint)


@rule(
    "safe-sources",
    "Files are downloaded over https: with http, an attacker on the network could change them. An "
    "original_source, which is tried last and often only documents the origin, is a warning.",
    "source: http://download.example.org/net.pb",
)
def safe_sources(view: ModelView) -> Iterator[RuleViolation]:
    for index, file, source in view.sources:
        if isinstance(source, HttpSource) and not source.url.startswith("https://"):
            place, expected = _find_source(view, index, source.url), f"https{source.url[4:]}"
            message = f"{file.name} comes from {source.url}, which is not https"
            is_origin = isinstance(place, YamlNode) and "original_source" in place.field_path
            field, severity = f"files[{index}].source", Severity.WARNING if is_origin else None
            yield RuleViolation(place, message, field, source.url, expected, severity)


def _find_source(view: ModelView, index: int, address: str) -> Place:
    """The location of a file's address in model.yml; the file may belong to a variant."""
    for keys in (("files", index), *(("variants", each.tag, "files", index) for each in view.variants)):
        for key in ("source", "original_source"):
            node = view.node(*keys, key)
            for candidate in (node, find_node(node, "url"), *list_below(view.node(*keys), key)):
                if candidate is not None and candidate.value == address:
                    return candidate
    return view.location("files", index)


@rule(
    "same-source",
    "Files with the same address are declared with the same size and checksum.",
    "two models that download one URL, with two checksums",
)
def same_source(view: ModelView) -> Iterator[RuleViolation]:
    for index, file, source in view.sources:
        name, size, digest = view.zoo.models_by_source.get(str(source), (view.name, None, None))
        if name == view.name or size is None or file.size is None:
            continue
        # Checksums of different algorithms cannot be compared.
        own = file.checksum
        is_other = digest and own and digest.algorithm == own.algorithm and digest != own
        if size != file.size or is_other:
            message = (
                f"{file.name} has the same address as a file of {name}, which is declared there with "
                f"{size} bytes, {digest}, and here with {file.size} bytes, {own}"
            )
            location, actual = view.location("files", index), f"{file.size} {own}"
            yield RuleViolation(location, message, f"files[{index}]", actual, f"{size} {digest}")


@rule(
    "ir-sizes",
    "Weights in FP16 take about half of the bytes that they take in FP32.",
    "FP32/net.bin and FP16/net.bin of the same size",
)
def ir_sizes(view: ModelView) -> Iterator[RuleViolation]:
    files = view.spec.files if view.spec is not None and view.spec.is_ir else ()
    sizes = {file.name: (index, file.size) for index, file in enumerate(files) if file.size}
    for name, (_, fp32_size) in sizes.items():
        if not (name.startswith("FP32/") and name.endswith(".bin")):
            continue
        index, fp16_size = sizes.get(name.replace("FP32/", "FP16/", 1), (0, None))
        if fp16_size and fp32_size and not 1.1 < fp32_size / fp16_size < 2.05:
            message = (
                f"the FP16 weights have {fp16_size} bytes, the FP32 weights {fp32_size}: not twice as many"
            )
            location, expected = view.location("files", index, "size"), str(fp32_size // 2)
            yield RuleViolation(location, message, f"files[{index}].size", str(fp16_size), expected)


@rule(
    "source-name",
    "The address of a published IR's file has the same precision and suffix as the file's name.",
    "FP16/net.bin from https://.../FP32/net.bin",
)
def source_name(view: ModelView) -> Iterator[RuleViolation]:
    for index, file in enumerate(view.spec.files if view.spec is not None and view.spec.is_ir else ()):
        for source in file.sources:
            if not isinstance(source, HttpSource):
                continue
            own, others = _PRECISION.search(file.name), _PRECISION.findall(source.url)
            suffixes = {text.rpartition(".")[2] for text in (file.name, source.url)}
            if (own and others and own[1] not in others) or suffixes == {"xml", "bin"}:
                message = f"{file.name} comes from {source.url}, whose name is that of another file"
                location = view.location("files", index, "source")
                yield RuleViolation(location, message, f"files[{index}].source", source.url, file.name)


@rule(
    "parts",
    "The stages of a composite are exactly its parts, the models in its folder.",
    "stages: [first], and a folder second/ beside first/",
)
def parts(view: ModelView) -> Iterator[RuleViolation]:
    if not isinstance(view.parsed, CompositeSpec):
        return
    folders = set(view.zoo.parts_by_composite.get(view.name, ()))
    for name in sorted(folders.symmetric_difference(view.parsed.stages)):
        reason = "not listed" if name in folders else "not a folder of this composite"
        yield RuleViolation(view.location("stages"), f"stages: {name} is {reason}", "stages", name)


RULES = defined_rules(globals())
