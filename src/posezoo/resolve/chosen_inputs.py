"""Decides on the inputs and outputs of a model's IR."""

from __future__ import annotations

from posezoo.resolve.camera_input import with_camera_input
from posezoo.resolve.custom_weights import with_dynamic_shape
from posezoo.resolve.decoding import with_decoding
from posezoo.resolve.input_options import InputOptions, with_added_mo_args
from posezoo.spec.model import Decoder, ModelSpec


def with_inputs(
    spec: ModelSpec,
    options: InputOptions,
    decoder: Decoder | None,
    usual_layout: str,
    *,
    has_mo: bool,
) -> ModelSpec:
    """The model, changed so that its IR has these inputs and outputs.

    Args:
        decoder: the model's decoder, or that of its composite.
        usual_layout: the layout of images in the model's format; empty if there is none.
        has_mo: whether the user named a Model Optimizer.

    Raises:
        ConversionError: the options do not fit the model.
        PosezooError: an argument for Model Optimizer is unknown or not valid.
    """
    spec = with_added_mo_args(spec, options.mo_arguments, has_mo=has_mo)
    if options.decode:
        spec = with_decoding(spec, decoder, options.max_people, options.min_score)
    spec = with_camera_input(spec, options, usual_layout)
    return with_dynamic_shape(spec) if options.dynamic else spec
