"""What the user names, and all that is said of it: one value for each verb and ``posezoo.load``.

``find_subject`` makes it, and checks it once against the network: what cannot be used is an error
before anything is downloaded or written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, fields, replace
from enum import Enum
from pathlib import Path

from posezoo.core.convert.file_kinds import explain_named
from posezoo.core.declarations.model import (
    TRACKING,
    WHOLE_IMAGE,
    Family,
    Model,
    ModelSpec,
    Precision,
)
from posezoo.core.declarations.model_files import find_network, is_checkpoint_file, is_network_file
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import (
    ConversionError,
    DecoderError,
    InferenceError,
    PosezooError,
    SpecError,
    TargetSizeError,
    UnknownModelError,
    UsageError,
)
from posezoo.core.registry import TAG_MARK
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.networks import is_network
from posezoo.networks.custom_weights import (
    find_fitting_network,
    find_with_checkpoint,
    name_weights,
    spec_of_checkpoint,
    spec_with_checkpoint,
)
from posezoo.poses.decoders import (
    DECODERS,
    MASKS,
    Option,
    require_masks,
    require_named_decoder,
    resolve_options,
)
from posezoo.poses.people import resolve_people
from posezoo.run.pipeline_spec import find_published, require_detector_used, resolve_pipeline
from posezoo.run.preparation import explain_unstated, find_statement
from posezoo.run.runtime.decoder_matching import describe_ir, describe_undecoded, find_task_decoder
from posezoo.run.runtime.graph import Graph, network_files
from posezoo.run.runtime.input_description import InputDescription, prepares_as
from posezoo.run.runtime.network_pipeline import image_input
from posezoo.run.runtime.runtime_config import LoadOptions


class Kind(Enum):
    """What a name stands for."""

    MODEL = "a model"
    CHECKPOINT = "weights of your own"
    FILE = "an .xml or .onnx"
    ORIGINAL = "a file that becomes an IR"
    TO_ONNX = "a file that becomes an ONNX"
    EXPORTED = "an IR of Ultralytics, which states all itself"


@frozen
class Statement:
    """What the user says of what is named; None, False or empty says nothing.

    Attributes:
        like: the model of ``--as``, or the path of a model.yml.
        architecture: the decoder that a model has, or by which a file is read.
        checkpoint, model_name, tag, force: as for ``posezoo.load``.
        network: the network that the checkpoint is for, or a model that has it.
        precision: of the IR that is made; a file has its own.
        height: the target size of ``LoadOptions``; the others are as there.
        spellings: the words of the user for the names of these, such as ``--height``.
        flags: what is said as flags of ``posezoo convert``, with a space before it.
        others: the names of the other flags of the verb that are given.
    """

    checkpoint: Path | None = None
    network: str = ""
    model_name: str = ""
    tag: str = ""
    force: bool = False
    precision: Precision | None = None
    detector: str | None = None
    height: int | None = None
    decoder_options: Mapping[str, Option] = field(default_factory=dict)
    masks: bool = False
    skeleton: Skeleton | None = None
    like: str = ""
    decoder: str | None = None
    architecture: str | None = None
    layout: str = ""
    reverse_input_channels: bool | None = None
    mean_values: Sequence[float] | None = None
    scale_values: Sequence[float] | None = None
    spellings: Mapping[str, str] = field(default_factory=dict, compare=False)
    flags: str = field(default="", compare=False)
    others: Sequence[str] = field(default=(), compare=False)

    def spell(self, name: str) -> str:
        """The word of the user for the name of what is said."""
        return self.spellings.get(name, name)

    def given(self) -> list[str]:
        """The names of what is said."""
        nothing: tuple[object, ...] = (None, "", (), {}, [])
        values = ((each, getattr(self, each.name)) for each in fields(self) if each.compare)
        return [
            each.name
            for each, value in values
            if value is not each.default and value not in nothing
        ]

    @property
    def is_of_outputs(self) -> bool:
        """Whether something is said of what a network puts out."""
        return bool(
            self.decoder
            or self.decoder_options
            or self.skeleton
            or self.height
            or self.masks
            or self.detector not in (None, "none", "usual")
        )

    @property
    def options(self) -> LoadOptions:
        """What is said, as options."""
        return self.added_to(LoadOptions())

    def added_to(self, options: LoadOptions) -> LoadOptions:
        """The options with what is said."""
        decoder_options = {**options.decoder_options, **self.decoder_options}
        if self.masks:
            decoder_options[MASKS] = True
        return replace(
            options,
            decoder=self.decoder,
            decoder_options=decoder_options,
            target_size=self.height or options.target_size,
            layout=self.layout,
            reverse_input_channels=self.reverse_input_channels,
            mean=self.mean_values,
            scale=self.scale_values,
            skeleton=self.skeleton,
        )


_NOTHING = Statement()

#: What a model.yml says of a file.
_OF_FILES = "like decoder layout reverse_input_channels mean_values scale_values"
#: What is said of a model whose IR is made, and fits no file that is converted alone.
_OF_MODELS = (
    "all tag checkpoint force network model_name dynamic onnx_only height masks download_dir lock"
    " locked mo allow_upstream_code input_type input_layout resize decode max_people min_score"
    " cluster"
)
_OF_IRS = f"{_OF_MODELS} {_OF_FILES} sample precisions skeleton decoder_options detector"
#: The statements and flags that change nothing, by what is named.
_UNUSED = {
    Kind.MODEL: f"{_OF_FILES} skeleton network model_name sample input_shape",
    Kind.CHECKPOINT: f"{_OF_FILES} tag sample input_shape record generated",
    Kind.FILE: (
        "network model_name tag checkpoint force record measure_only generated self_check sample"
        " input_shape"
    ),
    Kind.ORIGINAL: _OF_MODELS,
    Kind.TO_ONNX: _OF_IRS,
    Kind.EXPORTED: f"{_OF_IRS} input_shape self_check require_proof",
}


@frozen
class Subject:
    """What the user named, and all that was said of it; ``find_subject`` makes it.

    Attributes:
        name: as the user wrote it; empty for the default model.
        model: of the registry; or one of our networks with the user's weights; or what a file's
            metadata and the user say of it. None: the default model, or a file without any.
        like: the model of ``--as``.
        graph: the network of a file.
        is_published: whether a file is the IR of ``model`` as it was published.
        undecoded: why no decoder takes the outputs of a file; empty if one does.
    """

    name: str = ""
    kind: Kind = Kind.MODEL
    said: Statement = _NOTHING
    model: Model | None = None
    like: ModelSpec | None = None
    graph: Graph | None = field(default=None, compare=False)
    is_published: bool = False
    undecoded: str = ""

    @property
    def precision(self) -> Precision:
        """Of the IR of a model."""
        return self.said.precision or Precision.FP16

    @property
    def checkpoint(self) -> Path | None:
        """The user's own weights."""
        return self.said.checkpoint

    @property
    def file(self) -> Path | None:
        """The file of a network."""
        return Path(self.name) if self.kind is Kind.FILE else None

    @property
    def weights_name(self) -> str:
        """Of the user's own weights that got no name: their IR have a folder of their own, so that
        they do not replace those of the published model.
        """
        if self.checkpoint is None or self.said.model_name:
            return ""
        assert isinstance(self.model, ModelSpec)
        return name_weights(self.model, self.checkpoint)

    def describe(self) -> tuple[ModelSpec, InputDescription]:
        """As ``describe_ir``, of a file and what is said of it."""
        assert self.graph
        said = self.said
        if self.undecoded:
            return describe_undecoded(self.graph, self.like, said.options)
        return describe_ir(self.graph, said.architecture, self.like, said.options)

    def open_file(self) -> Graph | None:
        """The network of a file, read anew; None if no file is named."""
        return _open(self.graph.path, self.like) if self.graph else None


def _open(file: Path, like: ModelSpec | None) -> Graph:
    graph = Graph(file)
    if like and like.first_input.reshaped:  # published for images of any size, as the file may be
        sides = like.first_input.sides
        graph.fix_dynamic_sizes((sides["H"], sides["W"]))
    return graph


def find_subject(
    name: str | None,
    context: Context,
    said: Statement = _NOTHING,
    *,
    needs_decoder: bool = True,
    is_source: bool = False,
    takes_files: bool = True,
) -> Subject:
    """What a user names, checked against the network.

    Args:
        name: a model's name, the path of its model.yml, an IR, Ultralytics' folder of one, an ONNX
            file or a checkpoint; with
            own weights also a network's name, or None for the only one that reads them; else None
            for the default model.
        needs_decoder: whether an error says that no decoder takes the outputs of a file.
        is_source: whether weights become a model of their own, with their file as its source.
        takes_files: whether the file of a network is no error, since no IR is made of it.

    Raises:
        UnknownModelError: there is no such model; an existing file is explained.
        CheckpointError: the checkpoint cannot be read, or not only one network reads it.
        InferenceError: a file cannot be read, or nothing says how images are prepared for it.
        PosezooError: what is said does not fit; its ``exit_code`` is 2.
    """
    text = find_network(name or "")
    if said.checkpoint is None and is_checkpoint_file(text):
        said = replace(said, checkpoint=Path(text))
        text = ""
    if said.checkpoint and not said.checkpoint.exists():
        raise UnknownModelError(f"{said.checkpoint}: no such file")
    require_existing(text, context, said, takes_files=takes_files)
    if is_network_file(text):
        refuse_unused(Kind.FILE, text, said)
        return _find_file(text, context, said, needs_decoder=needs_decoder)
    if said.checkpoint:
        kind = Kind.CHECKPOINT
        refuse_unused(kind, name or f"{said.checkpoint}", said)
        with wrong_use(said):
            model = _find_weights(text, said.checkpoint, context, said, is_source=is_source)
    else:
        kind = Kind.MODEL
        if not text and takes_files:
            refuse_unused(kind, "", said)
            return Subject(said=said)
        model = context.registry.find(f"{text}{TAG_MARK}{said.tag}" if said.tag else text)
        refuse_unused(kind, text, said)
    require_usable(model, said, context)
    return Subject(name or "", kind, said, model)


def subject_of(model: Model, said: Statement = _NOTHING) -> Subject:
    """A model that was selected, and what is said of it, which was checked."""
    return Subject(model.full_name, said=said, model=model)


def require_existing(
    text: str, context: Context, said: Statement, *, takes_files: bool = True
) -> None:
    """Check that a name is not that of a file that is missing, or of another kind than weights or,
    with ``takes_files``, a network.

    Raises:
        UnknownModelError: it is; the hint has what is said of the file.
    """
    is_network = takes_files and is_network_file(text)
    is_read = os.path.exists(text) and (is_network or is_checkpoint_file(text))
    registry = context.registry
    name = registry.real_name(text.partition(TAG_MARK)[0])
    if not text or is_read or registry.has_name(name):
        return
    problem, hint = explain_named(text, said.flags)
    if problem:
        raise UnknownModelError(problem, hint=hint)


def require_usable(model: Model, said: Statement, context: Context) -> None:
    """Check what is said of a model against its declaration.

    Raises:
        PosezooError: it does not fit; its ``exit_code`` is 2.
    """
    with wrong_use(said):
        require_fitting(model, said)
        _require_boxes(model, said, context)
    if said.detector not in (None, "none", "usual"):
        with wrong_use(said, UnknownModelError):
            resolve_pipeline(model, context)


#: The options of a decoder that are for the boxes of a detector.
_OF_BOXES = ("padding", "max_people", "max_similarity")


def _require_boxes(model: Model, said: Statement, context: Context) -> None:
    """Raise a UsageError if an option changes nothing, since the whole image is one person."""
    people = resolve_people(model, context.settings.detector)
    unused = [name for name in _OF_BOXES if name in said.decoder_options]
    if people is None or "boxes" in said.others:
        return
    if unused and {people.photo, people.video} <= {WHOLE_IMAGE, TRACKING}:
        raise UsageError(
            f"decoder option {', '.join(unused)}: for the boxes of a detector, and none finds"
            f" people for {model.full_name}: the whole image is one person"
        )


def _find_weights(
    network: str, checkpoint: Path, context: Context, said: Statement, *, is_source: bool
) -> Model:
    if is_source:
        return spec_of_checkpoint(context.registry, checkpoint, said.skeleton)
    if said.network and is_network(said.network):  # a model may have the name of its network
        return spec_with_checkpoint(said.network, checkpoint, said.model_name, said.skeleton)
    name = network or find_fitting_network(checkpoint)
    return find_with_checkpoint(context.registry, name, checkpoint, said.model_name, said.skeleton)


def refuse_unused(kind: Kind, name: str, said: Statement) -> None:
    """Raise a UsageError if something is said that such a subject cannot use; nothing is named if
    ``name`` is empty.
    """
    unused = [each for each in (*said.given(), *said.others) if each in _UNUSED[kind].split()]
    if not unused:
        return
    main = (Kind.MODEL, Kind.FILE, Kind.CHECKPOINT)
    takers = [each for each in main if unused[0] not in _UNUSED[each].split()] or [Kind.ORIGINAL]
    scope = f"only for {' or '.join(taker.value for taker in takers)}"
    if kind not in main:
        scope = "changes nothing"
    why = f"{name} is {kind.value}" if name else "none is named"
    if kind is Kind.MODEL and name and unused[0] in _OF_FILES.split():
        why += ", whose model.yml says it"
    raise UsageError(f"{', '.join(map(said.spell, unused))}: {scope}; {why}")


@contextmanager
def wrong_use(said: Statement, *others: type[PosezooError]) -> Iterator[None]:
    """An error about what is said is one of usage."""
    kinds: tuple[type[PosezooError], ...] = (InferenceError, ConversionError, *others)
    try:
        yield
    except kinds as error:
        if said.given():
            error.exit_code = 2
        raise


def require_fitting(model: Model, said: Statement) -> None:
    """Check what is said of a model against its declaration.

    Raises:
        InferenceError: it does not fit.
    """
    require_named_decoder(said.architecture, model)
    require_detector_used(said.detector, model)
    decoder = model.decoder
    if said.masks:
        require_masks(decoder.name if decoder else "", model.full_name)
    record = DECODERS.find(decoder.name) if decoder else None
    if decoder is None or record is None:
        return
    resolve_options(decoder, said.decoder_options)
    if said.height and record.approach != "bottom-up":
        raise TargetSizeError(
            f"{said.spell('height')} {said.height}: {model.full_name}: its input size is fixed"
        )


def find_original(kind: Kind, original: Path, context: Context, said: Statement) -> Subject:
    """A file of any format that is converted, with what is said of it; it is not read.

    Raises:
        PosezooError: as for ``find_subject``.
    """
    refuse_unused(kind, f"{original}", said)
    return Subject(f"{original}", kind, said, like=_find_like(context, said))


def _find_like(context: Context, said: Statement) -> ModelSpec | None:
    if not said.like:
        return None
    with wrong_use(said, UnknownModelError, SpecError):
        if said.like.endswith(".yml"):
            return _read_beside(Path(said.like))
        return context.registry.find_single(said.like)


def _read_beside(path: Path) -> ModelSpec:
    """The model.yml of a network of the user's, which is in no registry."""
    from posezoo.core.declarations.model_yml import read_model

    if not path.exists():
        raise UnknownModelError(f"{path}: no such file")
    return read_model(path, family=Family.PUBLIC, name=path.stem)


def _find_file(text: str, context: Context, said: Statement, *, needs_decoder: bool) -> Subject:
    like = _find_like(context, said)
    for file in network_files(Path(text)) if context.lock.is_strict else ():
        context.lock.require_file(file)
    graph = _open(Path(text), like)
    _require_precision(graph, said)
    subject = Subject(text, Kind.FILE, said, like=like, graph=graph)
    if published := _find_published(graph, said, context):
        require_usable(published, said, context)
        return replace(subject, model=published, is_published=True)
    is_of_outputs = said.is_of_outputs or bool(like and like.decoder)
    may_be_undecoded = not (needs_decoder or is_of_outputs)
    stated = find_statement(graph)
    is_said = said.options.states_preprocessing
    if stated and (is_said or (like and not prepares_as(graph, like))):
        problem = "already states how images are prepared for it, in its"
        raise UsageError(f"{graph.path}: {problem} {stated}")
    is_stated = like or is_said or stated
    if may_be_undecoded and not is_stated:
        return replace(subject, undecoded=explain_unstated(graph.path))
    try:
        model = _describe_file(subject)
    except DecoderError as error:
        if not may_be_undecoded:
            raise
        return replace(subject, undecoded=error.problem)
    require_usable(model, said, context)
    return replace(subject, model=model)


def _describe_file(subject: Subject) -> ModelSpec:
    """The model that a file is; an error about what is said is one of usage."""
    graph = subject.graph
    assert graph
    said = subject.said
    try:
        model, description = subject.describe()
        if said.layout:
            image_input(graph, description.preprocessing)
    except InferenceError as error:
        concerned = {*said.given()} - {"detector"}
        if isinstance(error, DecoderError):  # about the outputs
            concerned -= {"mean_values", "scale_values", "reverse_input_channels"}
        if concerned:
            error.exit_code = 2
        raise
    return model


def _require_precision(graph: Graph, said: Statement) -> None:
    if said.precision in (None, graph.precision, graph.stored_precision):
        return
    own = graph.precision or graph.stored_precision
    raise UsageError(f"{said.spell('precision')} {said.precision}: {graph.path} is in {own}")


def _find_published(graph: Graph, said: Statement, context: Context) -> ModelSpec | None:
    """The model as whose IR a file was published, with its decoder; None if the user says what it
    is.
    """
    if said.like or replace(said, decoder=None).options.describes_network:
        return None
    published = find_published(graph.path, context.registry)
    if published is None:
        return None
    decoder = published.decoder or find_task_decoder(published, graph.distinct_outputs)
    if not {said.architecture, said.decoder} <= {None, decoder.name if decoder else None}:
        return None
    return replace(published, decoder=decoder)
