"""Exports in tests: their files, and models under other names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, write_model

DOCUMENTS = ("README.md", "NOTICE")


def documents_of(*names):
    """The paths of the documents that each export of these models has; LICENSE is there if posezoo has it."""
    return {f"{name}/{document}" for name in names for document in DOCUMENTS}


def renamed(model, name):
    spec = replace(model.spec, name=name)
    return replace(model, spec=spec, pipeline=replace(model.pipeline, model=spec))


def files_below(folder):
    """The files of an export but for its manifest: bytes by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "posezoo-export.json"
    }


def write_network(path: Path, weights: np.ndarray, width: int = 48) -> None:
    """An ONNX file of one convolution that makes 17 heatmaps from an image, of a quarter of its sides.

    Args:
        width: of the image, which is 64 pixels high.
    """
    helper = needs("onnx").helper
    from fakes import graphs

    node = helper.make_node("Conv", ["image", "weights"], ["heatmaps"], "conv", strides=[4, 4])
    image = ("image", graphs.FLOAT, (1, 3, 64, width))
    heatmaps = ("heatmaps", graphs.FLOAT, (1, 17, 16, width // 4))
    path.write_bytes(graphs.written("pose", [node], [image], [heatmaps], {"weights": weights}))


def write_zoo(folder: Path, **image: object) -> Path:
    """A registry of one network, ``net``, in a folder; ``decoder``, ``people`` and other keys of its image."""
    decoder = image.pop("decoder", {"name": "heatmap"})
    people = image.pop("people", None)
    weights = np.random.default_rng(3).normal(0, 0.01, (17, 3, 4, 4)).astype(np.float32)
    write_network(folder / "net.onnx", weights)
    declared = {"name": "image", "shape": [1, 3, 64, 48], "layout": "NCHW", "color": "BGR"}
    content = model_yml(
        framework="onnx",
        files=[declared_file(folder / "net.onnx")],
        inputs=[declared | image],
        outputs=[{"name": "heatmaps", "shape": [1, 17, 16, 12], "role": "heatmaps"}],
        decoder=decoder,
        people=people,
        skeleton="coco-17",
    )
    write_model(folder / "models", "net", content)
    return folder / "models"
