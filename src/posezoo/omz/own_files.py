"""``posezoo convert FILE``: a file that is in no registry becomes an IR, which then says what the
user says of it; a network of Caffe or Darknet can become ONNX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.file_kinds import explain_model_file
from posezoo.cli.report import print_result
from posezoo.core.declarations.model import ModelSpec, Precision, with_skeleton
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.files.staging import temporary_dir

if TYPE_CHECKING:
    from posezoo.cli.console import Console
    from posezoo.core.resolve.stage_context import Context
    from posezoo.formats.onnx_conversion import OnnxReport
    from posezoo.run.runtime.graph import Graph

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


class OwnFileArgs(flags.ConversionArgs, flags.CheckpointArgs, flags.InputArgs, flags.PipelineArgs):
    """The values of the flags of ``posezoo convert`` that a file takes, and of ``_OF_MODELS``."""

    output: Path | None
    input_shape: str | None
    mean_values: list[str] | None
    scale_values: list[str] | None
    reverse_input_channels: bool


def is_own_file(name: str) -> bool:
    """Whether a name is that of the user's file or SavedModel, and not of a model."""
    from posezoo.omz.commands import mo

    path = Path(name)
    if path.is_file():
        return path.suffix not in ("", ".yml")
    if path.is_fifo():
        return True
    return (path / "saved_model.pb").is_file() or mo.framework_of(path) not in ("", *mo.UNREAD)


def convert_own_file(args: OwnFileArgs) -> int:
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


def _choose_files(args: OwnFileArgs, files: Sequence[Path]) -> tuple[Path, list[str]]:
    """The file with the weights, and the arguments of mo for it and for that with the layers."""
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
    """Raise an error if a file is no network, or one that cannot be converted."""
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
    args: OwnFileArgs, words: list[str], output: Path, private: Path, console: Console
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
    for suffix in () if args.dry_run else (".bin", ".xml"):
        write_result(output.with_suffix(suffix), xml.with_suffix(suffix).read_bytes(), console)


def _state_preparation(args: OwnFileArgs, like: ModelSpec | None) -> list[str]:
    """Model Optimizer's arguments that say how images are prepared."""
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
    args: OwnFileArgs, graph: Graph, like: ModelSpec | None, context: Context | None
) -> None:
    """Write into the metadata which decoder follows the network, and what finds its people."""
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
    args: OwnFileArgs, words: list[str], output: Path, private: Path, console: Console
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
