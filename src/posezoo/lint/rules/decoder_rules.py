"""Rules on the decoder, and on the outputs that it reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from math import isnan, nan
from typing import Any, NamedTuple

from posezoo.core.declarations.model import ModelSpec, Output, fits
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.lint.finding import Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.networks import find_network, is_network
from posezoo.poses.decoder_type import DecoderType, NetworkFacts, Sizes
from posezoo.poses.decoders import DECODERS, find_decoder, resolve_options

POSES = "human_pose_estimation"
_CLASSES = re.compile(r"\b([1-9][0-9]{0,4}) classes\b")
#: Data sets whose accuracy is that of one number of keypoints; the first that a text begins with.
DATASETS = {"COCO-WholeBody": 133, "Halpe": 26, "COCO": 17}


class Reader(NamedTuple):
    """What reads the outputs of a model: its own decoder, or that of its composite."""

    name: str
    decoder: DecoderType
    options: Any
    network: tuple[Output, ...]  # those of the decoder's networks that the model's outputs fit
    skeleton: Skeleton | None  # of the poses

    @property
    def is_last(self) -> bool:
        """Whether poses are made of these outputs, and not only regions of the image."""
        return self.network is self.decoder.networks[-1]


def find_reader(view: ModelView) -> Reader | None:
    """None if there is no decoder, or posezoo does not have it."""
    for owner in (view, *view.zoo.models_by(_read_parts)[view.name]):
        declared = owner.declaration.decoder
        if declared is None:
            continue
        try:
            options = resolve_options(declared)
        except InferenceError:
            return None  # another rule reports it
        decoder = find_decoder(declared.name)
        network = _select_network(view, decoder)
        skeleton = view.known_skeleton or owner.known_skeleton
        return Reader(declared.name, decoder, options, network, skeleton=skeleton)
    return None


def _read_parts(view: ModelView) -> Sequence[str]:
    return view.parts


def _select_network(view: ModelView, decoder: DecoderType) -> tuple[Output, ...]:
    roles = {output.role for output in view.spec.outputs}
    return max(
        reversed(decoder.networks),
        key=lambda network: sum(output.role in roles for output in network),
    )


@rule()
def known_decoder(view: ModelView) -> Violations:
    """The decoder is one that posezoo has, and takes the declared options.

    Example: decoder: {name: opnepose}, or an option min_scores where min_score is meant
    """
    declared = view.declaration.decoder
    if declared is None:
        return
    try:
        resolve_options(declared)
    except InferenceError as error:
        hint = f"; {error.hint}" if error.hint else ""
        yield view.declared("decoder", f"{error.problem}{hint}", declared.name)


@rule()
def missing_decoder(view: ModelView) -> Violations:
    """A model that declares a skeleton, or the roles of its outputs, declares the decoder that
    reads them.

    Example: skeleton: coco-17 without a decoder
    """
    declared = view.declaration
    if declared.decoder or view.entry.composite:
        return
    if declared.skeleton or any(output.role for output in view.spec.outputs):
        message = "there is no decoder, so that nothing reads the outputs"
        yield view.declared("task_type", message, declared.task)


@rule()
def decoder_task(view: ModelView) -> Violations:
    """The task is that of the decoder, or of a part's outputs.

    Example: task_type: detection, and decoder: {name: movenet}
    """
    declared = view.declaration
    reader = find_reader(view)
    if reader is None:
        return
    roles = {output.role for output in reader.network}
    expected = f"{POSES}_3d" if "coordinates" in roles else POSES
    if reader.decoder.finds_boxes or not reader.is_last:
        expected = "detection"
    if reader.decoder.finds_masks:
        expected = "semantic_segmentation"
    if declared.task not in ("", expected):  # it is empty if model.yml cannot be read
        message = f"task_type is {declared.task}, and the decoder {reader.name} is for {expected}"
        yield view.declared("task_type", message, declared.task, expected)


@rule(unless=("known-network",))
def decoder_outputs(view: ModelView) -> Violations:
    """The outputs have the roles that the decoder takes, and the sizes that follow from the input,
    from the network's stride, from the skeleton's number of keypoints and from the number of
    classes; a composite's stages are in the order in which its decoder takes their outputs, and the
    last one has its skeleton.

    Example: skeleton: openpose-18 and 17 heatmaps; or shape: [1, 8400, 84] for 80 classes
    """
    reader = find_reader(view)
    if reader is None:
        return
    if view.entry.is_composite:
        yield from _check_stages(view, reader)
    for variant in view.variants:
        problem = _describe_roles(variant.outputs, reader) or _describe_sizes(view, variant, reader)
        if problem:
            yield view.declared("outputs", f"{variant.full_name}: {problem}", variant.full_name)
            return
    if view.variants and view.skeleton and not reader.is_last:
        message = f"no output is made of the keypoints of {view.skeleton}"
        yield view.declared("skeleton", message, view.skeleton)


def _check_stages(view: ModelView, reader: Reader) -> Violations:
    parts = view.zoo.find_models(view.parts)
    for part, network in zip(parts, reader.decoder.networks, strict=False):
        if part.spec.outputs and _select_network(part, reader.decoder) is not network:
            message = f"the decoder {reader.name} does not take the outputs of {part.name} here"
            yield view.declared("stages", message, part.name)
            return
    for part in parts:
        if part.skeleton not in ("", view.skeleton) and not any(decoder_outputs.find(part)):
            message = f"skeleton is {view.skeleton}, and {part.skeleton} in {part.name}"
            yield view.declared("skeleton", message, view.skeleton, part.skeleton)


def _describe_roles(outputs: Sequence[Output], reader: Reader) -> str:
    decoder = reader.decoder
    recognized = decoder.recognize_outputs({output.name: output.shape for output in outputs})
    for output in outputs:
        if recognized.get(output.role, output.name) != output.name:
            return f"by its shape, {recognized[output.role]} has the role {output.role}"
    roles = {role for output in outputs for role in output.role.split("_and_")}
    missing = [taken.role for taken in reader.network if taken.role not in roles]
    if missing:
        return f"none has the role {missing[0]}, which the decoder {reader.name} takes"
    of_others = {
        taken.role for _, other in DECODERS.items() for taken in chain.from_iterable(other.networks)
    }
    taken_roles = {taken.role for taken in (*reader.network, *decoder.optional)}
    unknown = sorted(roles & of_others - taken_roles)
    if unknown:
        return f"the decoder {reader.name} takes none with the role {unknown[0]}"
    return ""


def _describe_sizes(view: ModelView, variant: ModelSpec, reader: Reader) -> str:
    by_role = {output.role: output.shape for output in variant.outputs}
    rows = by_role.get(reader.network[0].role, ())[1:2]
    columns = by_role.get(reader.network[-1].role, ())[-1:]
    height, width = _read_size(variant)
    network = view.spec.network
    stride: float = 0
    if network and is_network(network.name):
        stride = find_network(network.name).stride
    skeleton = reader.skeleton
    keypoints = _count_keypoints(skeleton)
    facts = NetworkFacts(
        width=width,
        height=height,
        # All variants have one stride.
        stride=stride or _read_stride(view.variants[0], reader),
        rows=_or_unknown(*rows),
        columns=_or_unknown(*columns),
        keypoints=keypoints,
        # Those that are declared; else as many as OpenPose's skeletons have.
        limb_fields=len(skeleton.fields) if skeleton and skeleton.fields else keypoints + 1,
        classes=_count_classes(variant),
    )
    sizes = reader.decoder.sizes(facts, reader.options)
    taken = {output.role: output.shape for output in (*reader.network, *reader.decoder.optional)}
    for output in variant.outputs:
        shape = _order_axes(output)
        expected = sizes.get(output.role)
        if expected is not None and not _are_sizes(shape, expected):
            given = []
            if not isnan(facts.keypoints):
                given.append(f"{facts.keypoints} keypoints")
            if not isnan(facts.width * facts.height):
                given.append(f"an input of {facts.width:g}x{facts.height:g}")
            of = f" of {' and '.join(given)}" if given else ""
            return f"{_format(output)}; expected{of}: {_join(expected)}"
        if expected is None and not fits(
            output.shape[:4], taken.get(output.role, output.shape)[:4]
        ):
            return f"{_format(output)}, and not {_join(taken[output.role])}"
    return ""


def _format(output: Output) -> str:
    return f"{output.name} has the shape {_join(output.shape)}"


def _join(sizes: Sequence[float]) -> str:
    return ", ".join("?" if isnan(size) else f"{size:g}" for size in sizes)


def _are_sizes(shape: Sequence[int], expected: Sizes) -> bool:
    """Whether a shape has these sizes, rounded up or down; -1 and nan stand for any size."""
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and not any(
        size > 0 and abs(size - wanted) >= 1 for size, wanted in pairs
    )


def _order_axes(output: Output) -> tuple[int, ...]:
    """The shape; of maps in the order NCHW, without the axis of several tags."""
    sides = dict(zip(output.layout, output.shape, strict=False))
    if sides.keys() >= {*"NCHW"}:
        return tuple(sides[letter] for letter in "NCHW")
    return output.shape[:4]


def _or_unknown(size: int = -1) -> float:
    return size if size > 0 else nan


def _read_size(variant: ModelSpec) -> tuple[float, float]:
    """Height and width of the only input that is an image."""
    images = [port.sides for port in variant.inputs if port.sides.keys() >= {"H", "W"}]
    if len(images) != 1:
        return nan, nan
    return _or_unknown(images[0]["H"]), _or_unknown(images[0]["W"])


def _read_stride(variant: ModelSpec, reader: Reader) -> float:
    """The stride of the first maps that the decoder reads, of which both sides may be rounded."""
    height, width = _read_size(variant)
    roles = {output.role for output in reader.network}
    for output in variant.outputs:
        shape = _order_axes(output)
        if len(shape) != 4 or roles.isdisjoint(output.role.split("_and_")):
            continue
        rows, columns = map(_or_unknown, shape[2:])
        if isnan(height / rows) or isnan(width / columns):
            return nan
        ratio = max(1, int(height / rows))
        return min(
            (ratio, ratio + 1),
            key=lambda stride: max(abs(height / stride - rows), abs(width / stride - columns)),
        )
    return nan


def _count_keypoints(skeleton: Skeleton | None) -> float:
    return _or_unknown(len(skeleton.keypoints)) if skeleton else nan


def _count_classes(variant: ModelSpec) -> float:
    texts = [*(claim.protocol for claim in variant.published.accuracy)]
    texts += [*(output.note for output in variant.outputs), variant.description]
    match = _CLASSES.search("\n".join(texts))
    return int(match[1]) if match else nan


@rule()
def evaluated_keypoints(view: ModelView) -> Violations:
    """A published accuracy is of as many keypoints as the skeleton has, or its protocol states the
    number.

    Example: skeleton: coco-wholebody-133 and dataset: COCO val2017, which has 17 keypoints
    """
    count = _count_keypoints(view.known_skeleton)
    if count not in DATASETS.values():
        return  # of a skeleton without a data set of its own, some keypoints are those of COCO
    for index, claim in enumerate(view.spec.published.accuracy):
        names = [name for name in DATASETS if claim.dataset.startswith(name)]
        if names and DATASETS[names[0]] != count and f"{DATASETS[names[0]]} " not in claim.protocol:
            message = f"{claim.dataset} has {DATASETS[names[0]]} keypoints, the skeleton {count}"
            yield view.declared(f"published.accuracy[{index}].dataset", message, claim.dataset)
