"""Proofs of models on devices, kept beside their IR."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import Digest, Model
from posezoo.core.files.file_record import read_json, update_json
from posezoo.core.files.verified_files import compute_digest, is_verified
from posezoo.core.ir.provenance import SUFFIXES
from posezoo.core.layout import ModelLayout
from posezoo.core.sidecars import Sidecar

#: The file in the folder of an IR: for each device and precision what was found.
NAME = "device_proofs.json"


def find_proof(folder: Path, device: str) -> Mapping[str, Any]:
    """The proof on a device; empty if there is none, or an IR was changed since."""
    proof = read_json(folder / NAME).get(device)
    if not isinstance(proof, dict) or not isinstance(proof.get("sha384"), dict):
        return {}
    for file, digest in proof["sha384"].items():
        if not is_verified(folder / file, None, Digest("sha384", str(digest))):
            return {}
    return proof


def store_proof(folder: Path, device: str, proof: Mapping[str, Any], xmls: Iterable[Path]) -> None:
    """Keep a proof with the digests of the IR; if it cannot be written, nothing happens."""
    files = [xml.with_suffix(suffix) for xml in xmls for suffix in SUFFIXES]
    digests = {
        Path(os.path.relpath(file, folder)).as_posix(): compute_digest(file).value for file in files
    }
    entry = {**proof, "sha384": digests}
    with suppress(OSError):
        update_json(folder / NAME, lambda proofs: {**proofs, device: entry})


def list_proofs(folder: Path) -> Iterator[dict[str, str]]:
    """Below a folder, the model, its IR, the device and the verdict of each proof that holds."""
    for path in sorted(folder.rglob(NAME)):
        for device in read_json(path):
            if proof := find_proof(path.parent, device):
                ir = path.parent.relative_to(folder).as_posix()
                verdict = str(proof.get("verdict"))
                yield {"ir": ir, "device": device, "verdict": verdict}


def _list_own(_model: Model, _layout: ModelLayout, ir_folders: Iterable[Path]) -> Iterator[Path]:
    return filter(Path.is_file, (folder / NAME for folder in ir_folders))


SIDECAR = Sidecar(_list_own)
