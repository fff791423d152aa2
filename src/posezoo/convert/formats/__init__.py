"""Formats of published models: how each is recognised, read by OpenVINO, and run for the self-check.

A new format is a module with one ``ModelFormat``, and a line in ``FORMATS``. The modules are light: what
reads or runs a model is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from posezoo.plugins import LazyTable
from posezoo.spec.model import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    TensorSignature = tuple[tuple[int, ...], np.dtype[Any]]

Shape = tuple[int, ...]

# For sizes that a network leaves open: one image, with sides that all strides divide.
_DEFAULT_SIZES = {"N": 1, "H": 128, "W": 128}


class ReferenceRuntime(Protocol):
    """Runs an original model.

    Attributes:
        name: of the runtime, with its version.
        inputs: shape and type by name.
        outputs: their names.
    """

    name: str
    inputs: Mapping[str, TensorSignature]
    outputs: Collection[str]

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name."""


#: Opens a verified file with these input shapes, by name; None if the runtime is missing or cannot run it.
OpenRuntime = Callable[[ModelSpec, Path, Mapping[str, Shape]], ReferenceRuntime | None]


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """One format of published models.

    Attributes:
        kind: what such a file is called in messages.
        recognises: whether a file has this format, by its content.
        frontend: the name of OpenVINO's frontend that reads it.
        image_layout: the layout of images that is customary for it; empty: none.
        external_files: further files that a reader opens, relative to the file's folder; raises
            ProtobufError if the file is damaged.
        openvino_input: what OpenVINO reads: a path, or ONNX that is made from the file.
        cut_before_conversion: lets an OpenVINO InputModel end at the outputs of these names.
        runtime_module: the module of a runtime other than OpenVINO; empty: none.
        open_runtime: runs the original with that runtime.
        by_file_name: other formats of the same framework, by how their files' names end.
    """

    kind: str
    recognises: Callable[[Path], bool]
    frontend: str
    image_layout: str
    external_files: Callable[[Path], Collection[str]] = lambda path: ()
    openvino_input: Callable[[ModelSpec, Path], Path | bytes] = lambda spec, path: path
    cut_before_conversion: Callable[[Any, Sequence[str]], None] | None = None
    runtime_module: str = ""
    open_runtime: OpenRuntime | None = None
    by_file_name: Mapping[str, ModelFormat] = field(default_factory=dict)


#: By framework; a format is added here or by an installed package.
FORMATS: LazyTable[ModelFormat] = LazyTable(
    "posezoo.formats",
    ModelFormat,
    {
        "pytorch": "posezoo.convert.formats.pytorch:PYTORCH",
        "onnx": "posezoo.convert.formats.onnx:ONNX",
        "tf": "posezoo.convert.formats.tensorflow:FROZEN_GRAPH",
        "tflite": "posezoo.convert.formats.tflite:TFLITE",
    },
)


def image_layout(framework: str) -> str:
    """The customary layout of a framework's images, which Model Optimizer assumes too; empty: unknown."""
    model_format = FORMATS.find(framework)
    return model_format.image_layout if model_format else ""


def with_default_sizes(shape: Sequence[int], layout: str) -> Shape:
    """A shape whose open sizes, below 0, are replaced: 1 image, 128 high and wide, 1 for all others."""
    axes = layout or ("N" + "H" * len(shape))[: len(shape)]
    return tuple(
        _DEFAULT_SIZES.get(axis, 1) if size < 0 else size for axis, size in zip(axes, shape, strict=True)
    )


def import_runtime(module: str) -> Any | None:
    """The module of a reference runtime; None if it is not installed.

    The import takes a tenth of a second, which a caller can spend while it waits for something else.
    """
    try:
        return import_module(module) if module else None
    except (ImportError, OSError):  # OSError: a system library is missing
        return None
