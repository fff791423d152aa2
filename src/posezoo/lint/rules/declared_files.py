"""model.yml in itself: whether it can be read, its keys, addresses, sizes and parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.errors import SpecError
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView, find_node, node_location
from posezoo.lint.rule import Rule
from posezoo.spec.model import CompositeSpec, Digest, HttpSource

_WARNING = re.compile(r":([0-9]+):([0-9]+): (\S+): unknown key, left out; (.*)$", re.DOTALL)
_PRECISION = re.compile(r"(?:^|/)(FP(?:32|16)(?:-INT(?:8|1))?)/")


def _readable(view: ModelView) -> Iterator[RuleViolation]:
    """model.yml and accuracy-check.yml can be read."""
    for error in (view.parsed, view.accuracy_error):
        if not isinstance(error, SpecError):
            continue
        problem = error.problem.removeprefix(f"{error.file}:{error.line}:{error.column}: ")
        hint = f"; {error.hint}" if error.hint else ""
        yield RuleViolation(
            FileLocation(error.file, error.line, error.column), f"{problem}{hint}", error.field
        )


def _too_large(view: ModelView) -> Iterator[RuleViolation]:
    """A card is no longer than can be read."""
    if view.card is not None and view.has_own_card and view.card.truncation_note:
        yield RuleViolation(
            FileLocation(str(view.card_path)), f"the card is too large: {view.card.truncation_note}", "card"
        )


def _unknown_keys(view: ModelView) -> Iterator[RuleViolation]:
    """Every key of model.yml is one that a tool reads."""
    known = view.parsed
    for warning in () if isinstance(known, SpecError) else known.warnings:
        if match := _WARNING.search(warning):
            at = FileLocation(str(view.entry.path), int(match[1]), int(match[2]))
            yield RuleViolation(
                at, f"{match[3]}: unknown key, left out; {match[4]}", match[3], match[3], match[4]
            )


def _http_sources(view: ModelView) -> Iterator[RuleViolation]:
    """Files come over https: over http anybody on the way can change an address that leads to them."""
    for variant in view.variants:
        for index, file in enumerate(variant.files):
            for source in file.sources:
                if isinstance(source, HttpSource) and not source.url.startswith("https://"):
                    yield RuleViolation(
                        _source_place(view, index, source.url),
                        f"{file.name} comes from {source.url}, which is not https",
                        f"files[{index}].source",
                        source.url,
                        source.url.replace("http://", "https://", 1),
                    )


def _source_place(view: ModelView, index: int, address: str) -> FileLocation:
    for tops in (("files", index), *(("variants", tag, "files", index) for tag in view.tags)):
        for key in ("source", "original_source"):
            node = view.node(*tops, key)
            for each in (
                node,
                find_node(node, "url"),
                *(node.value if node and isinstance(node.value, list) else ()),
            ):
                if each is not None and each.value == address:
                    return node_location(each, view.entry.path)
    return view.location("files", index)


def _same_bytes(view: ModelView) -> Iterator[RuleViolation]:
    """One address leads to one file: its size and checksum are the same wherever it is named."""
    for variant in view.variants:
        for index, file in enumerate(variant.files):
            for source in file.sources:
                other = view.zoo.models_by_source.get(str(source))
                if other is None or other[0] == view.name:
                    continue
                same = other[1] == file.size and _may_be_one(other[2], file.checksum)
                if not same and file.size is not None and other[1] is not None:
                    yield RuleViolation(
                        view.location("files", index),
                        f"{file.name} comes from where {other[0]} has {other[1]} bytes, {other[2]}; "
                        f"here it is one of {file.size} bytes, {file.checksum}",
                        f"files[{index}]",
                        f"{file.size} {file.checksum}",
                        f"{other[1]} {other[2]}",
                    )


def _may_be_one(one: Digest | None, other: Digest | None) -> bool:
    """Whether two checksums may be of the same bytes: those of two algorithms cannot be compared."""
    return one is None or other is None or one.algorithm != other.algorithm or one == other


def _ir_sizes(view: ModelView) -> Iterator[RuleViolation]:
    """Weights in FP16 take half of the bytes that they take in FP32."""
    spec = view.spec
    if spec is None or not spec.is_ir:
        return
    sizes = {file.name: (index, file.size) for index, file in enumerate(spec.files) if file.size}
    for name, (_, large) in sizes.items():
        half = sizes.get(name.replace("FP32/", "FP16/", 1)) if name.startswith("FP32/") else None
        if half is None or not name.endswith(".bin") or half[1] is None or large is None:
            continue
        if not 1.1 < large / half[1] < 2.05:
            yield RuleViolation(
                view.location("files", half[0], "size"),
                f"the FP16 weights have {half[1]} bytes, the FP32 weights {large}: not twice as many",
                f"files[{half[0]}].size",
                str(half[1]),
                str(large // 2),
            )


def _source_names(view: ModelView) -> Iterator[RuleViolation]:
    """A file's address has the precision and the suffix of its name."""
    spec = view.spec
    for index, file in enumerate(spec.files if spec is not None and spec.is_ir else ()):
        for source in file.sources:
            if not isinstance(source, HttpSource):
                continue
            own, other = _PRECISION.search(file.name), _PRECISION.findall(source.url)
            suffixes = [text.rpartition(".")[2] for text in (file.name, source.url)]
            if (own and other and own[1] not in other) or (set(suffixes) == {"xml", "bin"}):
                yield RuleViolation(
                    view.location("files", index, "source"),
                    f"{file.name} comes from {source.url}, which is another file by its name",
                    f"files[{index}].source",
                    source.url,
                    file.name,
                )


def _parts(view: ModelView) -> Iterator[RuleViolation]:
    """A composite's stages are its parts, all of them."""
    if not isinstance(view.parsed, CompositeSpec):
        return
    inside = set(view.zoo.names_by_composite.get(view.name, ()))
    for name in sorted(inside.symmetric_difference(view.parsed.stages)):
        reason = "not listed" if name in inside else "no folder of this composite"
        yield RuleViolation(view.location("stages"), f"stages: {name} is {reason}", "stages", name)


RULES: tuple[Rule, ...] = (
    Rule(
        "readable",
        Severity.ERROR,
        "model.yml and accuracy-check.yml can be read: what keys hold has the right type and can be meant.",
        "framework: caffee",
        _readable,
    ),
    Rule(
        "too-large",
        Severity.ERROR,
        "A card is no longer than can be read: what lies beyond is not checked.",
        "a README.md of ten megabytes",
        _too_large,
    ),
    Rule(
        "known-keys",
        Severity.ERROR,
        "Every key of model.yml is one that a tool reads: a misspelt one is left out in silence.",
        "licence: https://..., where license is meant",
        _unknown_keys,
    ),
    Rule(
        "safe-sources",
        Severity.ERROR,
        "Files come over https: whoever sits on the way could change what comes over http.",
        "source: http://download.example.org/net.pb",
        _http_sources,
    ),
    Rule(
        "same-source",
        Severity.ERROR,
        "One address leads to one file: its size and checksum are the same wherever it is named.",
        "two models that download one URL, with two checksums",
        _same_bytes,
    ),
    Rule(
        "ir-sizes",
        Severity.ERROR,
        "Weights in FP16 take about half of the bytes that they take in FP32.",
        "FP32/net.bin and FP16/net.bin of the same size",
        _ir_sizes,
    ),
    Rule(
        "source-name",
        Severity.ERROR,
        "The address of a published IR's file has the precision and the suffix of the file's name.",
        "FP16/net.bin from https://.../FP32/net.bin",
        _source_names,
    ),
    Rule(
        "parts",
        Severity.ERROR,
        "A composite's stages are its parts, all of them.",
        "stages: [first], and a folder second/ beside first/",
        _parts,
    ),
)
