"""posezoo convert: convert published files, or the user's own, to OpenVINO IR, and verify it by a
self-check.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.console.job_report import Answer
from posezoo.console.report import print_result
from posezoo.convert.verbs.source_flags import select_sources
from posezoo.core.convert.file_kinds import explain_named, is_paddle_3
from posezoo.core.declarations.model import Framework, Input, ModelSpec, Precision
from posezoo.core.declarations.model_files import find_network, is_checkpoint_file
from posezoo.core.declarations.supported_mo_args import SAVED_MODEL_FILE
from posezoo.core.errors import (
    ConversionError,
    InferenceError,
    OutputError,
    SelfCheckError,
    UnknownModelError,
)
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.files.staging import temporary_dir
from posezoo.core.registry import Selection
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.formats import find_framework
from posezoo.run.verbs.run_flags import statement_from_args

if TYPE_CHECKING:
    from posezoo.cli.model_jobs import Select
    from posezoo.console.console import Console
    from posezoo.formats.onnx_conversion import OnnxReport
    from posezoo.run.runtime.graph import Graph, Preprocessing
    from posezoo.run.subject import Subject

EXAMPLES = """
posezoo convert blazepose-full
posezoo convert --all --precisions FP16 --download_dir models --weights_dir ir
posezoo convert blazepose-full --dry_run
posezoo convert blazepose-full --self_check nodes
posezoo convert mine.onnx --reverse_input_channels --mean_values 123.675 116.28 103.53 --scale_values 58.4 57.1 57.4
posezoo convert net.tflite --as rtmpose-m --output ir/net.xml --precisions FP32
posezoo convert deploy.prototxt res10.caffemodel --output res10.onnx
posezoo convert yolov4.cfg yolov4.weights -o yolov4.onnx --dry_run
posezoo convert mine.pth --model_name mine
posezoo convert --network higher_hrnet --checkpoint mine.pth --model_name mine
posezoo convert blazepose-full --input_type u8 --input_layout NHWC --resize --weights_dir frames
posezoo convert movenet-lightning --decode --input_type u8 --input_layout NHWC --resize --weights_dir decoded
"""  # noqa: E501

FLAGS = (
    Flag(
        "models MODEL|FILE",
        "a name or a case-sensitive glob, as for get; or a file of your own: .onnx, .tflite, .pb,"
        " .pdmodel, a model.json of TensorFlow.js, the folder of a SavedModel or of an IR of"
        " Ultralytics, whose metadata the IR then has, or both files of a"
        " network of Caffe (.prototxt and .caffemodel) or Darknet (.cfg and .weights)",
        nargs="*",
    ),
    f"all {flags.CHECKPOINT}",
    Flag(
        "--network NETWORK",
        "with --checkpoint, instead of a model: the network of posezoo that fits the weights, or a"
        " model that uses it (default: the only network that fits)",
        needs="checkpoint",
    ),
    FlagGroup(
        Flag(
            "-o, --output FILE",
            "the .xml to write, or for Caffe and Darknet also an .onnx, in opset 18 (default: the"
            " file's name with .xml, in the working folder)",
            output=flags.RESULT,
            excludes="weights_dir",
        ),
        Flag(
            "--input_shape SHAPE",
            "the shape of each input, such as [1,3,368,656] (default: that of the file)",
        ),
        Flag(
            "--sample FILE",
            "an input that is right for the network, which is compared first: an image, or a .npz"
            " with arrays by input name, as the IR takes them; several rows are several samples",
            Path,
            repeats=True,
        ),
        *flags.shared("as decoder decoder_options detector"),
        *flags.shared("mean_values scale_values reverse_input_channels"),
        title="a file of your own",
        description="the IR then says it",
    ),
    flags.download_dir_flag(),
    flags.weights_dir_flag("folder of the models' IR", former="--output_dir"),
    flags.LOCK,
    replace(
        flags.FLAGS["precisions"],
        help="precisions of the IR: FP32, FP16, or another one that the model is published in"
        " (default: FP32,FP16; of a file FP16)",
        default=(),
        former="--precision",
    ),
    flags.CONVERTERS,
    Flag("--onnx_only", "write no IR, only the ONNX of posezoo's own network"),
    (
        f"{flags.CAMERA_INPUT} {flags.DECODE} force {flags.REGISTRY} {flags.CLUSTER} dry_run"
        f" {flags.FORMAT}"
    ),
)


class _ConvertArgs(
    flags.ConversionArgs,
    flags.CheckpointArgs,
    flags.InputArgs,
    flags.PipelineArgs,
    flags.DescriptionArgs,
):
    output: Path | None
    input_shape: str | None
    sample: list[Path] | None
    network: str | None
    onnx_only: bool
    weights_dir: Path | None


def run(args: _ConvertArgs) -> int:
    """Convert, and print the paths of the IR."""
    from posezoo.run.subject import require_existing

    if args.checkpoint is None and any(map(is_own_file, args.models)):
        return _convert_own_file(args)
    if args.checkpoint is None and len(args.models) == 1 and is_checkpoint_file(args.models[0]):
        args.checkpoint = Path(args.models.pop())
    args.weights_dir = args.weights_dir or args.output  # -o of Open Model Zoo's converter
    context = flags.context_from_args(args)
    for name in args.models:
        require_existing(name, context, statement_from_args(args))
    _refuse_invalid_flags(args)
    args.precisions = args.precisions or (Precision.FP32, Precision.FP16)
    flags.require_model_optimizer(args)
    select = _select_with_checkpoint if args.checkpoint else _select_models
    if args.onnx_only:
        return _export(args, context, select(args, context))
    from posezoo.cli.conversion_task import ConversionTask

    task = ConversionTask(
        context,
        args.precisions,
        flags.conversion_options_from_args(args),
        flags.input_options_from_args(args),
        checkpoint=args.checkpoint,
        downloads=False,
    )
    return model_jobs.make_selected(args, task, select(args, context))


def _refuse_invalid_flags(args: _ConvertArgs) -> None:
    if args.output and args.output.suffix in (".onnx", ".xml"):
        args.parser.error(f"-o {args.output}: IR of a model go into a folder: --weights_dir DIR")
    flags.refuse_flags(args, "detector", "of a model its model.yml names it")
    if not args.decode:
        flags.refuse_flags(args, "decoder_options", "of a model only with --decode")
    if args.checkpoint and len(args.models) + (args.network is not None) > 1:
        args.parser.error("--checkpoint requires one model, or --network without a model")


def _select_models(args: _ConvertArgs, context: Context) -> Select:
    from posezoo.run.subject import Kind, refuse_unused

    refuse_unused(Kind.MODEL, ", ".join(args.models), statement_from_args(args))
    return select_sources(args, context)


def _select_with_checkpoint(args: _ConvertArgs, context: Context) -> Select:
    from posezoo.run.subject import find_subject

    name = args.network or next(iter(args.models), None)
    spec = find_subject(name, context, statement_from_args(args)).model
    assert isinstance(spec, ModelSpec)
    return lambda _console: Selection((spec,))


def _export(args: _ConvertArgs, context: Context, select: Select) -> int:
    from posezoo.core.convert.conversion import write_onnx
    from posezoo.core.convert.frontends import verify_source_model
    from posezoo.core.resolve.own_networks import require_network
    from posezoo.core.resolve.resolution import resolve_model

    inputs = flags.input_options_from_args(args)

    def work(spec: ModelSpec, listener: Listener) -> Answer:
        if spec.assumption:
            listener(WarningIssued(spec.assumption))
        resolved = resolve_model(spec, (), context, inputs=inputs, checkpoint=args.checkpoint)
        if not args.dry_run:
            return Answer(files=[write_onnx(resolved, force=args.force)])
        require_network(resolved.source)
        verify_source_model(resolved.source, resolved.layout)
        return Answer(plan=[f"would write {resolved.layout.onnx_path(resolved.source)}"])

    return model_jobs.run_selected(args, context, work, select=select).print(args.format)


_LAYERS = (".prototxt", ".cfg")
#: Darknet is declared as TensorFlow.
_OF_TENSORFLOW = (".weights", ".meta")

#: -1 as OpenVINO's errors show it.
ANY_SIZE = 2**64 - 1

GIVE_SAMPLE = "--sample FILE compares it with an input of yours"


def is_own_file(name: str) -> bool:
    """Whether a name is that of the user's file or SavedModel, and not of a model."""
    path = Path(name)
    if find_network(name) != name:
        return True
    if path.is_file():
        return path.suffix not in ("", ".yml") and not is_checkpoint_file(name)
    if path.is_dir():  # a model may have the name of a folder
        return (path / SAVED_MODEL_FILE).is_file()
    return path.is_fifo() or bool(_framework_of(path))


def _framework_of(original: Path) -> str:
    """The framework of a file or SavedModel that is converted; empty if there is none."""
    if original.is_dir() or original.suffix.lower() in _OF_TENSORFLOW:
        return Framework.TF
    framework = "" if is_paddle_3(original) else find_framework(original.name)
    # An IR needs no conversion, and a checkpoint a network.
    return "" if framework in (Framework.DLDT, Framework.PYTORCH) else framework


@frozen
class _FileTask:
    """A file of the user's to convert, with the layers of Caffe or Darknet, and what is written."""

    args: _ConvertArgs
    context: Context
    subject: Subject
    layers: Path | None
    output: Path
    private: Path  # a folder
    console: Console

    @property
    def original(self) -> Path:
        """The file."""
        return Path(self.subject.name)


def _convert_own_file(args: _ConvertArgs) -> int:
    from posezoo.run.subject import Kind, find_original

    original, layers = _choose_files(args)
    output = args.output or (args.weights_dir or Path()) / f"{original.stem}.xml"
    kind = Kind.TO_ONNX if output.suffix == ".onnx" else Kind.ORIGINAL
    if original.suffix == ".xml":
        kind = Kind.EXPORTED
    context = flags.context_from_args(args)
    said = statement_from_args(args, force=args.force)
    subject = find_original(kind, original, context, said)
    flags.require_suffix(args, output, (".xml",) if kind is Kind.EXPORTED else (".onnx", ".xml"))
    _require_other_file(original, output, output.with_suffix(".bin"))
    lines = [f"{'would write' if args.dry_run else 'wrote'} {output}"]
    answer: dict[str, object] = {"file": output}
    with flags.console_from_args(args) as console, temporary_dir() as private:
        task = _FileTask(args, context, subject, layers, output, private, console)
        if kind is Kind.TO_ONNX:
            report = _write_onnx(task)
            lines += _describe_onnx(report, output)
            answer |= asdict(report)
        else:
            graph = _write_ir(task)
        if kind is Kind.ORIGINAL:
            proof, why = graph.read_proof()
            answer["proof"] = proof
            if compared := graph.read_compared():
                answer["compared"] = compared
            if why:
                answer["not_compared"] = why
                hint = "" if args.sample else f"; {GIVE_SAMPLE}"
                lines += [f"{output}: {proof} with its original, because {why}{hint}"]
    print_result(args.format, answer, *(() if args.quiet else lines))
    return 0


def _require_other_file(original: Path, *outputs: Path) -> None:
    for path in outputs:
        if path.exists() and path.samefile(original):
            raise OutputError(f"{path}: is the file to convert", hint="give another --output")


def _copy_ir(args: _ConvertArgs, xml: Path, output: Path, console: Console) -> None:
    """Copy an IR to its place, unless this is a dry run."""
    from posezoo.core.files.result_files import write_result

    for suffix in () if args.dry_run else (".bin", ".xml"):
        content = read_regular_bytes(xml.with_suffix(suffix))
        write_result(output.with_suffix(suffix), content, console)


def _choose_files(args: _ConvertArgs) -> tuple[Path, Path | None]:
    """The file to convert, and the one with the layers of Caffe or Darknet."""
    if len(args.models) == 1 and (xml := find_network(args.models[0])) != args.models[0]:
        return Path(xml), None
    files = [*map(Path, args.models)]
    for path in files:
        if not path.exists():
            raise UnknownModelError(f"{path}: no such file")
    layers = [path for path in files if path.suffix in _LAYERS]
    others = [path for path in files if path not in layers]
    if len(layers) > 1 or len(others) != 1:
        args.parser.error(
            "give one file with weights, and for Caffe or Darknet the one with the layers"
        )
    (original,) = others
    if args.input_shape and original.suffix == ".weights":
        args.parser.error("--input_shape: the sizes of a Darknet network are in its .cfg")
    if not _framework_of(original):
        problem, hint = explain_named(str(original))
        raise ConversionError(
            problem or f"{original}: the ending of its name is not that of a network",
            hint=hint or "posezoo convert --help lists the endings",
        )
    return original, next(iter(layers), None)


def _declare(task: _FileTask, preparation: Preprocessing) -> tuple[ModelSpec, Path]:
    """The model that a file is, and the file that is read."""
    from posezoo.convert.file_conversion import declare_file
    from posezoo.core.resolve.input_options import read_given_arguments

    args = task.args
    original = task.original
    shape = [f"--input_shape={args.input_shape}"] if args.input_shape else []
    declared = read_given_arguments(shape)
    prepare = partial(
        replace,
        mean=preparation.mean,
        scale=preparation.scale,
        reverse_input_channels=preparation.reverse_input_channels,
    )
    inputs = tuple(map(prepare, declared.inputs))
    unnamed = prepare(Input("", ()))
    if unnamed.states_preparation:
        inputs = inputs or (unnamed,)
    spec = declare_file(
        original,
        Framework(_framework_of(original)),
        task.output.stem,
        replace(declared, inputs=inputs),
        is_folder=original.is_dir(),
        layers=task.layers,
        like=task.subject.like,
        samples=args.sample or (),
    )
    return spec, original / SAVED_MODEL_FILE if original.is_dir() else original


def _write_ir(task: _FileTask) -> Graph:
    from posezoo.convert.stated_pipeline import state_pipeline
    from posezoo.core.ir.ir_writer import write_ir
    from posezoo.run.runtime.decoder_matching import describe_ir
    from posezoo.run.runtime.graph import Graph
    from posezoo.run.subject import Kind

    output = task.output
    subject = task.subject
    if subject.kind is Kind.EXPORTED:
        xml = task.original
        graph = Graph(xml)
        describe_ir(graph)  # it is checked as `run` does
    else:
        xml = _convert(task)
        graph = Graph(xml)
        graph.path = task.original
    is_described = bool(graph.ultralytics)
    if is_described:  # also by a file beside it
        graph.state_ultralytics()
    said = subject.said
    is_stated = said.is_of_outputs or said.detector or (subject.like and subject.like.decoder)
    if is_stated:
        state_pipeline(graph, subject, task.context)
    graph.path = output  # as doubts name it
    if is_described or is_stated:
        # What is in FP16 stays so.
        xml = write_ir(graph.model, task.private / "stated" / output.name, Precision.FP32)
    for doubt in _list_doubts(graph, subject):
        task.console.warn(doubt)
    _copy_ir(task.args, xml, output, task.console)
    return graph


def _convert(task: _FileTask) -> Path:
    from posezoo.convert.file_conversion import convert_own_file
    from posezoo.run.subject import wrong_use

    args = task.args
    precision, *others = args.precisions or (Precision.FP16,)
    if others or precision not in (Precision.FP16, Precision.FP32):
        args.parser.error("--precisions: a file becomes one IR, in FP16 or FP32")
    with wrong_use(task.subject.said):
        preparation = _choose_preparation(task.subject)
    try:
        return convert_own_file(
            *_declare(task, preparation),
            task.private,
            precision,
            options=flags.conversion_options_from_args(args),
            settings=task.context.settings,
            listener=task.console,
        )
    except SelfCheckError as error:
        if f"{ANY_SIZE}" in error.problem:
            raise SelfCheckError(
                f"{task.original}: cannot be computed with inputs of any size: is it a step after a"
                " network, such as NonMaxSuppression?",
                hint="nothing was written",
            ) from error
        error.hint = "nothing was written"
        if not args.sample:
            error.hint += f"; if the network takes no random values, {GIVE_SAMPLE}"
        raise


def _list_doubts(graph: Graph, subject: Subject) -> Iterator[str]:
    """What the user should know before the IR is run."""
    from posezoo.run.preparation import (
        advise_preparation,
        explain_unstated,
        explain_wrong_values,
        find_statement,
    )
    from posezoo.run.runtime.decoder_matching import describe_pipeline
    from posezoo.run.runtime.graph import Preprocessing

    if wrong := explain_wrong_values(graph, Preprocessing()):
        yield f"{graph.path}: {wrong}"
    if any(map(graph.image_layout, graph.inputs)) and not find_statement(graph):
        yield f"{explain_unstated(graph.path)}; {advise_preparation(graph.path)}"
    with suppress(InferenceError):  # no decoder takes its outputs
        if assumption := describe_pipeline(graph, subject.like, subject.said.options).assumption:
            yield assumption


def _choose_preparation(subject: Subject) -> Preprocessing:
    from posezoo.run.runtime.graph import Preprocessing
    from posezoo.run.runtime.input_description import InputDescription, original_preprocessing

    stated = Preprocessing()
    if subject.like:
        stated = original_preprocessing(subject.like)
        # Without a mean, a scale of 1 says that images are taken as they are.
        stated = replace(stated, scale=stated.scale or (1.0,))
    return subject.said.options.override(InputDescription(stated)).preprocessing


def _write_onnx(task: _FileTask) -> OnnxReport:
    from posezoo.convert.file_conversion import reading_limits
    from posezoo.core.convert.reader_process import run_in_reader_process
    from posezoo.core.files.result_files import write_result
    from posezoo.core.layout import FlatLayout
    from posezoo.formats.onnx_conversion import convert_to_onnx
    from posezoo.run.runtime.graph import Preprocessing

    output = task.output
    is_dry_run = task.args.dry_run
    spec, file = _declare(task, Preprocessing())
    folders = FlatLayout(file.parent, output.absolute().parent, checkpoint=file)
    onnx = task.private / output.name
    report = run_in_reader_process(
        partial(convert_to_onnx, is_dry_run=is_dry_run),
        spec,
        folders,
        onnx,
        source=file,
        limits=reading_limits(file, task.context.settings),
    )
    if not is_dry_run:
        write_result(output, onnx.read_bytes(), task.console)
    return report


def _describe_onnx(report: OnnxReport, output: Path) -> Iterator[str]:
    for kind, ports in (("input", report.inputs), ("output", report.outputs)):
        for name, shape in ports.items():
            yield f"  {kind:7} {name} [{','.join(map(str, shape))}]"
    yield f"  values  {report.preprocessing}"
    for name in report.unprovable:
        yield f"  {name}: cannot be compared, since a rounding of the input changes it too much"
    if report.runtime:
        for runtime, difference in report.differences.items():
            yield f"  {report.runtime} differs by {difference:.1e} from {runtime}"
        if len(report.differences) == 1:
            yield "  not compared with OpenCV, which is missing or does not run this network"
        yield f'In OpenCV: net = cv2.dnn.readNetFromONNX("{output}")'
