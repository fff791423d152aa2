"""From the tensors of published checkpoints to those of our networks, where these differ."""

from __future__ import annotations

from typing import Any

from posezoo.networks.definition import Tensors


def without_auxiliary_classifier(tensors: Tensors) -> dict[str, Any]:
    """Inception v3 without the classifier that only its training used."""
    return {key: tensor for key, tensor in tensors.items() if not key.startswith("AuxLogits.")}
