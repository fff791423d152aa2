"""How images are prepared for a network, and the names of what it finds, by model.yml, the model of
``--as``, ``model_info`` of Model API (Geti), or Ultralytics' metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isnan, prod

from posezoo.core.declarations.model import ColorOrder, Decoder, Model, ModelSpec
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.declarations.skeletons import SKELETONS, skeleton_of
from posezoo.core.errors import InferenceError, suggest
from posezoo.core.values import frozen
from posezoo.poses.decoder_type import DecoderType, NetworkFacts
from posezoo.poses.decoders import find_decoder, resolve_options
from posezoo.poses.letterbox import RESIZE_TYPES, STRETCH, InputSizing, Size
from posezoo.run.model_procs import find_labels
from posezoo.run.preparation import is_stated_by_posezoo, read_original, require_stated
from posezoo.run.runtime.graph import (
    Graph,
    NamedIrs,
    Preprocessing,
    Shape,
    format_shape,
    read_graph,
)

#: Its models that are ``standard`` if they state no ``resize_type``.
_STANDARD_MODELS = ("keypoint_detection", "ssd")

#: Keys that change its results and are not used here, with the values that change nothing.
_NEUTRAL = {
    "apply_softmax": ("False", "NO"),
    "input_dtype": ("u8",),
    "intensity_mode": ("none",),
    "interpolation_mode": ("LINEAR",),
    "nms_execute": ("False", "NO"),
}

#: What OTX writes after the last class, for images of none.
_NO_CLASS = "otx_empty_lbl"

# More than any published skeleton has.
_MOST_KEYPOINTS = 600

_FLAGS = {"true": True, "yes": True, "1": True, "": False, "false": False, "no": False, "0": False}


@frozen
class InputDescription:
    """How images are prepared for a network, and the names of its classes and keypoints.

    Attributes:
        preprocessing: layout, order of colors, mean and scale, which are added to the graph.
        sizing: how images are fitted to the input; None: as the decoder's published code does.
        size: width and height that the graph itself fits images to; None: those of the input.
        labels: the names of the classes, by their numbers; empty if they are unknown.
        skeleton: the names of the keypoints; None: none are stated.
        min_score: the minimum score of a person or object; None: the decoder's.
        unused: what is stated and not used, as phrases for warnings.
        own_mean: the mean color in BGR that the graph subtracts itself; empty: none is stated.
    """

    preprocessing: Preprocessing = Preprocessing()
    sizing: InputSizing | None = None
    size: Size | None = None
    labels: tuple[str, ...] = ()
    skeleton: Skeleton | None = None
    min_score: float | None = None
    unused: tuple[str, ...] = ()
    own_mean: tuple[float, ...] = ()


def usual_sizing(record: DecoderType) -> InputSizing:
    """How the published code of a decoder fits images."""
    sizing = record.input_sizing
    return replace(sizing, fit=STRETCH) if record.stretches else sizing


def describe_declared_input(model: Model, irs: NamedIrs) -> tuple[NamedIrs, InputDescription]:
    """What the IR of a model of the zoo leaves to the caller: mean and scale are in an IR that was
    converted, and not in a published one. Also its IR, which is read if the names of its classes
    depend on it.

    Raises:
        InferenceError: as for ``require_stated``.
    """
    require_stated(model)
    if not isinstance(model, ModelSpec):
        return irs, InputDescription()
    preprocessing = Preprocessing()
    if model.inputs:
        image = model.inputs[0]
        is_left = model.is_ir
        preprocessing = Preprocessing(
            image.ir_layout,
            image.ir_color is ColorOrder.RGB,
            mean=image.mean if is_left else (),
            scale=image.scale if is_left else (),
        )
    labels = find_labels(model, ())
    if labels and model.name in irs:
        graph = read_graph(irs[model.name])
        labels = find_labels(model, [*graph.outputs.values()])
        irs = {**irs, model.name: graph}
    return irs, InputDescription(preprocessing, labels=tuple(labels))


def describe_stated_input(
    graph: Graph, decoder: Decoder | None, like: ModelSpec | None
) -> InputDescription:
    """What a file that no model.yml describes says of its input and of the names of its outputs.

    Args:
        decoder: of its outputs; None if only the preparation of images is needed.
        like: a model with such images; the file takes precedence.

    Raises:
        InferenceError: a value is invalid, or contradicts the network's inputs or outputs.
    """
    info = _ModelInfo(graph)
    if is_stated_by_posezoo(graph):
        is_rgb = graph.read_rt_info("posezoo", "color") == ColorOrder.RGB
        preprocessing = Preprocessing(reverse_input_channels=is_rgb)
        sizing = _sizing_of_original(graph, decoder) if decoder else None
        return InputDescription(
            preprocessing, sizing, labels=info.labels, own_mean=read_own_values(graph, "mean")
        )
    if like:
        labels = tuple(f"{like.model_info.get('labels', '')}".split())
        description = InputDescription(original_preprocessing(like), labels=labels)
    elif graph.ultralytics:
        description = _describe_ultralytics(graph, decoder)
    else:
        description = InputDescription(info.preprocessing())
    if decoder is None:
        return replace(description, labels=description.labels or info.labels)
    return _with_model_info(description, info, decoder)


def _sizing_of_original(graph: Graph, decoder: Decoder) -> InputSizing | None:
    """How images are fitted, if the user's own file said it from which posezoo made an IR."""
    usual = usual_sizing(find_decoder(decoder.name))
    word, pad = (graph.read_rt_info("posezoo", name) for name in ("resize_type", "pad_value"))
    padding = int(pad) if pad.isdecimal() and len(pad) <= 3 else 0
    if word in RESIZE_TYPES:
        return usual.as_stated(word, padding)
    return replace(usual, padding=padding) if padding else None


def read_own_values(graph: Graph, name: str) -> tuple[float, ...]:
    """The mean or the scale, in BGR, that an IR of posezoo applies itself; empty if it has none.

    Raises:
        InferenceError: it has other values than numbers.
    """
    first, _, _ = graph.read_rt_info("posezoo", name).partition(";")
    try:
        values = tuple(map(float, first.split()))
    except ValueError as error:
        raise graph.refuse(name, "has other values than numbers") from error
    is_reversed = graph.read_rt_info("posezoo", "reverse_input_channels").startswith("true")
    takes_rgb = graph.read_rt_info("posezoo", "color") == ColorOrder.RGB
    # They are in the order of the original's colors.
    return values[::-1] if takes_rgb != is_reversed else values


def prepares_as(graph: Graph, like: ModelSpec) -> bool:
    """Whether a file that says how images are prepared for it, or for its original, says what a
    model does.
    """
    own = describe_stated_input(graph, None, None).preprocessing
    stated = map(_per_channel, (own, read_original(graph, own)))
    return _per_channel(original_preprocessing(like)) in stated


def _per_channel(prepared: Preprocessing) -> tuple[bool, list[float], list[float]]:
    mean, scale = prepared.mean or (0.0,), prepared.scale or (1.0,)
    return prepared.reverse_input_channels, [*mean * 3][:3], [*scale * 3][:3]


def original_preprocessing(model: ModelSpec) -> Preprocessing:
    """The preprocessing that the original of a model leaves to the caller."""
    image = model.inputs[0]
    is_rgb = image.color is ColorOrder.RGB
    if image.color is None:  # as in Open Model Zoo
        is_rgb = image.reverse_input_channels
    return Preprocessing("", is_rgb, image.mean, image.scale)


@frozen
class _ModelInfo:
    """The keys of ``model_info``, as values; an invalid value is an InferenceError."""

    graph: Graph

    def __getitem__(self, name: str) -> str:
        return self.graph.read_model_info(name)

    def refuse(self, name: str, expected: str, hint: str = "") -> InferenceError:
        text = self[name]
        return InferenceError(
            f"{self.graph.path}: {name} in its model_info is {text!r}, expected {expected}",
            hint=hint,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self["labels"].split())

    def flag(self, name: str) -> bool:
        if self[name].lower() not in _FLAGS:
            raise self.refuse(name, "True or False")
        return _FLAGS[self[name].lower()]

    def numbers(self, name: str, *counts: int) -> tuple[float, ...]:
        text = self[name]
        try:
            numbers = tuple(map(float, text.replace(",", " ").strip("[]() ").split()))
        except ValueError:
            raise self.refuse(name, "numbers") from None
        if counts and text and len(numbers) not in counts:
            raise self.refuse(name, " or ".join(map(str, counts)) + " numbers")
        return numbers

    def number(self, name: str, lowest: float, highest: float) -> float | None:
        numbers = self.numbers(name, 1)
        if numbers and not lowest <= numbers[0] <= highest:
            raise self.refuse(name, f"a number from {lowest:g} to {highest:g}")
        return numbers[0] if numbers else None

    def preprocessing(self) -> Preprocessing:
        if self.flag("embedded_processing"):
            return Preprocessing()
        scale = self.numbers("scale_values", 1, 3)
        if 0 in scale:
            raise self.refuse("scale_values", "divisors, which are not 0")
        return Preprocessing(
            reverse_input_channels=self.flag("reverse_input_channels"),
            mean=self.numbers("mean_values", 1, 3),
            scale=scale,
        )

    def resize_type(self) -> str:
        text = self["resize_type"]
        if text and text not in RESIZE_TYPES:
            expected = f"one of {', '.join(RESIZE_TYPES)}"
            raise self.refuse("resize_type", expected, suggest(text, RESIZE_TYPES))
        is_standard = self["model_type"].lower() in _STANDARD_MODELS
        if not text and (is_standard or self.embedded_size()):
            return "standard"
        return text

    def embedded_size(self) -> Size | None:
        """The size to which the graph itself fits images of any size; None if it does not."""
        if not self.flag("embedded_processing") or -1 not in input_size(self.graph):
            return None
        size = self.stated_size()
        if size is None:
            raise InferenceError(
                f"{self.graph.path}: embedded_processing in its model_info needs orig_width and"
                " orig_height: the size to which the graph fits images"
            )
        return size

    def stated_size(self) -> Size | None:
        sides = [self.number(f"orig_{side}", 1, 1 << 15) for side in ("width", "height")]
        return None if None in sides else (int(sides[0] or 0), int(sides[1] or 0))


def _with_model_info(
    description: InputDescription, info: _ModelInfo, decoder: Decoder
) -> InputDescription:
    record = find_decoder(decoder.name)
    sizing = description.sizing
    if not info.graph.ultralytics:  # whose own way differs from Model API's by less than a pixel
        sizing = _stated_sizing(info, record) or sizing
    size = info.embedded_size()
    if size:
        sizing = replace(sizing or usual_sizing(record), is_embedded=True)
    names = tuple(name for name in info.labels if name != _NO_CLASS)
    skeleton = description.skeleton
    # Without boxes of its own, a network that takes a skeleton names keypoints, not classes.
    if names and record.takes_boxes and record.takes_skeleton:
        roles = record.match_outputs(info.graph.distinct_outputs)
        count = count_keypoints(info.graph, decoder, roles)
        skeleton = decoder.skeleton or name_keypoints(info.graph, names, count)
        names = ()
    labels = description.labels or names
    if labels and not info.graph.ultralytics:
        require_class_names(info.graph, labels, decoder)
    return replace(
        description,
        sizing=sizing,
        size=size,
        labels=labels,
        skeleton=skeleton,
        min_score=info.number("confidence_threshold", 0, 1) if record.person_score else None,
        unused=(*description.unused, *_unused_fields(info, record)),
    )


def _stated_sizing(info: _ModelInfo, record: DecoderType) -> InputSizing | None:
    usual = usual_sizing(record)
    pad = info.number("pad_value", 0, 255)
    kind = info.resize_type()
    if kind:
        return usual.as_stated(kind, int(pad or 0))
    if pad is None or record.takes_boxes:
        return None
    return replace(usual, padding=int(pad))


def _unused_fields(info: _ModelInfo, record: DecoderType) -> Iterator[str]:
    """What ``model_info`` states and nothing here uses, though it would change the results."""
    for name, neutral in _NEUTRAL.items():
        if info[name] not in ("", *neutral):
            yield f"{name} {info[name]}"
    if not record.person_score and float(info["confidence_threshold"] or 0):
        yield f"confidence_threshold {info['confidence_threshold']}"
    if info["pad_value"] not in ("", "0") and record.takes_boxes and not info.resize_type():
        yield f"pad_value {info['pad_value']}"
    original = info.stated_size()
    actual = input_size(info.graph)
    if original and original != actual and not info.flag("embedded_processing"):
        size = format_shape(actual)
        yield f"orig_width {original[0]} and orig_height {original[1]}: its input is {size}"


def _describe_ultralytics(graph: Graph, decoder: Decoder | None) -> InputDescription:
    metadata = graph.ultralytics
    preprocessing = Preprocessing(reverse_input_channels=True, scale=(255.0,))
    if decoder is None:
        return InputDescription(preprocessing)
    record = find_decoder(decoder.name)
    stride = metadata.get("stride") or record.input_sizing.stride
    if not isinstance(stride, int) or stride < 1:
        raise _refuse_ultralytics(graph, "stride", "a whole number above 0")
    sizing = replace(usual_sizing(record), stride=stride)
    window = _read_image_size(graph, stride)
    size = input_size(graph)
    unused: tuple[str, ...] = ()
    if window and -1 in size:
        sizing = replace(sizing, window=window)
    elif window and window != size:
        unused = (f"imgsz of {format_shape(window)} pixels: its input is {format_shape(size)}",)
    names = metadata.get("names")
    if isinstance(names, dict) and {*names} == {*range(len(names))}:
        names = [names[number] for number in range(len(names))]
    return InputDescription(
        preprocessing,
        sizing,
        labels=tuple(map(str, names)) if isinstance(names, list) else (),
        skeleton=decoder.skeleton or _read_keypoint_names(graph),
        unused=unused,
    )


def _read_image_size(graph: Graph, stride: int) -> Size | None:
    """``imgsz``, as width and height in multiples of the stride."""
    imgsz = graph.ultralytics.get("imgsz")
    if imgsz is None:
        return None
    sides = imgsz if isinstance(imgsz, list) else [imgsz]
    are_valid = all(isinstance(side, int) and 0 < side < 1 << 15 for side in sides)
    if not are_valid or len(sides) not in (1, 2):
        raise _refuse_ultralytics(graph, "imgsz", "height and width in pixels")
    height, width = (-(-side // stride) * stride for side in (sides * 2)[:2])
    return width, height


def _read_keypoint_names(graph: Graph) -> Skeleton | None:
    """``kpt_names`` by class; None if classes have different names."""
    by_class = graph.ultralytics.get("kpt_names")
    if not isinstance(by_class, dict) or not all(isinstance(v, list) for v in by_class.values()):
        return None
    different = {tuple(map(str, names)) for names in by_class.values()}
    if len(different) != 1:
        return None
    try:
        count = int(graph.ultralytics["kpt_shape"][0])
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return name_keypoints(graph, different.pop(), count)


def _refuse_ultralytics(graph: Graph, name: str, expected: str) -> InferenceError:
    text = graph.ultralytics.get(name)
    return InferenceError(
        f"{graph.path}: {name} in Ultralytics' metadata is {text!r}, expected {expected}"
    )


def input_size(graph: Graph) -> Size:
    """Width and height of the image input; -1 for any size, and 0, 0 if there is none."""
    for name in graph.inputs:
        layout = graph.image_layout(name)
        if layout and len(graph.inputs[name]) == len(layout):
            return graph.image_size(name, layout)
    return (0, 0)


#: More than any network finds.
_MANY_KEYPOINTS = 1000


def count_keypoints(graph: Graph, decoder: Decoder, roles: Mapping[str, str]) -> int:
    """How many keypoints of a person are in outputs with these roles; 0 if their sizes do not tell
    it.
    """
    if graph.decoded_outputs:
        shape = graph.outputs.get("keypoints", ())
        return shape[1] if len(shape) == 3 else 0
    record = find_decoder(decoder.name)
    options = resolve_options(replace(decoder, skeleton=None))
    shapes = {role: _channels_first(graph, graph.outputs[name]) for role, name in roles.items()}

    def fits(count: int) -> bool:
        for role, shape in shapes.items():
            facts = NetworkFacts(rows=max(0, *shape[1:2]), columns=shape[-1], keypoints=count)
            sizes = record.sizes(facts, options).get(role, shape)
            pairs = zip(shape[1:], sizes[1:], strict=False)
            if any(not isnan(size) and side not in (-1, size) for side, size in pairs):
                return False
        return True

    if fits(1) and fits(2):  # their sizes do not depend on it
        return 0
    return next(filter(fits, range(1, _MANY_KEYPOINTS)), 0)


def _channels_first(graph: Graph, shape: Shape) -> Shape:
    if not are_channels_last(graph, shape):
        return shape
    images, height, width, channels = shape
    return images, channels, height, width


def are_channels_last(graph: Graph, maps: Shape) -> bool:
    """Whether maps of a network have the layout NHWC: their height and width, not those of NCHW,
    have the aspect of its input.
    """
    if len(maps) != 4:
        return False
    width, height = input_size(graph)
    if min(width, height, *maps[1:]) <= 0:
        return False
    _, first, second, third = maps
    return first * width == second * height and second * width != third * height


def are_heatmaps(graph: Graph, maps: Shape) -> bool:
    """Whether maps of any number of keypoints have a cell for 2 to 16 pixels of the input, as in
    published networks, or sizes are unknown; others are masks, pictures, boxes or classes.
    """
    width, height = input_size(graph)
    if min(width, height, *maps) <= 0:
        return True
    _, channels, rows, columns = maps
    if are_channels_last(graph, maps):
        _, rows, columns, channels = maps
    return channels > 1 and all(2 <= side <= 16 for side in (height / rows, width / columns))


def name_keypoints(graph: Graph, names: tuple[str, ...], count: int) -> Skeleton:
    """The skeleton with these names, for a network that finds this many keypoints.

    Raises:
        InferenceError: there are more or fewer names, or one occurs twice.
    """
    if count > 0 and len(names) != count:
        raise InferenceError(
            f"{graph.path}: its metadata name {len(names)} keypoints ({', '.join(names)}), but its"
            f" outputs have {count}",
            hint="correct the names",
        )
    if len({*names}) != len(names):
        raise InferenceError(
            f"{graph.path}: its metadata name a keypoint twice: {', '.join(names)}"
        )
    skeleton = SKELETONS[skeleton_of(len(names))]
    if skeleton.keypoints == names:
        return skeleton
    pairs = []
    for left, name in enumerate(names):
        mirrored = name.replace("left", "right")
        if mirrored != name and mirrored in names:
            pairs.append((left, names.index(mirrored)))
    return Skeleton("labels", names, flip_pairs=tuple(pairs))


def require_class_names(graph: Graph, labels: Collection[str], decoder: Decoder) -> None:
    """Check that outputs whose size follows from the number of classes have this many.

    Raises:
        InferenceError: they have more or fewer.
    """
    record = find_decoder(decoder.name)
    options = resolve_options(decoder)
    roles = record.match_outputs(graph.distinct_outputs)
    if record.finds_classes:  # a classifier has a score for each class
        names = [roles[role] for role in ("scores", "more_scores") if role in roles]
        counts = [prod(graph.outputs[name]) for name in names]
        if counts and min(counts) > 0 and sum(counts) != len(labels):
            raise _refuse_class_names(graph, labels, sum(counts), names)
        return
    named = record.sizes(NetworkFacts(classes=len(labels)), options)
    one_more = record.sizes(NetworkFacts(classes=len(labels) + 1), options)
    for role, sizes in named.items():
        shape = graph.outputs.get(roles.get(role, ""), ())
        if len(shape) != len(sizes):
            continue
        for actual, expected, more in zip(shape, sizes, one_more[role], strict=True):
            depends = not isnan(expected) and expected != more
            if depends and actual not in (-1, expected):
                count = actual - int(expected) + len(labels)
                raise _refuse_class_names(graph, labels, count, [roles[role]])


def _refuse_class_names(
    graph: Graph, labels: Collection[str], count: int, outputs: Sequence[str]
) -> InferenceError:
    shapes = " and ".join(f"{name} {format_shape(graph.outputs[name])}" for name in outputs)
    some = ", ".join([*labels][:5])
    return InferenceError(
        f"{graph.path}: {len(labels)} classes are named ({some}), but its outputs {shapes} have"
        f" {count}",
        hint="name one for each class, in the order of the network's outputs",
    )
