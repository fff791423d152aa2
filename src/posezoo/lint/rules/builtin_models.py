"""Rules on the models of posezoo's own registry, which come to everybody with posezoo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from posezoo.console.labels import format_count
from posezoo.core.declarations.model import ModelSpec, PublishedAccuracy, Source
from posezoo.core.declarations.sources import FileSource, HttpSource, StorageSource
from posezoo.core.download.http_connections import is_private
from posezoo.core.registry import registry_root
from posezoo.figures.measured import KINDS, NAME, Measurement
from posezoo.figures.measurement_selection import executed_type
from posezoo.figures.rehearsals import DIGEST, TABLE, read_rehearsals, row_digest
from posezoo.lint.finding import FileLocation, RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.native_format import OWN_TERMS
from posezoo.pages.spdx_licenses import COMMON, GNU_SUFFIX
from posezoo.poses.people import declared_people

#: Hosts that only documents name (RFC 2606).
_PLACEHOLDER = re.compile(r"(?:^|\.)example(?:\.com|\.net|\.org)?$")
#: Names of licenses, also without the words after their numbers, such as -only.
_LICENSE_NAME = re.compile(
    "|".join(rf"(?<![\w-]){re.escape(GNU_SUFFIX.sub('', name))}(?!\w)" for name in reversed(COMMON))
)


@rule()
def reachable_source(view: ModelView) -> Violations:
    """In posezoo's registry, every user can reach the sources of files: none is on a disk, in a
    store that needs a login, at an address of a local network, or at one that stands for others.

    Example: source: {$type: file, path: /home/me/net.onnx}
    """
    for index, file, source in view.sources if view.is_builtin else ():
        if _is_local(source):
            message = (
                f"{file.name} comes from {source}, which others cannot reach: publish the file, and"
                " give its https address"
            )
            yield view.declared(f"files[{index}].source", message, str(source))


def _is_local(source: Source) -> bool:
    if isinstance(source, HttpSource):
        host = urlsplit(source.url).hostname or ""
        # A name without a dot is one of a local network.
        is_name = "." in host and not host.endswith((".local", ".lan", ".internal", ".localhost"))
        is_placeholder = _PLACEHOLDER.search(host) is not None
        return is_private(host) or is_placeholder or not (is_name or ":" in host)
    return isinstance(source, (FileSource, StorageSource))


@rule()
def stated_people(view: ModelView) -> Violations:
    """In posezoo's registry, a model for one person at a time states what finds the people in
    photos and in videos: its figures are those of this pair.

    Example: decoder: {name: simcc} without people: {photo: nanodet-g, video: nanodet-g}
    """
    model = view.declaration
    people = declared_people(model) if view.is_builtin and model.people is None else None
    if people:
        message = (
            "people: is missing: state what finds them, such as people: {photo:"
            f" {people.photo}, video: {people.video}}}"
        )
        yield view.declared("decoder", message)


@rule()
def license_note(view: ModelView) -> Violations:
    """In posezoo's registry, a license_note that names licenses names that of license.spdx, too.

    Example: license: {spdx: MIT, ...} and license_note: The authors publish it under AGPL-3.0
    """
    spec = view.spec
    if not view.is_builtin or OWN_TERMS.search(spec.license.spdx):
        return
    named = {match[0] for match in _LICENSE_NAME.finditer(spec.license_note)}
    if named and GNU_SUFFIX.sub("", spec.license.spdx) not in named:
        texts = (", ".join(sorted(named)), spec.license.spdx)
        message = f"license_note names {texts[0]}, and license.spdx is {texts[1]}"
        yield view.declared("license_note", message, *texts)


@rule()
def copied_accuracy(view: ModelView) -> Violations:
    """In posezoo's registry, no two models publish the same accuracy: same value, data, boxes and
    protocol. Two papers of one project may. With --changed_since, the new model is wrong.

    Example: a new model with the accuracy of the model.yml that was copied
    """
    for index, claim in enumerate(view.declaration.published.accuracy if view.is_builtin else ()):
        others = view.zoo.find_originals(view, _read_claims, claim)
        copied = [each for each in others if not _is_of_another_paper(view, each)]
        if copied:
            message = (
                f"{claim.metric} {claim.value:g} of {claim.dataset or 'no named data'} is that of"
                f" {copied[0].name}, too: take it from the publisher's table; if both have it, say"
                " in protocol what sets them apart"
            )
            yield view.declared(f"published.accuracy[{index}]", message, f"{claim.value:g}")


def _read_claims(view: ModelView) -> Iterator[PublishedAccuracy]:
    yield from dict.fromkeys(view.declaration.published.accuracy)


def _is_of_another_paper(view: ModelView, other: ModelView) -> bool:
    one, two = view.spec.origin, other.spec.origin
    is_known = one.repository and one.paper and two.paper
    return bool(is_known) and one.repository == two.repository and one.paper != two.paper


@rule()
def copied_records(view: ModelView) -> Violations:
    """In posezoo's registry, no two models have records of one IR, or the same speed to the last
    digit. With --changed_since, the new model is wrong.

    Example: the measured.yml of another model
    """
    copied: dict[str, list[Measurement]] = {}
    for record in view.records if view.is_builtin else ():
        key = _record_key(record)
        for other in view.zoo.find_originals(view, _read_record_keys, key)[:1] if key else ():
            copied.setdefault(other.name, []).append(record)
    for name, records in copied.items():
        message = (
            f"{format_count(len(records), 'record')} that {name} has, too, such as this"
            f" {records[0].kind}: remove what was copied, and measure this model"
        )
        place = view.record_location(records[0])
        yield RuleViolation(place, message, records[0].kind, records[0].irs)


def _read_record_keys(view: ModelView) -> Iterator[str]:
    yield from filter(None, dict.fromkeys(map(_record_key, view.records)))


def _record_key(record: Measurement) -> str:
    """What no two networks have in common; empty for what follows from the layers."""
    figures = f"{sorted(record.figures.items())}" if KINDS[record.kind].by_machine else ""
    return record.irs or figures


@rule()
def measured_types(view: ModelView) -> Violations:
    """An accuracy was measured in each of compute_types: measured.yml has it. Without a measurement
    nobody knows that the model keeps its accuracy.

    Example: compute_types: [bf16] without a record with arithmetic: bf16 in measured.yml
    """
    # Of bf16,i8 one may be the type of its detector.
    measured = {executed_type(each) for each in view.records if each.kind == "accuracy"}
    for word in view.spec.compute_types:
        if word not in measured:
            message = (
                f"compute_types: {NAME} has no accuracy in {word}: measure it, or leave out {word}"
            )
            yield view.declared("compute_types", message, word)


@rule()
def rehearsed(view: ModelView) -> Violations:
    """rehearsed.tsv, if a registry has one, has a row for each model: how far it comes with
    generated weights. The row is as make rehearse wrote it.

    Example: a new model without a row in rehearsed.tsv
    """
    if not isinstance(view.parsed, ModelSpec):
        return
    path = registry_root(view.parsed) / TABLE
    rows = view.zoo.once((TABLE, path), lambda: read_rehearsals(path.parent))
    if not rows:
        return
    row = rows.get(view.name)
    command = f"make rehearse REHEARSE={view.name}"
    if row is None:
        message = (
            f"{TABLE} has no row of {view.name}: {command} writes it; REHEARSE=--dry_run writes"
            " that it was not rehearsed"
        )
        yield RuleViolation(view.location(), message, "name", view.name)
    elif row.get(DIGEST) != row_digest(view.name, row):
        line = [*rows].index(view.name) + 2  # no cell has a line break
        message = f"the row of {view.name} was changed: {command} writes it"
        yield RuleViolation(FileLocation(path, line), message, DIGEST, row.get(DIGEST) or "")
