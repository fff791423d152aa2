"""The cases of the corpus: networks with a fault, and right ones that look unusual."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from . import onnx_networks, onnx_sequences, tflite_networks
from .network import Port, Written
from .onnx_networks import OnnxNetwork
from .tflite_networks import TfliteNetwork

#: What model.yml declares of the image beside its name and shape.
PREPROCESSING: tuple[dict[str, object], ...] = (
    {},
    {
        "color": "RGB", "reverse_input_channels": True, "mean": [123.675, 116.28, 103.53],
        "scale": [58.395, 57.12, 57.375],
    },
    {"color": "BGR", "mean": [127.5, 120.0, 115.5], "scale": [127.5, 110.0, 99.0]},
    {"color": "RGB", "scale": [255.0, 255.0, 255.0]},
)  # fmt: skip

#: How often each form of ``FORMS`` and of ``UNUSUAL`` is right, with other weights.
DRAWS, UNUSUAL_DRAWS = 4, 3

#: Forms that take no image with a mean.
UNPREPARED = ("logarithms",)

#: The edits of ``misreading/openvino.py``, and the networks whose IR they change.
EDITED: dict[str, tuple[str, ...]] = {
    "onnx residual": (
        "means exchanged", "channels reversed", "one weight negated", "two filters exchanged",
        "kernel transposed", "bias dropped", "weights rounded", "activation saturates",
    ),
    "onnx mobile": ("two outputs exchanged",),
    "tflite fused": (
        "means exchanged", "scales exchanged", "scale before mean", "channels reversed",
        "two outputs exchanged",
    ),
}  # fmt: skip


class Expected(Enum):
    """What must become of a conversion."""

    REFUSED = "a fault"
    ACCEPTED = "right"
    NOT_WRONG = "misread by OpenVINO itself"


@dataclass(frozen=True)
class Case:
    """A model to convert.

    Attributes:
        title: the format, the form, and the fault or the number of the draw.
        misread: what OpenVINO reads in place of the file; empty if it reads the file.
        edit: how the IR is edited before it is written; empty if it is not.
    """

    title: str
    file: Written
    expected: Expected
    preprocessing: dict[str, object]
    misread: bytes = b""
    edit: str = ""

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


_FORMATS: tuple[tuple[str, Any, Any], ...] = (
    ("onnx", onnx_networks, OnnxNetwork),
    ("onnx", onnx_sequences, OnnxNetwork),
    ("tflite", tflite_networks, TfliteNetwork),
)


def all_cases() -> Iterator[Case]:
    """All of the corpus, the same in each run."""
    for title, module, network in _FORMATS:
        for form in module.FORMS:
            yield from _draw(title, network, form, DRAWS)
            yield from _put_faults_in(title, network, form)
        for form in module.UNUSUAL:
            yield from _draw(title, network, form, UNUSUAL_DRAWS)
    for form in tflite_networks.MISREAD:
        file = _write(TfliteNetwork, form)
        yield Case(f"tflite {form.__name__}", file, Expected.NOT_WRONG, {})


def _write(network: Any, form: Callable[[Any], Any], **arguments: Any) -> Written:
    net = network(**arguments)
    outputs = form(net)
    written: Written = net.finish(outputs)
    return written


def _draw(title: str, network: Any, form: Callable[[Any], Any], count: int) -> Iterator[Case]:
    for seed in range(count):
        file = _write(network, form, seed=seed)
        is_raw = file.inputs[0].dtype != np.float32 or form.__name__ in UNPREPARED
        number = 0 if is_raw else seed
        yield Case(
            f"{title} {form.__name__} {seed}", file, Expected.ACCEPTED, PREPROCESSING[number]
        )


def _put_faults_in(title: str, network: Any, form: Callable[[Any], Any]) -> Iterator[Case]:
    seed = 100
    title = f"{title} {form.__name__}"
    file = _write(network, form, seed=seed)
    for number, fault in enumerate(file.faults):
        wrong = _write(network, form, fault=fault, seed=seed).content
        # Nothing is declared of a transformer's image, or the usual mean and scale.
        declared = PREPROCESSING[:2] if "transformer" in title else (PREPROCESSING[number % 4],)
        if file.inputs[0].dtype != np.float32:
            declared = PREPROCESSING[:1]
        for name, preprocessing in zip(("", ", mean declared"), declared, strict=False):
            full = f"{title}, {fault}{name}"
            yield Case(full, file, Expected.REFUSED, preprocessing, misread=wrong)
    for edit in EDITED.get(title, ()):
        yield Case(
            f"{title}, {edit} in the IR", file, Expected.REFUSED, PREPROCESSING[1], edit=edit
        )


def write_registry(cases: Sequence[Case], folder: Path) -> dict[str, dict[str, str]]:
    """Write the models and their files as if downloaded; returns the faults to put in."""
    faults: dict[str, dict[str, str]] = {"misread": {}, "edited": {}}
    for case in cases:
        original = folder / "downloads" / "public" / case.name / f"net.{case.file.ending}"
        original.parent.mkdir(parents=True)
        original.write_bytes(case.file.content)
        model = folder / "models" / "public" / case.name / "model.yml"
        model.parent.mkdir(parents=True)
        model.write_text(yaml.safe_dump(_describe(case, original.name)), "utf-8")
        if case.misread:
            other = folder / "misread" / f"{case.name}.{case.file.ending}"
            other.parent.mkdir(exist_ok=True)
            other.write_bytes(case.misread)
            faults["misread"][str(original)] = str(other)
        if case.edit:
            faults["edited"][case.name] = case.edit
    return faults


def _describe(case: Case, name: str) -> dict[str, object]:
    """What model.yml declares."""
    (image,) = case.file.inputs
    layout = {"layout": "NCHW" if image.shape[1] == 3 else "NHWC"} if len(image.shape) == 4 else {}
    content = case.file.content
    # Without them, all of the file: model.yml cannot declare a single value.
    has_shapes = all(port.shape for port in case.file.outputs)
    outputs = {"outputs": list(map(_describe_port, case.file.outputs))} if has_shapes else {}
    return {
        "description": case.title,
        "task_type": "human_pose_estimation",
        "framework": case.file.ending,
        "license": {"spdx": "Apache-2.0", "text": "Apache-2.0-corpus.txt"},
        "files": [{
            "name": name, "size": len(content), "checksum": hashlib.sha384(content).hexdigest(),
            "source": "https://models.invalid/net",
        }],
        "inputs": [{**_describe_port(image), **layout, **case.preprocessing}],
        **outputs,
    }  # fmt: skip


def _describe_port(port: Port) -> dict[str, object]:
    return {"name": port.name, "shape": list(port.shape)}
