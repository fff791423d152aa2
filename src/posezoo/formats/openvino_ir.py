"""OpenVINO IR, as they are published; OpenVINO itself computes their reference outputs."""

from __future__ import annotations

from posezoo.core.convert.formats import ModelFormat, is_ir

FORMAT = ModelFormat(
    kind="an OpenVINO IR",
    recognises=is_ir,
    frontend="ir",
    image_layout="NCHW",
    endings=(".xml",),
    shared_reading="reading the original",
    external_files=lambda path: (path.with_suffix(".bin").name,),
)
