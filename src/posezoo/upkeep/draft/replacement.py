"""Change what a model.yml declares about its files: others, or sizes and checksums that were
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.sources import FileSource
from posezoo.core.declarations.yaml_nodes import YamlNode, parse_yaml, read_yaml_bytes
from posezoo.core.errors import SettingsError, SpecError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.verified_files import compute_digest, write_atomically
from posezoo.core.resolve.stage_context import Context
from posezoo.lint.accuracy_check_yml import find_node, list_files, text_below
from posezoo.lint.yaml_edits import YamlEdit, apply_edits
from posezoo.upkeep.draft.draft_files import create_draft_spec, describe_files
from posezoo.upkeep.draft.model_yml_text import format_path


def draft_replacement(spec: ModelSpec, addresses: Sequence[str]) -> ModelSpec:
    """The model with the files at these addresses, one for each of its files, in their order.

    Raises:
        SettingsError: it has another number of files, or variants.
        SpecError: a value is written in a form that cannot be changed in place, or the source is of
            another kind.
    """
    if spec.tag or len(spec.files) != len(addresses):
        names = ", ".join(file.name for file in spec.files)
        raise SettingsError(
            f"--replace: {spec.name} has variants, or another number of files: {names}",
            hint="name an address for each file, in this order; or change model.yml by hand",
        )
    drafted = create_draft_spec(
        spec.name, addresses, spec.framework, spec.family, task=spec.task, license=spec.license
    )
    pairs = zip(drafted.files, spec.files, strict=True)
    files = tuple(replace(new, name=old.name) for new, old in pairs)
    drafted = replace(drafted, files=files)
    _edit_model_yml(spec, drafted, lambda _file, _algorithm: "0")  # before a file is replaced
    return drafted


def write_replacement(
    spec: ModelSpec, drafted: ModelSpec, context: Context, listener: Listener
) -> None:
    """Download the files, and write their sizes, digests, addresses and the next revision into
    model.yml, whose other keys stay as they are.

    Raises:
        DownloadError: a file could not be downloaded.
    """
    described, _ = describe_files(drafted, context, listener)
    for before, after in ((spec.inputs, described.inputs), (spec.outputs, described.outputs)):
        ports = [{port.name: port.shape for port in each} for each in (before, after)]
        if all(ports) and ports[0] != ports[1]:
            text = f"{spec.name}: its inputs or outputs are others now: correct {spec.path}"
            listener(WarningIssued(text))

    def digest_of(file: SourceFile, algorithm: str) -> str:
        return compute_digest(context.layout.file_path(spec, file), algorithm).value

    write_atomically(spec.path, _edit_model_yml(spec, described, digest_of))


def _edit_model_yml(
    spec: ModelSpec, drafted: ModelSpec, digest_of: Callable[[SourceFile, str], str]
) -> bytes:
    """The model.yml with the sizes, digests, addresses and the next revision; SpecError as
    ``draft_replacement``.
    """
    by_name = {file.name: file for file in drafted.files}
    content = read_yaml_bytes(spec.path)
    root = parse_yaml(content, str(spec.path))
    revision = find_node(root, "revision")
    place = revision or find_node(root, "framework")
    assert place  # each model has a framework
    edits = [YamlEdit(place, f"{spec.revision + 1}", key="" if revision else "revision")]
    for node in list_files(root, ""):
        file = by_name[text_below(node, "name")]
        edits += _edit_file(node, file, partial(digest_of, file), spec.path.parent)
    return apply_edits(content, edits)


def _edit_file(
    node: YamlNode, file: SourceFile, digest_of: Callable[[str], str], folder: Path
) -> Iterator[YamlEdit]:
    if size := find_node(node, "size"):
        yield YamlEdit(size, f"{file.size}")
    for key, algorithm in (("checksum", "sha384"), ("sha256", "sha256"), ("md5", "md5")):
        if value := find_node(node, key):
            yield YamlEdit(value, digest_of(algorithm))
    (source,) = file.sources
    key = "url"
    text = getattr(source, "url", "")
    if isinstance(source, FileSource):
        key = "path"
        text = format_path(source.path, folder)
    declared = find_node(node, "source")
    is_short = declared is None or declared.is_text()
    place = declared if is_short and key == "url" else find_node(declared, key)
    if place is None or not text:
        problem = "the source is of another kind than the address"
        raise (declared or node).make_error(
            problem, hint="change the source by hand, and try again"
        )
    yield YamlEdit(place, text)


def write_missing_pins(spec: ModelSpec, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Replace the line ``size: unknown`` of each file by its ``size`` and ``sha384`` in
    provenance.json (``origins``); return the files' names.

    A file that has not one line for each key is left alone.

    Raises:
        OutputError: model.yml cannot be written.
    """
    content = read_yaml_bytes(spec.path)
    completed = []
    for index, file in enumerate(spec.files):
        origin = origins.get(file.name)
        if file.size is not None or origin is None:
            continue
        node = list_files(parse_yaml(content, str(spec.path)), spec.tag)[index]
        size = find_node(node, "size")
        max_size = find_node(node, "max_size")
        if size is None or max_size is None:
            continue
        edits = [YamlEdit(size, f"{origin['size']}"), YamlEdit(max_size, "")]
        if not file.declared_checksum:
            checksum = find_node(node, "checksum")
            added = "" if checksum else "checksum"
            edits.append(YamlEdit(checksum or size, origin["sha384"], key=added))
        with suppress(SpecError):
            content = apply_edits(content, edits)
            completed.append(file.name)
    if completed:
        write_atomically(spec.path, content)
    return completed
