"""Find a model as it was before a change, also if its name changed: by its files."""

from __future__ import annotations

from pathlib import Path

from posezoo.core.declarations.model import CompositeSpec, Model, ModelSpec, SourceFile
from posezoo.core.declarations.yaml_nodes import YamlNode
from posezoo.core.values import frozen
from posezoo.lint.accuracy_check_yml import list_leaves


@frozen
class EarlierModels:
    """The models of a registry before a change."""

    changed: tuple[Model, ...]  # as they were
    paths: frozenset[Path]  # of the model.yml that changed since
    reasons: frozenset[str]  # that these files gave
    irs: frozenset[str]  # that records beside these files name


def read_reasons(tree: YamlNode | None) -> set[str]:
    """The reasons that a model.yml gives, for all variants."""
    return {str(node.value) for node in list_leaves(tree) if node.key == "known_difference"}


def list_pins(file: SourceFile) -> dict[str, str]:
    """The digests of a file and of its members, by algorithm or name."""
    members = {name: digest.value for name, digest in file.contains.items()}
    return members | {digest.algorithm: digest.value for digest in file.digests}


def read_digests(spec: ModelSpec) -> set[str]:
    """The digests of the file with the weights, which is the largest."""
    largest = max(spec.files, key=lambda file: file.read_limit or 0, default=SourceFile(""))
    return {*list_pins(largest).values()}


def read_keys(model: Model) -> set[object]:
    """What shows that two models are of the same file; or two composites, of the same parts."""
    if isinstance(model, CompositeSpec):
        return {model.stages}
    member = "" if model.source_name in model.file_names else model.source_name
    addresses = (address for file in model.files for address in file.addresses)
    return {(key, member) for key in (*read_digests(model), *addresses)}
