"""The files that a user can name instead of a model, by the endings of their names."""

from __future__ import annotations

import os

from posezoo.core.declarations.model import ORIGINALS

#: The files of checkpoints, which contain weights without their network.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".params")
#: How a network of PaddlePaddle 3 begins in its new format (PIR), which is JSON; 3.3.1 writes it.
PADDLE_3 = b'{"base_code":{"magic":"pir"'
#: The files of networks that are read as they are.
NETWORKS = (".xml", *ORIGINALS)


def is_network_file(text: str) -> bool:
    """Whether an IR, or an existing ONNX or Paddle file, is named, not a model."""
    return text.endswith(".xml") or (
        text.lower().endswith(tuple(ORIGINALS)) and os.path.isfile(text)
    )


def is_checkpoint_file(text: str) -> bool:
    """Whether an existing checkpoint is named, not a model."""
    return text.lower().endswith(CHECKPOINTS) and os.path.isfile(text)
