"""One part of each kind, as an installed package adds them to posezoo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posezoo.api import (
    BOTTOM_UP,
    ByteStream,
    DecoderGraph,
    DecoderType,
    Input,
    Key,
    ModelFormat,
    NetworkDefinition,
    Output,
    RuleViolation,
    SourceType,
    create_poses,
    matching,
    record,
    rule,
)


@dataclass(frozen=True, slots=True)
class OnePointOptions:
    """The decoder's options."""

    score: float = 0.5


def decode_one_point(maps, size, options):
    """One person whose 17 keypoints are all at one point, given as shares of width and height."""
    keypoints = np.empty((1, 17, 3), np.float32)
    keypoints[:] = [*(maps["point"] * size), options.score]
    return create_poses(keypoints, np.array([options.score]), "coco-17", size)


DECODER = DecoderType(
    networks=((Output("", (1, 2), role="point"),),),
    options=OnePointOptions,
    decode=decode_one_point,
    pipeline=BOTTOM_UP,
    skeleton="coco-17",
)
DECODER_GRAPH = DecoderGraph("example_graph:build", score_option="score")


@dataclass(frozen=True, slots=True)
class HexSource:
    """A file whose bytes are in model.yml."""

    digits: str

    def __str__(self) -> str:
        return "hex digits in model.yml"


@contextmanager
def open_hex(source, _file, _context, _resume) -> Iterator[ByteStream]:
    """The bytes."""
    yield ByteStream(iter([bytes.fromhex(source.digits)]))


SOURCE_TYPE = SourceType(
    HexSource,
    open_hex,
    field_type=record(
        HexSource,
        Key("digits", matching(re.compile("([0-9a-f]{2})+"), "hex digits"), required=True),
        tag="hex",
    ),
)


def unmask(_spec, path: Path) -> bytes:
    """The ONNX model in a masked file: each byte is inverted."""
    return bytes(byte ^ 0xFF for byte in path.read_bytes())


FORMAT = ModelFormat(
    kind="a masked ONNX file",
    recognises=lambda path: path.read_bytes()[:1] == b"\xf7",
    frontend="onnx",
    image_layout="NCHW",
    endings=(".masked",),
    openvino_input=unmask,
)
NETWORK = NetworkDefinition(
    "one_convolution",
    "example_network:OneConvolution",
    Input("image", (1, 3, 8, 8), "NCHW"),
    ("heatmaps",),
)


@rule("example-todo", "No description is left to be written.", "description: TODO")
def example_todo(view):
    """Find descriptions that say TODO."""
    for variant in view.variants:
        if "TODO" in variant.description:
            yield RuleViolation(
                view.location("description"), "the description says TODO", "description"
            )
