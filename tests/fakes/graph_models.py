"""Small TensorFlow.js graph models, written as tensorflowjs_converter writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fakes.network import source_file
from posezoo.core.declarations.model import Family, Framework, Input, License, ModelSpec, Output
from posezoo.core.layout import ModelLayout

FLOAT = {"type": "DT_FLOAT"}


def shape_of(*sizes: int) -> dict[str, Any]:
    """A TensorShapeProto in JSON, which omits a size of 0."""
    return {"dim": [{"size": str(size)} if size else {} for size in sizes]}


def text(*words: str) -> dict[str, Any]:
    """A list of texts, which JSON keeps in base64."""
    return {"list": {"s": [base64.b64encode(word.encode()).decode() for word in words]}}


def node(name: str, operation: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "op": operation,
        "input": list(inputs),
        "attr": {"T": FLOAT, **attributes},
    }


def placeholder(*sizes: int) -> dict[str, Any]:
    shape = {"shape": shape_of(*sizes)} if sizes else {"shape": {"unknownRank": True}}
    return {"name": "image", "op": "Placeholder", "attr": {"dtype": FLOAT, "shape": shape}}


def constant(name: str, kind: str = "DT_FLOAT") -> dict[str, Any]:
    tensor = {"dtype": kind, "tensorShape": {}}
    return {
        "name": name,
        "op": "Const",
        "attr": {"dtype": {"type": kind}, "value": {"tensor": tensor}},
    }


def weight(name: str, values: np.ndarray, **quantization: Any) -> tuple[dict[str, Any], bytes]:
    """The entry of a weight in the manifest, and its bytes; values that are quantized are given as stored."""
    kind = quantization.pop(
        "of", {"f": "float32", "i": "int32", "b": "bool"}.get(values.dtype.kind, "")
    )
    entry = {"name": name, "shape": list(values.shape), "dtype": kind}
    if quantization or values.dtype == np.float16:
        entry["quantization"] = {"dtype": values.dtype.name, "original_dtype": kind, **quantization}
    return entry, values.astype(values.dtype.newbyteorder("<")).tobytes()


def graph_model(
    nodes: Sequence[Mapping[str, Any]],
    weights: Mapping[str, np.ndarray] | Sequence[tuple[dict[str, Any], bytes]],
    outputs: Mapping[str, str] | None = None,
    *,
    shards: int = 1,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A model.json as a dict, and its files of weights by name."""
    if isinstance(weights, Mapping):
        weights = [weight(name, values) for name, values in weights.items()]
    content = b"".join(values for _, values in weights)
    paths = [f"group1-shard{number + 1}of{shards}.bin" for number in range(shards)]
    size = -(-len(content) // shards)
    model = {
        "format": "graph-model",
        "generatedBy": "2.3.0",
        "convertedBy": "TensorFlow.js Converter v2.7.0",
        "modelTopology": {"node": list(nodes), "library": {}, "versions": {}},
        "weightsManifest": [{"paths": paths, "weights": [entry for entry, _ in weights]}],
    }
    if outputs is not None:
        named = {title: {"name": name, "dtype": "DT_FLOAT"} for title, name in outputs.items()}
        model["signature"] = {"inputs": {}, "outputs": named}
    return model, {
        path: content[size * index : size * (index + 1)] for index, path in enumerate(paths)
    }


def saved(
    model: Mapping[str, Any] | bytes,
    shards: Mapping[str, bytes],
    root: Path,
    *,
    inputs: Sequence[Input] = (),
    outputs: Sequence[Output] = (),
) -> tuple[ModelSpec, ModelLayout]:
    """The model.yml, as read, of a graph model, and a layout with its files as a download leaves them."""
    content = model if isinstance(model, bytes) else json.dumps(model).encode()
    files = {"web/model.json": content, **{f"web/{name}": each for name, each in shards.items()}}
    spec = ModelSpec(
        "tiny-pose", Family.PUBLIC, root / "model.yml", "Tiny.", "human_pose_estimation", Framework.TF,
        License("Apache-2.0"), tuple(source_file(name, each, root) for name, each in files.items()),
        tuple(inputs), tuple(outputs),
    )  # fmt: skip
    layout = ModelLayout(root, root)
    for file in spec.files:
        place = layout.file_path(spec, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[file.name])
    return spec, layout
