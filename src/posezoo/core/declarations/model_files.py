"""The endings of the names of files that a user can name instead of a model."""

from __future__ import annotations

from posezoo.core.declarations.model import ORIGINALS

#: The files of checkpoints, which contain weights without their network.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".params")
#: The files of networks that are read as they are.
NETWORKS = (".xml", *ORIGINALS)
