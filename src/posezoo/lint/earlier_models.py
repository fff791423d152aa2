"""Find a model as it was before a change, also if its name changed: by the digests of its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from posezoo.core.declarations.model import Model, ModelSpec, SourceFile
from posezoo.core.values import frozen


@frozen
class EarlierModels:
    """The models of a registry before a change."""

    changed: tuple[Model, ...]  # as they were
    paths: frozenset[Path]  # of the model.yml that changed since; those of all others did not


def list_pins(file: SourceFile) -> dict[str, str]:
    """The digests of a file and of its members, by algorithm or name."""
    members = {name: digest.value for name, digest in file.contains.items()}
    return members | {digest.algorithm: digest.value for digest in file.digests}


def read_digests(spec: ModelSpec) -> set[str]:
    """The digests of the file with the weights, which is the largest."""
    largest = max(spec.files, key=lambda file: file.read_limit or 0, default=SourceFile(""))
    return {*list_pins(largest).values()}


def find_same(model: Model, others: Iterable[Model]) -> Sequence[Model]:
    """The model or the variant of this name; else those with the same file, or with the same
    address of one.
    """
    others = [*others]
    for is_same in (_has_name, _has_file, _has_address):
        found = [other for other in others if is_same(model, other)]
        if found:
            return found
    return ()


def _has_name(model: Model, other: Model) -> bool:
    return (model.name, model.tag) == (other.name, other.tag)


def _has_file(model: Model, other: Model) -> bool:
    """Whether two models convert the same file; for composites, whether the parts are the same."""
    if isinstance(model, ModelSpec) and isinstance(other, ModelSpec):
        is_same = not read_digests(model).isdisjoint(read_digests(other))
        return is_same and _find_member(model) == _find_member(other)
    return model.stages == other.stages


def _has_address(model: Model, other: Model) -> bool:
    if isinstance(model, ModelSpec) and isinstance(other, ModelSpec):
        is_same = not _read_addresses(model).isdisjoint(_read_addresses(other))
        return is_same and _find_member(model) == _find_member(other)
    return False


def _find_member(spec: ModelSpec) -> str:
    """The converted member of an archive; empty if a whole file is converted."""
    return "" if spec.source_name in spec.file_names else spec.source_name


def _read_addresses(spec: ModelSpec) -> set[str]:
    return {address for file in spec.files for address in file.addresses}
