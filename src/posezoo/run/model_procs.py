"""What DL Streamer has to know about models of Open Model Zoo, and the names of their classes
(model_procs.yml).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from posezoo.core.declarations.model import OWN_CHECKPOINT, ModelSpec
from posezoo.core.values import frozen

_FOLDER = Path(__file__).parent
_IMAGENET = "imagenet_1000"


@frozen
class ModelProc:
    """The inputs and outputs of a model-proc file, with the keys that DL Streamer reads."""

    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]

    @property
    def converter(self) -> str:
        """The converter of the first output; empty if its format says all."""
        return str(self.outputs[0].get("converter", ""))


def find_model_proc(name: str) -> ModelProc | None:
    """What DL Streamer has to know about a model of that name; None if nothing is known.

    The labels of an output are a list, or the name of one for ``read_labels``.
    """
    record = _read_records("model_procs").get(name)
    if record is None:
        return None
    return ModelProc(record.get("inputs", ()), record["outputs"])


def find_labels(spec: ModelSpec, shapes: Iterable[Sequence[int]]) -> list[str]:
    """The classes of a model of Open Model Zoo, in the order of its outputs, values last; empty if
    unknown, or with own weights.

    Of ImageNet's classes only the first name is used, as in Open Model Zoo's ``model_info``.
    """
    # With keypoints, it has no classes. Parsing the file takes 30 ms, even if it has no such name.
    if spec.skeleton or spec.name not in _read_text():
        return []
    records = _read_records("other_models") | _read_records("model_procs")
    outputs = records.get(spec.name, {}).get("outputs", ())
    if not outputs or spec.checkpoint == OWN_CHECKPOINT:
        return []
    if outputs[0].get("method") == "compound":
        return []  # each value says whether an object has an attribute
    sizes = set(chain.from_iterable(shapes))
    labels: list[str] = []
    for output in sorted(outputs, key=lambda output: output.get("converter") == "text"):
        names = read_labels(output.get("labels", ()), max(sizes, default=0))
        if output.get("converter") == "text":
            names = [f"{output['attribute_name']}/{output['text_scale']}"]
        is_classifier = output.get("converter") == "label"
        if is_classifier and sizes and len(names) not in sizes:
            return []  # a model of this name with other classes
        labels += (name.split(", ")[0] for name in names)
    return labels


def decoded_task(spec: ModelSpec) -> str:
    """The task of a model, for its decoder: a model for attributes of objects is a classifier if
    its classes are known.
    """
    if spec.task == "object_attributes" and find_labels(spec, ()):
        return "classification"
    return spec.task


def find_anchors(name: str) -> dict[str, str | bool]:
    """The options of the decoder of YOLO 1 to 4 for a model of that name; empty for any other
    model.
    """
    record = find_model_proc(name)
    output = record.outputs[0] if record else {}
    if "anchors" not in output:
        return {}
    sides = output["anchors"]
    masks = output.get("masks", range(len(sides) // 2))
    pairs = (f"{sides[2 * mask]},{sides[2 * mask + 1]}" for mask in masks)
    has_logits = output.get("output_sigmoid_activation", False)
    return {"anchors": ",".join(pairs), "has_logits": has_logits}


def read_labels(labels: Sequence[str] | str, classes: int = 0) -> list[str]:
    """The labels of an output.

    Args:
        labels: as in the record of a model.
        classes: the number of values of the output, if it is a classifier of ImageNet: those with
            1,001 have the background first.
    """
    if not isinstance(labels, str):
        return list(labels)
    if labels != _IMAGENET:
        return list(_read_file()["labels"][labels])
    names = (_FOLDER / f"{_IMAGENET}.txt").read_text("utf-8").splitlines()
    return ["background", *names] if classes == len(names) + 1 else names


@cache
def _read_text() -> str:
    return (_FOLDER / "model_procs.yml").read_text("utf-8")


@cache
def _read_file() -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(_read_text(), loader)


@cache
def _read_records(section: str) -> dict[str, Any]:
    return {name: record for record in _read_file()[section] for name in record["models"]}
