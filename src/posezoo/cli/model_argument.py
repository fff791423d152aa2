"""The model that a user names: by its name or model.yml, an IR or ONNX file, or a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ORIGINALS
from posezoo.core.declarations.model_files import CHECKPOINTS
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Model
    from posezoo.core.declarations.skeleton import Skeleton
    from posezoo.core.resolve.stage_context import Context


@frozen
class NamedModel:
    """What a user named."""

    model: Model | None = None  # None for the file of a network
    file: Path | None = None  # an IR or ONNX
    checkpoint: Path | None = None  # the user's own weights


def is_network_file(text: str) -> bool:
    """Whether an IR, or an existing ONNX or Paddle file, is named, not a model."""
    return text.endswith(".xml") or (
        text.lower().endswith(tuple(ORIGINALS)) and os.path.isfile(text)
    )


def is_checkpoint_file(text: str) -> bool:
    """Whether an existing checkpoint is named, not a model."""
    return text.lower().endswith(CHECKPOINTS) and os.path.isfile(text)


def find_named_model(
    text: str | None,
    context: Context,
    *,
    checkpoint: Path | None = None,
    ir_name: str = "",
    skeleton: Skeleton | None = None,
) -> NamedModel:
    """The model that a user names.

    Args:
        text: a model's name, the path of its model.yml, an IR, an ONNX file or a checkpoint; with
            own weights also a network's name, or None for the only one that reads them.
        checkpoint: the user's own weights for the model.

    Raises:
        UnknownModelError: there is no such model; an existing file is explained.
        CheckpointError: the checkpoint cannot be read, or not only one network reads it.
        PosezooError: as for ``find_with_checkpoint``.
    """
    from posezoo.networks.custom_weights import find_fitting_network, find_with_checkpoint

    if checkpoint is None and text and is_network_file(text):
        return NamedModel(file=Path(text))
    if checkpoint is None and text and is_checkpoint_file(text):
        checkpoint = Path(text)
        text = None
    if checkpoint is None:
        return NamedModel(context.registry.find(text or ""))
    name = text or find_fitting_network(checkpoint)
    model = find_with_checkpoint(context.registry, name, checkpoint, ir_name, skeleton=skeleton)
    return NamedModel(model, checkpoint=checkpoint)
