"""Formats of published models: how each is recognised, read by OpenVINO, and run for the
self-check.

Features and installed packages add them; their modules are imported when a model needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import MissingPackageError, import_optional
from posezoo.core.plugins import LazyTable
from posezoo.core.regular_files import read_beginning
from posezoo.core.values import frozen

if TYPE_CHECKING:
    import numpy as np
    from openvino import Model

    from posezoo.core.arrays import Array, NamedArrays

    TensorSignature = tuple[tuple[int, ...], np.dtype[Any]]

Shape = tuple[int, ...]

# Height and width for dynamic sizes, from the first that is tried to the last. Unequal ones show
# whether the two were exchanged; some networks take squares only, or short sequences.
DEFAULT_SIDES = ((128, 160), (128, 128), (16, 16))


#: The name of an operation of an IR, and the number of its output.
Tensor = tuple[str, int]

#: A tensor of an IR, and the order of its axes in which the original has them; an empty order is
#: the same one.
Partner = tuple[Tensor, Shape]


class Step(Enum):
    """How an operation turns a rounding of what it takes into a jump of what it makes.

    Attributes:
        EXACT: it only rounds, compares or chooses, so each program makes the same of the same
            values.
        EDGED: it also computes, so a value on an edge may fall to either side.
        CLOSED: there is a step somewhere inside, as in a loop.
    """

    EXACT = "exact"
    EDGED = "edged"
    CLOSED = "closed"


@frozen
class OriginalNode:
    """An operation of an original that depends on the values of an input.

    Attributes:
        title: its name and type.
        inputs: the tensors that it takes, but for those that depend on no value of an input.
        step: None if it is none.
    """

    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    step: Step | None = None


@frozen
class OriginalGraph:
    """The operations of an original in order, and the names of its tensors of floats.

    Attributes:
        sources: the tensor of which another one is a copy, by the name of the copy.
    """

    nodes: Sequence[OriginalNode]
    floats: Collection[str]
    sources: Mapping[str, str] = field(default_factory=dict)


#: Computes tensors by name from the inputs by name.
Run = Callable[["NamedArrays"], "dict[str, Array]"]


@frozen
class InnerTensors:
    """Gives the tensors inside of an original."""

    #: The partners in an IR (``openvino.Model``) by the names of the original's tensors, in the
    #: order of the original.
    find_partners: Callable[[Any], Mapping[str, Partner]]
    #: Returns what computes the tensors with these names from the inputs and from the values of
    #: some inner tensors, which replace what the original computes there; arrays of their types are
    #: given by name.
    open: Callable[[Sequence[str], NamedArrays], Run]
    #: Its operations; None if they cannot be read.
    read_graph: Callable[[], OriginalGraph | None] = lambda: None


@frozen
class ReferenceRuntime:
    """Runs an original model."""

    name: str  # the name of the runtime, with its version
    inputs: Mapping[str, TensorSignature]  # shape and type of each input by its name
    outputs: Collection[str]  # the names of the outputs
    #: Computes all outputs by name from the inputs by name.
    run: Callable[[NamedArrays], dict[str, Array]]
    #: The same for several inputs, if a runtime can do this faster than one by one.
    run_several: Callable[[Sequence[NamedArrays]], list[dict[str, Array]]] | None = None
    is_independent: bool = True  # whether it shares no reader of the original with the conversion
    float_inputs: Collection[str] = ()  # the integer inputs that also take float32
    in_levels: bool = False  # whether it computes in integers what an IR computes in floats
    inner: InnerTensors | None = None  # None if it gives outputs only
    #: Opens the original in the same runtime, in double precision where it has that; returns None
    #: if the runtime cannot run it so.
    open_double: Callable[[], ReferenceRuntime | None] = lambda: None
    single: ReferenceRuntime | None = None  # of one in double precision: that in single precision

    def run_all(self, feeds: Sequence[NamedArrays]) -> list[dict[str, Array]]:
        """All outputs by name, for each of several inputs."""
        if self.run_several:
            return self.run_several(feeds)
        return list(map(self.run, feeds))


class UnknownOperationError(RuntimeError):
    """A runtime cannot run a file; the text has the runtime's own words."""


#: Opens a verified file with these input shapes (by name); returns None if the runtime is missing
#: or not made for the file. An UnknownOperationError if it lacks an operation, another RuntimeError
#: if the file is damaged.
OpenRuntime = Callable[[ModelSpec, Path, Mapping[str, Shape]], ReferenceRuntime | None]


@frozen
class ModelFormat:
    """One format of published models."""

    kind: str  # the name of such a file in messages
    recognises: Callable[[Path], bool]  # whether the content of a file has this format
    frontend: str  # the name of OpenVINO's frontend that reads it
    image_layout: str  # the usual layout of images in this format; empty if there is none
    #: The further files that a reader opens, relative to the file's folder; raises ProtobufError if
    #: the file is damaged.
    external_files: Callable[[Path], Collection[str]] = lambda path: ()
    #: The input of OpenVINO: a path, or the content of a file for its frontend.
    openvino_input: Callable[[ModelSpec, Path], Path | bytes] = lambda spec, path: path
    #: Reads a verified file as an ``openvino.Model``, instead of a frontend of OpenVINO.
    read_network: Callable[[ModelSpec, Path], Any] | None = None
    #: The outputs that the file itself declares, in its order: the name of each tensor by the
    #: output's title; empty if it declares none.
    output_names: Callable[[Path], Mapping[str, str]] = lambda path: {}
    #: The tensors that nodes make, by the names of the nodes, if OpenVINO does not keep these.
    node_outputs: Callable[[Path], Mapping[str, str]] = lambda path: {}
    #: Makes an OpenVINO InputModel begin at the model's inputs, and end at the outputs with these
    #: names, where they are inside the graph.
    cut_before_conversion: Callable[[Any, ModelSpec, Sequence[str]], None] | None = None
    #: What OpenVINO does if it runs the original for the self-check; "compared with OpenVINO
    #: 2026.4.1, ..."
    shared_reading: str = "reading the original as it did for the IR"
    runtime_module: str = ""  # the module of a runtime other than OpenVINO; empty if there is none
    open_runtime: OpenRuntime | None = None  # opens the original in that runtime
    #: The weights that a file contains; it may leave out some.
    read_weights: Callable[[ModelSpec, Path], Iterable[Array]] = lambda spec, path: ()
    #: The ends of the names of files to convert, in lower case, for ``posezoo new``.
    endings: tuple[str, ...] = ()
    #: Other formats of the same framework, by the last characters of their files' names.
    by_file_name: Mapping[str, ModelFormat] = field(default_factory=dict)


def is_ir(path: Path) -> bool:
    """Whether a file looks like the .xml of an IR; not if it cannot be read."""
    with suppress(OSError):
        head = read_beginning(path, 4096)
        return "<net " in head and "<layers>" in head
    return False


#: The formats by framework; a feature or an installed package can add one.
FORMATS = LazyTable("posezoo.formats", ModelFormat, {})


def find_same_names(ir: Model, names: Iterable[str]) -> dict[str, Partner]:
    """The tensors of an IR, an ``openvino.Model``, by the names that the original has, too, in the
    order of these.

    A tensor has the names of all operations that are left out after it.
    """
    tensors = {
        name: (node.get_friendly_name(), number)
        for node in ir.get_ordered_ops()
        if node.get_type_name() != "Result"  # it has the names of what it ends
        for number, port in enumerate(node.outputs())
        for name in port.names
    }
    return {name: (tensors[name], ()) for name in names if name in tensors}


def image_layout(framework: str) -> str:
    """The usual layout of a framework's images, which Model Optimizer also assumes; empty if
    unknown.
    """
    model_format = FORMATS.find(framework)
    return model_format.image_layout if model_format else ""


def with_default_sizes(
    shape: Sequence[int], layout: str, sides: tuple[int, int] = DEFAULT_SIDES[0]
) -> Shape:
    """The shape with its dynamic sizes (below 0) replaced by these sides, and 1 for all others.

    Without a layout, the first axis is the batch, and the next dynamic one the height.
    """
    if not layout:
        is_open = [size < 0 for size in shape]
        layout = "".join("W" if any(is_open[1:axis]) else "H" for axis in range(len(shape)))
        layout = f"N{layout[1:]}"[: len(shape)]
    defaults = dict(zip("HW", sides, strict=True))
    return tuple(
        defaults.get(axis, 1) if size < 0 else size
        for axis, size in zip(layout, shape, strict=True)
    )


def import_runtime(module: str) -> Any | None:
    """The module of a reference runtime; None if it is not installed. The import takes 0.1 s."""
    try:
        return import_optional(module, extra="convert") if module else None
    except (MissingPackageError, OSError):  # OSError: a system library is missing
        return None
