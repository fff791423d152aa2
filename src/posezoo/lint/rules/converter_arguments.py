"""Arguments for the converter and for the export to ONNX, against each other and against the files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ConverterArgument, ModelView, node_location
from posezoo.lint.rule import Rule
from posezoo.lint.text_comparison import is_misspelling
from posezoo.spec.mo_args import OTHER_ORIGINALS, TYPED
from posezoo.spec.model import UnpackArchive
from posezoo.spec.supported_mo_args import CARRIED_OUT

#: Flags that Open Model Zoo's converter passes by itself.
GENERATED = ("--data_type", "--framework", "--model_name", "--output_dir")
#: Further flags of Model Optimizer (mo --help) and of Open Model Zoo's export to ONNX.
CONVERTER = (
    *TYPED, *OTHER_ORIGINALS, *CARRIED_OUT, *GENERATED, "--input_proto", "--transformations_config",
    "--tensorflow_object_detection_api_pipeline_config", "--tensorflow_custom_operations_config_update",
    "--tensorflow_use_custom_operations_config", "--disable_nhwc_to_nchw", "--input_checkpoint",
    "--extensions",
    "--source_layout", "--target_layout", "--input_symbol", "--nd_prefix_name", "--legacy_mxnet_model",
    "--use_shape_information", "--tensorboard_logdir", "--disable_fusing", "--caffe_parser_path",
    "--mean_file",
    "--saved_model_tags", "--tensorflow_custom_layer_libraries", "--input_model_is_text", "--counts",
)  # fmt: skip
EXPORT = (
    "--model-name", "--model-path", "--model-param", "--import-module", "--weights", "--input-names",
    "--input-shapes", "--input-shape", "--output-names", "--output-file", "--inputs-dtype",
    "--conversion-param",
    "--opset_version", "--model-loader",
)  # fmt: skip


def _dead_paths(view: ModelView) -> Iterator[RuleViolation]:
    """A file that an argument names is downloaded, made by the export, or lies beside the model.yml."""
    spec = view.spec
    if spec is None:
        return
    files = {file.name for file in spec.files}
    folders = {name[: index + 1] for name in files for index in range(len(name)) if name[index] == "/"}
    unpacked = any(isinstance(step, UnpackArchive) for step in spec.postprocessing)
    exported = {argument.value for argument in view.export_arguments if argument.flag == "--output-file"}
    for each in (*view.arguments, *view.export_arguments):
        for root, path in re.findall(r"\$(dl_dir|conv_dir)/([A-Za-z0-9_./ -]{1,300})", each.value):
            path = path.rstrip("/")
            if each.flag == "--output-file":
                continue
            if root == "dl_dir" and not unpacked and path not in files and f"{path}/" not in folders:
                yield _dead(each, f"$dl_dir/{path}", "none of the files is called so")
            elif (
                root == "conv_dir"
                and each.flag == "--input_model"
                and exported
                and f"$conv_dir/{path}" not in exported
            ):
                yield _dead(each, f"$conv_dir/{path}", f"the export writes {', '.join(sorted(exported))}")


def _dead(argument: ConverterArgument, path: str, reason: str) -> RuleViolation:
    node = argument.node
    return RuleViolation(
        FileLocation(node.file, node.line, node.column),
        f"{argument.flag} names {path}: {reason}",
        node.field_path,
        path,
    )


def _generated_flags(view: ModelView) -> Iterator[RuleViolation]:
    """A flag that the converter passes by itself is not given once more."""
    for argument in view.arguments:
        if argument.flag in GENERATED:
            yield RuleViolation(
                node_location(argument.node, view.entry.path),
                f"{argument.flag} is passed by the converter itself",
                argument.node.field_path,
                str(argument.node.value),
            )


def _misspelt_flags(view: ModelView) -> Iterator[RuleViolation]:
    """A flag is one that the converter or the export knows."""
    for arguments, known in ((view.arguments, CONVERTER), (view.export_arguments, EXPORT)):
        for argument in arguments:
            if argument.flag.startswith(("--", "-")) and not any(
                flag.startswith(argument.flag) for flag in known
            ):
                meant = next((flag for flag in known if is_misspelling(argument.flag, flag)), "")
                if (
                    meant
                    or argument.flag.replace("-", "_") in known
                    or argument.flag.replace("_", "-") in known
                ):
                    meant = meant or next(
                        f for f in known if f.replace("_", "-") == argument.flag.replace("_", "-")
                    )
                    yield RuleViolation(
                        node_location(argument.node, view.entry.path),
                        f"there is no flag {argument.flag}: {meant} is meant",
                        argument.node.field_path,
                        argument.flag,
                        meant,
                    )


def _dead_keys(view: ModelView) -> Iterator[RuleViolation]:
    """A key that nothing will ever use is left out."""
    spec = view.spec
    if spec is None:
        return
    if spec.is_ir:
        for key in ("model_optimizer_args", "conversion_to_onnx_args", "quantizable"):
            if view.node(key) is not None:
                yield RuleViolation(
                    view.location(key), f"{key} is never used: the model is published as IR", key
                )
    original = view.argument("--input_model") or view.argument("-m")
    if view.export_arguments and original is not None and not original.value.startswith("$conv_dir"):
        yield RuleViolation(
            view.location("conversion_to_onnx_args"),
            f"conversion_to_onnx_args is never used: {original.value} is converted",
            "conversion_to_onnx_args",
        )


def _exported_ends(view: ModelView) -> Iterator[RuleViolation]:
    """What the export to ONNX calls its inputs and outputs is what the converter asks for."""
    for exported, requested in (("--input-names", "--input"), ("--output-names", "--output")):
        one = next((argument for argument in view.export_arguments if argument.flag == exported), None)
        other = view.argument(requested)
        if one is None or other is None:
            continue
        names = {name.strip() for name in one.value.split(",")}
        wanted = [name.strip() for name in other.value.split(",")]
        if missing := [name for name in wanted if name not in names]:
            yield RuleViolation(
                node_location(other.node, view.entry.path),
                f"{requested} asks for {', '.join(missing)}, which the export calls {one.value}",
                other.node.field_path,
                other.value,
                one.value,
            )
    shape = exported_shape(view)
    asked_shape = view.argument("--input_shape")
    if shape is not None and asked_shape is not None:
        one_sizes, other_sizes = (re.findall(r"-?[0-9]+", each.value) for each in (shape, asked_shape))
        if one_sizes != other_sizes:
            yield RuleViolation(
                node_location(asked_shape.node, view.entry.path),
                f"--input_shape is {asked_shape.value}, the export's {shape.flag} {shape.value}",
                asked_shape.node.field_path,
                asked_shape.value,
                shape.value,
            )


def exported_shape(view: ModelView) -> ConverterArgument | None:
    """The argument that gives the export to ONNX its inputs' shapes, or None."""
    whole = "--input-shapes"
    return next(
        (
            argument
            for argument in view.export_arguments
            if whole.startswith(argument.flag) and len(argument.flag) > 12
        ),
        None,
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "dead-path",
        Severity.ERROR,
        "A file that an argument names is among the files, or is what the export writes.",
        "--input_model=$dl_dir/net.onnx, and the only file is called model.onnx",
        _dead_paths,
    ),
    Rule(
        "generated-flag",
        Severity.ERROR,
        "A flag that the converter passes by itself is not given: twice, one of the two loses.",
        "--model_name=my-model in model_optimizer_args",
        _generated_flags,
    ),
    Rule(
        "misspelt-flag",
        Severity.ERROR,
        "A flag is one that the converter or the export to ONNX knows.",
        "--revers_input_channels",
        _misspelt_flags,
    ),
    Rule(
        "dead-key",
        Severity.ERROR,
        "A key that nothing will ever use is left out: it only misleads.",
        "conversion_to_onnx_args, where --input_model names a downloaded file",
        _dead_keys,
    ),
    Rule(
        "export-mismatch",
        Severity.ERROR,
        "Names and shapes of the export to ONNX are those that the converter asks for.",
        "--output-names=prob in one list, --output=softmax in the other",
        _exported_ends,
    ),
)
