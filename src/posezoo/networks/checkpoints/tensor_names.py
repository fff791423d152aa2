"""The names of tensors, without what training programs add to those of the network."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.core.arrays import Array
from posezoo.networks.checkpoints.mapped_file import CheckpointFormatError, shorten

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
