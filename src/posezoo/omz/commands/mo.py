"""mo: convert one file to IR, with the arguments and the output of Model Optimizer (OpenVINO
2024.6).

It carries out the arguments that posezoo's converter supports, and refuses each other one by its
name.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posezoo.cli import flags, parsers, run_main
from posezoo.console import printing
from posezoo.console.console import result_lines
from posezoo.console.report import print_lines
from posezoo.core import events
from posezoo.core.convert.file_kinds import explain_model_file, is_paddle_3
from posezoo.core.convert.formats import FORMATS
from posezoo.core.declarations.known_arguments import MO_ARGUMENTS
from posezoo.core.declarations.mo_args import MoArguments
from posezoo.core.declarations.model import Framework, Input, ModelSpec, Precision
from posezoo.core.declarations.model_files import CHECKPOINTS
from posezoo.core.declarations.safe_names import MAX_LENGTH
from posezoo.core.declarations.supported_mo_args import (
    PIPELINE_CONFIG,
    SAVED_MODEL_FILE,
    TRANSFORMATIONS_CONFIG,
    requested_precision,
)
from posezoo.core.errors import ConversionError, OutputError, PosezooError, SelfCheckError, sanitize
from posezoo.core.events import Listener
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.resolve.input_options import read_given_arguments
from posezoo.core.versions import version
from posezoo.formats import find_framework
from posezoo.formats.region_configs import REGION_CONFIGS, find_detector, is_region_config

if TYPE_CHECKING:
    from openvino import Model

#: The release whose arguments these are.
RELEASE = "2024.6.0"

# The real program, for what this one refuses. === does not accept our stand-in.
_REAL_MO = (
    f'Model Optimizer can: pip install "openvino-dev==={RELEASE}" in an environment of its own'
)

_EXPECTED_CONFIG = (
    "it needs a graph of TensorFlow 1, and a file for YOLO 1 to 3; or the name of Model "
    "Optimizer's file for SSD (since 2018), Faster R-CNN, Mask R-CNN or R-FCN, and beside it a "
    f"pipeline.config in {PIPELINE_CONFIG}"
)

_EXAMPLES = """examples:
  mo --input_model net.onnx --output_dir ir
  mo --input_model net.pb --input_shape "[1,224,224,3]" --mean_values "[123,117,104]"
  mo --saved_model_dir saved_model --model_name net --compress_to_fp16=False"""

#: By usage: the help. A value in brackets may be left out, and then is True.
CARRIED_OUT: dict[str, str] = MO_ARGUMENTS["carried_out"]
#: Arguments that cannot change the IR here; they are accepted and not used.
WITHOUT_EFFECT: dict[str, str] = MO_ARGUMENTS["without_effect"]
REFUSED: dict[str, str] = MO_ARGUMENTS["refused"]
#: The framework of a file, by the ending of its name, as Model Optimizer knows it.
_FRAMEWORKS: dict[str, str] = MO_ARGUMENTS["frameworks"]
#: What to do with a file of another framework.
UNREAD = {
    "kaldi": _REAL_MO,
    "tf-text": f"write it as a binary graph (.pb) with TensorFlow; {_REAL_MO}",
    "mxnet": "Model Optimizer has not read MXNet files since 2024; look for the same model as ONNX",
    "pytorch": "export the network to ONNX first",
    "keras": "save the network as a SavedModel, and give --saved_model_dir DIR",
}


# The arguments whose text is read as in model.yml.
_TEXTS = (
    "input", "output", "input_shape", "layout", "mean_values", "scale_values", "scale",
    "freeze_placeholder_with_value", "data_type", "source_layout", "target_layout",
)  # fmt: skip
_OFTEN_EMPTY = ("layout", "mean_values", "scale_values", "source_layout", "target_layout")
_FOR_EACH_INPUT = ("input_shape", *_OFTEN_EMPTY)
_SWITCHES = ("reverse_input_channels", "static_shape")


class MoArgs(parsers.Args):
    """The arguments that are read by name; a table has the others."""

    batch: int | None
    compress_to_fp16: bool | None
    framework: str | None
    input_meta_graph: str | None
    input_model: str | None
    input_proto: str | None
    model_name: str | None
    output_dir: str | None
    saved_model_dir: str | None
    self_check: str | None
    tensorflow_object_detection_api_pipeline_config: str | None
    transform: str | None
    transformations_config: str | None


def create_parser() -> argparse.ArgumentParser:
    """The parser of the command; it accepts the abbreviations that Model Optimizer accepts."""
    parser = parsers.SafeParser(
        prog="mo",
        usage="mo [options]",
        description=(
            f"Convert one file to IR, with the arguments of Model Optimizer {RELEASE[:-2]}."
        ),
        epilog=_EXAMPLES,
        formatter_class=parsers.HelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"Version of Model Optimizer is: {RELEASE}+posezoo (posezoo {version()})",
    )
    parser.add_argument(
        "--self_check",
        choices=("off",),
        help=(
            "off: write the IR without comparing its outputs with those of the original; by default"
            " an IR that differs is refused (posezoo's own argument)"
        ),
    )
    for name in flags.LIMITS.split():
        flags.FLAGS[name].add_to(parser)
    types: dict[str, Callable[[str], object]] = {
        "FILE": os.path.expanduser,
        "DIR": os.path.expanduser,
        "SIZE": flags.whole_number(1),
    }
    for title, usages in (
        ("arguments that are carried out", CARRIED_OUT),
        ("arguments without effect, because they cannot change the IR here", WITHOUT_EFFECT),
        ("arguments that are refused, and why", REFUSED),
    ):
        group = parser.add_argument_group(title)
        for usage, text in usages.items():
            spellings, _, value = usage.rpartition(" ")
            names = spellings.split(", ")
            if usages is REFUSED:
                group.add_argument(*names, nargs="?", const="", metavar="V", help=text)
            elif value == "[BOOL]":
                group.add_argument(
                    *names, nargs="?", const=True, metavar="BOOL", type=_parse_truth, help=text
                )
            else:
                group.add_argument(*names, metavar=value, type=types.get(value, str), help=text)
    parser.set_defaults(parser=parser)
    return parser


def parse_arguments(argv: Sequence[str] | None) -> MoArgs:
    """The arguments of the command; None for those of the process."""
    return create_parser().parse_args(argv, MoArgs())


def main(argv: Sequence[str] | None = None) -> int:
    """Convert the file, and return the exit code: 0, or 1 for a failure. Wrong usage exits with
    code 2.
    """
    return run_main.run_main(lambda: _run(parse_arguments(argv)), report_error=_print_error)


def _parse_truth(text: str) -> bool:
    """An argparse type, with the words that Model Optimizer accepts."""
    if text.lower() not in ("true", "1", "false", "0"):
        raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")
    return text.lower() in ("true", "1")


class LayoutMap(NamedTuple):
    """The layout of an input in the file, and in the IR."""

    source_layout: str | None = None
    target_layout: str | None = None


class InputCutInfo(NamedTuple):
    """An input, as --input describes it."""

    name: str | None = None
    shape: object = None
    type: object = None
    value: object = None


def convert_model(input_model: object = None, **arguments: object) -> Model:
    """Convert a file or a network in memory to OpenVINO's model, as Model Optimizer's function of
    this name.

    Args:
        arguments: those of the command, with Python's values, and ``example_input`` for a network
            in memory, such as a module of PyTorch; weights are FP32 by default.

    Raises:
        PosezooError: an argument is unknown, or the file or the network cannot be converted.
    """
    with tempfile.TemporaryDirectory() as folder:
        if input_model is not None and not isinstance(input_model, (str, Path)):
            example = arguments.pop("example_input", None)
            # Its IR, without the changes that arguments ask for.
            openvino = import_openvino()
            try:
                read = openvino.convert_model(input_model, example_input=example)
            except Exception as error:
                raise ConversionError(
                    f"OpenVINO cannot read this {type(input_model).__name__}: {error}",
                    hint="give example_input, to trace a module of PyTorch; or give a file",
                ) from error
            input_model = Path(folder, "original", "model.xml")
            openvino.save_model(read, input_model, compress_to_fp16=False)
            arguments |= {"framework": Framework.DLDT, "self_check": "off"}
        args = _parse_arguments(input_model, arguments)
        args.output_dir = folder
        core = import_openvino().Core()
        core.set_property({"ENABLE_MMAP": False})  # the files are removed
        network: Model = core.read_model(convert(args, events.ignore_event))
    return network


def _parse_arguments(input_model: object, arguments: Mapping[str, object]) -> MoArgs:
    parser = create_parser()
    unknown = sorted(arguments.keys() - {action.dest for action in parser._actions})
    if unknown:
        raise ConversionError(f"convert_model has no argument {unknown[0]}")
    given = {"input_model": input_model, **arguments}
    texts = {name: _as_text(value) for name, value in given.items()}
    if not (texts.get("data_type") or texts.get("compress_to_fp16")):
        texts["compress_to_fp16"] = "False"  # the command's default is True
    if texts.get("input", "").startswith("["):  # a shape without a name
        texts["input_shape"] = texts.pop("input")
    parser.exit_on_error = False
    try:
        words = [f"--{name}={text}" for name, text in texts.items() if text]
        return parser.parse_args(words, MoArgs())
    except argparse.ArgumentError as error:
        raise ConversionError(f"convert_model: {error}") from error


def _as_text(value: object) -> str:
    if _is_type(value):
        return _as_input(None, None, value)
    if hasattr(value, "tolist"):  # an array of numpy
        value = value.tolist()
    if value is None or value is False or (isinstance(value, (list, tuple, Mapping)) and not value):
        return ""
    if isinstance(value, Mapping):
        return ",".join(_as_named(name, each) for name, each in value.items())
    if isinstance(value, tuple):
        return _tuple_as_text(value)
    return _list_as_text(value) if isinstance(value, list) else str(value)


def _tuple_as_text(value: tuple[object, ...]) -> str:
    match value:
        case LayoutMap():
            return "->".join(str(layout) for layout in value if layout)
        case InputCutInfo():
            return _as_input(*value)
        case (str() as name, Mapping() as options):
            texts = [f"{option}={value}" for option, value in options.items()]
            return f"{name}[{','.join(texts)}]" if texts else name  # as --transform has it
        case (str() as name, kind) if _is_type(kind):
            return _as_input(name, None, kind)
        case (str() as name, shape, *rest) if not isinstance(shape, str):
            return _as_input(name, *sorted((shape, *rest), key=_is_type))  # the shape is first
    return _list_as_text(value)


def _list_as_text(value: Sequence[object]) -> str:
    is_shape = not any(
        isinstance(each, (str, list, tuple)) or _is_type(each) or getattr(each, "ndim", 0)
        for each in value
    )
    return f"[{','.join(map(str, value))}]" if is_shape else ",".join(map(_as_text, value))


def _as_input(name: object, shape: object, kind: object = None, constant: object = None) -> str:
    text = f"{name or ''}{_as_text(shape)}"
    if kind is not None:
        text += f"{{{_type_name(kind)}}}"
    return text if constant is None else f"{text}->{constant}"


def _is_type(value: object) -> bool:
    return isinstance(value, type) or hasattr(value, "get_type_name")


def _type_name(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    import numpy as np

    if hasattr(kind, "get_type_name"):
        return str(kind.get_type_name())
    return str(np.dtype(kind).name)


def _as_named(name: str, value: object) -> str:
    text = _as_text(value)
    return f"{name}{text}" if text.startswith("[") else f"{name}({text})"


def _run(args: MoArgs) -> int:
    require_other_file(args)
    xml = convert(args, _print_event)
    print_lines(
        "[ SUCCESS ] Generated IR version 11 model.",
        f"[ SUCCESS ] XML file: {xml}",
        f"[ SUCCESS ] BIN file: {xml.with_suffix('.bin')}",
    )
    return 0


def convert(args: MoArgs, listener: Listener) -> Path:
    """Convert the file that the arguments name, and return the path of the .xml.

    Raises:
        PosezooError: the file cannot be converted, or an argument is not carried out.
    """
    from posezoo.convert.file_conversion import NetworkChange, convert_own_file
    from posezoo.core.convert.conversion_plan import ConversionOptions
    from posezoo.omz.offline_transformations import apply_transformations, read_transformations

    spec, original = read_command_line(args)
    requested = requested_precision(spec.mo_args)
    if args.compress_to_fp16 is not None:
        requested = Precision.FP16 if args.compress_to_fp16 else Precision.FP32
    options = ConversionOptions(self_check=args.self_check != "off")
    changes = [
        NetworkChange(each.name, partial(apply_transformations, transformations=(each,)))
        for each in read_transformations(args.transform or "")
    ]
    return convert_own_file(
        spec,
        original,
        Path(args.output_dir or "."),
        requested or Precision.FP16,
        options=options,
        settings=flags.settings_from_args(args),
        batch=args.batch,
        needs_all_inputs=_has_parts_without_names(args, spec),
        changes=changes,
        listener=listener,
    )


def _has_parts_without_names(args: MoArgs, spec: ModelSpec) -> bool:
    values = vars(args)
    # The program for a detector adds inputs, such as image_info, that the file does not have.
    is_given = not args.transformations_config and any(values[name] for name in _FOR_EACH_INPUT)
    return is_given and not any(port.name for port in spec.inputs)


def require_other_file(args: MoArgs) -> None:
    """Raise an OutputError if the IR would replace the file that is converted."""
    spec, original = read_command_line(args)
    xml = Path(args.output_dir or ".") / f"{spec.name}.xml"
    for path in (xml, xml.with_suffix(".bin")):
        if path.exists() and original.exists() and path.samefile(original):
            raise OutputError(
                f"{path}: is the file to convert",
                hint="give another --output_dir, or another --model_name",
            )


def read_command_line(args: MoArgs) -> tuple[ModelSpec, Path]:
    """The model that the arguments declare, and the path of the file to convert, which may not
    exist.
    """
    _refuse_arguments(args)
    original = _named_file(args)
    is_saved_model = args.saved_model_dir is not None or original.is_dir()
    framework = _framework(args, original, is_saved_model)
    from posezoo.convert.file_conversion import declare_file

    name = _model_name(args, original)
    declared = read_given_arguments(_arguments_of_model_yml(args))
    transformation = _transformation_arguments(args, framework)
    # Of the outputs that --output names for a detector, Model Optimizer makes a single one.
    outputs = () if find_detector(transformation) else declared.outputs
    declared = MoArguments(
        declared.inputs + _other_inputs(args, declared.inputs),
        outputs,
        kept=declared.kept + transformation,
    )
    layers = Path(args.input_proto) if args.input_proto else None
    spec = declare_file(
        original, framework, name, declared, is_folder=is_saved_model, layers=layers
    )
    return spec, original / SAVED_MODEL_FILE if is_saved_model else original


def _other_inputs(args: MoArgs, declared: Sequence[Input]) -> tuple[Input, ...]:
    if not (declared and declared[-1].name):
        return ()
    texts = _arguments_of_model_yml(args)
    general = [text for text in texts if text.startswith(("--scale=", "--reverse_input_channels"))]
    return read_given_arguments(general).inputs


def _transformation_arguments(args: MoArgs, framework: Framework) -> tuple[tuple[str, str], ...]:
    config = args.transformations_config
    pipeline = args.tensorflow_object_detection_api_pipeline_config
    if config is None and pipeline is None:
        return ()
    path = Path(config or "")
    own_file = f"$dl_dir/{path.absolute()}"
    is_own = path.is_file() and (is_region_config(own_file) or path.name in REGION_CONFIGS)
    arguments = [(TRANSFORMATIONS_CONFIG, own_file if is_own else f"$mo_dir/{path.name}")]
    if pipeline is not None:
        arguments.append((PIPELINE_CONFIG, f"$dl_dir/{Path(pipeline).absolute()}"))
    is_known = is_region_config(arguments[0][1]) or find_detector(arguments)
    if is_known and framework is Framework.TF:
        return tuple(arguments)
    raise ConversionError(
        f"{TRANSFORMATIONS_CONFIG}: is not supported: {_EXPECTED_CONFIG}", hint=_REAL_MO
    )


def _refuse_arguments(args: MoArgs) -> None:
    values = vars(args)
    for usage, why in REFUSED.items():
        flag = usage.split()[0].rstrip(",")
        if values[flag.lstrip("-")] is not None:
            raise ConversionError(f"{flag}: is not supported: {why}", hint=_REAL_MO)
    for one, other in (("batch", "input_shape"), ("data_type", "compress_to_fp16")):
        if values[one] is not None and values[other] is not None:
            raise ConversionError(f"give either --{one} or --{other}")


def _named_file(args: MoArgs) -> Path:
    paths = [args.input_model, args.saved_model_dir, args.input_meta_graph]
    given = [path for path in paths if path]
    if len(given) != 1:
        raise ConversionError(
            "give one file to convert",
            hint="--input_model FILE, or --saved_model_dir DIR, or --input_meta_graph FILE",
        )
    return Path(given[0])


def framework_of(original: Path) -> str:
    """The framework of a file by the ending of its name; empty if the ending does not show it."""
    if is_paddle_3(original):
        return ""
    # All formats are imported only for a file that Model Optimizer did not know.
    framework = _FRAMEWORKS.get(original.suffix.lower()) or find_framework(original.name)
    return "" if framework == Framework.DLDT else framework  # an IR needs no conversion


def _framework(args: MoArgs, original: Path, is_saved_model: bool) -> Framework:
    framework = args.framework or ("tf" if is_saved_model else framework_of(original))
    if is_paddle_3(original):
        framework = ""  # also if --framework says paddle
    # A network in memory was saved as IR, whose framework is dldt.
    if framework not in UNREAD and FORMATS.find(framework):
        return Framework(framework)
    if framework in UNREAD:
        problem = f"{original}: files of {framework} are not read here"
        hint = UNREAD[framework]
        if original.suffix.lower() not in CHECKPOINTS:
            _, steps = explain_model_file(str(original))
            hint = steps or hint
        raise ConversionError(problem, hint=hint)
    problem, hint = explain_model_file(str(original))
    if problem and not framework:
        raise ConversionError(problem, hint=hint)
    problem = f"{original}: the ending of its name does not show the framework"
    if framework:
        problem = f"--framework {sanitize(framework)}: there is no such framework"
    readable = [name for name in FORMATS.names() if name not in (*UNREAD, Framework.DLDT)]
    raise ConversionError(problem, hint=f"give --framework {' or --framework '.join(readable)}")


def _model_name(args: MoArgs, original: Path) -> str:
    by_file = "saved_model" if args.saved_model_dir else original.stem
    name: str = args.model_name or by_file or "model"
    if "/" in name or name in (".", "..") or len(os.fsencode(name)) > MAX_LENGTH:
        raise ConversionError(
            f"--model_name {sanitize(name)}: is not the name of a file",
            hint="--output_dir names the folder",
        )
    return name


def _arguments_of_model_yml(args: MoArgs) -> list[str]:
    values = {name: getattr(args, name) for name in (*_TEXTS, *_SWITCHES)}
    for name in _OFTEN_EMPTY:  # scripts write --mean_values "" if there is none
        values[name] = values[name] or None
    texts = [f"--{name}={values[name]}" for name in _TEXTS if values[name] is not None]
    return texts + [f"--{name}" for name in _SWITCHES if values[name]]


def _print_event(event: events.Event) -> None:
    if isinstance(event, events.WarningIssued):
        printing.print_to_stderr(f"[ WARNING ]  {event.message}")
    for line in result_lines(event):
        print_lines(f"[ INFO ] {line}")


def _print_error(error: PosezooError) -> None:
    hint = error.hint
    if error.flag == "--mo":  # of converter.py
        hint = _REAL_MO
    if isinstance(error, SelfCheckError) and error.flag != "--require_proof":
        hint = "nothing was written; --self_check off writes the IR without this comparison"
    printing.print_to_stderr(f"[ ERROR ]  {error.problem}")
    if hint:
        printing.print_to_stderr(f"  hint: {hint}")
