"""Rules on facts that model.yml itself states in several places, so that no card is needed to check
them.

A card that is drawn after a mistake agrees with the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from posezoo.errors import InferenceError, SpecError
from posezoo.lint.finding import RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import simplify
from posezoo.measured import load_measurements
from posezoo.spec.model import TRACKING, WHOLE_IMAGE, Input, ModelSpec, Output
from posezoo.spec.shapes import fits
from posezoo.spec.sources import HttpSource

if TYPE_CHECKING:
    from posezoo.pose.decoder_type import DecoderType

POSES = "human_pose_estimation"
#: Addresses of files that their publisher replaces: those of the last release, and those on a
#: branch.
_LATEST = re.compile(r"/latest/")
_MULTIPLES = re.compile(r"multiples of ([1-9][0-9]{0,3})(?: pixels)?(?: plus ([0-9]{1,3}))?")
_BRANCH = re.compile(
    r"/(?:raw|resolve)/(?:main|master)/|raw\.githubusercontent\.com/[^/]+/[^/]+/(?:main|master)/"
)
#: For each role, the number of values for one keypoint, and what may be added to those of all
#: keypoints: a background, BlazePose's helpers, or the box of a person.
_ROLE_SIZES = {
    "heatmaps": (1, 0, 1, 6), "embeddings": (1, 0), "heatmaps_and_pafs": (3, 3), "pafs": (2, 0, 2),
    "coordinates": (3, 0), "keypoints": (1, 0), "people": (3, 5), "landmarks": (5, 30),
    "world_landmarks": (3, 18), "offsets": (2, 0), "displacements_fwd": (2, -2),
    "displacements_bwd": (2, -2), "simcc_x": (1, 0), "simcc_y": (1, 0),
}  # fmt: skip


#: The roles of maps that a decoder reads together, cell by cell.
_SAME_SIZES = ("heatmaps", "embeddings", "pafs", "offsets", "displacements_fwd")


def _find_decoder(view: ModelView) -> DecoderType | None:
    """The declared decoder; None if there is none, or if posezoo does not have it."""
    declared = view.declaration.decoder if view.declaration is not None else None
    if declared is None:
        return None
    from posezoo.pose.decoders import DECODERS  # imports NumPy, which most registries do not need

    return DECODERS.find(declared.name)


@rule()
def known_decoder(view: ModelView) -> Violations:
    """The decoder is one that posezoo has, and takes the declared options.

    Example: decoder: {name: opnepose}, or an option min_scores where min_score is meant
    """
    declared = view.declaration.decoder if view.declaration is not None else None
    if declared is None:
        return
    from posezoo.pose.decoders import resolve_options

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
    if declared is None or declared.decoder is not None or view.entry.composite:
        return
    if declared.skeleton or any(output.role for output in view.outputs):
        message = "there is no decoder, so that nothing reads the outputs"
        yield view.declared("task_type", message, declared.task)


@rule()
def decoder_task(view: ModelView) -> Violations:
    """The task is that of the decoder, or of a part's outputs.

    Example: task_type: detection, and decoder: {name: movenet}
    """
    declared = view.declaration
    if declared is None:
        return
    reader = "the role of an output"
    roles = {output.role for output in view.outputs}
    finds_boxes = "boxes" in roles
    decoder = _find_decoder(view)
    if decoder is not None:
        reader = "the decoder"
        roles = {output.role for output in chain.from_iterable(decoder.networks)}
        finds_boxes = decoder.finds_boxes
    expected = f"{POSES}_3d" if "coordinates" in roles else POSES
    if finds_boxes:
        expected = "detection"
    elif roles.isdisjoint(_ROLE_SIZES):
        return
    if declared.task != expected:
        message = f"task_type is {declared.task}, and {reader} is for {expected}"
        yield view.declared("task_type", message, declared.task, expected)


@rule()
def decoder_outputs(view: ModelView) -> Violations:
    """The outputs have the roles and the sizes that the decoder takes; a composite's stages are in
    the order in which it takes their outputs.

    Example: role: heatmap, and a decoder that takes heatmaps
    """
    decoder = _find_decoder(view)
    if decoder is None:
        return
    stages = [view] if view.spec is not None else list(map(view.zoo.models.get, view.parts))
    for stage, expected in zip(stages, decoder.networks, strict=False):
        if stage is None:
            continue  # another rule reports it
        composites = [view.name] if stage is view else _find_composites(stage, view)
        if composites[0] != view.name:
            continue  # the first composite with this part and decoder reports it
        for variant in stage.variants:
            problem = _describe_misfit(variant.outputs, expected, decoder)
            if not problem:
                continue
            name = variant.full_name
            message = f"the decoder does not take the outputs of {name}: {problem}"
            place = view
            key = "stages"
            if stage is view or len(composites) > 1:
                place = stage
                key = "outputs"
            yield place.declared(key, message, name)
            return


def _find_composites(part: ModelView, view: ModelView) -> list[str]:
    """The names of the composites with a part at the same place and with the same decoder."""
    decoder = _find_decoder(view)
    return sorted(
        name
        for name, other in view.zoo.models.items()
        if part.name in other.parts and _find_decoder(other) is decoder
    )


def _describe_misfit(
    outputs: tuple[Output, ...], expected: tuple[Output, ...], decoder: DecoderType
) -> str:
    """Why a decoder cannot take these outputs; empty if it can."""
    return (
        _describe_wrong_role(outputs, decoder)
        or _describe_wrong_size(outputs)
        or _describe_lacking_output(outputs, expected, decoder)
    )


def _describe_wrong_role(outputs: tuple[Output, ...], decoder: DecoderType) -> str:
    recognized = decoder.recognize_outputs({output.name: output.shape for output in outputs})
    for declared in outputs:
        if recognized.get(declared.role, declared.name) != declared.name:
            return f"by its shape, {recognized[declared.role]} has the role {declared.role}"
    return ""


def _describe_wrong_size(outputs: tuple[Output, ...]) -> str:
    sizes = {_image_size(output) for output in outputs if output.role in _SAME_SIZES} - {None}
    return "maps of one image have one size" if len(sizes) > 1 else ""


def _describe_lacking_output(
    outputs: tuple[Output, ...], expected: tuple[Output, ...], decoder: DecoderType
) -> str:
    """Which output the decoder does not take, or lacks; empty if there is none."""
    by_role = {role: output for output in outputs for role in output.role.split("_and_")}
    taken_roles = {taken.role for taken in (*expected, *decoder.optional)}
    unknown = sorted(by_role.keys() & _ROLE_SIZES.keys() - taken_roles)
    if unknown:
        return f"it takes none with the role {unknown[0]}"
    for taken in expected:
        output = by_role.get(taken.role)
        if output is None:
            return f"none has the role {taken.role}"
        # One output may have several roles, and its sizes are then no single role's.
        is_comparable = output.role == taken.role and len(output.shape) == len(taken.shape)
        if is_comparable and not fits(output.shape, taken.shape):
            return (
                f"{output.name} has the shape {output.shape}, and the decoder takes {taken.shape}"
            )
    return ""


@rule(unless=("decoder-outputs",))
def skeleton_maps(view: ModelView) -> Violations:
    """The outputs have the sizes that the skeleton's number of keypoints makes; a composite and its
    parts have one skeleton.

    Example: skeleton: openpose-18 and 17 heatmaps
    """
    name = view.skeleton
    if not name:
        return
    problem = _describe_other_skeleton(view, name)
    if problem:
        yield view.declared("skeleton", problem, name)
        return
    for stage in view.zoo.find_models(view.parts):
        other = stage.skeleton
        if other not in ("", name) and not _describe_other_skeleton(stage, other):
            message = f"skeleton is {name}, and {other} in {stage.name}"
            yield view.declared("skeleton", message, name, other)


def _describe_other_skeleton(view: ModelView, skeleton: str) -> str:
    """Which output does not have the sizes of a skeleton; empty if all have."""
    from posezoo.pose.keypoints import SKELETONS

    if skeleton not in SKELETONS:
        return ""  # another rule reports it
    count = len(SKELETONS[skeleton].keypoints)
    outputs = [output for variant in view.variants for output in variant.outputs]
    measurable = [output for output in outputs if output.role in _ROLE_SIZES]
    if view.entry.composite and count and not measurable:
        return f"no output is made of the keypoints of {skeleton}"
    for output in measurable:
        axis = output.layout.find("C")
        sizes = {*output.shape} if axis < 0 else {output.shape[axis]}
        factor, *addends = _ROLE_SIZES[output.role]
        allowed = [factor * count + addend for addend in addends]
        if -1 not in sizes and sizes.isdisjoint(allowed):
            expected = " or ".join(map(str, allowed))
            shape = ", ".join(map(str, output.shape))
            if axis >= 0:
                expected = f"{expected} channels"
            return f"{output.name} has the shape {shape}, and {skeleton} makes {expected}"
    return ""


@rule()
def output_size(view: ModelView) -> Violations:
    """The height and the width of an output are those of the input divided by one whole number.

    Example: shape: [1, 3, 192, 256], and an output of [1, 17, 64, 48]
    """
    factors: dict[str, int] = {}  # the same for all variants
    for variant in view.variants:
        sizes = list(filter(None, map(_image_size, variant.inputs)))
        if len(sizes) != 1:
            continue
        for output in variant.outputs:
            size = _image_size(output)
            if size is None:
                continue
            factor = round(sizes[0][0] / size[0])
            if _is_scaled(sizes[0], size) and factors.setdefault(output.name, factor) == factor:
                continue
            input_text = "x".join(map(str, sizes[0]))
            text = "x".join(map(str, size))
            message = f"an input of {input_text} (height x width) makes no {output.name} of {text}"
            yield view.declared("outputs", message, text)
            return


def _image_size(port: Input | Output) -> tuple[int, int] | None:
    sizes = dict(zip(port.layout, port.shape, strict=False))
    height = sizes.get("H", -1)
    width = sizes.get("W", -1)
    return (height, width) if height > 0 and width > 0 else None


def _is_scaled(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether both sides are divided or multiplied by one whole number, and then rounded up or
    down.
    """
    large, small = sorted((size, other), reverse=True)
    factor = round(large[0] / small[0])
    return all(
        abs(long - factor * short) < factor for long, short in zip(large, small, strict=True)
    )


@rule()
def usual_size(view: ModelView) -> Violations:
    """The usual size of an input is one that the limits of the model allow.

    Example: usual_size: [385, 512], where sides are multiples of 16 pixels plus 1
    """
    multiples = None
    if view.spec is not None:
        multiples = _MULTIPLES.search(view.spec.limits)
    if multiples is None:
        return
    step = int(multiples[1])
    rest = int(multiples[2] or 0)
    for index, port in enumerate(view.inputs):
        sizes = port.usual_size or ()
        if any(size % step != rest for size in sizes):
            text = ", ".join(map(str, sizes))
            message = f"usual_size is {text}, and limits says: {multiples[0]}"
            yield view.declared(f"inputs[{index}].usual_size", message, text, multiples[0])


@rule()
def moving_source(view: ModelView) -> Violations:
    """An address leads to one version of a file: that of the latest release changes with each
    release. An address on a branch is a warning.

    Example: source: https://github.com/owner/project/releases/latest/download/net.onnx
    """
    for index, file, source in view.sources:
        url = source.url if isinstance(source, HttpSource) else ""
        is_latest = _LATEST.search(url) is not None
        if is_latest or _BRANCH.search(url):
            what = "of the latest release" if is_latest else "on a branch"
            message = f"{file.name} comes from an address {what}, whose file may change: {source}"
            severity = None if is_latest else Severity.WARNING
            yield view.declared(f"files[{index}].source", message, str(source), severity=severity)


@rule()
def source_of_another(view: ModelView) -> Violations:
    """A file, and the command and the log of a training, come from an address of this model, and
    not of another one of the registry.

    Example: source: .../public/movenet-lightning/net.bin in movenet-thunder
    """
    for index, file, source in view.sources:
        owner = view.find_owner(str(source))
        if owner:
            message = f"{file.name} comes from {source}, which is an address of {owner}"
            yield view.declared(f"files[{index}].source", message, str(source), view.name)
    for variant in view.variants:
        for key in ("command", "log"):
            address = getattr(variant.training, key)
            owner = view.find_owner(address) or _find_trained(view, address)
            if owner:
                message = f"training.{key}: {address} is an address of {owner}"
                place = view.variant_location(variant, "training", key)
                yield RuleViolation(place, message, f"training.{key}", address, expected=view.name)


def _find_trained(view: ModelView, address: str) -> str:
    """Another model with the same address of a training, whose name fits it better."""
    names = view.zoo.group(_read_training_addresses)[address] if address else [view.name]
    best = max(names, key=lambda name: _count_named(view.zoo.models[name], address))
    counts = [_count_named(view.zoo.models[name], address) for name in (view.name, best)]
    return best if counts[0] < counts[1] else ""


def _read_training_addresses(view: ModelView) -> Iterator[tuple[str, str]]:
    for variant in view.variants:
        yield variant.training.command, view.name
        yield variant.training.log, view.name


@rule()
def known_model(view: ModelView) -> Violations:
    """The models that model.yml names exist: the one that finds the people, which is a detector,
    and the one to use instead.

    Example: people: {photo: gone, video: tracking}, or deprecated: {since: 0.2.0, use: gone}
    """
    for key, name in _list_named_models(view):
        if name in ("", WHOLE_IMAGE, TRACKING):
            continue
        if name not in view.zoo.registry.entries:
            yield view.declared(key, f"{key}: no model is called {name}", name)
            continue
        other = view.zoo.models.get(name)
        decoder = _find_decoder(other) if other is not None else None
        if key.startswith("people") and decoder is not None and not decoder.finds_boxes:
            yield view.declared(key, f"{key}: {name} finds keypoints, not boxes of people", name)


def _list_named_models(view: ModelView) -> Iterator[tuple[str, str]]:
    """The keys of model.yml that name other models, with their names."""
    declared = view.declaration
    if declared is not None and declared.deprecated is not None:
        yield "deprecated.use", declared.deprecated.use
    people = view.spec.people if view.spec is not None else None
    if people is not None:
        yield "people.photo", people.photo
        yield "people.video", people.video


@rule()
def copied_description(view: ModelView) -> Violations:
    """Each model in posezoo's format has its own description.

    Example: the description of the model whose model.yml was copied
    """
    model = view.declaration
    if model is None or not view.is_native:
        return
    others = view.zoo.group(_read_own_description)[model.description]
    best = max(others, key=lambda other: _count_named(view.zoo.models[other], model.description))
    if view.name != best:
        message = f"the description is that of {best}"
        yield view.declared("description", message, model.description, best)


def _read_own_description(view: ModelView) -> Iterator[tuple[str, str]]:
    if view.is_native and view.declaration is not None:
        yield view.declaration.description, view.name


def _count_named(view: ModelView, text: str) -> int:
    """How many parts of a model's name, and of the sizes of its inputs, a text contains."""
    sizes = list(map(_image_size, view.inputs))
    parts = [*re.split("[-_]", view.name), *(f"{size[0]}x{size[1]}" for size in sizes if size)]
    return sum(simplify(part) in simplify(text) for part in parts)


@rule()
def pattern(view: ModelView) -> Violations:
    """A pattern of layer names closes its brackets: otherwise it matches no layer.

    Example: layers: ["Convolution_[0-4"]
    """
    settings = view.spec.quantization if view.spec is not None else None
    for index, group in enumerate(settings.in_float if settings is not None else ()):
        for glob in group.layers:
            if re.search(r"\[[^\]]*$", glob):
                message = f"the pattern {glob} does not close its bracket"
                yield view.declared(f"quantization.in_float[{index}].layers", message, glob)


@rule(unless=("source-name", "same-source"))
def weights_size(view: ModelView) -> Violations:
    """Files with weights have at least one byte for each parameter, and FP16 about half as many as
    FP32.

    Example: size: 16394, in kB, and mparams: 4.099
    """
    spec = view.spec
    if spec is None:
        return
    mparams = _read_mparams(spec)
    least = 0.7e6 * mparams
    sizes = {
        file.name: file.read_limit or least for file in spec.files if _has_weights(spec, file.name)
    }
    for index, file in enumerate(spec.files):
        if file.name not in sizes or not file.read_limit:
            continue
        # A published IR has all weights in each file, other models have them in all files together.
        total = file.read_limit if spec.is_ir else sum(sizes.values())
        full = sizes.get(file.name.replace("FP16/", "FP32/", 1), 0) if spec.is_ir else 0
        if total < least:
            message = (
                f"{file.name} has {total:,.0f} bytes, too few for {mparams:g} million parameters"
            )
        elif file.name.startswith("FP16/") and full and not 1.1 < full / file.read_limit < 2.05:
            message = f"{file.name} has {file.size} bytes, and not half of the {full} of FP32"
        else:
            continue
        yield view.declared(f"files[{index}].size", message, str(file.size))
        return


def _read_mparams(spec: ModelSpec) -> float:
    """The millions of parameters that were published, or else counted on the IR; 0 if unknown."""
    if spec.published.known_difference:
        return 0.0
    if spec.published.mparams:
        return spec.published.mparams
    with suppress(SpecError):  # another rule reports it
        for each in load_measurements(spec):
            if each.kind == "complexity":
                return each.figures["mparams"]
    return 0.0


def _has_weights(spec: ModelSpec, name: str) -> bool:
    if spec.is_ir:
        return name.endswith(".bin")
    return not name.endswith((".json", ".prototxt", ".py", ".txt"))
