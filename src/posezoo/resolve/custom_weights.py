"""Weights of the user's own: a network of ours, or a model of the zoo, with another checkpoint.

They become a model like any other, with one file, so that planning, proving and publishing know nothing
of it. The file has no name in the model: the same weights give the same IR, whatever they are called.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.errors import ConversionError, PosezooError, import_optional
from posezoo.files import verified_files
from posezoo.networks import NetworkDefinition, build_network, find_network, pretrained
from posezoo.resolve.known_network import with_known_network
from posezoo.spec.model import (
    Family,
    Framework,
    License,
    ModelSpec,
    NetworkChoice,
    Output,
    PublishedMetrics,
    SourceFile,
    Training,
)
from posezoo.spec.safe_names import explain_invalid_model_name

# What these arguments change is what the outputs mean: a decoder or skeleton fits no longer.
_MEANINGS = ("keypoints", "heatmaps", "pafs")

#: The name of the one file of such a model.
CHECKPOINT_NAME = "checkpoint"


def spec_for_network(network: str, checkpoint: Path, name: str = "") -> ModelSpec:
    """A checkpoint of one of our networks as a model: the network's input, preprocessing and outputs.

    Args:
        network: a name of ``networks.NETWORKS``; how many stages, channels and keypoints it has is told by
            the checkpoint's keys.
        checkpoint: a .pth, .safetensors or .params file.
        name: of the model; the network's where empty.

    Raises:
        UnknownModelError: there is no such network.
        CheckpointError: the file cannot be read.
        NetworkError: the network cannot be built as the keys tell.
        PosezooError: no model can have this name.
    """
    known = find_network(network)
    found = pretrained.read_network_checkpoint(checkpoint, network)
    return ModelSpec(
        name=_allowed(name or network),
        family=Family.PUBLIC,
        path=checkpoint,
        description=f"The network {network} with weights of one's own.",
        task="human_pose_estimation",
        framework=Framework.PYTORCH,
        license=License(),
        files=(_file(checkpoint),),
        inputs=(known.input,),
        outputs=tuple(Output(each, ()) for each in known.output_names(**found.arguments)),
        self_check=known.self_check,
        network=NetworkChoice(network, found.arguments),
        checkpoint=CHECKPOINT_NAME,
    )


def spec_with_checkpoint(model: ModelSpec | str, checkpoint: Path, name: str = "") -> ModelSpec:
    """A model with another checkpoint, whose keys may decide on other stages or keypoints.

    Args:
        model: a model that is a network of ours, or the name of such a network.
        checkpoint: a .pth, .safetensors or .params file.
        name: of the new model; empty: the name of the model or network.

    Raises:
        ConversionError: the model is no network of ours.
        CheckpointError: the file cannot be read.
        NetworkError: the network cannot be built as the keys tell.
        PosezooError: no model can have this name.
    """
    if isinstance(model, str):
        return spec_for_network(model, checkpoint, name)
    model = with_known_network(model)
    choice = require_network(model)
    found = pretrained.read_network_checkpoint(checkpoint, choice.name, assumed=choice.arguments)
    published = found.network.complete_arguments(**choice.arguments)
    changed = {each for each, value in found.arguments.items() if published[each] != value}
    same_meaning = not changed & set(_MEANINGS)
    return replace(
        model,
        **_renamed(name),
        license=License(),
        license_note="",
        deprecated=None,
        published=PublishedMetrics(),
        training=Training(),
        variants=(),
        files=(_file(checkpoint),),
        postprocessing=(),
        outputs=_outputs(model, found.network, found.arguments) if changed else model.outputs,
        decoder=model.decoder if same_meaning else None,
        skeleton=model.skeleton if same_meaning else "",
        network=NetworkChoice(choice.name, found.arguments),
        checkpoint=CHECKPOINT_NAME,
    )


def write_random_checkpoint(choice: NetworkChoice, path: Path) -> None:
    """Write a checkpoint of weights that nobody trained, for what does not depend on them.

    Args:
        choice: the network, with its arguments.
        path: where; a file as torch.save writes it.

    Raises:
        UnknownModelError: there is no such network.
        NetworkError: it cannot be built so.
        OutputError: the file cannot be written.
        MissingPackageError: torch is not installed.
    """
    torch = import_optional("torch", extra="torch")
    with torch.device("meta"):
        shapes = build_network(choice.name, **choice.arguments).state_dict()
    # From 0.5 to 1.5, so that no variance is 0, and no two constants are one. Initial ones would not do: a
    # sum with a bias of 0 is left out, and not counted.
    dice = torch.Generator().manual_seed(0)
    weights = {
        key: (torch.rand(each.shape, generator=dice) + 0.5).to(each.dtype) for key, each in shapes.items()
    }
    content = io.BytesIO()
    torch.save(weights, content)
    verified_files.write_atomically(path, content.getvalue())


def with_dynamic_shape(model: ModelSpec) -> ModelSpec:
    """The model with an input of any size in the dimensions that it declares; else of any height and width.

    Raises:
        ConversionError: it is no network of ours: a finished graph has the sizes that it was published with.
    """
    network = require_network(model)
    inputs = model.inputs or (find_network(network.name).input,)
    dimension_names = {letter for port in inputs for letter in port.dynamic} or {"H", "W"}
    return replace(
        model,
        inputs=tuple(replace(port, shape=_opened(port.shape, dimension_names)) for port in inputs),
        outputs=tuple(replace(port, shape=_opened(port.shape, dimension_names)) for port in model.outputs),
    )


def require_network(model: ModelSpec) -> NetworkChoice:
    """Which network of ours a model is.

    Raises:
        ConversionError: it is none, but published as a finished graph.
    """
    if model.network is None:
        raise ConversionError(
            f"{model.name}: is published as {model.framework}, and no network of ours",
            hint="posezoo list --framework pytorch names those that are",
        )
    return model.network


def _file(checkpoint: Path) -> SourceFile:
    return SourceFile(
        CHECKPOINT_NAME, checkpoint.stat().st_size, verified_files.compute_digest(checkpoint), ()
    )


def _allowed(name: str) -> str:
    if reason := explain_invalid_model_name(name):
        raise PosezooError(f"no model can be called {name!r}: {reason}", hint="--model_name M names it")
    return name


def _renamed(name: str) -> dict[str, Any]:
    """A name of its own belongs to no composite, and to no variant."""
    if not name:
        return {}
    return {"name": _allowed(name), "composite": "", "tag": "", "is_default": True}


def _outputs(
    model: ModelSpec, network: NetworkDefinition, arguments: Mapping[str, Any]
) -> tuple[Output, ...]:
    """Under the names that the network gives them now, and in whatever shape the keys decide."""
    names = network.output_names(**arguments)
    if len(names) != len(model.outputs):
        return tuple(Output(name, ()) for name in names)
    return tuple(replace(port, name=name, shape=()) for name, port in zip(names, model.outputs, strict=True))


def _opened(shape: tuple[int, ...], dimension_names: set[str]) -> tuple[int, ...]:
    """Our networks' tensors lie as NCHW."""
    return tuple(
        -1 if letter in dimension_names else size for letter, size in zip("NCHW", shape, strict=False)
    )
