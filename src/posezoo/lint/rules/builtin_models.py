"""Rules on the models of posezoo's own registry, which come to everybody with posezoo."""

from __future__ import annotations

from urllib.parse import urlsplit

from posezoo.core.declarations.model import ModelSpec, Source
from posezoo.core.declarations.sources import FileSource, HttpSource, StorageSource
from posezoo.core.download.http_connections import is_private
from posezoo.core.registry import registry_root
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.pages.facts.rehearsals import TABLE, read_rehearsals
from posezoo.poses.people import declared_people


@rule()
def reachable_source(view: ModelView) -> Violations:
    """In posezoo's registry, every user can reach the sources of files: none is on a disk, in a
    store that needs a login, or at an address of a local network.

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
        return is_private(host) or not (is_name or ":" in host)
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
def rehearsed(view: ModelView) -> Violations:
    """rehearsed.tsv, if a registry has one, has a row for each model: how far it comes with
    generated weights.

    Example: a new model without a row in rehearsed.tsv
    """
    if not isinstance(view.parsed, ModelSpec):
        return
    root = registry_root(view.parsed)
    rows = read_rehearsals(root)
    if rows and view.name not in rows:
        message = (
            f"{TABLE}: has no row of {view.name}: make rehearse REHEARSE={view.name} writes it, and"
            " REHEARSE=--dry_run one that says that it was not rehearsed"
        )
        yield RuleViolation(view.location(), message, "name", view.name)
