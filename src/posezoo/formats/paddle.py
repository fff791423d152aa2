"""PaddlePaddle's inference models, up to version 2: the .pdmodel, and its .pdiparams beside it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from posezoo.core.convert.formats import ModelFormat
from posezoo.core.convert.protobuf_reader import (
    LENGTH,
    find_messages,
    has_fields,
    map_file,
    read_fields,
    read_texts,
)

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


FORMAT = ModelFormat(
    "a PaddlePaddle model",
    lambda path: has_fields(path, _PROGRAM, needed=1),
    frontend="paddle",
    image_layout="NCHW",
    endings=(".pdmodel",),
    external_files=_find_parameters,
)
