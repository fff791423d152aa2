"""Find the one of our networks that fits the weights of a PyTorch model from another registry."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from posezoo.registry import open_registry
from posezoo.spec.model import Framework, ModelSpec


def with_known_network(spec: ModelSpec) -> ModelSpec:
    """Add our network to a PyTorch model of another registry; other models are returned unchanged.

    The network is that of the model with the same name in our own registry, if the size of the file with the
    weights is also the same.
    """
    if spec.framework is not Framework.PYTORCH or spec.network is not None:
        return spec
    registry = _own_registry()
    own = registry.find(spec.name) if spec.name in registry.entries else None
    if not isinstance(own, ModelSpec) or own.network is None:
        return spec
    is_packed = own.checkpoint not in {file.name for file in own.files}
    sizes = {file.size for file in own.files if is_packed or file.name == own.checkpoint}
    names = [file.name for file in spec.files if file.size is not None and file.size in sizes]
    if len(names) != 1 or is_packed != bool(spec.postprocessing):
        return spec
    return replace(
        spec,
        network=own.network,
        self_check=own.self_check,
        decoder=own.decoder,
        skeleton=own.skeleton,
        checkpoint=own.checkpoint if is_packed else names[0],
    )


_own_registry = cache(open_registry)
