"""Translate the names that mmpose gives to the tensors of HRNet and ViTPose.

mmpose puts the published layers into ``backbone`` and ``head`` (``keypoint_head`` before 1.0),
HRNet's with the names of its authors. ViTPose's have the names of its authors' repository, or of
mmpretrain since mmpose 1.0; ours are those of transformers, with the matrix of queries, keys and
values as three.

ViTPose++ has experts: of the last channels of each block there is one version for each of six sets
of training images.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from posezoo.core.errors import NetworkError
from posezoo.networks.definition import Tensors
from posezoo.networks.gluon_names import torch_names

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

_PART = re.compile(r"(?:backbone|keypoint_head|head)\.")

# From ViTPose's repository or mmpretrain to transformers.
_VITPOSE = (
    (r"backbone\.pos_embed", "backbone.embeddings.position_embeddings"),
    (
        r"backbone\.patch_embed\.proj(?:ection)?\.",
        "backbone.embeddings.patch_embeddings.projection.",
    ),
    (r"backbone\.(?:last_norm|ln1)\.", "backbone.layernorm."),
    (r"backbone\.(?:blocks|layers)\.(\d+)\.", r"backbone.encoder.layer.\1."),
    (r"(layer\.\d+)\.(?:norm1|ln1)\.", r"\1.layernorm_before."),
    (r"(layer\.\d+)\.(?:norm2|ln2)\.", r"\1.layernorm_after."),
    (r"(layer\.\d+)\.attn\.proj\.", r"\1.attention.output.dense."),
    (r"(layer\.\d+)\.ffn\.layers\.0\.0\.", r"\1.mlp.fc1."),
    (r"(layer\.\d+)\.ffn\.layers\.1\.", r"\1.mlp.fc2."),
    (r"(?:keypoint_)?head\.deconv_layers\.0\.", "head.deconv1."),
    (r"(?:keypoint_)?head\.deconv_layers\.1\.", "head.batchnorm1."),
    (r"(?:keypoint_)?head\.deconv_layers\.3\.", "head.deconv2."),
    (r"(?:keypoint_)?head\.deconv_layers\.4\.", "head.batchnorm2."),
    (r"(?:keypoint_)?head\.final_layer\.", "head.conv."),
)

_QUERY_KEY_VALUE = ".attn.qkv."


def adapt_hrnet(tensors: Tensors) -> dict[str, Array]:
    """The tensors of HRNet or HigherHRNet by their authors' names."""
    if "backbone.conv1.weight" not in tensors:
        return torch_names(tensors)
    return {_PART.sub("", name, count=1): tensor for name, tensor in tensors.items()}


def adapt_vitpose(tensors: Tensors) -> dict[str, Array]:
    """The tensors of a plain ViTPose by the names of transformers."""
    if "backbone.pos_embed" not in tensors:
        return merge_expert(tensors)
    named: dict[str, Array] = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _VITPOSE:
            name = re.sub(pattern, replacement, name, count=1)
        if _QUERY_KEY_VALUE not in name:
            named[name] = tensor
            continue
        size = len(tensor) // 3
        for place, part in enumerate(("query", "key", "value")):
            own_name = name.replace(_QUERY_KEY_VALUE, f".attention.attention.{part}.")
            named[own_name] = tensor[place * size : (place + 1) * size]
    positions = "backbone.embeddings.position_embeddings"
    named[positions] = _with_first_position(named[positions])
    return merge_expert(named)


def _with_first_position(positions: Array) -> Array:
    """With the position of a class token, which is added to all others: 0 if there is none."""
    import numpy as np  # only for such a checkpoint: the catalog is read without it

    if positions.ndim != 3 or positions.shape[1] % 2:
        return positions
    return np.concatenate([np.zeros_like(positions[:, :1]), positions], axis=1)


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
