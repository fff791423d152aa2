"""The networks of Open Model Zoo's PyTorch models, the published classes whose weights they load,
and the tensors in which both differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import CheckpointError
from posezoo.core.values import frozen
from posezoo.networks.catalog_file import Adapter, read_catalog, read_definition
from posezoo.networks.definition import NetworkDefinition, Tensors

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

#: Packages with several modules of networks.
LIBRARIES = ("torchvision", "timm")

# The containers around the layers of the text recognizer.
_CONTAINERS = ("body.components.0.component.0.", "head.")


def without_containers(tensors: Tensors) -> dict[str, Array]:
    """The text recognizer's tensors without the names of containers."""
    renamed = {}
    for key, tensor in tensors.items():
        container = next(filter(key.startswith, _CONTAINERS), "")
        renamed[key.removeprefix(container)] = tensor
    return renamed


def _without(prefixes: tuple[str, ...], tensors: Tensors) -> dict[str, Array]:
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(prefixes)}


def fuse_branches(tensors: Tensors) -> dict[str, Array]:
    """RepVGG with the branches of each block added up to one 3x3 convolution.

    Published checkpoints have a 3x3 convolution, a 1x1 convolution and, if input and output have
    the same shape, the input itself, each with batch normalization.

    Raises:
        CheckpointError: a tensor of a block is missing, or has another shape.
    """
    fused = dict(tensors)
    ending = ".rbr_dense.conv.weight"
    for block in [key.removesuffix(ending) for key in tensors if key.endswith(ending)]:
        try:
            kernel, bias = _fuse_block(fused, block)
        except (KeyError, ValueError, IndexError) as error:
            raise CheckpointError(f"does not fit the network: {block}: {error}") from error
        fused[f"{block}.rbr_reparam.weight"] = kernel
        fused[f"{block}.rbr_reparam.bias"] = bias
    return fused


def _fuse_block(tensors: dict[str, Array], block: str) -> tuple[Array, Array]:
    """The kernel and the bias of a block, whose tensors are removed; sums are in float64."""
    import numpy as np

    around = ((0, 0), (0, 0), (1, 1), (1, 1))
    point = tensors.pop(f"{block}.rbr_1x1.conv.weight")
    dense = tensors.pop(f"{block}.rbr_dense.conv.weight")
    branches = {"rbr_dense.bn": dense, "rbr_1x1.bn": np.pad(point, around)}
    if f"{block}.rbr_identity.weight" in tensors:
        unit = np.eye(point.shape[0])[:, :, None, None]
        branches["rbr_identity"] = np.pad(unit, around)
    kernels = []
    biases = []
    for name, kernel in branches.items():
        weight, bias, mean, variance = (
            tensors.pop(f"{block}.{name}.{word}").astype(np.float64)
            for word in ("weight", "bias", "running_mean", "running_var")
        )
        tensors.pop(f"{block}.{name}.num_batches_tracked", None)
        scale = weight / np.sqrt(variance + 1e-5)
        kernels.append(kernel * scale[:, None, None, None])
        biases.append(bias - mean * scale)
    return np.sum(kernels, axis=0).astype(np.float32), np.sum(biases, axis=0).astype(np.float32)


# For networks whose published tensors are not those of our class.
_ADAPTERS: Mapping[str, Adapter] = {
    # The classifier that only the training used.
    "inception_v3": partial(_without, ("AuxLogits.",)),
    "repvgg_a0": fuse_branches,
    "repvgg_b1": fuse_branches,
    "repvgg_b3": fuse_branches,
    # The projections that the authors' code computes and does not use.
    "dla34": partial(_without, ("level3.project.", "level4.project.")),
    "text_recognition_resnet_fc": without_containers,
}


@frozen
class PublishedClass:
    """The Python class or function that builds a network where it was published.

    Attributes:
        parameters: the arguments that choose this network.
        file: a file of the model, if nothing else shows which network it is.
    """

    module: str
    name: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    file: str = ""


# Their fields are ``published`` (the ``PublishedClass``), and those of ``read_definition``.
_DECLARED = read_catalog(Path(__file__).with_suffix(".json"))

NETWORKS: Mapping[str, NetworkDefinition] = {
    name: read_definition(name, fields, "posezoo.networks.zoo", _ADAPTERS.get(name, dict))
    for name, fields in _DECLARED.items()
}

#: By the same names, where they were published.
PUBLISHED: Mapping[str, PublishedClass] = {
    name: PublishedClass(**fields["published"]) for name, fields in _DECLARED.items()
}
