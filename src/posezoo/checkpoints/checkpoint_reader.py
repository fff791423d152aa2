"""Read a checkpoint of whatever form, told by its first bytes and never by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posezoo.checkpoints import mxnet_params, safetensors, torch_legacy, torch_zip
from posezoo.checkpoints.mapped_file import Array, CheckpointFormatError, MappedFile
from posezoo.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class CheckpointFormat:
    """How one form of checkpoint is recognised and read.

    Attributes:
        kind: what such a file is called.
        recognises: whether a file that begins with these bytes (16 or all) is built like one.
        read: its tensors by name; raises Unreadable.
    """

    kind: str
    recognises: Callable[[bytes], bool]
    read: Callable[[MappedFile], dict[str, Array]]


# Safetensors before the legacy form: a header of 640 bytes begins like a pickle.
READERS: tuple[CheckpointFormat, ...] = (
    CheckpointFormat(
        "a PyTorch checkpoint", lambda head: head.startswith(torch_zip.MAGIC), torch_zip.read_torch_zip
    ),
    CheckpointFormat(
        "an MXNet .params file",
        lambda head: head.startswith(mxnet_params.MAGIC),
        mxnet_params.read_mxnet_params,
    ),
    CheckpointFormat("a .safetensors file", safetensors.is_safetensors, safetensors.read_safetensors),
    CheckpointFormat(
        "a legacy PyTorch checkpoint", torch_legacy.is_legacy_torch, torch_legacy.read_legacy_torch
    ),
)

_HINT = "a .pth that torch.save wrote, a .safetensors or an MXNet .params can be read"

# What people are likely to have at hand instead: where its mark stands, the mark, its name.
_OTHERS = (
    (0, b"<", "a web page or XML: the download did not bring the file"),
    (0, b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it"),
    (0, b"\x89HDF", "an HDF5 file"),
    (257, b"ustar", "a tar archive, which PyTorch before 0.2 also wrote: unpack it, or save it anew"),
)


def read_checkpoint(path: Path) -> dict[str, Array]:
    """A checkpoint's tensors by their names, in the file's order.

    Of a PyTorch checkpoint the state dict, out of ``{'state_dict': ...}``, ``{'model_state_dict': ...}``
    or ``{'model': ...}`` and without ``module.``; of MXNet's file without ``arg:`` and ``aux:``; otherwise
    names are as they stand. Nothing of the file is run, and PyTorch is not needed.

    Returns:
        Arrays of floats, integers or bools in the machine's order of bytes; bfloat16 as float32. Most are
        views of the file, mapped copy-on-write: writing to one changes nothing on disk. As long as one
        is held, the file must not be shortened.

    Raises:
        CheckpointError: it cannot be read: is none of the known forms, is damaged, or asks for code.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise CheckpointFormatError("is not a file" if path.exists() else "is not there")
        file = MappedFile(path)
        return _reader_of(file).read(file)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except CheckpointFormatError as error:
        raise CheckpointError(f"{path}: {error}", hint=error.hint) from error


def has_checkpoint_header(head: bytes) -> bool:
    """Whether a file that begins with these bytes (512 or all) is built like a checkpoint of a known form."""
    return any(reader.recognises(head) for reader in READERS)


def _reader_of(file: MappedFile) -> CheckpointFormat:
    head = file.first_bytes(512)
    for reader in READERS:
        if reader.recognises(head):
            return reader
    for at, mark, name in _OTHERS:
        if head[at:].lstrip().startswith(mark):
            raise CheckpointFormatError(f"is no checkpoint, but {name}", hint=_HINT)
    raise CheckpointFormatError("is no checkpoint of a known form", hint=_HINT)
