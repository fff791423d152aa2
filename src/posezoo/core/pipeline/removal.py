"""Remove what the manifests of models list, if it has the listed bytes, and files with the declared
digests; others are kept and named.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from posezoo.core.declarations.model import (
    CompositeSpec,
    Family,
    Framework,
    License,
    Model,
    ModelSpec,
)
from posezoo.core.declarations.safe_names import explain_invalid_model_name
from posezoo.core.errors import OutputError, os_reason
from posezoo.core.files.file_lock import is_part_of
from posezoo.core.files.manifest import NAME, is_manifest, read_json
from posezoo.core.files.result_files import RECORDS_DIR, record_path
from posezoo.core.layout import ModelLayout, find_link_out
from posezoo.core.pipeline.artifact_states import (
    ArtifactState,
    check_artifacts,
    check_listed_files,
)
from posezoo.core.registry import TAG_MARK, open_registry
from posezoo.core.values import frozen


@frozen
class RemovalPlan:
    """What is removed of models, and what is kept."""

    removed: tuple[Path, ...]
    kept: tuple[ArtifactState, ...]
    size_bytes: int  # of what is removed


def find_gone(layout: ModelLayout, known: Container[str]) -> Iterator[ModelSpec]:
    """The models with a manifest that no registry has."""
    root = layout.download_dir
    own = open_registry().entries
    for path in sorted((*root.glob(f"*/*/{NAME}"), *root.glob(f"*/*/*/{NAME}"))):
        folder = path.parent
        name, _, tag = folder.name.partition(TAG_MARK)
        # Beside an IR, a file of this name has the name of the model, too.
        if name in known or name in own or read_json(path).get("model") != folder.name:
            continue
        if explain_invalid_model_name(name):  # a folder called --yes
            continue
        yield ModelSpec(
            name,
            Family.PUBLIC,
            path,
            "",
            "",
            parent=folder.parent.relative_to(root).as_posix(),
            tag=tag,
            is_default=not tag,
            framework=Framework.ONNX,
            license=License(),
            files=(),
        )


def plan_removal(
    models: Iterable[ModelSpec], composites: Iterable[CompositeSpec], layout: ModelLayout
) -> RemovalPlan:
    """What can be removed of these models; every byte of their files is read."""
    states: dict[Path, ArtifactState] = {}
    everything: list[Model] = [*models, *composites]
    for model in everything:
        for artifact in _check_all(model, layout):
            # A file is good by the manifest, which also has those of an earlier model.yml, or by
            # this model.yml.
            if artifact.path not in states or artifact.state == "good":
                states[artifact.path] = artifact
    removed = []
    kept = []
    for path, artifact in states.items():
        if artifact.state == "good" and not find_link_out(path, layout.roots):
            removed.append(path)
        elif artifact.state != "missing":
            state = "symlinked" if artifact.state == "good" else artifact.state
            kept.append(replace(artifact, state=state))
    return RemovalPlan(tuple(removed), tuple(kept), sum(path.stat().st_size for path in removed))


def _check_all(model: Model, layout: ModelLayout) -> Iterator[ArtifactState]:
    """The state of each file of a model, with manifests and partial downloads, which are good."""
    folders = [root / model.subdirectory for root in layout.roots]
    if isinstance(model, ModelSpec):
        folders += [xml.parent for xml in layout.made_irs(model)]
    own = []
    for folder in dict.fromkeys(folders):
        yield from check_listed_files(folder, model.full_name)
        if is_manifest(folder / NAME):
            own.append(folder / NAME)
    if isinstance(model, ModelSpec):
        yield from check_artifacts(model, layout)
        own += _list_parts(model, layout)
        onnx = layout.onnx_path(model)
        if onnx.is_file():
            yield ArtifactState(model.full_name, onnx.name, onnx, "unknown")
    for path in own:
        yield ArtifactState(model.full_name, path.name, path, "good")


def _list_parts(spec: ModelSpec, layout: ModelLayout) -> Iterator[Path]:
    """The partial downloads, and their states."""
    for file in spec.files:
        path = layout.file_path(spec, file)
        for part in (*path.parent.glob(".*.part"), *path.parent.glob(".*.part.json")):
            if is_part_of(part.with_name(part.name.removesuffix(".json")), path):
                yield part


def remove_files(paths: Sequence[Path], roots: Collection[Path]) -> None:
    """Remove files with their records, and the folders below the roots that are empty then.

    Raises:
        OutputError: a file cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
            record_path(path).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {os_reason(error)}") from error
    for folder in {path.parent for path in paths}:
        empty = folder / RECORDS_DIR
        with suppress(OSError):  # until one is not empty
            while empty not in roots:
                if empty.exists():
                    empty.rmdir()
                empty = empty.parent
