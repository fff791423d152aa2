"""The network of ours that takes the weights of a foreign registry's PyTorch model."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from posezoo.registry import open_registry
from posezoo.spec.model import Framework, ModelSpec


def with_known_network(spec: ModelSpec) -> ModelSpec:
    """A foreign registry's PyTorch model with the network of ours that takes its weights; else as it is.

    The network is found by the name of a model of our own registry, and by the size of a file of weights.
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
