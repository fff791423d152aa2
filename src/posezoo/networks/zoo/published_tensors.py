"""From the tensors of published checkpoints to those of our networks, if these differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.core.errors import CheckpointError
from posezoo.networks.definition import Tensors

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

# The containers around the layers of the text recognizer.
_CONTAINERS = ("body.components.0.component.0.", "head.")


def without_containers(tensors: Tensors) -> dict[str, Array]:
    """The text recognizer's tensors without the names of containers."""
    renamed = {}
    for key, tensor in tensors.items():
        container = next(filter(key.startswith, _CONTAINERS), "")
        renamed[key.removeprefix(container)] = tensor
    return renamed


def without_auxiliary_classifier(tensors: Tensors) -> dict[str, Array]:
    """Inception v3 without the classifier that only its training used."""
    return _without(tensors, "AuxLogits.")


def without_unused_projections(tensors: Tensors) -> dict[str, Array]:
    """DLA-34 without the projections that its authors' code computes and does not use."""
    return _without(tensors, "level3.project.", "level4.project.")


def _without(tensors: Tensors, *prefixes: str) -> dict[str, Array]:
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(prefixes)}


def fuse_branches(tensors: Tensors) -> dict[str, Array]:
    """RepVGG with the branches of each block added up to one 3x3 convolution.

    Published checkpoints have a 3x3 convolution, a 1x1 convolution and, if input and output have
    the same shape, the input itself, each with batch normalization. Other tensors are unchanged.

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
