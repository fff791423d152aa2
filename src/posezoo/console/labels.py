"""Words and numbers for people; it imports little, so that lists are shown at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from posezoo.core.declarations.model import (
    ANNOTATED_BOXES,
    WHOLE_PHOTO,
    Input,
    Output,
    PublishedAccuracy,
)

#: The usual spellings of frameworks, by their names in model.yml.
FRAMEWORKS = {
    "caffe": "Caffe",
    "caffe2": "Caffe2",
    "dldt": "OpenVINO IR",
    "mxnet": "MXNet",
    "onnx": "ONNX",
    "paddle": "PaddlePaddle",
    "pytorch": "PyTorch",
    "tf": "TensorFlow",
    "tflite": "TensorFlow Lite",
}


def task_label(task: str) -> str:
    """A task: ``Human pose estimation``."""
    return task.replace("_", " ").capitalize()


def format_count(number: int, noun: str) -> str:
    """A number of things: ``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def name_first(names: Sequence[str], count: int = 3) -> str:
    """The first few names: ``a, b, c and 2 more``."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def format_megabytes(size: int | None) -> str:
    """The size of files, in bytes: ``9.4 MB``. (Memory is in MiB.)"""
    return "unknown" if size is None else f"{size / 1e6:,.1f} MB"


def format_figure(value: float) -> str:
    """A measured value with three significant digits and no exponent: ``6.20``, ``104``,
    ``1,230``.
    """
    if float(value).is_integer() and abs(value) < 1000:
        decimals = 0
    else:
        _, _, exponent = f"{value:.2e}".partition("e")
        decimals = max(0, 2 - int(exponent))
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{decimals}f}"


def format_ap(share: float, interval: tuple[float, float] | None = None) -> str:
    """An AP with its 95 % interval: ``0.393 (0.262 to 0.596)``."""
    bounds = " ({:.3f} to {:.3f})".format(*interval) if interval else ""
    return f"{share:.3f}{bounds}"


def format_protocol(claim: PublishedAccuracy) -> str:
    """How a published accuracy was measured: ``single scale, flip``; empty if the publisher does
    not say.
    """
    boxes = _BOXES.get(claim.boxes, f"boxes of {claim.boxes}")
    flip = "flip" if claim.flip and "flip" not in claim.protocol else ""
    subject = "measured on the converted model" if claim.is_of_ir else ""
    return join(boxes, claim.protocol, flip, subject)


_BOXES = {"": "", ANNOTATED_BOXES: "annotated boxes", WHOLE_PHOTO: "whole photos"}


def format_conditions(claim: PublishedAccuracy) -> str:
    """The data set and the protocol of a published accuracy: ``COCO val2017, single scale,
    flip``.
    """
    return join(claim.dataset, format_protocol(claim))


def format_port_shape(port: Input | Output) -> str:
    """The sizes of an input or output: ``1, 3, any, 456``."""
    sizes = ("any" if size == -1 else str(size) for size in port.shape)
    return ", ".join(sizes)


def format_numbers(values: Sequence[float]) -> str:
    """The values of a mean or scale: ``123.7, 116.8, 103.9``."""
    return ", ".join(f"{value:g}" for value in values)


def format_role(output: Output) -> str:
    """What an output contains: ``heatmaps: one for each keypoint``."""
    return join(output.role.replace("_", " "), output.note, separator=": ")


def format_pairs(values: Mapping[str, object]) -> str:
    """``device CPU, batch 1``."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def join(*texts: str, separator: str = ", ") -> str:
    """The texts that are not empty."""
    return separator.join(filter(None, texts))


class Footnotes:
    """Notes below a table, each with a mark, ``[1]``; the same note has one mark."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, note: str) -> str:
        """The mark of a note."""
        return self._marks.setdefault(note, f"[{len(self._marks) + 1}]")

    def lines(self) -> Iterator[str]:
        """The notes in the order of their marks."""
        for note, mark in self._marks.items():
            yield f"{mark} {note}"
