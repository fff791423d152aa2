"""Read checkpoints without running their code; a file's first bytes decide its format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from posezoo.core.arrays import Array
from posezoo.core.errors import CheckpointError, os_reason, shell_word
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer
from posezoo.networks.checkpoints import mxnet_params, safetensors, torch_files
from posezoo.networks.checkpoints.key_matching import match_tensors
from posezoo.networks.checkpoints.mapped_file import CheckpointFormatError, MappedFile, shorten

__all__ = ["has_checkpoint_header", "match_tensors", "read_checkpoint"]

# For each format: whether a file that begins with these bytes (512 or all) has it, and its reader.
# Safetensors comes before PyTorch's legacy format: a header of 640 bytes begins like a pickle.
_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[MappedFile], dict[str, Array]]], ...] = (
    (lambda head: head.startswith(torch_files.ZIP_MAGIC), torch_files.read_torch_zip),
    (lambda head: head.startswith(mxnet_params.MAGIC), mxnet_params.read_mxnet_params),
    (safetensors.is_safetensors, safetensors.read_safetensors),
    (torch_files.is_legacy_torch, torch_files.read_legacy_torch),
)

_HINT = "a .pth that torch.save wrote, a .safetensors or an MXNet .params can be read"

# Files that are often found instead of a checkpoint: the position of their magic bytes, these
# bytes, and a name for messages.
_OTHER_KINDS = (
    (0, b"<", "a web page or XML: the download did not get the file"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it"),
    (0, b"\x89HDF", "an HDF5 file"),
    (
        257,
        b"ustar",
        "a tar archive, which PyTorch before 0.2 also wrote: unpack it, or save it again",
    ),
)


def read_checkpoint(path: Path) -> dict[str, Array]:
    """A checkpoint's tensors by their names, in the file's order.

    For a PyTorch checkpoint these are the tensors of the state dict, which may also be inside
    ``{'state_dict': ...}``, ``{'model_state_dict': ...}``, ``{'model_state': ...}`` or ``{'model':
    ...}``, or inside the only dict with tensors. What training programs add to names is removed
    (``module.``, ``_orig_mod.``, MXNet's ``arg:`` and ``aux:``), and so are tensors of a loss and
    counts. No code of the file is run, no object that it names is made.

    Returns:
        Arrays of floats, integers or bools in the machine's byte order; bfloat16 as float32. Most
        are views of the file, mapped copy-on-write, which must not be truncated while they exist.

    Raises:
        CheckpointError: it cannot be read: its format is unknown, it is damaged, it has no tensors,
            or it refers to commands.
    """
    try:
        if not path.is_file():  # opening a pipe would block
            raise CheckpointFormatError("is not a file" if path.exists() else "does not exist")
        if problem := explain_lfs_pointer(path):
            raise CheckpointFormatError(problem, hint=LFS_HINT)
        file = MappedFile(path)
        head = file.first_bytes(512)
        for recognises, read in _FORMATS:
            if recognises(head):
                return network_tensors(read(file))
        for position, magic, kind in _OTHER_KINDS:
            if head[position:].lstrip().startswith(magic):
                raise CheckpointFormatError(f"is not a checkpoint, but {kind}", hint=_HINT)
        raise CheckpointFormatError("is not a checkpoint in a known format", hint=_HINT)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {os_reason(error)}") from error
    except CheckpointFormatError as error:
        hint = error.hint.replace("{file}", shell_word(path))
        raise CheckpointError(f"{path}: {error}", hint=hint) from error


def has_checkpoint_header(head: bytes) -> bool:
    """Whether a file that begins with these bytes (512 or all) is a checkpoint in a known
    format.
    """
    return any(recognises(head) for recognises, _ in _FORMATS)


# nn.DataParallel, DistributedDataParallel and AveragedModel put the network into ``module``.
_WRAPPER = "module"

# torch.compile, FSDP, activation checkpointing and Lightning put it, or a part of it, into these.
_PART_WRAPPERS = frozenset(
    ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
)

# Counts of training steps and of operations: of AveragedModel, and of thop's profile().
_COUNTS = frozenset(("n_averaged", "total_ops", "total_params"))

# The first word of the tensors of a loss, which training programs save with the network.
_LOSSES = frozenset(("criterion", "loss", "losses", "loss_fn"))


def network_tensors(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors of the network in a checkpoint, by their names in the network, in order.

    Raises:
        CheckpointFormatError: two tensors have the same name then.
    """
    named: dict[str, Array] = {}
    for name, tensor in tensors.items():
        words = [word for word in name.split(".") if word not in _PART_WRAPPERS]
        while words[:1] == [_WRAPPER] and len(words) > 1:
            del words[0]
        if words[-1:] and (words[-1] in _COUNTS or words[0] in _LOSSES):
            continue
        short = ".".join(words)
        if short in named:
            raise CheckpointFormatError(
                f"contains {shorten(short)} twice, with and without {_WRAPPER}. or _orig_mod."
            )
        named[short] = tensor
    return named
