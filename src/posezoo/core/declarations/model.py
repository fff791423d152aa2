"""A model as its model.yml declares it: frozen values, checked by ``model_yml``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from posezoo.core.plugins import LazyTable
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.skeleton import Skeleton


class _StrEnum(str, Enum):
    __str__ = str.__str__
    __hash__ = str.__hash__  # Enum hashes the member's name, FP16_INT8, not its value, FP16-INT8


class Family(_StrEnum):
    """The top-level folder that contains a model."""

    PUBLIC = "public"
    INTEL = "intel"


_ADDED_FORMATS = LazyTable("posezoo.formats", object, {})


class Framework(_StrEnum):
    """The framework of the published file: those that code names; ``list_frameworks`` has all."""

    CAFFE = "caffe"
    CAFFE2 = "caffe2"
    DLDT = "dldt"  # already OpenVINO IR, which needs no conversion
    MXNET = "mxnet"
    ONNX = "onnx"
    PADDLE = "paddle"
    PYTORCH = "pytorch"
    TF = "tf"
    TFLITE = "tflite"

    @classmethod
    def _missing_(cls, value: object) -> Framework | None:
        """A framework whose format a feature or an installed package adds."""
        if not isinstance(value, str) or value not in _ADDED_FORMATS.names():
            return None
        member = str.__new__(cls, value)
        member._name_ = value.upper()
        member._value_ = value
        cls._value2member_map_[value] = member
        return member


def list_frameworks() -> list[Framework]:
    """All but those that installed packages add."""
    return list(dict.fromkeys(map(Framework, (*Framework, *_ADDED_FORMATS.builtin))))


#: By the ending of its name, a file that OpenVINO also runs without a conversion.
ORIGINALS = {".onnx": Framework.ONNX, ".pdmodel": Framework.PADDLE}

#: Current OpenVINO reads these only by way of another program, or not at all.
UNREAD_FRAMEWORKS = (Framework.CAFFE2, Framework.MXNET)


class Precision(_StrEnum):
    """The arithmetic type that an IR's weights are stored in."""

    FP32 = "FP32"
    FP16 = "FP16"
    FP16_INT8 = "FP16-INT8"  # the layers that stay in floating point are FP16
    FP32_INT8 = "FP32-INT8"


class Route(_StrEnum):
    """How a model is converted to IR."""

    IR = "ir"  # the model is published as IR
    CONVERT = "convert"  # OpenVINO reads its file
    NETWORK = "network"  # one of our networks loads its weights
    MO = "mo"  # Model Optimizer of OpenVINO 2024 or older
    UPSTREAM_CODE = "upstream-code"  # code that is published with the model
    REMOVED = "removed-from-mo-2024"  # only Model Optimizer before 2024 converts it


class ColorOrder(_StrEnum):
    """The order of the channels of an image."""

    BGR = "BGR"
    RGB = "RGB"


SHA1_DIGITS = 40


@frozen
class Digest:
    """The hash of bytes in lower-case hex: ``sha512``, ``sha384``, ``sha256``, or the weak
    ``sha1``.
    """

    algorithm: str
    value: str

    @property
    def is_complete(self) -> bool:
        """Whether it has all digits; of a SHA-1, only the first ones may be known."""
        return self.algorithm != "sha1" or len(self.value) == SHA1_DIGITS

    def __str__(self) -> str:
        return f"{self.algorithm.upper().replace('SHA', 'SHA-')} {self.value[:12]}…"


@frozen
class Source:
    """Where a file comes from; ``str(source)`` is the name that users see. Plug-ins add types to
    those in ``core.declarations.sources``.
    """

    type: ClassVar[str] = ""  # its ``$type`` in model.yml; that of a plug-in may be empty


@frozen
class SourceFile:
    """A published file, whose digest decides whether a download is correct, not its source."""

    name: str  # relative, with / between folders
    size: int | None = None  # bytes; None if the publisher states none
    checksum: Digest | None = None  # None if the publisher states none for the file itself
    sources: tuple[Source, ...] = ()  # tried in order
    max_size: int = 0  # in bytes, the most that is read if the size is unknown
    #: SHA-256 or SHA-1 of an archive's members, by name; a SHA-1 may have only its first digits.
    contains: Mapping[str, Digest] = field(default_factory=dict)
    first_use: bool = False  # whether size and checksum are those of the first download
    #: Whether they come from posezoo.lock; only for a file pinned by `contains`.
    by_lock: bool = False
    also: tuple[Digest, ...] = ()  # further digests of the file, which a download must have too
    recorded_by: str = ""  # who recorded the digests, if its publisher states none

    @property
    def read_limit(self) -> int:
        """The largest number of bytes that are read."""
        return self.max_size if self.size is None else self.size

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All digests of the whole file; none if it is pinned in another way, or not at all."""
        return (self.checksum, *self.also) if self.checksum else ()

    @property
    def declared_checksum(self) -> Digest | None:
        """The checksum in model.yml, not that of the user's lock file."""
        return None if self.by_lock else self.checksum

    @property
    def declared_digests(self) -> Mapping[str, Digest]:
        """The digests that the publisher states for the file or for its members, by name."""
        if self.declared_checksum:
            return {self.name: self.declared_checksum}
        return {f"{self.name}/{member}": digest for member, digest in self.contains.items()}

    @property
    def is_pinned(self) -> bool:
        """Whether a checksum, or the full digests of its members, determine its bytes."""
        digests = self.contains.values()
        return self.checksum is not None or (
            bool(digests) and all(digest.is_complete for digest in digests)
        )

    @property
    def is_weakly_pinned(self) -> bool:
        """Whether it has no declared SHA-256 or SHA-384, of the whole file or of its members."""
        if self.checksum:
            return self.first_use
        algorithms = {digest.algorithm for digest in self.contains.values()}
        return algorithms != {"sha256"}

    @property
    def pin(self) -> str:
        """How its bytes are determined: ``strong``, ``weak`` or ``none``."""
        if not self.is_pinned:
            return "none"
        return "weak" if self.is_weakly_pinned else "strong"

    @property
    def pin_record(self) -> str:
        """The file that records its size and its digest."""
        return "posezoo.lock" if self.first_use or self.by_lock else "model.yml"

    @property
    def addresses(self) -> list[str]:
        """Its sources in words, in the order in which they are tried."""
        return list(map(str, self.sources))

    @property
    def pin_text(self) -> str:
        """The expected digest, for messages."""
        if self.checksum:
            if self.by_lock:
                return f"{self.checksum} of posezoo.lock"
            if self.first_use:
                return f"{self.checksum} of the first download"
            return str(self.checksum)
        if self.is_pinned:
            return ", ".join(f"{digest} of {member}" for member, digest in self.contains.items())
        return "no pin"


@frozen
class RegexReplace:
    """A change to a downloaded text file, as ``re.sub`` makes it.

    The pattern has no nested repetitions, so it never takes exponential time, but it can be slow on
    a long line: apply it with a time limit.
    """

    file: str  # relative, with / between folders
    pattern: str
    replacement: str
    count: int = 0  # the expected number of replacements; 0: any number, but at least one


@frozen
class UnpackArchive:
    """A downloaded archive that is unpacked into its own folder."""

    file: str  # relative, with / between folders
    format: str  # zip (as .task files of MediaPipe), tar, gztar, or emscripten: a packed .data file
    index: str = ""  # emscripten: the published script that lists the members


PostprocessingStep = RegexReplace | UnpackArchive


@frozen
class Input:
    """An input of a model."""

    name: str  # empty if not declared; then inputs are in the network's own order
    shape: tuple[
        int, ...
    ] = ()  # in the order of ``layout``; -1 for any size; empty if not declared
    layout: str = ""  # NCHW, NHWC, ...; empty if not declared
    #: What the network was trained on; None if unknown, as in Open Model Zoo.
    color: ColorOrder | None = None
    #: Subtracted from the values, in the network's channel order. One value per channel, or one for
    #: all channels if their number was not declared; empty for none.
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()  # divisors, in the same form as ``mean``
    #: Whether the IR takes the opposite channel order of ``color``.
    reverse_input_channels: bool = False
    #: Letters of the dimensions that may stay dynamic in the conversion.
    dynamic: tuple[str, ...] = ()
    #: Whether the network is reshaped to ``shape``, whatever its file (--input_shape).
    reshaped: bool = False
    to_layout: str = ""  # the layout that the IR takes, if it differs (``--layout=nhwc->nchw``)
    element_type: str = ""  # the IR's, in OpenVINO's words (u8); empty for the network's own
    resize: bool = False  # whether the IR takes images of any height and width and resizes them
    #: Height and width for measurements, if ``shape`` has -1.
    usual_size: tuple[int, int] | None = None
    #: The shape with the limits of its dynamic sizes: [1..4,3,20,20]; empty if they have none.
    bounds: str = ""
    #: How images are fitted to it, as ``model_info`` of the user's own file says it: Model API's
    #: standard, fit_to_window or fit_to_window_letterbox; empty: as the decoder's published code.
    resize_type: str = ""
    #: The value beside an image, 0..255; None: as the decoder's published code.
    pad_value: int | None = None
    #: Whether nothing says how images are prepared for it: color, mean and scale.
    is_unstated: bool = False

    @property
    def ir_layout(self) -> str:
        """The layout that the converted model takes."""
        return self.to_layout or self.layout

    @property
    def states_preparation(self) -> bool:
        """Whether it says itself how images are prepared for it."""
        return bool(self.color or self.mean or self.scale or self.reverse_input_channels)

    @property
    def has_open_layout(self) -> bool:
        """Whether a layout has "..." (nc...), which Model Optimizer takes for any dimensions."""
        return "..." in self.layout + self.to_layout

    @property
    def sides(self) -> dict[str, int]:
        """The sizes by the letters of the layout; empty if one of both is not declared."""
        return dict(zip(self.layout, self.shape, strict=False))

    @property
    def ir_shape(self) -> tuple[int, ...]:
        """The shape that the converted model takes."""
        sides = self.sides
        if not (sides and (self.to_layout or self.resize)):
            return self.shape
        if self.resize:
            sides |= {"H": -1, "W": -1}
        return tuple(sides[letter] for letter in self.ir_layout)

    @property
    def ir_color(self) -> ColorOrder | None:
        """The colour order that the converted model takes."""
        if self.color is None or not self.reverse_input_channels:
            return self.color
        return ColorOrder.BGR if self.color is ColorOrder.RGB else ColorOrder.RGB


@frozen
class Output:
    """An output of a model; ``role`` says what a decoder uses it for."""

    name: str
    shape: tuple[int, ...]  # -1 for any size; empty if none was declared
    layout: str = ""
    role: str = ""
    note: str = ""
    original: str = ""  # what the original has instead, if it differs
    #: Of its values: ``px`` for pixels of the input; empty if it has none, or several.
    unit: str = ""


@frozen
class NetworkChoice:
    """Our network that a checkpoint belongs to: a name of ``networks.NETWORKS``, and its
    arguments.
    """

    name: str
    arguments: Mapping[str, str | int | bool] = field(default_factory=dict)
    #: Of its input and outputs, if a model declares others; empty for the network's own.
    names: tuple[str, ...] = ()


@frozen
class Decoder:
    """The decoder that turns the outputs into poses: its name and options."""

    name: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    #: A skeleton that the package does not have; None: the model names one, or its keypoints are
    #: only numbered.
    skeleton: Skeleton | None = None


@frozen
class Decoding:
    """The decoder inside an IR (--decode).

    Attributes:
        max_people: the number of people in the outputs; 0 for the most that the network finds.
        min_score: of a person.
    """

    decoder: Decoder
    max_people: int
    min_score: float


@frozen
class License:
    """The license of the weights: of other zoos a ``url``, a name, or none. ``text`` is a file in
    licenses/ that starts with the holder's copyright line.
    """

    spdx: str = ""  # SPDX's identifier; of other zoos, the name as they write it
    text: str = ""
    url: str = ""


@frozen
class ModelOrigin:
    """Where a model comes from."""

    repository: str = ""
    paper: str = ""
    based_on: tuple[str, ...] = ()  # other papers whose methods it uses
    #: In which it was trained, if the published files do not show it.
    framework: Framework | None = None

    @property
    def papers(self) -> list[str]:
        """The addresses of all papers."""
        return [address for address in (self.paper, *self.based_on) if address]


@frozen
class Deprecation:
    """A model that should no longer be used."""

    since: str  # a date or a version
    use: str = ""  # the model to use instead; empty if there is none

    def __str__(self) -> str:
        instead = f"; use {self.use}" if self.use else ""
        return f"deprecated since {self.since}{instead}"


#: In ``PublishedAccuracy.boxes``: the network got the annotated boxes of people.
ANNOTATED_BOXES = "annotated"
#: In ``PublishedAccuracy.boxes``: the network found the people in whole photos itself.
WHOLE_PHOTO = "whole photo"


@frozen
class PublishedAccuracy:
    """An accuracy that the publisher states."""

    metric: str  # AP, PCK@0.1, AUC: 0 to 1, more is better; MPJPE: mm, less is better
    value: float  # the original's, or the IR's if ``is_of_ir``
    dataset: str = ""
    #: ``ANNOTATED_BOXES``, ``WHOLE_PHOTO``, or whose boxes: a detector's name, or words for it.
    boxes: str = ""
    size: int | None = None  # of the images: the shorter side or the height, in pixels
    protocol: str = ""  # what else decides
    flip: bool = False  # whether the outputs of the image and its mirror image were averaged
    ap50: float | None = None  # AP at an object keypoint similarity of 0.50
    ap75: float | None = None  # at 0.75
    converted: float | None = None  # the value that the publisher states for its own IR
    is_of_ir: bool = False  # whether the publisher states a value only for its own IR


@frozen
class PublishedMetrics:
    """The metrics that a publisher states; ``known_difference`` says why one is not that of the
    published weights.
    """

    accuracy: tuple[PublishedAccuracy, ...] = ()
    gflops: float | None = None  # 10^9 operations for one inference at the declared size
    mparams: float | None = None  # 10^6 parameters
    known_difference: str = ""


@frozen
class UnknownKey:
    """A key of a model.yml that is left out; lines and columns count from 1."""

    file: str
    line: int
    column: int
    field: str  # its path in the file: files[4].oroginal_source
    hint: str  # the key that may be meant; empty if no known key is similar

    @property
    def name(self) -> str:
        """Its path without the positions in lists: that of the same key in other files."""
        return re.sub(r"\[[0-9]+\]", "", self.field)

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.field}: unknown key, left out{hint}"


@frozen
class Training:
    """URLs of a model's training command and log; empty if not published."""

    command: str = ""
    log: str = ""


@frozen
class SelfCheckSettings:
    """How closely the IR must match the original, if the default does not fit."""

    #: ``max``, ``p99`` (99th percentile) or ``median`` of abs(a - b) over the output's largest
    #: abs(a).
    measure: str = "max"
    #: ``noise`` (seeded, blocky) or ``photo`` (a drawn scene with a photo's statistics).
    inputs: str = "noise"
    #: The largest value of the test images.
    largest: float = 255
    #: By output name; ``*`` for all others.
    tolerance: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""  # why the default does not fit
    #: Files beside model.yml with inputs that are right for the network: images, and .npz files
    #: with arrays by input name, as the IR takes them. They are compared first.
    samples: tuple[str, ...] = ()


#: The name of the one file of a model with the user's own weights.
OWN_CHECKPOINT = "checkpoint"

#: Ways to find people without a detector: the whole image counts as one person; or, in a video, the
#: crop of the next frame follows from the person in the frame before.
WHOLE_IMAGE = "the whole image"
TRACKING = "tracking"

#: The setting ``people_from`` of results of a model that finds the people itself, in words.
ITSELF = "the model"


@frozen
class PairLimits:
    """The least scores with which a top-down model and one detector find people, 0..1.

    Attributes:
        min_score: of a box; None: as the detector declares.
        min_pose_score: of a person in a box of the detector: the score of the box times that of the
            keypoints. The decoder's option of this name replaces it.
    """

    min_score: float | None = None
    min_pose_score: float = 0.0

    def stated(self) -> dict[str, float]:
        """The limits by name; one that is the detector's is left out."""
        least = {} if self.min_score is None else {"min_score": self.min_score}
        return {**least, "min_pose_score": self.min_pose_score}


@frozen
class People:
    """How the people are found that a top-down model processes one at a time.

    Attributes:
        photo: the name of the model that detects them, or ``WHOLE_IMAGE``.
        video: the same, or ``TRACKING``.
        whole_image: if no person is found in a photo, the whole image is one person, who is kept
            with this score or more, 0..1, and 5/6 of it in a second look at the part with the
            keypoints; None: no person is found then.
        detectors: the limits with each detector that was measured with the model, by its name.
    """

    photo: str
    video: str
    whole_image: float | None = None
    detectors: Mapping[str, PairLimits] = field(default_factory=dict)

    def limits_with(self, detector: ModelSpec | CompositeSpec) -> PairLimits:
        """The limits with a detector; those of no pair if it was not measured with the model."""
        limits = self.detectors.get(detector.full_name) or self.detectors.get(detector.name)
        return limits or PairLimits()


@frozen
class RecordedOutputs:
    """Outputs that the publisher's runtime computed, in a file beside the model.yml."""

    runtime: str  # with its version: TensorFlow.js 4.22.0
    file: str  # a safetensors file; docs/model_yml.md describes it
    checksum: Digest


@frozen
class RecordedRanges:
    """The ranges that make INT8 without photos, in a file beside the model.yml."""

    photos: str  # on which they were measured: their number, and where they are from
    file: str  # a safetensors file; docs/model_yml.md describes it
    checksum: Digest


@frozen
class FloatLayers:
    """Layers that stay in floating point when a model is quantized, as the FP32 IR names them."""

    reason: str
    layers: tuple[str, ...] = ()  # globs of their names
    types: tuple[str, ...] = ()  # OpenVINO's: Convolution, GroupConvolution, MVN, ...


@frozen
class QuantizationSettings:
    """How a model's weights and activations are quantized to INT8, and how much its results may
    change.
    """

    #: Symmetric activations; ``mixed``: asymmetric if they have both signs.
    preset: str = "performance"
    subset_size: int = 300  # the largest number of calibration samples
    model_type: str = ""  # ``transformer``, or empty
    #: The largest allowed median displacement of a keypoint or a box corner, in pixels of the
    #: input.
    max_shift_px: float = 2.0
    #: The smallest allowed share of people that both networks find, 0..1.
    min_agreement: float = 0.75
    in_float: tuple[FloatLayers, ...] = ()  # the layers that stay in floating point, and why
    refused: str = ""  # why INT8 is not made, with the AP that it keeps; empty if it is made
    unread: tuple[str, ...] = ()  # parameters of a quantization.yml that are not used


#: A nested value of model.yml that posezoo only passes on.
Plain = str | int | float | bool | tuple["Plain", ...] | Mapping[str, "Plain"]


@frozen
class Declaration:
    """What a model and a composite declare; a composite has the defaults of what only
    models have.
    """

    name: str
    family: Family
    path: Path  # of the model.yml or composite-model.yml
    description: str
    task: str
    _: KW_ONLY
    decoder: Decoder | None = None
    #: How a top-down model's people are found; None if it is not declared.
    people: People | None = None
    #: The size in pixels to which images are resized, as its publisher measured: the height, or the
    #: side that its decoder names; None: the size of its input.
    target_size: int | None = None
    compute_types: tuple[str, ...] = ()  # in which it keeps its accuracy, besides f32
    skeleton: str = ""
    revision: int = 1
    composite: str = ""  # the composite that this model is a part of
    #: The folder of the registry that contains the model's own, as a path from the registry's root;
    #: None for the usual one, that of the family or the composite.
    parent: str | None = None
    published: PublishedMetrics = PublishedMetrics()
    training: Training = Training()
    limits: str = ""  # what the model cannot do, except limits that follow from its decoder
    deprecated: Deprecation | None = None  # None if the model may be used
    tag: str = ""  # the tag of this published variant; empty if the model has no variants
    is_default: bool = True  # whether a name without a tag means this variant
    #: The others, in order; empty for all but the default variant.
    variants: tuple[ModelSpec, ...] = ()
    unknown_keys: tuple[UnknownKey, ...] = ()  # that were left out

    @property
    def own_skeleton(self) -> Skeleton | None:
        """Its skeleton, if the package does not have it."""
        return self.decoder.skeleton if self.decoder else None

    @property
    def full_name(self) -> str:
        """``name``, or ``name@tag`` if it is not the default variant."""
        return self.name if self.is_default else f"{self.name}@{self.tag}"

    @property
    def subdirectory(self) -> str:
        """Its folder in a registry or an output folder, with / between the names."""
        parent = self.parent
        if parent is None:
            parent = f"{self.family}/{self.composite}" if self.composite else self.family
        return f"{parent}/{self.full_name}" if parent else self.full_name


@frozen
class ModelSpec(Declaration):
    """One model of the zoo, as its model.yml declares it."""

    framework: Framework
    license: License
    files: tuple[SourceFile, ...]
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    decoding: Decoding | None = None  # the decoder that is put into the IR; not in model.yml
    origin: ModelOrigin = ModelOrigin()
    self_check: SelfCheckSettings = SelfCheckSettings()
    recorded_outputs: RecordedOutputs | None = None  # None if there are none
    #: Changes to the downloaded files, in this order.
    postprocessing: tuple[PostprocessingStep, ...] = ()
    #: Model Optimizer's arguments without a field here, as (flag, value): supported ones and
    #: unknown ones.
    mo_args: tuple[tuple[str, str], ...] = ()
    #: Of the script that exports to ONNX; it runs only with consent.
    upstream_export: tuple[str, ...] = ()
    #: Whether a pre-convert.py is beside it; it runs only with consent.
    has_pre_convert: bool = False
    #: What Open Model Zoo writes into the IR.
    model_info: Mapping[str, Plain] = field(default_factory=dict)
    quantizable: bool = False  # whether Open Model Zoo quantized it
    quantization: QuantizationSettings | None = None  # settings for INT8; None for the defaults
    int8_ranges: RecordedRanges | None = None  # None if INT8 needs photos
    #: The type that its weights are quantized to; empty if they are not quantized.
    quantized: str = ""
    #: The file to convert, as Open Model Zoo's arguments name it ($dl_dir/net.pb).
    input_model: str = ""
    #: The one of ours that loads the checkpoint; None if none is needed.
    network: NetworkChoice | None = None
    #: A published file, or a path in an unpacked archive; empty without a network.
    checkpoint: str = ""
    license_note: str = ""  # shown before a download; empty if there is nothing to note
    #: What is assumed about the keypoints of the user's own weights or IR; empty if nothing is.
    assumption: str = ""
    stages: ClassVar[tuple[str, ...]] = ()  # only a composite has some

    @property
    def files_beside(self) -> list[RecordedOutputs | RecordedRanges]:
        """The declared files beside the model.yml."""
        return [each for each in (self.recorded_outputs, self.int8_ranges) if each]

    @property
    def source_name(self) -> str:
        """The path of the file to convert in the model's folder, such as the checkpoint of one of
        our networks; empty if the model has no files.

        A file that is not a published one comes from an unpacked archive. Upstream code
        (``upstream_export``, pre-convert.py), which runs only with consent, writes one whose path
        starts with ``$conv_dir/``.
        """
        if not self.files:
            return ""
        return self.checkpoint or self.input_model.removeprefix("$dl_dir/") or self.files[0].name

    def path_beside_source(self, source: Path, name: str) -> Path:
        """The path of another file of the model, from that of the file to convert; an absolute one,
        which only the command mo has, stays.
        """
        if posixpath.isabs(name):
            return Path(name)
        return source.parent / posixpath.relpath(name, posixpath.dirname(self.source_name) or ".")

    @property
    def file_names(self) -> list[str]:
        """The names of the published files."""
        return [file.name for file in self.files]

    @property
    def output_names(self) -> list[str]:
        """The names of the declared outputs."""
        return [port.name for port in self.outputs]

    @property
    def first_input(self) -> Input:
        """The first declared input; one without a name and a shape if there is none."""
        return next(iter(self.inputs), Input("", ()))

    @property
    def is_ir(self) -> bool:
        """Whether the model is published as IR; an IR that is named as checkpoint is converted."""
        return self.framework is Framework.DLDT and not self.checkpoint

    @property
    def is_converted(self) -> bool:
        """Whether posezoo makes its IR: it is not published as IR, or its IR gets a decoder."""
        return not self.is_ir or self.decoding is not None

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The precisions of its IR: the published ones, otherwise those that a conversion makes."""
        if self.is_ir:
            folders = {file.name.split("/")[0] for file in self.files}
            return tuple(filter(folders.__contains__, Precision))
        if self.framework in UNREAD_FRAMEWORKS:
            return ()
        both = (Precision.FP32, Precision.FP16)
        return (*both, Precision.FP16_INT8) if self.int8_ranges else both


@frozen
class CompositeSpec(Declaration):
    """Several models that only work together, in the order in which they run."""

    stages: tuple[str, ...]
    framework: Framework | None = None  # the newest metadata of Open Model Zoo repeats it here
    license: License = License()
    assumption: ClassVar[str] = ""  # about the user's own weights


Model = ModelSpec | CompositeSpec
ModelT = TypeVar("ModelT", bound=Model)


def finds_poses(model: Model) -> bool:
    """Whether a model is for human poses, whatever its outputs are."""
    return model.task.startswith("human_pose_estimation")


def with_skeleton(model: ModelT, skeleton: Skeleton | None) -> ModelT:
    """The model with this skeleton for its decoder; unchanged if one of both is None."""
    if skeleton is None or model.decoder is None:
        return model
    decoder = replace(model.decoder, skeleton=skeleton)
    return replace(model, decoder=decoder, skeleton=skeleton.name)


def fits(shape: Sequence[int], other: Sequence[int | str]) -> bool:
    """Whether two shapes are equal; -1 and letters stand for any size."""
    if len(shape) != len(other):
        return False
    pairs = zip(shape, other, strict=True)
    return all(isinstance(b, str) or a == b or -1 in (a, b) for a, b in pairs)
