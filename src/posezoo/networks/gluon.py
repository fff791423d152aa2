"""GluonCV's names for parameters, in torch's words.

The modules of this room keep GluonCV's own structure (``features.0.3.out.1``), so that only the last word
differs, and only in batch normalization; convolutions and dense layers have the same layout in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from posezoo.errors import NetworkError

T = TypeVar("T")

_WORDS = {"gamma": "weight", "beta": "bias"}


def torch_name(name: str) -> str:
    """One dotted name of a .params file as the key of our module.

    >>> torch_name("features.0.1.gamma")
    'features.0.1.weight'
    >>> torch_name("features.0.0.weight")
    'features.0.0.weight'
    """
    parent, dot, word = name.rpartition(".")
    return f"{parent}{dot}{_WORDS.get(word, word)}" if dot else name


def torch_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """A .params file's tensors, or shapes, under our modules' keys, in the same order.

    Names that are torch's already stay as they are. Torch's ``num_batches_tracked`` has no counterpart:
    ``load_state_dict`` does without it in a plain dict.

    Raises:
        NetworkError: two names become the same key.
    """
    renamed: dict[str, T] = {}
    for name, tensor in tensors.items():
        key = torch_name(name)
        if key in renamed:
            raise NetworkError(f"two parameters are the same one: {key} and {name}")
        renamed[key] = tensor
    return renamed
