"""PaddlePaddle's inference models, up to version 2: the .pdmodel, and its .pdiparams beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posezoo.core.convert.formats import ModelFormat
from posezoo.core.convert.protobuf_reader import LENGTH, has_fields
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import import_optional
from posezoo.core.ir.openvino_import import import_openvino

# ProgramDesc of framework.proto; its blocks are field 1.
_PROGRAM = {1: LENGTH, 4: LENGTH, 5: LENGTH}


def _convert_arg_max(node: Any) -> dict[str, list[Any]]:
    """OpenVINO's operations of an arg_max."""
    operations = import_openvino().opset8
    data, axis = node.get_input("X"), node.get_attribute("axis")
    if node.get_attribute("flatten"):
        data, axis = operations.reshape(data, [-1], special_zero=False), 0
    indices = operations.topk(data, 1, axis, "max", "index", index_element_type="i64").output(1)
    if not node.get_attribute("keepdims"):
        indices = operations.squeeze(indices, axis).output(0)
    return {"Out": [indices]}


def _read(_spec: ModelSpec, path: Path) -> Any:
    """The network; OpenVINO 2026.4.1 itself refuses an arg_max whose axis counts from the end."""
    frontend = import_openvino().frontend.FrontEndManager().load_by_framework("paddle")
    extensions = import_optional("openvino.frontend.paddle", extra="run")
    frontend.add_extension(extensions.ConversionExtension("arg_max", _convert_arg_max))
    return frontend.convert(frontend.load(path))


FORMAT = ModelFormat(
    "a PaddlePaddle model",
    lambda path: has_fields(path, _PROGRAM, needed=1),
    frontend="paddle",
    image_layout="NCHW",
    read_network=_read,
    endings=(".pdmodel",),
    external_files=lambda path: (path.with_suffix(".pdiparams").name,),
)
