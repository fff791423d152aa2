"""Models of our networks: PyTorch models of other registries, and models with the user's own
weights.

The user's file has a fixed name in the model, so that the IR does not depend on it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from posezoo.core.declarations.model import (
    OWN_CHECKPOINT,
    Decoder,
    Family,
    Framework,
    Input,
    License,
    ModelOrigin,
    ModelSpec,
    NetworkChoice,
    Output,
    PublishedMetrics,
    SourceFile,
    Training,
    with_skeleton,
)
from posezoo.core.declarations.safe_names import avoid_reserved, explain_invalid_model_name
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS, describe_assumed, skeleton_of
from posezoo.core.declarations.sources import FileSource
from posezoo.core.errors import (
    CheckpointError,
    ConversionError,
    InferenceError,
    PosezooError,
    import_optional,
)
from posezoo.core.files import verified_files
from posezoo.core.registry import Registry, open_registry
from posezoo.core.resolve.own_networks import OwnNetworks, require_network
from posezoo.networks import PLUGINS, build_network, find_network, is_network, pretrained

if TYPE_CHECKING:
    from posezoo.core.arrays import NamedArrays

PortT = TypeVar("PortT", Input, Output)

# If one of these differs, the outputs have another meaning, and the skeleton and the labels do not
# fit; the decoder only fits if it takes any skeleton.
_OUTPUT_ARGUMENTS = {"keypoints", "heatmaps", "pafs", "classes"}

# The decoders of our networks, by the last words of their outputs' names.
_USUAL_DECODERS = {
    ("heatmaps",): "heatmap",
    ("embeddings", "heatmaps"): "associative_embedding",
    ("heatmaps", "pafs"): "openpose",
}


_own_registry = cache(open_registry)


def with_known_network(spec: ModelSpec) -> ModelSpec:
    """Add our network to a PyTorch model of another registry; other models are returned unchanged.

    The network is that of our own model with the same name and size of the file with the weights;
    or it is the one that the arguments of its export name.
    """
    if spec.framework is not Framework.PYTORCH or spec.network:
        return spec
    if spec.upstream_export:
        from posezoo.networks.zoo.declarations import with_declared_network

        declared = with_declared_network(spec)
        if declared.network:
            return declared
    registry = _own_registry()
    entry = registry.entries.get(spec.name)
    ours = None
    if entry and entry.path != spec.path:
        ours = registry.find(spec.name)
    if not isinstance(ours, ModelSpec) or ours.network is None:
        return spec
    checkpoint = _find_checkpoint(spec, ours)
    if not checkpoint:
        return spec
    return replace(
        spec,
        network=ours.network,
        self_check=ours.self_check,
        decoder=ours.decoder,
        skeleton=ours.skeleton,
        checkpoint=checkpoint,
    )


def _find_checkpoint(spec: ModelSpec, ours: ModelSpec) -> str:
    """The name of the file with the same weights as our own model's; empty if there is none."""
    is_packed = ours.checkpoint not in ours.file_names
    sizes = {file.size for file in ours.files if is_packed or file.name == ours.checkpoint}
    names = [file.name for file in spec.files if file.size in sizes - {None}]
    if len(names) != 1 or is_packed != bool(spec.postprocessing):
        return ""
    return ours.checkpoint if is_packed else names[0]


def find_fitting_network(checkpoint: Path) -> str:
    """The name of the only network that reads a checkpoint.

    Raises:
        CheckpointError: it cannot be read, or none or several networks read it.
        MissingPackageError: torch is not installed.
    """
    from posezoo.networks.checkpoints import read_checkpoint
    from posezoo.networks.checkpoints.key_matching import explain_mmpose

    # Before torch is asked for, which is large.
    hint = explain_mmpose(read_checkpoint(checkpoint))
    if hint and not PLUGINS.names():
        problem = "is a checkpoint of MMPose, of a network that the zoo does not have"
        raise CheckpointError(f"{checkpoint}: {problem}", hint=hint)
    fitting = pretrained.matching_networks(checkpoint)
    if len(fitting) != 1:
        which = "no network of the zoo reads it: its keys or shapes differ"
        if fitting:
            which = f"several networks of the zoo read it: {', '.join(fitting)}"
        raise CheckpointError(
            f"{checkpoint}: {which}",
            hint=(
                "posezoo convert --network NETWORK --checkpoint FILE says what differs, "
                "and makes an .xml that can be run"
            ),
        )
    return fitting[0]


def find_with_checkpoint(
    registry: Registry,
    name: str,
    checkpoint: Path,
    ir_name: str = "",
    skeleton: Skeleton | None = None,
) -> ModelSpec:
    """A model of the registry, or one of our networks, with the user's own weights.

    Raises:
        PosezooError: as for ``spec_with_checkpoint``.
    """
    is_of_network = name not in registry.entries and is_network(name)
    model = name if is_of_network else registry.find_single(name)
    return spec_with_checkpoint(model, checkpoint, ir_name, skeleton)


def spec_with_checkpoint(
    model: ModelSpec | str, checkpoint: Path, name: str = "", skeleton: Skeleton | None = None
) -> ModelSpec:
    """A model with the user's own weights; the checkpoint's keys may show other stages or
    keypoints.

    Args:
        checkpoint: a .pth, .safetensors or .params file.
        name: of the new model; if empty, that of the model or network.
        skeleton: of the network's keypoints; None: the model's, if it has as many, else none.

    Raises:
        ConversionError: the model is not one of our networks, or its outputs are not decoded to the
            keypoints of a skeleton.
        InferenceError: the skeleton does not fit the network.
        UnknownModelError: there is no such network.
        CheckpointError: the file cannot be read.
        NetworkError: the network cannot be built with the arguments that the keys show.
        PosezooError: the name is not allowed for a model.
    """
    if isinstance(model, str):
        definition = find_network(model)
        model = ModelSpec(
            name=model,
            family=Family.PUBLIC,
            path=checkpoint,
            description=f"The network {model} with weights of one's own.",
            task="human_pose_estimation",
            framework=Framework.PYTORCH,
            license=License(),
            files=(),
            inputs=(definition.input,),
            outputs=tuple(Output(output, ()) for output in definition.output_names()),
            self_check=definition.self_check,
            network=NetworkChoice(model),
        )
    model = with_known_network(model)
    choice = require_network(model)
    weights = pretrained.read_network_checkpoint(
        checkpoint, choice.name, assumed=choice.arguments, names=choice.names
    )
    published = weights.network.complete_arguments(**choice.arguments)
    arguments = weights.arguments
    changed = {name for name, value in arguments.items() if published[name] != value}
    outputs = model.outputs
    if changed:  # the outputs have other shapes, and may have other names
        names = weights.network.output_names(**arguments)
        ports = outputs
        if len(outputs) != len(names):
            ports = (Output("", ()),) * len(names)
        named = zip(names, ports, strict=True)
        outputs = tuple(replace(port, name=name, shape=()) for name, port in named)
    if skeleton or changed & _OUTPUT_ARGUMENTS:
        model = _with_keypoints(model, outputs, arguments, skeleton)
    if name:  # a model with its own name is neither a part of a composite nor a variant
        reason = explain_invalid_model_name(name)
        if reason:
            problem = f"no model can be called {name!r}: {reason}"
            raise PosezooError(problem, hint="--model_name M names it")
        model = replace(model, name=name, composite="", tag="", is_default=True)
    digest = verified_files.compute_digest(checkpoint)
    file = SourceFile(OWN_CHECKPOINT, checkpoint.stat().st_size, digest)
    return replace(
        model,
        license=License(),
        license_note="",
        deprecated=None,
        published=PublishedMetrics(),
        training=Training(),
        variants=(),
        files=(file,),
        postprocessing=(),
        outputs=outputs,
        network=replace(choice, arguments=arguments),
        checkpoint=OWN_CHECKPOINT,
    )


def spec_of_checkpoint(
    registry: Registry, checkpoint: Path, skeleton: Skeleton | None = None
) -> ModelSpec:
    """The model of a checkpoint for the only network that reads it, with the file as its source.

    Every verb can take it by the name of ``name_weights``.

    Raises:
        CheckpointError: as for ``find_fitting_network``.
        PosezooError: as for ``spec_with_checkpoint``.
    """
    network = find_fitting_network(checkpoint)
    spec = find_with_checkpoint(registry, network, checkpoint, skeleton=skeleton)
    (pinned,) = spec.files
    name = name_weights(spec, checkpoint)
    file_name = f"{name}{checkpoint.suffix}"
    path = checkpoint.absolute()
    torch = import_optional("torch", extra="torch")
    choice = require_network(spec)
    definition = find_network(choice.name).with_names(choice.names)
    with torch.device("meta"), torch.no_grad():  # takes no memory, and computes nothing
        module = definition.build(**choice.arguments)
        results = module(torch.empty(spec.inputs[0].shape))
    if isinstance(results, torch.Tensor):
        results = (results,)
    names = definition.module_outputs(**choice.arguments)
    shapes = {name: tuple(result.shape) for name, result in zip(names, results, strict=True)}
    return replace(
        spec,
        name=name,
        description=f"Weights of one's own for the network {network}.",
        origin=ModelOrigin(),
        composite="",
        tag="",
        is_default=True,
        path=path,
        files=(replace(pinned, name=file_name, sources=(FileSource(path),)),),
        checkpoint=file_name,
        outputs=tuple(replace(port, shape=shapes[port.name]) for port in spec.outputs),
    )


def name_weights(spec: ModelSpec, checkpoint: Path) -> str:
    """A name for the user's own weights, from the file and its SHA-384: those of several trainings
    are often all called best.pth.
    """
    (pinned,) = spec.files
    assert pinned.checksum
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", checkpoint.stem).strip("-.") or "checkpoint"
    return avoid_reserved(f"{stem}-{pinned.checksum.value[:8]}")


def _with_keypoints(
    model: ModelSpec,
    outputs: Sequence[Output],
    arguments: Mapping[str, str | int | bool],
    skeleton: Skeleton | None,
) -> ModelSpec:
    """The model with other keypoints: those of a skeleton, or only another number; without a
    decoder if its decoder does not take them.
    """
    from posezoo.poses.decoders import find_decoder

    words = sorted(output.name.rpartition("_")[2] for output in outputs)
    usual = _USUAL_DECODERS.get(tuple(words))
    decoder = model.decoder or (Decoder(usual) if usual else None)
    model = replace(model, decoder=decoder, skeleton="", model_info={})
    count = _keypoint_count(arguments)
    if decoder is None or not count or not find_decoder(decoder.name).takes_skeleton:
        if skeleton:
            problem = f"{model.name}: its outputs are not decoded to the keypoints of a skeleton"
            raise ConversionError(problem)
        return replace(model, decoder=None)
    if skeleton:
        model = with_skeleton(model, skeleton)
        require_fitting_skeleton(model, arguments)
        return model
    assumed = SKELETONS[skeleton_of(count)]
    text = describe_assumed(count)
    if decoder.name == "openpose":
        text = (
            f"its {count} keypoints cannot be decoded: their limbs are unknown;"
            " --skeleton FILE declares them"
        )
        model = replace(model, decoder=None)
    return replace(with_skeleton(model, assumed), assumption=f"{model.name}: {text}")


def _keypoint_count(arguments: Mapping[str, str | int | bool]) -> int:
    if "heatmaps" in arguments:
        return int(arguments["heatmaps"]) - 1  # the last one is the background
    return int(arguments.get("keypoints", 0))


def require_fitting_skeleton(
    spec: ModelSpec, arguments: Mapping[str, str | int | bool] | None = None
) -> None:
    """Raise an InferenceError if a model of our networks has other keypoints than its own skeleton,
    or OpenPose's decoder does not get the fields of its limbs.
    """
    decoder = spec.decoder
    if decoder is None or decoder.skeleton is None:
        return
    from posezoo.poses.decoders import resolve_options
    from posezoo.poses.keypoints import require_count
    from posezoo.poses.limbs import limb_table, require_channels

    resolve_options(decoder)
    if decoder.name == "openpose":
        limb_table(decoder.skeleton)
    if spec.network is None:
        return
    is_declared = arguments is None
    if arguments is None:
        definition = find_network(spec.network.name)
        arguments = definition.complete_arguments(**spec.network.arguments)
    count = len(decoder.skeleton.keypoints)
    try:
        require_count(decoder.skeleton, _keypoint_count(arguments))
    except InferenceError as error:
        is_silent = "keypoints" in arguments and "keypoints" not in spec.network.arguments
        if is_declared and is_silent:
            name = spec.network.name
            error.hint = (
                f"if the network finds {count}, say so in model.yml:"
                f" network: {{name: {name}, keypoints: {count}}}"
            )
        raise
    if "pafs" in arguments:
        require_channels(limb_table(decoder.skeleton), int(arguments["pafs"]))


def write_random_checkpoint(choice: NetworkChoice, path: Path) -> None:
    """Write a checkpoint with random weights, for measurements that do not depend on their values.

    Raises:
        UnknownModelError: there is no such network.
        NetworkError: it cannot be built with these arguments.
        OutputError: the file cannot be written.
        MissingPackageError: torch is not installed.
    """
    torch = import_optional("torch", extra="torch")
    with torch.device("meta"):
        tensors = build_network(choice.name, **choice.arguments).state_dict()
    # Values are from 0.5 to 1.5, so that no variance is 0 and no two constants are equal. PyTorch's
    # initial weights are not suitable: the addition of a bias of 0 is removed from the IR, and
    # would not be counted.
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for key, tensor in tensors.items():
        values = torch.rand(tensor.shape, generator=generator) + 0.5
        weights[key] = values.to(tensor.dtype)
    content = io.BytesIO()
    torch.save(weights, content)
    verified_files.write_atomically(path, content.getvalue())


def with_dynamic_shape(spec: ModelSpec) -> ModelSpec:
    """The model with dynamic dimensions: those that its inputs declare; by default height and
    width.

    A ConversionError if it is not one of our networks: the sizes of a published graph are fixed.
    """
    network = require_network(spec)
    inputs = spec.inputs or (find_network(network.name).input,)
    letters = {letter for port in inputs for letter in port.dynamic} or {"H", "W"}
    dynamic_inputs = tuple(_with_open_dimensions(port, letters) for port in inputs)
    dynamic_outputs = tuple(_with_open_dimensions(port, letters) for port in spec.outputs)
    return replace(spec, inputs=dynamic_inputs, outputs=dynamic_outputs)


def _with_open_dimensions(port: PortT, letters: set[str]) -> PortT:
    """The port with these dimensions set to -1 (dynamic); all tensors of our networks are NCHW."""
    sizes = zip("NCHW", port.shape, strict=False)
    shape = tuple(-1 if letter in letters else size for letter, size in sizes)
    return replace(port, shape=shape)


class _OwnNetworks(OwnNetworks):
    with_known_network = staticmethod(with_known_network)

    def require_fitting_skeleton(self, spec: ModelSpec) -> None:
        require_fitting_skeleton(spec)

    with_dynamic_shape = staticmethod(with_dynamic_shape)

    def read_checkpoint(self, path: Path) -> NamedArrays:
        from posezoo.networks.checkpoints import read_checkpoint

        return read_checkpoint(path)


OWN_NETWORKS = _OwnNetworks()
