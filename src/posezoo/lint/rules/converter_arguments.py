"""Rules on the arguments for the converter and for the export to ONNX."""

from __future__ import annotations

import re

from posezoo.core.declarations.mo_args import OTHER_ORIGINALS, TYPED
from posezoo.core.declarations.model import UnpackArchive
from posezoo.core.declarations.supported_mo_args import CARRIED_OUT
from posezoo.lint.accuracy_check_yml import list_below
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.text_comparison import find_intended
from posezoo.networks import export_arguments

_PATH = re.compile(r"\$(dl_dir|conv_dir|config_dir)/([^,;:$\[\]\"'\r\n]{1,300})")
#: Flags that Open Model Zoo's converter adds itself.
GENERATED = ("--data_type", "--framework", "--model_name", "--output_dir")
#: Flags that it makes from the keys of input_info.
FROM_INPUT_INFO = {"name": "--input", "shape": "--input_shape", "layout": "--layout"}
#: Further flags of Model Optimizer (mo --help) and of Open Model Zoo's export to ONNX.
CONVERTER = (
    *TYPED, *OTHER_ORIGINALS, *CARRIED_OUT, *GENERATED, "--input_proto", "--transformations_config",
    "--tensorflow_object_detection_api_pipeline_config",
    "--tensorflow_custom_operations_config_update", "--tensorflow_use_custom_operations_config",
    "--disable_nhwc_to_nchw", "--input_checkpoint", "--extensions", "--source_layout",
    "--target_layout", "--input_symbol", "--nd_prefix_name", "--mean_file",
    "--use_shape_information", "--tensorboard_logdir", "--disable_fusing", "--caffe_parser_path",
    "--counts", "--saved_model_tags", "--tensorflow_custom_layer_libraries",
    "--input_model_is_text", "--legacy_mxnet_model",
)  # fmt: skip
#: Flags that give the export the shapes of its inputs.
EXPORTED_SHAPES = ("--input-shape", "--input-shapes")
EXPORT = (*export_arguments.FLAGS, "--input-shape", "--model-loader")


@rule()
def dead_path(view: ModelView) -> Violations:
    """A file that an argument or the checkpoint names is among the files or their contents, or is
    what the export writes.

    Example: --input_model=$dl_dir/net.onnx, and the only file is called model.onnx
    """
    for variant in view.variants:
        members = {member for file in variant.files for member in file.contains}
        listed = members.union(variant.file_names, [""])
        if members and variant.checkpoint not in listed:
            message = f"{variant.checkpoint} is not among the files, nor among what they contain"
            place = view.variant_location(variant, "checkpoint")
            yield RuleViolation(place, message, "checkpoint", variant.checkpoint)
    for argument in (*view.arguments, *view.export_arguments):
        for root, name in _PATH.findall(argument.value):
            if not _may_exist(view, argument.flag, root, name.rstrip("/")):
                path = f"${root}/{name}"
                message = f"{argument.flag} names {path}, which is not a file of the model"
                yield RuleViolation(argument.node, message, actual=path)


def _may_exist(view: ModelView, flag: str, root: str, name: str) -> bool:
    """Whether a file or a folder that an argument names may exist."""
    if not view.variants or flag == "--output-file":
        return True
    if root == "config_dir":
        return not view.zoo.lacks_file(str(view.folder / name))
    if root == "conv_dir":
        outputs = [each.value for each in view.export_arguments if each.flag == "--output-file"]
        return not outputs or flag != "--input_model" or f"$conv_dir/{name}" in outputs
    is_packed = any(isinstance(step, UnpackArchive) for step in view.spec.postprocessing)
    return is_packed or any(f"{file.name}/".startswith(f"{name}/") for file in view.spec.files)


@rule()
def generated_flag(view: ModelView) -> Violations:
    """A flag that the converter adds itself, also from input_info, is not given: one of the two
    values would be lost.

    Example: --model_name=my-model in model_optimizer_args
    """
    inputs = list_below(view.model_yml, "input_info")
    keys = {key for port in inputs if isinstance(port.value, dict) for key in port.value}
    generated = (*GENERATED, *(flag for key, flag in FROM_INPUT_INFO.items() if key in keys))
    for argument in view.arguments:
        if argument.flag in generated:
            message = f"the converter adds {argument.flag} itself"
            yield RuleViolation(argument.node, message, actual=str(argument.node.value))


@rule()
def misspelt_flag(view: ModelView) -> Violations:
    """A flag is one that the converter or the export to ONNX knows.

    Example: --revers_input_channels
    """
    for arguments, flags in ((view.arguments, CONVERTER), (view.export_arguments, EXPORT)):
        for argument in arguments:
            # argparse accepts an abbreviated flag.
            is_known = any(flag.startswith(argument.flag) for flag in flags)
            intended = "" if is_known else find_intended(argument.flag, flags)
            if argument.flag.startswith("-") and intended:
                message = f"there is no flag {argument.flag}: did you mean {intended}?"
                yield RuleViolation(argument.node, message, actual=argument.flag, expected=intended)
