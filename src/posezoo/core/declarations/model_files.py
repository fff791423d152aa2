"""The endings of the names of files that a user can name instead of a model."""

from __future__ import annotations

from posezoo.core.declarations.model import ORIGINALS

#: The files of checkpoints, which contain weights without their network.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".params")
#: How a network of PaddlePaddle 3 begins in its new format (PIR), which is JSON; 3.3.1 writes it.
PADDLE_3 = b'{"base_code":{"magic":"pir"'
#: The files of networks that are read as they are.
NETWORKS = (".xml", *ORIGINALS)
