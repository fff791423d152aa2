"""Reads the files that declare networks: their inputs, outputs, and the arguments that depend on
the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.model import ColorOrder, Input, SelfCheckSettings
from posezoo.networks.definition import (
    NetworkArgument,
    NetworkDefinition,
    ReadArgument,
    Shapes,
    Tensors,
)

if TYPE_CHECKING:
    from posezoo.core.arrays import Array

Adapter = Callable[[Tensors], "dict[str, Array]"]

# ImageNet's mean and standard deviation, (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225), times
# 255.
_MEAN = (123.675, 116.28, 103.53)
_SCALE = (58.395, 57.12, 57.375)


def read_catalog(file: Path) -> dict[str, dict[str, Any]]:
    """The fields of each network in a JSON file, by its name: ``class`` (its torch module), and
    those of ``read_definition``.
    """
    return json.loads(file.read_text("utf-8"))


def read_definition(
    name: str, fields: Mapping[str, Any], package: str, adapt: Adapter
) -> NetworkDefinition:
    """A network from its fields in a catalog.

    Most are those of ``NetworkDefinition``. The ``input`` has a name, height and width, and color,
    mean and scale (by default RGB with ImageNet's); without it, there is only the ``shape`` of an
    image whose color a model.yml declares. An argument has its default; a ``range`` of numbers (1
    to 512 without one), or the ``allowed`` values; and what shows it in a checkpoint: a key of
    ``_READERS``. A classifier has ``last_layer``, the key of the layer whose outputs are the
    classes, and the number of ``classes`` of the published checkpoint.

    Args:
        package: of the ``class``.
        adapt: ``NetworkDefinition.adapt_tensors``.
    """
    arguments = dict(fields.get("arguments", {}))
    if "last_layer" in fields:
        arguments["classes"] = {
            "default": fields.get("classes", 1000),
            "range": (1, 100_000),
            "size_of": f"{fields['last_layer']}.weight",
        }
    return NetworkDefinition(
        name,
        f"{package}.{fields['class']}",
        _read_input(fields),
        tuple(fields.get("outputs", ["output"])),
        arguments={each: _read_argument(arguments[each]) for each in arguments},
        fixed=fields.get("fixed", {}),
        self_check=SelfCheckSettings(**fields.get("self_check", {})),
        ir_order=tuple(fields.get("ir_order", ())),
        adapt_tensors=adapt,
        stride=fields.get("stride", 0),
    )


def _read_input(fields: Mapping[str, Any]) -> Input:
    if "input" not in fields:
        return Input("input", tuple(fields.get("shape", (1, 3, 224, 224))), "NCHW")
    declared = fields["input"]
    color = ColorOrder(declared.get("color", "RGB"))
    return Input(
        declared["name"],
        (1, 3, *declared["size"]),
        "NCHW",
        color,
        mean=tuple(declared.get("mean", _MEAN)),
        scale=tuple(declared.get("scale", _SCALE)),
        # The IR takes BGR, like all IR of the zoo.
        reverse_input_channels=color is ColorOrder.RGB,
    )


def _read_argument(fields: Mapping[str, Any]) -> NetworkArgument:
    least, most = fields.get("range", (1, 512))
    allowed = tuple(fields.get("allowed", ())) or range(least, most + 1)
    readers = [read(fields[kind]) for kind, read in _READERS.items() if kind in fields]
    return NetworkArgument(fields["default"], allowed, *readers)


def _count_numbers(name: str) -> ReadArgument:
    """2 for ``name.0.weight`` and ``name.1.weight``."""

    def read(shapes: Shapes) -> int | None:
        parts = (key.split(".") for key in shapes if key.startswith(f"{name}."))
        if shapes:
            return len({number for _, number, *_ in parts if number.isdecimal()})
        return None

    return read


# What shows an argument in the shapes of a checkpoint.
_READERS: Mapping[str, Callable[[str], ReadArgument]] = {
    # The first size of this tensor, mostly the output channels of a convolution.
    "size_of": lambda key: lambda shapes: next(iter(shapes.get(key, ())), None),
    "numbers_of": _count_numbers,
    "presence_of": lambda key: lambda shapes: key in shapes,
}
