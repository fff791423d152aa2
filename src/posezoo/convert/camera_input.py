"""A model whose IR takes a camera's frames as they come: bytes, BGR, of any height and width if wanted."""

from __future__ import annotations

from dataclasses import replace

from posezoo.convert.formats import image_layout
from posezoo.errors import ConversionError
from posezoo.spec.model import ColorOrder, Input, ModelSpec

_SIDES = {"N", "C", "H", "W"}


def with_camera_input(
    spec: ModelSpec, *, element_type: str = "", layout: str = "", resize: bool = False
) -> ModelSpec:
    """The model with the conversion of type, layout, colours and size in its IR, for each of its pictures.

    A frame is BGR: where the network is known to want RGB, the IR changes them.

    Args:
        spec: the model.
        element_type: of what the IR takes, by OpenVINO's name; empty: as the network.
        layout: NCHW or NHWC; empty: as the model says.
        resize: whether the IR brings pictures of any height and width to the network's own.

    Raises:
        ConversionError: it is published as IR, takes no pictures, or has no one size to bring them to.
    """
    if not (element_type or layout or resize):
        return spec
    if spec.is_ir:
        raise ConversionError(
            f"{spec.full_name}: is published as IR, which stays as it is",
            hint="leave out --input_type, --input_layout and --resize",
        )
    inputs = tuple(_framed(port, image_layout(spec.framework), element_type, layout) for port in spec.inputs)
    images = [new for old, new in zip(spec.inputs, inputs, strict=True) if new is not old]
    if not images:
        raise ConversionError(
            f"{spec.full_name}: none of its inputs is declared as a picture of three colours",
            hint="declare its input, or name it: --add_mo_arg=--input=NAME[1,3,H,W]",
        )
    if not resize:
        return replace(spec, inputs=inputs)
    for picture in images:
        if not picture.shape or -1 in (picture.shape[picture.layout.index(side)] for side in "HW"):
            raise ConversionError(
                f"{spec.full_name}: its input {picture.name or 'image'} has no one size to resize to",
                hint="leave out --resize, or declare the shape",
            )
    return replace(
        spec, inputs=tuple(replace(port, resize=True) if port in images else port for port in inputs)
    )


def _framed(port: Input, customary: str, element_type: str, layout: str) -> Input:
    """The input, changed where it is for pictures; else the very same."""
    own = port.layout or (customary if len(port.shape) in (0, 4) else "")
    if set(own) != _SIDES or (port.shape and port.shape[own.index("C")] != 3):
        return port
    target = layout or port.ir_layout or own
    return replace(
        port,
        layout=own,
        to_layout=target if target != own else "",
        element_type=element_type or port.element_type,
        reverse_input_channels=port.reverse_input_channels or port.color is ColorOrder.RGB,
    )
