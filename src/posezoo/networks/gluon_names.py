"""Translate GluonCV's names of parameters into the keys of our modules.

Our modules keep GluonCV's structure (``features.0.3.out.1``), so that only the last word differs, and only in
batch normalization; convolutions and dense layers have the same layout in both. Very old names have no dots:
only their order shows to which module they belong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from posezoo.errors import NetworkError

T = TypeVar("T")

_WORDS = {"gamma": "weight", "beta": "bias"}
_NORM_WORDS = {torch_word: gluon_word for gluon_word, torch_word in _WORDS.items()}

# The end of a name without dots.
_FLAT = re.compile(r".+_(weight|bias|gamma|beta|running_mean|running_var)")


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
    """The tensors, or shapes, of a .params file under our modules' keys, in the same order.

    Torch's own names are kept. Torch's ``num_batches_tracked`` has no counterpart: ``load_state_dict`` does
    not need it in a plain dict.

    Raises:
        NetworkError: two names become the same key.
    """
    renamed: dict[str, T] = {}
    for name, tensor in tensors.items():
        key = torch_name(name)
        if key in renamed:
            raise NetworkError(f"two parameters have the same key: {key} and {name}")
        renamed[key] = tensor
    return renamed


def rename_tensors(tensors: Mapping[str, T], keys: Iterable[str]) -> dict[str, T]:
    """Tensors whose names do not show the structure (``mobilepose2_conv0_weight``), under our module's keys.

    MXNet's older files, and those of ``HybridBlock.export``, have such names: prefixes and numbers that
    count all blocks that were created before. But ``collect_params`` visits a network block by block, in the
    order of its keys: the third gamma is that of the third normalization. Each last word is counted on its
    own, since some files have all statistics after all weights.

    Args:
        tensors: by name, in the file's order.
        keys: of our module, in its order.

    Returns:
        The tensors by key; unchanged if a name has dots, or the numbers of names and keys differ for a word.

    Raises:
        NetworkError: the tensors are sorted by name.
    """
    matches = {name: _FLAT.fullmatch(name) for name in tensors}
    given = _by_word((name, match[1]) for name, match in matches.items() if match and "." not in name)
    requested = _by_word(_gluon_words(list(keys)))
    counts = [{word: len(names) for word, names in table.items()} for table in (given, requested)]
    if counts[0] != counts[1] or sum(counts[0].values()) != len(tensors):
        return dict(tensors)
    names = list(tensors)
    # Sorted by the alphabet, 10 comes before 2; the blocks of a layer have one shape, so no check sees it.
    if names == sorted(names) != sorted(names, key=_natural_order):
        raise NetworkError(
            "its parameters are sorted by name, and their names do not show where they belong",
            hint="write it again with save_parameters",
        )
    return {
        key: tensors[name]
        for word, names in given.items()
        for key, name in zip(requested[word], names, strict=True)
    }


def _natural_order(name: str) -> list[tuple[str, int, str]]:
    """A sort key in which 2 comes before 10."""
    parts = re.findall("([^0-9]*)([0-9]*)", name)
    return [(word, len(digits), digits) for word, digits in parts]


def _gluon_words(keys: list[str]) -> Iterator[tuple[str, str]]:
    """Each key, and the last word of its name in GluonCV."""
    norms = {key.rpartition(".")[0] for key in keys if key.endswith(".running_mean")}
    for key in keys:
        parent, _, word = key.rpartition(".")
        if word != "num_batches_tracked":
            yield key, _NORM_WORDS.get(word, word) if parent in norms else word


def _by_word(words: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, word in words:
        groups.setdefault(word, []).append(name)
    return groups
