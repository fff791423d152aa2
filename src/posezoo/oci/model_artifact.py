"""Models as one artifact in an OCI registry: their files, IR, records, cards and licenses.

The artifact has the media types of CNCF's ModelPack (https://github.com/modelpack/model-spec). Each
file is a layer with unchanged bytes. The registry finds it by its SHA-256. An annotation has its
SHA-384, by which posezoo's records, caches and locks know the file. Both are verified after a
download.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from posezoo.core.declarations.model import Digest, Model, ModelSpec, Precision, SourceFile
from posezoo.core.declarations.safe_names import case_folded, explain_unsafe_file_name
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions, refuse_license
from posezoo.core.download.provenance_json import update_provenance_json
from posezoo.core.errors import DigestError, OutputError, SizeError, SourceError, UnknownModelError
from posezoo.core.events import ArtifactUploadProgress, Listener, ignore_event
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.files.verified_files import (
    compute_digests,
    is_verified,
    set_aside,
    write_atomically,
    write_keeping,
)
from posezoo.core.ir.provenance import (
    SUFFIXES,
    FileContent,
    Provenance,
    format_received_record,
    parse_provenance,
    read_provenance,
    remember_written,
    was_made_from,
)
from posezoo.core.layout import DECODED, ModelLayout, require_inside
from posezoo.core.lockfile import LockFile
from posezoo.core.registry import TAG_MARK, Registry, license_path, read_copyright_line
from posezoo.core.values import frozen
from posezoo.core.verify import check_artifacts
from posezoo.oci.oci_client import MANIFEST, OciAddress, OciClient
from posezoo.pages.cards.model_card import NAME as CARD

Item = TypeVar("Item")

MODEL_PACK = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
DOCUMENT = "application/vnd.cncf.model.doc.v1.raw"

#: The annotations of a layer: ModelPack's for its path, the one that other clients (oras) read, and
#: ours.
PATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"
MODEL = "posezoo.model"
SHA384 = "posezoo.sha384"

_MEDIA_TYPES = {".xml": WEIGHT_CONFIG}
_RECORD = "provenance.json"
_LICENSE = "LICENSE"
_OTHER_ARTIFACT = (
    "pull another tag, or make the models here with posezoo get; its publisher can push it again"
    " with posezoo push"
)


@frozen
class ArtifactFile:
    """A file of an artifact."""

    model: str  # the full name of its model or composite
    path: str  # relative to the output folder, such as public/NAME/FP16/NAME.xml
    media_type: str
    size: int  # in bytes
    sha256: str  # by which the registry knows it
    sha384: str  # by which posezoo knows it
    source: Path = field(default_factory=Path, compare=False)  # the file that is pushed

    @property
    def content(self) -> FileContent:
        """Size and SHA-384, as records state them."""
        return FileContent(self.size, Digest("sha384", self.sha384))


def list_places(model: Model, layout: ModelLayout) -> dict[str, Path]:
    """The only files of a model that an artifact may have, by their paths in it, with those on
    disk.

    They are the files that model.yml names, IR with their records, the card and the license. The
    members of an archive are not among them, because model.yml does not state their digests.
    """
    names = [*_card_names(model), _LICENSE]
    published = {}
    if isinstance(model, ModelSpec):
        names += chain.from_iterable(_ir_names(model, precision) for precision in Precision)
        published = {file.name: layout.file_path(model, file) for file in model.files}
    folder = layout.model_dir(model)
    paths = {name: folder / name for name in names} | published
    return {f"{model.subdirectory}/{name}": path for name, path in paths.items()}


def _card_names(model: Model) -> tuple[str, ...]:
    return CARD, "card.json", f"{model.skeleton}.svg"


def _ir_names(spec: ModelSpec, precision: Precision) -> tuple[str, str, str]:
    """The .xml, the .bin and the record of an IR that posezoo makes."""
    folder = f"{DECODED}/{precision}" if spec.is_ir else precision
    return f"{folder}/{spec.name}.xml", f"{folder}/{spec.name}.bin", f"{folder}/{_RECORD}"


def collect_files(
    models: Sequence[Model], layout: ModelLayout, *, with_irs: bool = True
) -> list[ArtifactFile]:
    """The files of models that are on this machine, with their cards and licenses; all are
    verified.

    Raises:
        OutputError: a file differs from model.yml or from its record.
    """
    files: list[ArtifactFile] = []
    folders: set[str] = set()  # of models with a file
    for model in models:
        verified = {}
        if isinstance(model, ModelSpec):
            verified = _list_verified(model, layout, with_irs)
        if verified:
            parents = PurePosixPath(model.subdirectory).parents
            folders |= {str(model.subdirectory), *map(str, parents)}
        # A composite is listed after its parts.
        is_needed = str(model.subdirectory) in folders
        documents = _list_documents(model, layout, verified) if is_needed else {}
        for path, source in sorted({**documents, **verified}.items()):
            kind = DOCUMENT
            if path in verified:
                kind = _MEDIA_TYPES.get(source.suffix, WEIGHTS)
            sha256, sha384 = compute_digests(source, ("sha256", "sha384"))
            size = source.stat().st_size
            files.append(
                ArtifactFile(
                    model.full_name,
                    path,
                    kind,
                    size,
                    sha256=sha256.value,
                    sha384=sha384.value,
                    source=source,
                )
            )
    return files


def _list_verified(spec: ModelSpec, layout: ModelLayout, with_irs: bool) -> dict[str, Path]:
    """The published files and IR of a model, by their paths in an artifact."""
    paths = list_places(spec, layout)
    verified = {}
    for each in check_artifacts(spec, layout):
        if each.state in ("changed", "unknown") or (each.converted and each.state == "missing"):
            raise OutputError(
                f"{each.path}: {each.state}: it is not the file of model.yml or of its record",
                hint="posezoo verify shows the reason, posezoo get makes it again",
            )
        path = f"{spec.subdirectory}/{each.artifact}"
        if each.state == "good" and path in paths and (with_irs or not each.converted):
            verified[path] = each.path
    return verified


def _list_documents(
    model: Model, layout: ModelLayout, verified: Mapping[str, Path]
) -> dict[str, Path]:
    """The cards of a model, its license, and the records of the IR among its files."""
    local_paths = list_places(model, layout)
    paths = [f"{model.subdirectory}/{name}" for name in _card_names(model)]
    paths += [f"{path.rpartition('/')[0]}/{_RECORD}" for path in verified]
    documents = {
        path: local_paths[path]
        for path in paths
        if path in local_paths and local_paths[path].is_file()
    }
    if isinstance(model, ModelSpec) and verified and read_copyright_line(model):
        documents[f"{model.subdirectory}/{_LICENSE}"] = license_path(model)
    return documents


def push_files(
    files: Sequence[ArtifactFile],
    models: Sequence[ModelSpec],
    address: OciAddress,
    options: DownloadOptions,
    listener: Listener = ignore_event,
) -> str:
    """Push files as one artifact, and return the digest of its manifest; the tag is written last.

    The same files give the same digest. Files that the repository has already are not uploaded
    again.

    Args:
        models: the models whose facts the artifact states.

    Raises:
        SourceError: the registry refuses it, or does not answer.
    """
    config = json.dumps(_model_config(files, models, address), indent=1).encode()
    config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    layers = []
    for file in files:
        notes = {PATH: file.path, TITLE: file.path, MODEL: file.model, SHA384: file.sha384}
        layer = {"mediaType": file.media_type, "size": file.size, "annotations": notes}
        layers.append({**layer, "digest": f"sha256:{file.sha256}"})
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MODEL_PACK,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": config_digest},
        "layers": layers,
    }
    content = json.dumps(manifest, indent=1).encode()
    total = len(config) + sum(file.size for file in files)
    progress = ArtifactUploadProgress(str(address), 0, total)
    with DownloadContext(str(address), options, listener) as context:
        client = OciClient(address, context, writes=True)
        for file in files:
            open_file = partial(_CountedFile, file.source, context, progress)
            client.upload_blob(f"sha256:{file.sha256}", open_file)
            progress = replace(progress, size=progress.size + file.size)
        client.upload_blob(config_digest, lambda: io.BytesIO(config))
        client.write_manifest(content)
        context.emit(replace(progress, size=total))
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _CountedFile(io.FileIO):
    """A file that reports how many of its bytes were read, after those of the files before it."""

    def __init__(
        self, path: Path, context: DownloadContext, before: ArtifactUploadProgress
    ) -> None:
        super().__init__(path)
        self._context = context
        self._before = before

    def read(self, size: int | None = -1, /) -> bytes:
        self._context.emit(replace(self._before, size=self._before.size + self.tell()))
        return super().read(-1 if size is None else size) or b""


def _model_config(
    files: Sequence[ArtifactFile], models: Sequence[ModelSpec], address: OciAddress
) -> dict[str, Any]:
    """The facts of https://github.com/modelpack/model-spec/blob/main/docs/config.md; without any
    time.
    """
    has_irs = any(file.media_type == WEIGHT_CONFIG for file in files)
    names = [model.full_name for model in models]
    name = names[0] if len(names) == 1 else address.repository.rpartition("/")[2]
    return {
        "descriptor": {
            "name": name,
            "description": " ".join(f"{model.full_name}: {model.description}" for model in models),
            "licenses": sorted({model.license.spdx for model in models} - {""}),
        },
        "config": {"format": "openvino" if has_irs else models[0].framework.value},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.sha256}" for file in files]},
    }


def read_artifact(manifest: bytes, address: OciAddress) -> list[ArtifactFile]:
    """The files that a manifest lists; as the model, each has the folder that it lies in.

    Raises:
        SourceError: it is not the manifest of an artifact that posezoo pushed, or a path is not
            allowed.
    """
    try:
        return _read_layers(parse_json(manifest))
    except ValueError as error:
        problem = f"{address}: is not an artifact of posezoo: {error}"
        raise SourceError(problem[:400], hint=_OTHER_ARTIFACT) from error


def _read_layers(manifest: Mapping[str, Any]) -> list[ArtifactFile]:
    kind = _find_artifact_type(manifest)
    if not isinstance(kind, str):
        raise ValueError("it states no type")
    if kind not in (MODEL_PACK, CONFIG):
        raise ValueError(f"its type is {kind}, not {MODEL_PACK}")
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise ValueError("it has no list of layers")
    files = [_read_layer(layer, f"layer {number}") for number, layer in enumerate(layers, 1)]
    if len({case_folded(file.path) for file in files}) < len(files):
        raise ValueError("two files have the same path, at least if case is ignored")
    return files


def _find_artifact_type(manifest: Mapping[str, Any]) -> object:
    """The type; older registries have it in the configuration, or as that of the manifest."""
    config = manifest.get("config")
    of_config = config.get("mediaType") if isinstance(config, dict) else None
    return manifest.get("artifactType") or of_config or manifest.get("mediaType")


def _read_layer(layer: object, name: str) -> ArtifactFile:
    notes = layer.get("annotations") if isinstance(layer, dict) else None
    if not isinstance(layer, dict) or not isinstance(notes, dict):
        raise ValueError(f"{name} has no annotations")
    path = notes.get(PATH)
    if not isinstance(path, str):
        raise ValueError(f"{name} has no annotation {PATH}")
    problem = explain_unsafe_file_name(path)
    if problem:
        raise ValueError(f"the path {path} {problem}")
    # No model lies in a hidden folder, such as .git.
    if not re.fullmatch(r"(?:[^./][^/]*/)+[^/]+", path):
        raise ValueError(f"the path {path} is not in the folder of a model")
    digests = f"{layer.get('digest')} {notes.get(SHA384)}"
    match = re.fullmatch("sha256:([0-9a-f]{64}) ([0-9a-f]{96})", digests)
    if match is None:
        raise ValueError(f"{path} has no SHA-256 and SHA-384")
    size = layer.get("size")
    if type(size) is not int or size < 0:
        raise ValueError(f"the size of {path} is not a number of bytes")
    folder = path.rpartition("/")[0]
    return ArtifactFile(
        folder, path, str(layer.get("mediaType")), size, sha256=match[1], sha384=match[2]
    )


def find_models(path: str, registry: Registry) -> list[Model]:
    """The models in whose folders a file of an artifact lies: a part before its composite.

    Raises:
        SpecError: its model.yml has a mistake.
        UnknownModelError: it has no such variant.
    """
    named = [
        (str(folder), registry.find(folder.name))
        for folder in PurePosixPath(path).parents
        if folder.name.partition(TAG_MARK)[0] in registry.entries
    ]
    return [model for folder, model in named if model.subdirectory == folder]


@frozen
class PulledFile:
    """A file that may be pulled."""

    file: ArtifactFile
    target: Path
    expected: SourceFile  # with the digest of model.yml or the lock, or else that of the artifact
    is_trusted: bool = False  # whether only the artifact states the digest of a published file


@frozen
class PullPlan:
    """The files of one model that may be pulled."""

    model: Model
    files: Sequence[PulledFile]  # published files and IR
    records: Sequence[PulledFile]  # of the IR
    #: The precisions of the IR that the lock lists.
    locked: Collection[Precision]
    #: The names of its documents in the artifact, such as its card. They are not pulled: posezoo
    #: draws them from the registry, because nothing could verify them.
    documents: Collection[str]

    @property
    def trusts_host(self) -> bool:
        """Whether neither model.yml nor the lock knows a file, so that the registry is trusted."""
        irs = {file.target.parent.name for file in self.records}
        return any(file.is_trusted for file in self.files) or bool(irs - set(self.locked))


def plan_pull(
    files: Sequence[ArtifactFile],
    registry: Registry,
    layout: ModelLayout,
    lock: LockFile,
    allowed_licenses: Collection[str],
) -> list[PullPlan]:
    """Decide where each file goes and what it must be, before any is downloaded.

    Only the paths count: a file is of the model in whose folder it lies, and that model must name
    it.

    Raises:
        DownloadError: a model does not name a file, or declares another one.
        LicenseError: a model's license is not allowed.
        LockError: a strict lock does not list a model, a file or an IR.
        SpecError: a model.yml has a mistake.
        UnknownModelError: the registry has no model for a folder.
    """
    models: dict[str, Model] = {}
    by_model: dict[str, list[ArtifactFile]] = {}
    for file in files:
        nearest = next(iter(find_models(file.path, registry)), None)
        if nearest is None:
            folder = file.path.rpartition("/")[0]
            hint = "--models_dir or --registry names the registry that has it"
            raise UnknownModelError(f"no model has the folder {folder} of the artifact", hint=hint)
        models[nearest.full_name] = nearest
        by_model.setdefault(nearest.full_name, []).append(file)
    return [
        _plan_model(models[name], of_model, layout, lock, allowed_licenses=allowed_licenses)
        for name, of_model in by_model.items()
    ]


def _plan_model(
    model: Model,
    files: Sequence[ArtifactFile],
    layout: ModelLayout,
    lock: LockFile,
    allowed_licenses: Collection[str],
) -> PullPlan:
    declared = {}
    locked: Collection[Precision] = ()
    if isinstance(model, ModelSpec):
        refuse_license(model, allowed_licenses)
        model = lock.with_pins(model)
        declared = {f"{model.subdirectory}/{file.name}": file for file in model.files}
        locked = _find_locked_irs(files, model, lock)
    targets = list_places(model, layout)
    pulled = []
    records: list[PulledFile] = []
    documents = []
    for file in files:
        if file.path not in targets:
            problem = (
                f"{file.path}: is not a file of {model.full_name}: its model.yml does not name it"
            )
            raise SourceError(problem, hint=_OTHER_ARTIFACT)
        name = file.path.removeprefix(f"{model.subdirectory}/")
        if isinstance(model, ModelSpec) and file.path in declared:
            expected = _pin(declared[file.path], file)
            lock.require_listed_digest(model, name, file.sha384)
            is_trusted = not declared[file.path].is_pinned
            pulled.append(PulledFile(file, targets[file.path], expected, is_trusted=is_trusted))
        elif name in (*_card_names(model), _LICENSE):
            documents.append(name)
        else:
            expected = _pin(SourceFile(name), file)
            group = records if name.endswith(f"/{_RECORD}") else pulled
            group.append(PulledFile(file, targets[file.path], expected))
    return PullPlan(model, pulled, records, locked, documents=documents)


def _list_irs(
    files: Mapping[str, Item], spec: ModelSpec
) -> Iterator[tuple[Precision, dict[str, Item], Item | None]]:
    """The IR among files of an artifact: their precision, two files by suffix, and record."""
    for precision in Precision:
        *paths, record = (f"{spec.subdirectory}/{name}" for name in _ir_names(spec, precision))
        pair = zip(SUFFIXES, paths, strict=True)
        ir_files = {suffix: files[path] for suffix, path in pair if path in files}
        if ir_files or record in files:
            yield precision, ir_files, files.get(record)


def _find_locked_irs(
    files: Sequence[ArtifactFile], spec: ModelSpec, lock: LockFile
) -> list[Precision]:
    """The IR that the lock lists; a LockError if it lists others."""
    locked = []
    for precision, ir_files, _ in _list_irs({file.path: file for file in files}, spec):
        contents = {suffix: file.content for suffix, file in ir_files.items()}
        if lock.confirms_ir(spec, precision, contents):
            locked.append(precision)
    return locked


def read_records(
    plan: PullPlan, client: OciClient, *, host: str, is_signed: bool = False
) -> dict[Path, bytes]:
    """The record of each IR of an artifact, by its path here; only records are downloaded for that.

    A record says who vouches for the IR (``Provenance.trust``): the lock if it lists the IR,
    else the registry at ``host``. It has no result of another machine's self-check.

    Raises:
        DigestError: an IR has no record, or its record states another IR; or published files that
            are not those of a lock.
        SourceError: a record cannot be downloaded.
    """
    spec = plan.model
    contents = {}
    if isinstance(spec, ModelSpec):
        files = {each.file.path: each for each in (*plan.files, *plan.records)}
        for precision, ir_files, record in _list_irs(files, spec):
            if not ir_files:
                continue
            path, provenance, received = _read_record(ir_files, record, client)
            present = read_provenance(path)
            is_made_here = present and not present.trust
            if is_made_here and is_verified(path, None, Digest("sha384", received)):
                continue
            trust = f"trusted from {host}"
            if precision in plan.locked:
                if not was_made_from(provenance, spec):  # another file was converted
                    problem = (
                        f"{path}: the artifact's record states other published files than"
                        f" {spec.path}"
                    )
                    raise DigestError(problem, hint=_OTHER_ARTIFACT)
                trust = "signed" if is_signed else "locked"
            contents[path] = format_received_record(provenance, spec, trust, received)
    return contents


def _read_record(
    ir_files: Mapping[str, PulledFile], record: PulledFile | None, client: OciClient
) -> tuple[Path, Provenance, str]:
    """The path here, the content and the SHA-384 of the record that states an IR."""
    if record:
        received = record.file.sha384
        provenance = read_provenance(record.target)
        is_own = is_verified(record.target, record.file.size, Digest("sha384", received))
        if provenance is None or not (is_own or provenance.received == received):
            provenance = parse_provenance(client.read_record(f"sha256:{record.file.sha256}"))
        contents = {suffix: each.file.content for suffix, each in ir_files.items()}
        if provenance and provenance.contents == contents:
            return record.target, provenance, received
    path = next(iter(ir_files.values())).file.path
    problem = f"{path}: the artifact has no record that states this IR"
    raise DigestError(problem, hint=_OTHER_ARTIFACT)


def _pin(declared: SourceFile, file: ArtifactFile) -> SourceFile:
    """What a file must be; a DigestError or SizeError if the artifact contradicts model.yml or the
    lock.
    """
    digests = {"sha256": file.sha256, "sha384": file.sha384}
    pin = declared.checksum or Digest("sha384", file.sha384)
    digits = digests.get(pin.algorithm, pin.value)
    if digits != pin.value:
        actual = Digest(pin.algorithm, digits)
        raise DigestError(
            f"{file.path}: the artifact has {actual}, but {declared.pin_text} is declared"
        )
    if declared.size not in (None, file.size):
        raise SizeError(
            f"{file.path}: the artifact has {file.size} bytes, {declared.size} are declared"
        )
    return replace(declared, size=file.size, checksum=pin)


def pull_files(
    plan: PullPlan,
    records: Mapping[Path, bytes],
    client: OciClient,
    layout: ModelLayout,
    context: DownloadContext,
) -> None:
    """Download the files of one model; verified ones are kept, and interrupted ones are continued.

    The ``records`` of its IR are written last, so an incomplete IR has none.

    Raises:
        DownloadError: a file cannot be downloaded, or is not the expected one.
        OutputError: a file cannot be written.
    """

    def download(planned: PulledFile) -> None:
        file = planned.file
        target = planned.target
        expected = planned.expected
        candidates = (
            *store_candidates(expected, context),
            client.blob_candidate(file.sha256, expected),
        )
        digests = Digest("sha256", file.sha256), Digest("sha384", file.sha384)
        others = [digest for digest in digests if digest != expected.checksum]
        download_file(expected, target, context, candidates, also=others)

    spec = plan.model
    context.pool.run_all(download, plan.files)
    for path, content in records.items():
        require_inside(path, context.roots)
        if read_provenance(path) is None:
            set_aside(path, context.emit)
        write_atomically(path, content)
        remember_written(path)
    if isinstance(spec, ModelSpec):
        if _LICENSE in plan.documents and read_copyright_line(spec):
            target = layout.model_dir(spec) / _LICENSE
            write_keeping(target, license_path(spec).read_bytes(), context.emit)
        files = [(file, layout.file_path(spec, file)) for file in spec.files]
        update_provenance_json(layout.model_download_dir(spec), spec, files, context)
