"""Translate GluonCV's parameter names into the keys of our modules.

Our modules have GluonCV's structure (``features.0.3.out.1``), so names differ only in the last
word, and only in batch normalization; axes are the same. Very old names have no dots: only their
order shows to which module they belong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from posezoo.core.errors import NetworkError

T = TypeVar("T")

_WORDS = {"gamma": "weight", "beta": "bias"}
_NORM_WORDS = {torch_word: gluon_word for gluon_word, torch_word in _WORDS.items()}

# The end of a name without dots.
_FLAT = re.compile(r".+_(weight|bias|gamma|beta|running_mean|running_var)")


def torch_name(name: str) -> str:
    """The key of our module for a dotted name in a .params file.

    >>> torch_name("features.0.1.gamma")
    'features.0.1.weight'
    >>> torch_name("features.0.0.weight")
    'features.0.0.weight'
    """
    parent, dot, word = name.rpartition(".")
    return f"{parent}{dot}{_WORDS.get(word, word)}" if dot else name


def torch_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors, or shapes, of a .params file under our modules' keys, in the same order.

    Names that already are torch's keys are kept; two names with the same key are a NetworkError.
    torch's ``num_batches_tracked`` is missing.
    """
    renamed: dict[str, T] = {}
    for name, tensor in tensors.items():
        key = torch_name(name)
        if key in renamed:
            raise NetworkError(f"two parameters have the same key: {key} and {name}")
        renamed[key] = tensor
    return renamed


def rename_tensors(tensors: Mapping[str, T], keys: Iterable[str]) -> dict[str, T]:
    """Put tensors whose names do not show the structure (``mobilepose2_conv0_weight``) under our
    keys.

    Older files of MXNet, and those of ``HybridBlock.export``, have such names: a prefix, and a
    number that counts the blocks created before. ``collect_params`` visits a network in the order
    of its keys, so the third gamma belongs to the third normalization. Each last word is counted
    separately, because some files have all statistics after all weights. The names are kept if one
    of them has dots, or if a last word is not as frequent as in the keys.

    Raises:
        NetworkError: the tensors are sorted by name, so their order does not show the layers.
    """
    keys = list(keys)
    names_of_word: dict[str, list[str]] = {}
    for name in tensors:
        match = _FLAT.fullmatch(name)
        if match is None or "." in name:
            return dict(tensors)
        names_of_word.setdefault(match[1], []).append(name)
    keys_of_word: dict[str, list[str]] = {}
    norm_layers = {key.rpartition(".")[0] for key in keys if key.endswith(".running_mean")}
    for key in keys:
        parent, _, word = key.rpartition(".")
        if word != "num_batches_tracked":
            gluon_word = word
            if parent in norm_layers:
                gluon_word = _NORM_WORDS.get(word, word)
            keys_of_word.setdefault(gluon_word, []).append(key)
    counts = [
        {word: len(names) for word, names in table.items()}
        for table in (names_of_word, keys_of_word)
    ]
    if counts[0] != counts[1]:
        return dict(tensors)
    # In alphabetical order 10 comes before 2. Blocks of one layer have equal shapes, so that
    # comparing shapes would not detect the wrong order.
    names = list(tensors)
    if names == sorted(names) != sorted(names, key=_natural_order):
        raise NetworkError(
            "its parameters are sorted by name, and the names do not show to which layers they"
            " belong",
            hint="write it again with save_parameters",
        )
    return {
        key: tensors[name]
        for word, names in names_of_word.items()
        for key, name in zip(keys_of_word[word], names, strict=True)
    }


def _natural_order(name: str) -> list[tuple[str, int, str]]:
    """A sort key in which 2 comes before 10."""
    parts = re.findall("([^0-9]*)([0-9]*)", name)
    return [(word, len(digits), digits) for word, digits in parts]
