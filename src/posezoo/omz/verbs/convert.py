"""posezoo convert: convert published files, or the user's own, to OpenVINO IR, and verify it by a
self-check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags, model_jobs
from posezoo.cli.file_kinds import explain_model_file
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.model_argument import is_checkpoint_file
from posezoo.cli.model_jobs import Answer
from posezoo.cli.report import print_result
from posezoo.core.declarations.model import ModelSpec, Precision, with_skeleton
from posezoo.core.errors import ConversionError, InferenceError, SelfCheckError
from posezoo.core.events import Listener
from posezoo.core.files.staging import temporary_dir
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context

if TYPE_CHECKING:
    from posezoo.cli.console import Console
    from posezoo.formats.onnx_conversion import OnnxReport
    from posezoo.run.runtime.graph import Graph

EXAMPLES = """
posezoo convert blazepose-full
posezoo convert --all --precisions FP16 --download_dir models --weights_dir ir
posezoo convert blazepose-full --dry_run
posezoo convert blazepose-full --proof nodes
posezoo convert mine.onnx --mean_values 123.675 116.28 103.53 --scale_values 58.4 57.1 57.4
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
        " .pdmodel, a model.json of TensorFlow.js, the folder of a SavedModel, or both files of a"
        " network of Caffe (.prototxt and .caffemodel) or Darknet (.cfg and .weights)",
        nargs="*",
    ),
    f"all {flags.CHECKPOINT}",
    Flag(
        "--network NETWORK",
        "with --checkpoint, instead of a model: the network of posezoo that fits the weights, or a"
        " model that uses it (default: the only network that fits)",
    ),
    FlagGroup(
        Flag(
            "-o, --output FILE",
            "the .xml to write, or for Caffe and Darknet also an .onnx, in opset 18 (default: the"
            " file's name with .xml, in the working folder)",
            output=flags.RESULT,
        ),
        Flag(
            "--input_shape SHAPE",
            "the shape of each input, such as [1,3,368,656] (default: that of the file)",
        ),
        *(replace(flags.FLAGS[name], type=str) for name in ("mean_values", "scale_values")),
        *flags.shared("reverse_input_channels as decoder decoder_options detector"),
        title="a file of your own",
        description="the IR then says it; shapes and values are as Model Optimizer takes them",
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


class _ConvertArgs(flags.ConversionArgs, flags.CheckpointArgs, flags.InputArgs, flags.PipelineArgs):
    output: Path | None
    input_shape: str | None
    mean_values: list[str] | None
    scale_values: list[str] | None
    reverse_input_channels: bool
    network: str | None
    onnx_only: bool
    weights_dir: Path | None


def run(args: _ConvertArgs) -> int:
    """Convert, and print the paths of the IR."""
    if args.checkpoint is None and len(args.models) == 1 and is_checkpoint_file(args.models[0]):
        args.checkpoint = Path(args.models.pop())
    if args.checkpoint is None and any(map(is_own_file, args.models)):
        return convert_own_file(args)
    _refuse_invalid_flags(args)
    args.weights_dir = args.weights_dir or args.output  # -o of Open Model Zoo's converter
    args.precisions = args.precisions or (Precision.FP32, Precision.FP16)
    flags.require_model_optimizer(args)
    context = flags.context_from_args(args)
    selection = None
    if args.checkpoint:
        selection = _select_with_checkpoint(args, args.checkpoint, context)
    if args.onnx_only:
        return _export(args, context, selection)
    from posezoo.cli.conversion_task import ConversionTask

    task = ConversionTask(
        context,
        args.precisions,
        flags.conversion_options_from_args(args),
        flags.input_options_from_args(args),
        checkpoint=args.checkpoint,
        downloads=False,
    )
    return model_jobs.make_selected(args, task, selection)


def _refuse_invalid_flags(args: _ConvertArgs) -> None:
    flags.refuse_description(args)
    if args.output and args.output.suffix in (".onnx", ".xml"):
        args.parser.error(f"-o {args.output}: IR of a model go into a folder: --weights_dir DIR")
    for name in ("input_shape", "detector"):
        if getattr(args, name):
            args.parser.error(f"--{name} is for a file of your own, and not for a model")
    if args.decoder_options and not args.decode:
        args.parser.error("--decoder_options of a model requires --decode")
    if args.dynamic and args.resize:
        args.parser.error("--dynamic leaves the size open, --resize sets it: give one of them")
    if args.checkpoint:
        if args.all or len(args.models) + (args.network is not None) > 1:
            args.parser.error("--checkpoint requires one model, or --network without a model")
        return
    for name in ("network", "model_name", "skeleton"):
        if getattr(args, name):
            args.parser.error(f"--{name} requires --checkpoint")


def _select_with_checkpoint(args: _ConvertArgs, checkpoint: Path, context: Context) -> Selection:
    from posezoo.networks import is_network
    from posezoo.networks.custom_weights import (
        find_fitting_network,
        find_with_checkpoint,
        spec_with_checkpoint,
    )

    ir_name = args.model_name or ""
    skeleton = flags.skeleton_from_args(args, *args.models)
    if args.network and is_network(args.network):  # a model may have the name of its network
        spec = spec_with_checkpoint(args.network, checkpoint, ir_name, skeleton)
    else:
        name = args.network or next(iter(args.models), None) or find_fitting_network(checkpoint)
        spec = find_with_checkpoint(context.registry, name, checkpoint, ir_name, skeleton)
    return Selection((spec,))


def _export(args: _ConvertArgs, context: Context, selection: Selection | None) -> int:
    from posezoo.core.convert.conversion import write_onnx
    from posezoo.core.convert.frontends import verify_source_model
    from posezoo.core.resolve.own_networks import require_network
    from posezoo.core.resolve.resolution import resolve_model

    inputs = flags.input_options_from_args(args)

    def work(spec: ModelSpec, _listener: Listener) -> Answer:
        resolved = resolve_model(spec, (), context, inputs=inputs, checkpoint=args.checkpoint)
        if not args.dry_run:
            return Answer(files=[write_onnx(resolved, force=args.force)])
        require_network(resolved.source)
        verify_source_model(resolved.source, resolved.layout)
        return Answer(plan=[f"would write {resolved.layout.onnx_path(resolved.source)}"])

    return model_jobs.run_selected(args, context, work, selection=selection).print(args.format)


#: Flags of ``posezoo convert`` that change nothing for a file.
_OF_MODELS = (
    f"all network download_dir weights_dir {flags.LOCK} mo allow_upstream_code onnx_only model_name"
    f" proof dynamic keep_onnx {flags.CAMERA_INPUT} {flags.DECODE} cluster"
)
#: Flags whose text means what it means for Model Optimizer.
_OF_MODEL_OPTIMIZER = f"input_shape self_check {flags.LIMITS}"
#: The flags that say what follows the network.
_OF_PIPELINE = "as decoder decoder_options skeleton detector"

_LAYERS = (".prototxt", ".cfg")


def is_own_file(name: str) -> bool:
    """Whether a name is that of the user's file or SavedModel, and not of a model."""
    from posezoo.omz.commands import mo

    path = Path(name)
    if path.is_file():
        return path.suffix not in ("", ".yml")
    if path.is_fifo():
        return True
    return (path / "saved_model.pb").is_file() or mo.framework_of(path) not in ("", *mo.UNREAD)


def convert_own_file(args: _ConvertArgs) -> int:
    """Convert the file, and print what was written."""
    for name in _OF_MODELS.split():
        if getattr(args, name):
            args.parser.error(f"--{name} is for models, and not for a file")
    files = [*map(Path, args.models)]
    for path in files:
        if not path.exists():
            raise ConversionError(f"{path}: does not exist")
    original, words = _choose_files(args, files)
    output = args.output or Path(f"{original.stem}.xml")
    flags.require_suffix(args, "output", output, (".onnx", ".xml"))
    words += [f"--output_dir={output.parent}", f"--model_name={output.stem}"]
    lines = [f"{'would write' if args.dry_run else 'wrote'} {output}"]
    answer: dict[str, object] = {"file": output}
    with flags.console_from_args(args) as console, temporary_dir() as private:
        if output.suffix == ".onnx":
            report = _write_onnx(args, words, output, private, console)
            lines += _describe_onnx(report, output)
            answer |= asdict(report)
        else:
            _write_ir(args, words, output, private, console)
    print_result(args.format, answer, *(() if args.quiet else lines))
    return 0


def _choose_files(args: _ConvertArgs, files: Sequence[Path]) -> tuple[Path, list[str]]:
    layers = [path for path in files if path.suffix in _LAYERS]
    others = [path for path in files if path not in layers]
    if len(layers) > 1 or len(others) != 1:
        args.parser.error(
            "give one file with weights, and for Caffe or Darknet the one with the layers"
        )
    (original,) = others
    _refuse_unread(original)
    if args.input_shape and original.suffix == ".weights":
        args.parser.error("--input_shape: the sizes of a Darknet network are in its .cfg")
    given = {name: getattr(args, name) for name in _OF_MODEL_OPTIMIZER.split()}
    words = [f"--input_model={original}", *(f"--input_proto={path}" for path in layers)]
    return original, words + [f"--{name}={value}" for name, value in given.items() if value]


def _refuse_unread(original: Path) -> None:
    from posezoo.omz.commands import mo

    framework = mo.framework_of(original)
    if (framework or original.is_dir()) and framework not in mo.UNREAD:
        return
    problem, hint = explain_model_file(str(original))
    raise ConversionError(
        problem or f"{original}: the ending of its name is not that of a network",
        hint=hint or "posezoo convert --help lists the endings",
    )


def _write_ir(
    args: _ConvertArgs, words: list[str], output: Path, private: Path, console: Console
) -> None:
    from posezoo.cli.result_files import write_result
    from posezoo.core.ir.ir_writer import write_ir
    from posezoo.omz.commands import mo
    from posezoo.run.preparation import FLAGS_THAT_STATE_IT, explain_unstated, find_statement
    from posezoo.run.runtime.graph import Graph

    precision, *others = args.precisions or (Precision.FP16,)
    if others or precision not in (Precision.FP16, Precision.FP32):
        args.parser.error("--precisions: a file becomes one IR, in FP16 or FP32")
    words.append(f"--compress_to_fp16={precision is Precision.FP16}")
    context = flags.context_from_args(args) if args.like or args.detector else None
    like = flags.like_from_args(args, context) if context else None
    arguments = mo.parse_arguments(words + _state_preparation(args, like))
    mo.require_other_file(arguments)
    arguments.output_dir = str(private)
    try:
        graph = Graph(mo.convert(arguments, console, like))
    except SelfCheckError as error:
        error.hint = "nothing was written"
        raise
    xml = graph.path
    graph.path = output  # as errors name it
    if flags.given_flags(args, _OF_PIPELINE):
        _state_pipeline(args, graph, like, context)
        # What is in FP16 stays so.
        xml = write_ir(graph.model, private / "stated" / output.name, Precision.FP32)
    elif any(map(graph.image_layout, graph.inputs)) and not find_statement(graph):
        console.warn(
            f"{explain_unstated(output)}; to write it into the IR: --as MODEL, or"
            f" {FLAGS_THAT_STATE_IT}"
        )
    _warn_of_assumed_keypoints(args, graph, like, console)
    for suffix in () if args.dry_run else (".bin", ".xml"):
        write_result(output.with_suffix(suffix), xml.with_suffix(suffix).read_bytes(), console)


def _warn_of_assumed_keypoints(
    args: _ConvertArgs, graph: Graph, like: ModelSpec | None, console: Console
) -> None:
    from posezoo.run.runtime.decoder_matching import (
        describe_network,
        find_assumption,
        select_decoder,
        stated_skeleton,
    )
    from posezoo.run.runtime.input_description import describe_stated_input
    from posezoo.run.runtime.runtime_config import LoadOptions

    options = LoadOptions(skeleton=flags.skeleton_from_args(args, *args.models))
    try:
        decoder = select_decoder(graph, args.decoder, like, options)
        spec = describe_network(graph, "", decoder, like)
        description = describe_stated_input(graph, decoder, like)
        skeleton = options.skeleton or stated_skeleton(graph, spec, description)
    except InferenceError:
        return  # no decoder takes its outputs
    if assumption := find_assumption(graph, with_skeleton(spec, skeleton), like):
        console.warn(assumption)


def _state_preparation(args: _ConvertArgs, like: ModelSpec | None) -> list[str]:
    from posezoo.run.runtime.input_description import original_preprocessing

    mean: Sequence[object] = args.mean_values or ()
    scale: Sequence[object] = args.scale_values or ()
    is_rgb = args.reverse_input_channels
    if like:
        stated = original_preprocessing(like)
        mean = mean or stated.mean
        # Without a mean, a scale of 1 says that images are taken as they are.
        scale = scale or stated.scale or (1,)
        is_rgb = is_rgb or stated.reverse_input_channels
    words = ["--reverse_input_channels"] if is_rgb else []
    for name, values in (("mean_values", mean), ("scale_values", scale)):
        text = " ".join(map(str, values))
        if text and not re.search(r"[\[(]", text):  # else it is as Model Optimizer takes it
            text = f"[{re.sub('[, ]+', ',', text)}]"
        words.append(f"--{name}={text}")
    return words


def _state_pipeline(
    args: _ConvertArgs, graph: Graph, like: ModelSpec | None, context: Context | None
) -> None:
    from posezoo.core.ir.ir_writer import SECTION, build_rt_info
    from posezoo.core.ir.people_metadata import PIPELINE, describe_people
    from posezoo.run.pipeline_spec import require_detector_used, resolve_pipeline
    from posezoo.run.runtime.decoder_matching import (
        describe_network,
        match_output_roles,
        select_decoder,
    )
    from posezoo.run.runtime.runtime_config import LoadOptions

    skeleton = flags.skeleton_from_args(args, *args.models)
    options = LoadOptions(skeleton=skeleton, decoder_options=dict(args.decoder_options))
    decoder = select_decoder(graph, args.decoder, like, options)
    spec = with_skeleton(describe_network(graph, "", decoder, like), skeleton)
    match_output_roles(spec, decoder.name, graph)
    require_detector_used(args.detector, spec)
    if args.detector and context:
        spec = replace(spec, people=resolve_pipeline(spec, context).people)
    facts = build_rt_info(replace(spec, inputs=()), spec.decoder)
    for name in ("decoder", "decoder_options", "skeleton", "own_skeleton"):
        if name in facts:
            graph.model.set_rt_info(facts[name], [SECTION, name])
    for name, value in describe_people(spec.people).items():
        graph.model.set_rt_info(value, [SECTION, PIPELINE, name])


def _write_onnx(
    args: _ConvertArgs, words: list[str], output: Path, private: Path, console: Console
) -> OnnxReport:
    from posezoo.cli.result_files import write_result
    from posezoo.core.convert.reader_process import run_in_reader_process
    from posezoo.core.layout import FlatLayout
    from posezoo.formats.onnx_conversion import convert_to_onnx
    from posezoo.omz.commands import mo

    given = flags.given_flags(args, f"{_OF_PIPELINE} {flags.DESCRIPTION}")
    if given:
        args.parser.error(f"{given} is for an IR: -o {output.stem}.xml")
    spec, original = mo.read_command_line(mo.parse_arguments(words))
    folders = FlatLayout(original.parent, output.absolute().parent, checkpoint=original)
    onnx = private / output.name
    report = run_in_reader_process(
        partial(convert_to_onnx, is_dry_run=args.dry_run),
        spec,
        folders,
        onnx,
        source=original,
        limits=mo.reading_limits(args, original),
    )
    if not args.dry_run:
        write_result(output, onnx.read_bytes(), console)
    return report


def _describe_onnx(report: OnnxReport, output: Path) -> Iterator[str]:
    for kind, ports in (("input", report.inputs), ("output", report.outputs)):
        for name, shape in ports.items():
            yield f"  {kind:7} {name} [{','.join(map(str, shape))}]"
    yield f"  values  {report.preprocessing}"
    for name in report.unprovable:
        yield f"  {name}: not proven, since a rounding of the input changes it too much"
    if report.runtime:
        for runtime, difference in report.differences.items():
            yield f"  {report.runtime} differs by {difference:.1e} from {runtime}"
        if len(report.differences) == 1:
            yield "  not compared with OpenCV, which is missing or does not run this network"
        yield f'In OpenCV: net = cv2.dnn.readNetFromONNX("{output}")'
