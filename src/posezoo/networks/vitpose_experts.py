"""The experts of ViTPose++: of the last channels of each block there is one version for each of six
sets of training images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.core.errors import NetworkError
from posezoo.networks.definition import Tensors

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

#: The expert of COCO; the published heads have COCO's keypoints only.
COCO_EXPERT = "experts.0"


def merge_expert(tensors: Tensors) -> dict[str, Array]:
    """The tensors of a plain ViTPose: COCO's expert is joined to ``fc2``, the others are left out.

    Raises:
        NetworkError: the shapes of an expert do not fit.
    """
    merged: dict[str, Array] = {}
    for key, tensor in tensors.items():
        if ".mlp.experts." in key:
            continue
        expert = None
        if ".mlp.fc2." in key:
            expert = tensors.get(key.replace("fc2", COCO_EXPERT))
        merged[key] = tensor if expert is None else _join(key, tensor, expert)
    return merged


def _join(key: str, tensor: Array, expert: Array) -> Array:
    import numpy as np  # only if a checkpoint has experts: the catalog is read without it

    try:
        return np.concatenate([tensor, expert])
    except ValueError as error:
        raise NetworkError(f"{key} and its expert do not fit: {error}") from None
