"""Decides on all that follows from model.yml, the settings and the lock, in four steps."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from posezoo.errors import SpecError, UnknownModelError
from posezoo.resolve.camera_input import with_camera_input
from posezoo.resolve.chosen_route import choose_route
from posezoo.resolve.chosen_targets import choose_targets
from posezoo.resolve.custom_weights import (
    require_fitting_skeleton,
    with_dynamic_shape,
    with_known_network,
)
from posezoo.resolve.decoding import with_decoding
from posezoo.resolve.input_options import InputOptions, with_added_mo_args
from posezoo.resolve.resolved import Resolved
from posezoo.resolve.stage_context import Context
from posezoo.spec.model import Decoder, ModelSpec, Precision


def resolve_model(
    spec: ModelSpec,
    precisions: Iterable[Precision],
    context: Context,
    *,
    inputs: InputOptions | None = None,
    checkpoint: Path | None = None,
) -> Resolved:
    """Decide on the network, inputs, pins, route and targets of a model, in this order.

    No file of the model is read.

    Args:
        spec: the chosen variant; with the user's own checkpoint, the model from
            ``resolve.custom_weights``.
        precisions: the precisions of the IR.
        context: the registry, the folders and the lock, and which converters may be used.
        inputs: how the IR's inputs differ from those in model.yml.
        checkpoint: the user's own weights, which replace the published ones.

    Raises:
        ConversionError: the requested inputs do not fit the model.
        PosezooError: an argument for Model Optimizer is unknown or not valid.
        LockError: the lock is strict, and does not list the model as it is declared.
        InferenceError: the model's own skeleton does not fit its network.
    """
    spec = with_known_network(spec)
    if spec.own_skeleton is not None:
        require_fitting_skeleton(spec)
    if inputs is not None and inputs != InputOptions():
        spec = _with_inputs(spec, inputs, context)
    spec = context.lock.with_pins(spec)
    chosen = choose_route(spec, context)
    layout = replace(context.layout, checkpoint=checkpoint)
    targets = choose_targets(spec, precisions, chosen, layout, context.lock)
    decoder = spec.decoding.decoder if spec.decoding else _own_decoder(spec, context)
    return Resolved(
        spec, chosen.source, chosen.route, chosen.runs_upstream_code, decoder, layout, targets
    )


def _with_inputs(spec: ModelSpec, options: InputOptions, context: Context) -> ModelSpec:
    """The model, changed so that its IR has these inputs and outputs."""
    decoder = _own_decoder(spec, context)
    spec = with_added_mo_args(spec, options.mo_arguments, has_mo=context.has_model_optimizer)
    if options.decode:
        spec = with_decoding(spec, decoder, options.max_people, options.min_score)
    spec = with_camera_input(spec, options, context.image_layout(spec.framework))
    return with_dynamic_shape(spec) if options.dynamic else spec


def _own_decoder(spec: ModelSpec, context: Context) -> Decoder | None:
    """The model's own decoder; if it has none, its composite's."""
    if spec.decoder is None and spec.composite:
        # Reported if the composite itself is requested.
        with suppress(SpecError, UnknownModelError):
            return context.registry.composite_of(spec).decoder
    return spec.decoder
