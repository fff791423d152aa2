"""Change a model so that its IR takes camera frames directly: bytes, BGR, and optionally of any
size.
"""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.declarations.model import ColorOrder, Input, ModelSpec
from posezoo.core.errors import ConversionError
from posezoo.core.resolve.input_options import InputOptions


def with_camera_input(spec: ModelSpec, options: InputOptions, usual_layout: str) -> ModelSpec:
    """The model, changed so that its IR converts the type, layout, colours and size of each image
    input.

    A frame is BGR: if the network is known to take RGB, the IR converts it.

    Args:
        options: the element type, the layout and the size that the IR takes.
        usual_layout: the layout of images in the model's format; empty if there is none.

    Raises:
        ConversionError: the model is published as IR, takes no images, or has no fixed size to
            resize to.
    """
    if not (options.element_type or options.layout or options.resize):
        return spec
    if not spec.is_converted:
        raise ConversionError(
            f"{spec.full_name}: is published as IR, whose inputs cannot be changed",
            hint="remove --input_type, --input_layout and --resize, or add --decode",
        )
    inputs = []
    has_image = False
    for port in spec.inputs:
        if not port.layout and len(port.shape) in (0, 4):
            image = replace(port, layout=usual_layout)
        else:
            image = port
        if not _is_image(image):
            inputs.append(port)
            continue
        has_image = True
        if options.resize:
            _require_fixed_size(spec, image)
        inputs.append(_take_frames(image, options))
    if not has_image:
        raise ConversionError(
            f"{spec.full_name}: none of its inputs is declared as an image with three channels",
            hint="declare its input, or name it: --add_mo_arg=--input=NAME[1,3,H,W]",
        )
    return replace(spec, inputs=tuple(inputs))


def _take_frames(port: Input, options: InputOptions) -> Input:
    target = options.layout or port.ir_layout or port.layout
    return replace(
        port,
        to_layout=target if target != port.layout else "",
        element_type=options.element_type or port.element_type,
        reverse_input_channels=port.reverse_input_channels or port.color is ColorOrder.RGB,
        resize=options.resize or port.resize,
    )


def _is_image(port: Input) -> bool:
    if set(port.layout) != set("NCHW"):
        return False
    return not port.shape or port.shape[port.layout.index("C")] == 3


def _require_fixed_size(spec: ModelSpec, port: Input) -> None:
    sides = port.sides
    if sides and -1 not in (sides["H"], sides["W"]):
        return
    raise ConversionError(
        f"{spec.full_name}: its input {port.name or 'image'} has no fixed size to resize to",
        hint="remove --resize, or declare the shape",
    )
