"""GluonCV's names for parameters, in torch's words.

The modules of this room keep GluonCV's own structure (``features.0.3.out.1``), so that only the last word
differs, and only in batch normalization; convolutions and dense layers have the same layout in both. Very
old names have no dots, and tell by their order alone what they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from posezoo.errors import NetworkError

T = TypeVar("T")

_WORDS = {"gamma": "weight", "beta": "bias"}
_NORM_WORDS = {torchs: gluons for gluons, torchs in _WORDS.items()}

# What a name without dots ends with.
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


def rename_tensors(tensors: Mapping[str, T], keys: Iterable[str]) -> dict[str, T]:
    """Tensors with names that tell nothing of the structure (``mobilepose2_conv0_weight``), under keys.

    MXNet's older files, and those of ``HybridBlock.export``, name them so: by prefixes and numbers
    that count whatever was made before. But ``collect_params`` goes through a network block by block, as
    its keys stand: the third gamma is that of the third normalization. Only words are counted, since
    some files hold all statistics behind all weights.

    Args:
        tensors: by name, in the file's order.
        keys: of our module, in its order.

    Returns:
        The tensors by key; unchanged where a name has dots, or there are not as many as keys of some word.

    Raises:
        NetworkError: somebody has sorted them.
    """
    matches = {name: _FLAT.fullmatch(name) for name in tensors}
    given = _by_word((name, match[1]) for name, match in matches.items() if match and "." not in name)
    requested = _by_word(_gluon_words(list(keys)))
    counts = [{word: len(each) for word, each in table.items()} for table in (given, requested)]
    if counts[0] != counts[1] or sum(counts[0].values()) != len(tensors):
        return dict(tensors)
    _refuse_sorted(list(tensors))
    return {
        key: tensors[name]
        for word, names in given.items()
        for key, name in zip(requested[word], names, strict=True)
    }


def _refuse_sorted(names: list[str]) -> None:
    """In the alphabet 10 stands before 2, and the blocks of a layer have one shape: no check would see it."""
    if names == sorted(names) != sorted(names, key=_numerically):
        raise NetworkError(
            "its parameters are sorted by the alphabet, and their names do not tell where they belong",
            hint="write it anew with save_parameters",
        )


def _numerically(name: str) -> list[tuple[str, int, str]]:
    """A name as what to sort by, with its numbers as numbers."""
    parts = re.findall("([^0-9]*)([0-9]*)", name)
    return [(word, len(digits), digits) for word, digits in parts]


def _gluon_words(keys: list[str]) -> Iterator[tuple[str, str]]:
    """Each key, and the word that its parameter's name ends with in GluonCV."""
    norms = {key.rpartition(".")[0] for key in keys if key.endswith(".running_mean")}
    for key in keys:
        parent, _, word = key.rpartition(".")
        if word != "num_batches_tracked":
            yield key, _NORM_WORDS.get(word, word) if parent in norms else word


def _by_word(words: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, word in words:
        found.setdefault(word, []).append(name)
    return found
