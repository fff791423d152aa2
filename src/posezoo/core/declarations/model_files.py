"""The files that a user can name instead of a model, by the endings of their names."""

from __future__ import annotations

import os
from pathlib import Path

from posezoo.core.declarations.model import ORIGINALS

#: The files of checkpoints, which contain weights without their network.
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".params")
#: How a network of PaddlePaddle 3 begins in its new format (PIR), which is JSON; 3.3.1 writes it.
PADDLE_3 = b'{"base_code":{"magic":"pir"'
#: The files of networks that are read as they are.
NETWORKS = (".xml", *ORIGINALS)
#: What Ultralytics' exporter writes beside an IR.
ULTRALYTICS_FILE = "metadata.yaml"


def find_network(text: str) -> str:
    """The .xml in a folder as Ultralytics' exporter makes it, with its metadata and one IR; another
    text is returned as it is.
    """
    folder = Path(text)
    if not os.path.isfile(folder / ULTRALYTICS_FILE):
        return text
    irs = [*folder.glob("*.xml")]
    return str(irs[0]) if len(irs) == 1 else text


def is_network_file(text: str) -> bool:
    """Whether an IR, Ultralytics' folder of one, or an existing ONNX or Paddle file, is named, not
    a model.
    """
    return find_network(text).endswith(".xml") or (
        text.lower().endswith(tuple(ORIGINALS)) and os.path.isfile(text)
    )


def is_checkpoint_file(text: str) -> bool:
    """Whether an existing checkpoint is named, not a model."""
    return text.lower().endswith(CHECKPOINTS) and os.path.isfile(text)
