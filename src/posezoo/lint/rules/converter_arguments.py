"""Rules on the arguments for the converter and for the export to ONNX."""

from __future__ import annotations

import re

from posezoo.core.declarations.model import UnpackArchive
from posezoo.lint.accuracy_check_yml import list_below
from posezoo.lint.finding import RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule

_PATH = re.compile(r"\$(dl_dir|conv_dir)/([^,;:$\[\]\"'\r\n]{1,300})")
#: Flags that Open Model Zoo's converter adds itself.
GENERATED = ("--data_type", "--framework", "--model_name", "--output_dir")
#: Flags that it makes from the keys of input_info.
FROM_INPUT_INFO = {"name": "--input", "shape": "--input_shape", "layout": "--layout"}


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
    if root == "conv_dir":
        outputs = [each.value for each in view.export_arguments if each.flag == "--output-file"]
        return not outputs or flag != "--input_model" or f"$conv_dir/{name}" in outputs
    is_packed = any(isinstance(step, UnpackArchive) for step in view.spec.postprocessing)
    return is_packed or any(f"{file.name}/".startswith(f"{name}/") for file in view.spec.files)


@rule()
def generated_flag(view: ModelView) -> Violations:
    """A flag that the converter adds itself is not given: one of the two values would be lost. One
    that says the same as input_info is a warning.

    Example: --model_name=my-model in model_optimizer_args
    """
    inputs = list_below(view.model_yml, "input_info")
    keys = {key for port in inputs if isinstance(port.value, dict) for key in port.value}
    repeated = [flag for key, flag in FROM_INPUT_INFO.items() if key in keys]
    for argument in view.arguments:
        if argument.flag in (*GENERATED, *repeated):
            severity = Severity.WARNING if argument.flag in repeated else None
            message = f"the converter adds {argument.flag} itself"
            text = str(argument.node.value)
            yield RuleViolation(argument.node, message, actual=text, severity=severity)
