"""posezoo convert: convert published files, or the user's own, to OpenVINO IR, and verify it by a
self-check.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posezoo.cli import flags, model_jobs
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.cli.model_argument import is_checkpoint_file
from posezoo.cli.model_jobs import Answer
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.events import Listener
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context
from posezoo.omz.own_files import OwnFileArgs, convert_own_file, is_own_file

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


class _ConvertArgs(OwnFileArgs):
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
    """The one model, or network, with the user's own weights."""
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
    """Write the ONNX file of each selected model, or show what would be written."""
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
