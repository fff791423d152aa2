"""TFLite models; Google's LiteRT computes their reference outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.convert.formats import ModelFormat, ReferenceRuntime, Shape, import_runtime
from posezoo.spec.model import ModelSpec
from posezoo.versions import package_version

if TYPE_CHECKING:
    from posezoo.convert.formats import Array

_MODULE = "ai_edge_litert.interpreter"


def is_tflite(path: Path) -> bool:
    """Whether a FlatBuffers file has TFLite's identifier, "TFL3", after the first offset (schema.fbs)."""
    with open(path, "rb") as stream:
        return stream.read(8)[4:] == b"TFL3"


def _cut_at_tensors(input_model: Any, outputs: Sequence[str]) -> None:
    """Make the network end at inner tensors; this frontend loses their names when it converts the network."""
    names = {name for place in input_model.get_outputs() for name in place.get_names()}
    places = [input_model.get_place_by_tensor_name(name) for name in outputs]
    if not names.issuperset(outputs) and all(places):
        input_model.override_all_outputs(places)


def _open_runtime(_spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]) -> ReferenceRuntime | None:
    module = import_runtime(_MODULE)
    if module is None:
        return None
    import numpy as np

    interpreter = module.Interpreter(
        model_path=str(path),
        # The default delegate is faster and less exact.
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for port in interpreter.get_input_details():
        size = sizes.get(port["name"])
        if size is not None and tuple(port["shape"]) != size:
            interpreter.resize_tensor_input(port["index"], size)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    signatures = {port["name"]: (tuple(map(int, port["shape"])), np.dtype(port["dtype"])) for port in inputs}

    def run(feed: Mapping[str, Array]) -> dict[str, Array]:
        for port in inputs:
            interpreter.set_tensor(port["index"], feed[port["name"]])
        interpreter.invoke()
        return {port["name"]: interpreter.get_tensor(port["index"]) for port in outputs}

    name = f"LiteRT {package_version('ai-edge-litert')}"
    return ReferenceRuntime(name, signatures, [port["name"] for port in outputs], run)


TFLITE = ModelFormat(
    "a TFLite model",
    is_tflite,
    frontend="tflite",
    image_layout="NHWC",
    cut_before_conversion=_cut_at_tensors,
    runtime_module=_MODULE,
    open_runtime=_open_runtime,
)
