"""The record with which a module of this package declares its decoder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, fields, replace
from functools import cache, partial
from math import nan
from typing import Annotated, Any, get_type_hints

from posezoo.core.arrays import Bools, Floats
from posezoo.core.declarations.model import Output, fits
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.values import frozen
from posezoo.poses.augmentation_merge import AugmentedOutputs
from posezoo.poses.keypoints import MIN_SCORE, Pose
from posezoo.poses.letterbox import InputSizing, Size

#: Output arrays by role.
Maps = Mapping[str, Floats]
Shape = tuple[int, ...]
#: The sizes of an output; nan for any size. Networks round a fraction up or down.
Sizes = tuple[float, ...]
#: x0, y0, x1, y1 in image pixels.
Corners = tuple[float, float, float, float]
#: Merges passes over one image whose keypoints have a declared skeleton, or None.
MergePasses = Callable[[Sequence[AugmentedOutputs], Skeleton | None], dict[str, Floats]]
#: Whether an output with this name and shape can have a role.
OutputRule = Callable[[str, Shape], bool]

#: The usual pipelines that run decoders.
BOTTOM_UP = "bottom-up"
TOP_DOWN = "top-down"

#: For a decoder that returns the maximum of each map, which always exists: SimpleBaseline's
#: ``IN_VIS_THRE``.
MAXIMUM_IS_VISIBLE = 0.2
#: For a decoder that returns only peaks above its threshold of 0.1.
PEAK_IS_VISIBLE = 0.1

#: The part of a pose that the example on a model card prints by default, and its comment.
KEYPOINTS_PRINTED = ("pose.keypoints", "x and y in pixels of the image, score")


def require_equal_rows(name: str, maps: Maps) -> None:
    """Raise an InferenceError if the outputs have different numbers of rows."""
    counts = {role: len(rows) for role, rows in maps.items()}
    if len({*counts.values()}) > 1:
        given = ", ".join(f"{role} {count}" for role, count in counts.items())
        raise InferenceError(f"{name}: the outputs have different numbers of rows: {given}")


@frozen
class NetworkFacts:
    """The facts about a network that determine the sizes of its outputs.

    A number that is not known is nan: then so is every size that is computed from it.

    Attributes:
        width: of the input, in pixels.
        height: of the input, in pixels.
        stride: the pixels of the input for one cell of the maps, in each direction.
        rows: of outputs with one row for each person or box.
        columns: the numbers in a row of the last output.
        keypoints: of one person.
        limb_fields: part affinity fields, one for each limb.
        classes: of objects.
    """

    width: float = nan
    height: float = nan
    stride: float = nan
    rows: float = nan
    columns: float = nan
    keypoints: float = nan
    limb_fields: float = nan
    classes: float = nan

    def maps(self, channels: float) -> Sizes:
        """The sizes of maps: N, C, H, W."""
        return 1, channels, self.height / self.stride, self.width / self.stride

    def count_cells(self, *strides: int) -> float:
        """The number of cells of all grids with these strides."""
        return sum((self.width // stride) * (self.height // stride) for stride in strides)


@frozen
class DecoderType:
    """How the outputs of one or more networks become poses.

    Attributes:
        networks: the outputs to decode, for each network in the order in which the networks run.
            ``role`` is the decoder's name for an output. The name is empty if each model names the
            output differently; -1 stands for any size, also of channels. Maps, with -1 as height
            and width, have one size in an image.
        options: a frozen dataclass whose fields are the decoder's options, all with defaults; if
            ``takes_boxes``, a subclass of ``TopDownOptions``.
        decode: returns poses in pixels of the last network's input, from the outputs of that
            network by role, without their batch axis, the width and height of the input in pixels,
            and the options.
        pipeline: what runs the networks: a name of ``run.runtime.pipelines.PIPELINES``; or of a
            plug-in, a class of its own as ``module:class``, whose argument is a ``PipelineConfig``.
        needs: a description of the outputs, for messages.
        rules: how the roles of an IR's outputs are recognized. These are alternatives: the first
            one is used whose rules fit exactly one output each. Empty: the decoder cannot be
            recognized.
        takes_all_outputs: whether the network is another one if it has more outputs.
        optional: outputs of the last network that may be missing.
        task: the ``task_type`` of models that it decodes if they declare no decoder; empty: none.
        task_options: its options for these models.
        needs_task: whether outputs alone do not show that they are for this decoder.
        omz_model_types: names of this decoder in Open Model Zoo's ``model_info``, in lower case.
        architectures: the values of the demo's flag ``-at`` (Open Model Zoo's architecture types)
            that mean this decoder.
        input_sizing: how images are fitted to the network's input, for a bottom-up decoder.
        stretches: whether the network sees images stretched to its input.
        takes_boxes: whether it processes one person at a time, in a box from a person detector or
            the caller.
        detector_options: the options of a model that runs as the person detector of another model.
        person_score: the name of the option that is the minimum score of a person; empty: there is
            none.
        next_crop: for videos without a detector: returns the square of the next frame that is
            processed, from the person's keypoints (K, 3) in image pixels, the width and height of
            the frame, and its square. None instead of a square stands for the whole frame. If there
            is no function, each frame is processed alone.
        merge_passes: merges the outputs of several passes over one image (test-time augmentation);
            None: this is not supported.
        convert_outputs: converts another form of the outputs to this one; None: they are not
            changed.
        has_pixel_centers: whether integer coordinates are centers of pixels instead of corners.
        approach: ``top-down``, ``bottom-up``, or empty for a decoder that does not estimate poses.
        skeleton: the skeleton of the poses if none is declared, a name of ``SKELETONS``; empty:
            that of as many keypoints as the outputs have (``skeleton_of``).
        visible_score: keypoints with a lower score are guesses and are not drawn.
        has_own_boxes: whether the box of a pose is the network's own; otherwise the box is that
            around its keypoints.
        has_classes: whether a pose in such a box has a class.
        finds_boxes: whether it is a detector: it finds boxes, and perhaps a few keypoints.
        finds_masks: whether it finds the pixels that show people, and no keypoints.
        finds_classes: whether it finds the classes of an image, without their places.
        labels: the names of the classes of boxes, by their index.
        sizes: the sizes of outputs by role, from what they follow from and the options; maps in the
            order NCHW, whatever their layout. A role that it leaves out may have any sizes that
            ``networks`` allows.
        find_rows: for outputs with a row for each person or box, (1, N, ...): from the outputs by
            role, which rows are compared between runtimes, (N,) bool; the others are padding. None:
            outputs are compared as a whole.
        model_info: what Model API and DL Streamer call the outputs in ``model_info``, from the
            options; empty: they cannot read them.
        reader_names: the names that they require for the outputs, by role; empty: any names, but
            the network has no other outputs.
        printed: the part of a pose that the example on a model card prints, and its comment.
    """

    networks: tuple[tuple[Output, ...], ...]
    options: type[Any]
    decode: Callable[[Maps, Size, Any], list[Pose]]
    pipeline: str

    # How a network's outputs are recognized as this decoder's.
    needs: str = "other outputs"
    rules: tuple[Mapping[str, OutputRule], ...] = ()
    takes_all_outputs: bool = False
    optional: tuple[Output, ...] = ()
    task: str = ""
    task_options: Mapping[str, Any] = field(default_factory=dict)
    needs_task: bool = False
    omz_model_types: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()

    # How images, people and videos are processed.
    input_sizing: InputSizing = field(default_factory=InputSizing)
    stretches: bool = False
    takes_boxes: bool = False
    detector_options: Mapping[str, Any] = field(default_factory=dict)
    person_score: str = ""
    next_crop: Callable[[Floats, Size, Corners | None], Corners | None] | None = None
    merge_passes: MergePasses | None = None
    convert_outputs: Callable[[Maps], Maps] | None = None
    has_pixel_centers: bool = False

    # What is found.
    approach: str = ""
    skeleton: str = ""
    visible_score: float = MIN_SCORE
    has_own_boxes: bool = False
    has_classes: bool = False
    finds_boxes: bool = False
    finds_masks: bool = False
    finds_classes: bool = False
    labels: tuple[str, ...] = ()

    # What checks, conversions, exports and cards ask.
    sizes: Callable[[NetworkFacts, Any], Mapping[str, Sizes]] = lambda _facts, _options: {}
    find_rows: Callable[[Maps], Bools] | None = None
    model_info: Callable[[Any], Mapping[str, str]] = lambda _options: {}
    reader_names: Mapping[str, str] = field(default_factory=dict)
    printed: tuple[str, str] = KEYPOINTS_PRINTED

    @property
    def takes_skeleton(self) -> bool:
        """Whether it finds the keypoints of any skeleton. Its options then have one, ``skeleton``,
        which model.yml does not give as an option; None if none is declared.
        """
        return any(option.name == "skeleton" for option in fields(self.options))

    def outputs_for(self, skeleton: Skeleton | None) -> tuple[Output, ...]:
        """The outputs of the last network; of any number of keypoints, if a skeleton is
        declared.
        """
        outputs = self.networks[-1]
        return outputs if skeleton is None else tuple(map(_of_any_skeleton, outputs))

    def match_outputs(self, outputs: Mapping[str, Shape]) -> dict[str, str]:
        """The names of the outputs by role, of a network for which this decoder was named; empty if
        it cannot take them.

        Unlike ``recognize_outputs``, it takes any number of keypoints: as the only output, or in
        outputs with the names of their roles.
        """
        recognized = self.recognize_outputs(outputs)
        if recognized or not (self.takes_skeleton or len(outputs) == len(self.networks[-1]) == 1):
            return recognized
        named = {}
        for output in map(_of_any_skeleton, self.networks[-1]):
            for name, shape in outputs.items():
                if (len(outputs) == 1 or output.role in name) and fits(shape, output.shape):
                    named[output.role] = name
        are_distinct = len({*named.values()}) == len(self.networks[-1])
        return named if are_distinct else {}

    def recognize_outputs(self, outputs: Mapping[str, Shape]) -> dict[str, str]:
        """The names of a network's outputs by role, if they can only be this decoder's."""
        for rules in self.rules:
            if self.takes_all_outputs and len(outputs) != len(rules):
                continue
            matches = [
                (role, name)
                for role, rule in rules.items()
                for name, shape in outputs.items()
                if rule(name, shape)
            ]
            roles = dict(matches)
            if len(matches) == len(rules) == len(roles) == len({*roles.values()}):
                return roles
        return {}


def _of_any_skeleton(output: Output) -> Output:
    """An output of any number of keypoints; only those with four sides depend on it."""
    kept = output.shape[3:]
    return replace(output, shape=(1, -1, -1, *kept)) if kept else output


#: What the decoders of all networks that find people in a whole image have in common.
BottomUpDecoder = partial(
    DecoderType, pipeline=BOTTOM_UP, person_score="min_score", approach="bottom-up"
)
#: What the decoders of all networks that process one person at a time have in common.
TopDownDecoder = partial(
    DecoderType,
    pipeline=TOP_DOWN,
    takes_boxes=True,
    visible_score=MAXIMUM_IS_VISIBLE,
    approach="top-down",
)


def declare_outputs(**shapes: Shape) -> tuple[Output, ...]:
    """Outputs by role, to which each model gives its own names."""
    return tuple(Output("", shape, role=role) for role, shape in shapes.items())


@frozen
class Range:
    """The numbers that are valid for an option, as a part of its annotated type."""

    expected: str  # in words
    contains: Callable[[float], bool]


#: The types of options for which only a range of numbers is valid.
Count = Annotated[int, Range("1 or more", lambda value: value >= 1)]
Positive = Annotated[float, Range("above 0", lambda value: value > 0)]
PositiveShare = Annotated[float, Range("above 0 to 1", lambda value: 0 < value <= 1)]
Share = Annotated[float, Range("0 to 1", lambda value: 0 <= value <= 1)]


@cache
def _ranges(options: type) -> tuple[tuple[str, Range], ...]:
    hints = get_type_hints(options, include_extras=True)
    return tuple(
        (name, part)
        for name, hint in hints.items()
        for part in getattr(hint, "__metadata__", ())
        if isinstance(part, Range)
    )


@frozen
class DecoderOptions:
    """The options of a decoder.

    Raises:
        InferenceError: the value of an option whose type has a range is invalid.
    """

    def __post_init__(self) -> None:
        options: Any = type(self)
        for name, allowed in _ranges(options):
            if not allowed.contains(value := getattr(self, name)):
                expected = allowed.expected
                raise InferenceError(f"decoder option {name}: expected {expected}, got {value}")


@frozen
class SkeletonOptions(DecoderOptions):
    """Options of a decoder that finds the keypoints of any skeleton; None: the usual one."""

    skeleton: Skeleton | None = None


def has_shape(*sides: int | Collection[int], word: str = "") -> OutputRule:
    """The rule for outputs with these sides, and with a word in their names, in lower case; -1
    stands for any size, a collection for one of several.
    """
    allowed = [{side} if isinstance(side, int) else side for side in sides]
    return lambda name, shape: (
        len(shape) == len(sides)
        and word in name.lower()
        and all(-1 in each or given in each for each, given in zip(allowed, shape, strict=True))
    )


def are_maps(channels: int) -> OutputRule:
    """The rule for maps with this number of channels, first or last.

    This is a guess, because a side may be as long as a usual number of channels.
    """
    usual_counts = (17, 19, 38, 57)
    return lambda _name, shape: (
        len(shape) == 4 and [side for side in shape[1::2] if side in usual_counts][:1] == [channels]
    )


def are_coco_embeddings(name: str, shape: Shape) -> bool:
    """Whether an output contains tags of COCO's 17 keypoints."""
    is_named = "embed" in name.lower() or "tag" in name.lower()
    return shape[1:2] == (17,) and (len(shape) == 5 or (len(shape) == 4 and is_named))


def are_coco_heatmaps(name: str, shape: Shape) -> bool:
    """Whether an output contains heatmaps of COCO's 17 keypoints."""
    return shape[1:2] == (17,) and len(shape) == 4 and not are_coco_embeddings(name, shape)
