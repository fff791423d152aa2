"""The published file of a network: verified, recognised by its first bytes, read by OpenVINO.

OpenVINO tries PyTorch's loaders on any zip that it does not know; so a file that is not what its
framework writes never gets there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo import files
from posezoo.errors import ConversionError
from posezoo.layout import Layout
from posezoo.openvino_runtime import openvino, reason_of
from posezoo.spec.model import Digest, Framework, ModelSpec

#: Whether a file holds the promised bytes.
IsGood = Callable[[Path, int, Digest], bool]

#: How many bytes of a file are enough to recognise it.
HEAD = 16

# What people are likely to have at hand instead, to name it in the refusal.
_KINDS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page or XML",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files of a framework are recognised and read.

    Attributes:
        kind: what such a file is called.
        recognises: whether a file begins like one, from its first 16 bytes.
        read: an ``openvino.Model`` that computes what the file says.
    """

    kind: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Path], Any]


def _read_by_openvino(path: Path) -> Any:
    # Not the bare frontend: this one also simplifies (a detector has 855 operations instead of 937).
    return openvino().convert_model(path)


#: The frameworks whose files can be converted.
READERS: dict[Framework, Reader] = {
    # A FlatBuffers file has its identifier behind the first offset (schema.fbs: file_identifier "TFL3").
    Framework.TFLITE: Reader("TFLite model", lambda head: head[4:8] == b"TFL3", _read_by_openvino),
}


def reader_of(spec: ModelSpec) -> Reader:
    """The reader for a model's framework.

    Raises:
        ConversionError: there is none.
    """
    if spec.framework not in READERS:
        known = ", ".join(READERS)
        raise ConversionError(
            f"{spec.name}: models of the framework {spec.framework} cannot be converted yet",
            hint=f"these can: {known}; dldt needs no conversion",
        )
    return READERS[spec.framework]


def verified(spec: ModelSpec, layout: Layout, *, is_good: IsGood = files.is_good) -> Path:
    """The file to convert, the first one of the model, once its bytes are known to be the promised ones.

    Raises:
        ConversionError: there is none, or it holds other bytes than model.yml promises.
    """
    if not spec.files:
        raise ConversionError(
            f"{spec.name}: its model.yml names no file", hint="add the original to its files"
        )
    promised = spec.files[0]
    path = layout.file(spec, promised)
    hint = f"posezoo download {spec.name}"
    if not path.is_file():
        raise ConversionError(f"{path}: is not there", hint=hint)
    size = path.stat().st_size
    if size != promised.size:
        raise ConversionError(f"{path}: has {size} bytes, model.yml promises {promised.size}", hint=hint)
    if not is_good(path, promised.size, promised.checksum):
        raise ConversionError(f"{path}: holds other bytes than model.yml promises", hint=hint)
    return path


def read(spec: ModelSpec, path: Path) -> Any:
    """The network of a verified file.

    Returns:
        An ``openvino.Model``.

    Raises:
        ConversionError: the file is not of the declared framework, or OpenVINO cannot read it.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    reader = reader_of(spec)
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
    if not reader.recognises(head):
        raise ConversionError(
            f"{path}: not a {reader.kind}, but {_kind_of(head)}",
            hint="check the framework and the first of the files in model.yml",
        )
    openvino()
    try:  # OpenVINO's frontends raise classes of their own, straight below Exception.
        return reader.read(path)
    except Exception as error:
        raise ConversionError(f"{path}: OpenVINO cannot read it: {reason_of(error)}") from error


def _kind_of(head: bytes) -> str:
    if not head:
        return "empty"
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "something else")
