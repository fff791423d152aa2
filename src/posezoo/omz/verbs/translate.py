"""posezoo translate: convert a file that is in no registry to ONNX or IR."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.console import Console
from posezoo.cli.file_kinds import explain_model_file
from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args
from posezoo.cli.report import print_lines
from posezoo.core.declarations.model_files import CHECKPOINTS
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.files.staging import temporary_dir

if TYPE_CHECKING:
    from posezoo.core.declarations.model import ModelSpec
    from posezoo.formats.onnx_conversion import OnnxReport

EXAMPLES = """
posezoo translate deploy.prototxt res10.caffemodel -o res10.onnx
posezoo translate yolov4.cfg yolov4.weights -o yolov4.onnx
posezoo translate pose_deploy.prototxt pose.caffemodel --input_shape [1,3,368,656] -o pose.onnx
posezoo translate net.tflite -o net.xml --precision FP32
posezoo translate yolov4.cfg yolov4.weights -o yolov4.onnx --dry_run
"""

FLAGS = (
    Flag(
        "files FILE",
        "a Caffe network (.prototxt and .caffemodel) or a Darknet network (.cfg and .weights); for"
        " an IR also .onnx, .tflite, .pb, .pdmodel, a model.json of TensorFlow.js or the folder of"
        " a SavedModel",
        nargs="+",
    ),
    Flag(
        "-o, --output FILE",
        "the file to write: .onnx for ONNX (opset 18), .xml for an IR",
        required=True,
        output=flags.RESULT,
    ),
    Flag(
        "--input_shape SHAPE",
        "the shape of each input, such as [1,3,368,656] (default: that of the file)",
    ),
    Flag(
        "--precision",
        "precision of the weights of an IR (default: FP16); ONNX has FP32",
        str.upper,
        choices=("FP32", "FP16"),
        default="FP16",
    ),
    Flag("--dry_run", "read the network and print what would be written"),
    flags.LIMITS,
)


class _TranslateArgs(Args):
    files: list[Path]
    output: Path
    input_shape: str | None
    precision: str


_LAYERS = (".prototxt", ".cfg")


def run(args: _TranslateArgs) -> int:
    """Convert the file, and print what was written."""
    from posezoo.cli.result_files import write_result
    from posezoo.omz.commands import mo

    flags.require_suffix(args, "output", args.output, (".onnx", ".xml"))
    for path in args.files:
        if not path.exists():
            raise ConversionError(f"{path}: does not exist")
    arguments = mo.parse_arguments(_arguments_of_mo(args))
    if args.output.suffix == ".onnx":
        return _write_onnx(args, *mo.read_command_line(arguments))
    try:
        mo.require_other_file(arguments)
        with Console(quiet=args.quiet, verbose=True) as console, temporary_dir() as private:
            arguments.output_dir = str(private)
            mo.convert(arguments, console)
            for suffix in () if args.dry_run else (".bin", ".xml"):
                made = private / args.output.with_suffix(suffix).name
                write_result(args.output.with_suffix(suffix), made.read_bytes(), console)
    except SelfCheckError as error:
        error.hint = "nothing was written"
        raise
    _print_result(args)
    return 0


def _print_result(args: _TranslateArgs) -> None:
    if not args.quiet:
        print_lines(f"{'would write' if args.dry_run else 'wrote'} {args.output}")


def _arguments_of_mo(args: _TranslateArgs) -> list[str]:
    """The command line of mo that converts the same file."""
    layers = [path for path in args.files if path.suffix in _LAYERS]
    others = [path for path in args.files if path not in layers]
    if len(layers) > 1 or len(others) != 1:
        args.parser.error(
            "give one file with weights, and for Caffe or Darknet the one with the layers"
        )
    (original,) = others
    _refuse_unread(original)
    if args.input_shape and original.suffix == ".weights":
        args.parser.error("--input_shape: the sizes of a Darknet network are in its .cfg")
    words = [f"--input_model={original}", f"--output_dir={args.output.parent}"]
    words += [f"--model_name={args.output.stem}", f"--compress_to_fp16={args.precision == 'FP16'}"]
    words += [f"--input_proto={path}" for path in layers]
    given = {name: getattr(args, name) for name in ("input_shape", *flags.LIMITS.split())}
    return words + [f"--{name}={value}" for name, value in given.items() if value]


def _refuse_unread(original: Path) -> None:
    """Raise an error if a file is no network, or one that cannot be translated."""
    from posezoo.networks.pretrained import matching_networks
    from posezoo.omz.commands import mo

    framework = mo.framework_of(original)
    is_read = original.is_dir() or bool(framework)
    if is_read and framework not in mo.UNREAD:
        return
    if original.suffix.lower() in CHECKPOINTS and original.is_file():
        matching_networks(original)  # its error says what is in a file without weights
    problem, hint = explain_model_file(str(original))
    raise ConversionError(
        problem or f"{original}: the ending of its name is not that of a network",
        hint=hint or "posezoo translate --help lists the endings",
    )


def _write_onnx(args: _TranslateArgs, spec: ModelSpec, original: Path) -> int:
    from posezoo.cli.result_files import write_result
    from posezoo.core.convert.reader_process import run_in_reader_process
    from posezoo.core.layout import FlatLayout
    from posezoo.formats.onnx_conversion import convert_to_onnx
    from posezoo.omz.commands import mo

    folders = FlatLayout(original.parent, args.output.absolute().parent, checkpoint=original)
    work = partial(convert_to_onnx, is_dry_run=args.dry_run)
    limits = mo.reading_limits(args, original)
    with temporary_dir() as private, Console(quiet=args.quiet) as console:
        onnx = private / args.output.name
        report = run_in_reader_process(work, spec, folders, onnx, source=original, limits=limits)
        if not args.dry_run:
            write_result(args.output, onnx.read_bytes(), console)
    _print_result(args)
    if not args.quiet:
        _print_report(report, args.output)
    return 0


def _print_report(report: OnnxReport, output: Path) -> None:
    for kind, ports in (("input", report.inputs), ("output", report.outputs)):
        for name, shape in ports.items():
            print_lines(f"  {kind:7} {name} [{','.join(map(str, shape))}]")
    print_lines(f"  values  {report.preprocessing}")
    for name in report.unprovable:
        print_lines(f"  {name}: not proven, since a rounding of the input changes it too much")
    if report.runtime:
        for runtime, difference in report.differences.items():
            print_lines(f"  {report.runtime} differs by {difference:.1e} from {runtime}")
        if len(report.differences) == 1:
            print_lines("  not compared with OpenCV, which is missing or does not run this network")
        print_lines(f'In OpenCV: net = cv2.dnn.readNetFromONNX("{output}")')
