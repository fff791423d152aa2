"""Models as one artifact in an OCI registry: their files, IR, records, cards and licenses.

The artifact has the media types of CNCF's ModelPack (https://github.com/modelpack/model-spec). Each file is a
layer with unchanged bytes. The registry finds it by its SHA-256. An annotation has its SHA-384, by which
posezoo's records, caches and locks know the file. Both are verified after a download.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.cards.model_card import NAME as CARD
from posezoo.cards.model_card import OURS, has_note
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import store_candidates
from posezoo.download.file_download import download_file
from posezoo.download.options import DownloadOptions, refuse_license
from posezoo.download.provenance_json import update_provenance_json
from posezoo.errors import DigestError, LockError, OutputError, SourceError
from posezoo.events import ArtifactUploadProgress, Listener, ignore_event
from posezoo.files.verified_files import compute_digest, writing
from posezoo.ir.provenance import SUFFIXES, FileContent
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.oci.oci_client import MANIFEST, OciAddress, OciClient
from posezoo.registry import Registry, license_path, read_copyright_line
from posezoo.spec.model import Digest, Family, Model, ModelSpec, Precision, SourceFile
from posezoo.spec.safe_names import case_folded, explain_unsafe_file_name
from posezoo.verify import check_artifacts

MODEL_PACK = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
DOCUMENT = "application/vnd.cncf.model.doc.v1.raw"

#: The annotations of a layer: ModelPack's for its path, the one that other clients (oras) read, and ours.
PATH, TITLE = "org.cncf.model.filepath", "org.opencontainers.image.title"
MODEL, SHA384 = "posezoo.model", "posezoo.sha384"

_RECORD = "provenance.json"
_PUSH_AGAIN = "push it again with posezoo push"


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A file of an artifact."""

    model: str  # the full name of its model or composite
    path: str  # relative to the output folder, such as public/NAME/FP16/NAME.xml
    media_type: str
    size: int  # in bytes
    sha256: str  # by which the registry knows it
    sha384: str  # by which posezoo knows it
    source: Path = field(default_factory=Path, compare=False)  # the file that is pushed


def collect_files(
    models: Sequence[Model], layout: ModelLayout, *, with_irs: bool = True
) -> list[ArtifactFile]:
    """The files of models that are on this machine, with their cards and licenses; all are verified.

    Raises:
        OutputError: a file differs from model.yml or from its record.
    """
    files: list[ArtifactFile] = []
    for model in models:
        places: dict[str, tuple[Path, str]] = {}
        for each in check_artifacts(model, layout) if isinstance(model, ModelSpec) else ():
            if each.state in ("changed", "unknown") or (each.converted and each.state == "missing"):
                raise OutputError(
                    f"{each.path}: {each.state}: it is not the file of model.yml or of its record",
                    hint="posezoo verify shows the reason, posezoo get makes it again",
                )
            if each.state == "good" and (with_irs or not each.converted):
                kind = WEIGHT_CONFIG if each.path.suffix == ".xml" else WEIGHTS
                places[each.artifact] = each.path, kind
                record = each.path.with_name(_RECORD)
                if each.converted and record.is_file():
                    places[f"{record.parent.name}/{_RECORD}"] = record, DOCUMENT
        parts = [file for file in files if file.path.startswith(f"{model.subdirectory}/")]  # of a composite
        if isinstance(model, ModelSpec) and places and read_copyright_line(model):
            places.setdefault("LICENSE", (license_path(model), DOCUMENT))
        folder = layout.model_dir(model)
        for path in (folder / CARD, folder / "card.json", *folder.glob("*.svg")):
            if (places or parts) and path.is_file():
                places.setdefault(path.name, (path, DOCUMENT))
        for name, (path, kind) in sorted(places.items()):
            target, size = f"{model.subdirectory}/{name}", path.stat().st_size
            sha256, sha384 = (compute_digest(path, algorithm).value for algorithm in ("sha256", "sha384"))
            files.append(ArtifactFile(model.full_name, target, kind, size, sha256, sha384, path))
    return files


def push_files(
    files: Sequence[ArtifactFile],
    models: Sequence[ModelSpec],
    address: OciAddress,
    options: DownloadOptions,
    listener: Listener = ignore_event,
) -> str:
    """Push files as one artifact, and return the digest of its manifest; the tag is written last.

    The same files give the same digest. Files that the repository has already are not uploaded again.

    Args:
        models: the models whose facts the artifact states.

    Raises:
        SourceError: the registry refuses it, or does not answer.
    """

    config = json.dumps(_model_config(files, models, address), indent=1).encode()
    digests = ["sha256:" + hashlib.sha256(config).hexdigest(), *(f"sha256:{file.sha256}" for file in files)]
    layers: list[dict[str, object]] = [{"mediaType": CONFIG, "size": len(config)}]
    for file in files:
        notes = {PATH: file.path, TITLE: file.path, MODEL: file.model, SHA384: file.sha384}
        layers.append({"mediaType": file.media_type, "size": file.size, "annotations": notes})
    described = [{**layer, "digest": digest} for layer, digest in zip(layers, digests, strict=True)]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": MODEL_PACK}
    content = json.dumps({**manifest, "config": described[0], "layers": described[1:]}, indent=1).encode()
    done, total = 0, len(config) + sum(file.size for file in files)
    with DownloadContext(f"{address}", options, listener) as context:
        client = OciClient(address, context, writes=True)

        def report(sent: int) -> None:
            context.emit(ArtifactUploadProgress(f"{address}", done + sent, total))

        for file in files:
            client.upload_blob(f"sha256:{file.sha256}", partial(_CountedFile, file.source, report))
            done += file.size
        client.upload_blob(digests[0], lambda: io.BytesIO(config))
        client.write_manifest(content)
        report(len(config))
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _CountedFile(io.FileIO):
    """A file that reports how many of its bytes were read."""

    def __init__(self, path: Path, report: Callable[[int], None]) -> None:
        super().__init__(path)
        self._report = report

    def read(self, size: int | None = -1, /) -> bytes:
        self._report(self.tell())
        return super().read(-1 if size is None else size) or b""


def _model_config(
    files: Sequence[ArtifactFile], models: Sequence[ModelSpec], address: OciAddress
) -> dict[str, Any]:
    """The facts of https://github.com/modelpack/model-spec/blob/main/docs/config.md; without any time."""
    has_irs = any(file.media_type == WEIGHT_CONFIG for file in files)
    return {
        "descriptor": {
            "name": models[0].full_name if len(models) == 1 else address.repository.rpartition("/")[2],
            "description": " ".join(f"{model.full_name}: {model.description}" for model in models),
            "licenses": sorted({model.license.spdx for model in models} - {""}),
        },
        "config": {"format": "openvino" if has_irs else models[0].framework.value},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.sha256}" for file in files]},
    }


def read_artifact(manifest: bytes, address: OciAddress) -> list[ArtifactFile]:
    """The files that a manifest lists.

    Raises:
        SourceError: it is not the manifest of an artifact that posezoo pushed, or a path is not allowed.
    """
    files = []
    try:
        stated = json.loads(manifest)
        kind = stated.get("artifactType") or stated.get("config", {}).get("mediaType") or stated["mediaType"]
        if kind not in (MODEL_PACK, CONFIG):
            raise ValueError(f"its type is {kind}, not {MODEL_PACK}")
        for layer in stated["layers"]:
            notes = layer["annotations"]
            path, size, sha384 = notes[PATH], int(layer["size"]), notes[SHA384]
            if problem := explain_unsafe_file_name(path):
                raise ValueError(f"the path {path} {problem}")
            if not re.fullmatch(rf"(?:{'|'.join(Family)})/[^/]+/.+", path):
                raise ValueError(f"the path {path} is not in the folder of a model")
            if not re.fullmatch("sha256:[0-9a-f]{64} [0-9a-f]{96}", f"{layer['digest']} {sha384}"):
                raise ValueError(f"{path} has no SHA-256 and SHA-384")
            digest = layer["digest"].partition(":")[2]
            files.append(ArtifactFile(str(notes[MODEL]), path, layer["mediaType"], size, digest, sha384))
        if len({case_folded(file.path) for file in files}) < len(files):
            raise ValueError("two files have the same path")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise SourceError(
            f"{address}: is not an artifact of posezoo: {reason[:300]}", hint=_PUSH_AGAIN
        ) from error
    return files


def pull_files(
    files: Sequence[ArtifactFile],
    client: OciClient,
    registry: Registry,
    layout: ModelLayout,
    lock: LockFile,
    context: DownloadContext,
) -> None:
    """Download the files of one model; verified ones are kept, and interrupted ones are continued.

    A file that the registry declares must be the declared one. The record of an IR is written last, so an
    incomplete IR has none.

    Raises:
        DownloadError: a file cannot be downloaded, or is not the expected one.
        LicenseError: the options do not allow the model's license.
        LockError: a strict lock does not list a file or an IR.
        OutputError: a file cannot be written.
    """
    name, declared = files[0].model, dict[Path, SourceFile]()
    spec = registry.find(name) if registry.has_name(name.partition("@")[0]) else None
    if isinstance(spec, ModelSpec):
        refuse_license(spec, context.options.allow_licenses)
        spec = lock.with_pins(spec)
        declared = {layout.file_path(spec, file): file for file in spec.files}
        contents = {file.path: FileContent(file.size, Digest("sha384", file.sha384)) for file in files}
        for precision in () if spec.is_ir else Precision:
            ir = f"{spec.subdirectory}/{precision}/{spec.name}"
            agreed = lock.agreed_ir(spec, precision)
            if agreed is not None and f"{ir}.xml" in contents:
                agreed.require({suffix: contents[ir + suffix] for suffix in SUFFIXES})
    elif spec is None and lock.is_strict:
        raise LockError(f"{name}: is not in {lock.path}, and --locked allows nothing else")
    elif spec is None:
        context.warn(f"{name}: the registry of models does not have it, so only the artifact states digests")

    def download(file: ArtifactFile) -> None:
        target = layout.output_dir / file.path
        if target.name == CARD and target.exists() and not has_note(target, OURS):
            context.warn(f"{target}: posezoo did not write it, so it is kept")
            return
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        known = declared.get(target) or SourceFile(file.path.split("/", 2)[2], None, None, ())
        known = replace(known, size=file.size, checksum=known.checksum or Digest("sha384", file.sha384))
        blob = client.blob_candidate(f"sha256:{file.sha256}", known)
        download_file(known, target, context, (*store_candidates(known, context), blob))
        for digest in (Digest("sha256", file.sha256), Digest("sha384", file.sha384)):
            if compute_digest(target, digest.algorithm) != digest:
                raise DigestError(f"{target}: the artifact states {digest}, which is wrong", hint=_PUSH_AGAIN)

    records = [file for file in files if file.path.endswith(f"/{_RECORD}")]
    context.pool.run_all(download, [file for file in files if file not in records])
    context.pool.run_all(download, records)
    if isinstance(spec, ModelSpec):
        places = [(file, path) for path, file in declared.items()]
        update_provenance_json(layout.model_download_dir(spec), spec, places)
