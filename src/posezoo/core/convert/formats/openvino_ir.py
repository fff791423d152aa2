"""OpenVINO IR, as they are published; OpenVINO itself computes their reference outputs."""

from __future__ import annotations

from pathlib import Path

from posezoo.core.convert.formats import ModelFormat


def is_ir(path: Path) -> bool:
    """Whether a file looks like the .xml of an IR."""
    with open(path, "rb") as stream:
        return b"<net" in stream.read(1024)


OPENVINO_IR = ModelFormat(
    kind="an OpenVINO IR",
    recognises=is_ir,
    frontend="ir",
    image_layout="NCHW",
    endings=(".xml",),
    shared_reading="reading the original",
    external_files=lambda path: (path.with_suffix(".bin").name,),
)
