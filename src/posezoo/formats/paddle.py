"""PaddlePaddle's inference models, up to version 2: the .pdmodel, and its .pdiparams beside it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from posezoo.core.convert.formats import ModelFormat
from posezoo.core.convert.protobuf_reader import (
    LENGTH,
    find_messages,
    has_fields,
    map_file,
    read_fields,
    read_texts,
)
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.ir.openvino_import import import_openvino

# ProgramDesc of framework.proto; its blocks are field 1.
_PROGRAM = {1: LENGTH, 4: LENGTH, 5: LENGTH}


def _find_parameters(path: Path) -> Collection[str]:
    """The file of the parameters, if a variable is stored there; OpenVINO opens no other."""
    with map_file(path) as buffer:
        for variable in find_messages(buffer, 1, 3):  # the blocks, their variables
            (names,) = read_texts(buffer, variable, 1)
            is_persistable = any(
                field.number == 3 and buffer[field.start] for field in read_fields(buffer, variable)
            )
            if is_persistable and names not in (["feed"], ["fetch"]):
                return (path.with_suffix(".pdiparams").name,)
    return ()


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
    from openvino.frontend.paddle import ConversionExtension

    frontend.add_extension(ConversionExtension("arg_max", _convert_arg_max))
    return frontend.convert(frontend.load(path))


FORMAT = ModelFormat(
    "a PaddlePaddle model",
    lambda path: has_fields(path, _PROGRAM, needed=1),
    frontend="paddle",
    image_layout="NCHW",
    read_network=_read,
    endings=(".pdmodel",),
    external_files=_find_parameters,
)
