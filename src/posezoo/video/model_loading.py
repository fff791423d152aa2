"""Find the demo's model: by its name in the zoo, or from an IR or a checkpoint of one of our
networks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.errors import CheckpointError, DecoderError, TargetSizeError, UnknownModelError
from posezoo.events import Listener, ignore_event
from posezoo.pose.decoders import DECODERS
from posezoo.spec.model import Model, Precision

if TYPE_CHECKING:
    from posezoo.resolve.stage_context import Context
    from posezoo.runtime.estimator import Estimator
    from posezoo.runtime.runtime_config import LoadOptions


#: Loads a model with options; raises ``InferenceError`` if the model cannot run with them.
ModelLoader = Callable[["LoadOptions"], "Estimator"]


def find_model(
    text: str,
    context: Context,
    precision: Precision,
    architecture: str = "auto",
    *,
    detector: str | None = None,
    is_video: bool = False,
    listener: Listener = ignore_event,
) -> ModelLoader:
    """Find a model; if it is missing, it is downloaded and converted.

    Args:
        text: a model's name, or the path of an .xml or a checkpoint.
        context: the objects that the settings define.
        precision: of the IR, for a model of the zoo.
        architecture: a name of the decoders' ``demo_options``, or auto for the model's own decoder.
        detector: the person detector that the user chose for this model.
        is_video: whether it processes only the frames of one video: a model that tracks a person
            needs no detector then.
        listener: receives events.

    Raises:
        UnknownModelError: there is neither such a model nor such a file.
        DecoderError: the model is of another architecture.
        InferenceError: the model finds people itself, but a detector is given.
        PosezooError: it cannot be downloaded or converted, or the checkpoint does not fit exactly
            one of our networks.
    """
    from posezoo.pipeline import load
    from posezoo.pipeline.get import get_irs

    decoder, decoder_options = _find_decoder(architecture)
    is_ir = text.lower().endswith((".xml", ".onnx"))
    if is_ir or os.path.isfile(text):
        compile_with: ModelLoader = partial(
            load.compile_ir_estimator,
            Path(text) if is_ir else _converted(Path(text), context, listener),
            context,
            decoder=decoder or None,
            named_detector=detector,
            is_video=is_video,
            listener=listener,
        )
    else:
        model = _find_in_zoo(text, context, decoder)
        load.require_detector_used(detector, model, decoder)
        detectors = load.detector_irs(model, context, is_video=is_video, listener=listener)
        irs = {**get_irs(model, precision, context, listener=listener), **detectors}
        compile_with = partial(load.compile_estimator, model, context, irs, is_video=is_video)

    def open_model(options: LoadOptions) -> Estimator:
        """Compile the model; errors name the demo's flags."""
        try:
            return compile_with(replace(options, decoder_options=decoder_options))
        except DecoderError as error:
            hint = error.hint
            if error.fitting:
                hint = f"try -at {architecture_for_decoder(error.fitting)}"
            raise DecoderError(
                error.problem, decoder=error.decoder, fitting=error.fitting, hint=hint
            ) from error
        except TargetSizeError as error:
            problem = f"--tsize {options.target_size}: {error.problem}"
            raise TargetSizeError(problem, hint="leave out --tsize") from error

    return open_model


def _find_in_zoo(text: str, context: Context, decoder: str) -> Model:
    """A model of the zoo, which has this decoder; empty: any."""
    try:
        model = context.registry.find(text)
    except UnknownModelError as error:
        if os.sep in text or "." in text:
            raise UnknownModelError(f"{text}: no such file, and no model of the zoo") from error
        raise
    declared = model.decoder.name if model.decoder is not None else ""
    if decoder and declared and decoder != declared:
        raise DecoderError(
            f"{text} is decoded by {declared}, not by {decoder}",
            hint=f"try -at {architecture_for_decoder(declared)}",
        )
    return model


def _converted(checkpoint: Path, context: Context, listener: Listener) -> Path:
    """The IR of a checkpoint, in a folder of its own; it is converted only once for the same
    bytes.
    """
    from posezoo.pipeline.get import get_irs, with_checkpoint_dir
    from posezoo.resolve.custom_weights import spec_with_checkpoint

    spec = spec_with_checkpoint(find_fitting_network(checkpoint), checkpoint)
    context = with_checkpoint_dir(context, spec)
    return get_irs(spec, Precision.FP16, context, checkpoint=checkpoint, listener=listener)[
        spec.name
    ]


def find_fitting_network(checkpoint: Path) -> str:
    """The name of the only network that reads a checkpoint.

    Raises:
        CheckpointError: it cannot be read, or none or several networks read it.
    """
    from posezoo.networks import pretrained

    fitting = pretrained.matching_networks(checkpoint)
    if len(fitting) != 1:
        which = "no network of the zoo reads it: its keys or shapes differ"
        if fitting:
            which = f"several networks of the zoo read it: {', '.join(fitting)}"
        raise CheckpointError(
            f"{checkpoint}: {which}",
            hint=(
                "posezoo convert --network NETWORK --checkpoint FILE says what differs, "
                "and makes an .xml that can be run"
            ),
        )
    return fitting[0]


def _find_decoder(architecture: str) -> tuple[str, Mapping[str, Any]]:
    """The name of the decoder that ``-at`` means, empty for the model's own, and its options."""
    if architecture != "auto":
        for name, decoder in DECODERS.items():
            if architecture in decoder.demo_options:
                return name, decoder.demo_options[architecture]
    return "", {}


def architecture_for_decoder(name: str) -> str:
    """The first value of ``-at`` for a decoder, or auto if there is none."""
    decoder = DECODERS.find(name)
    if decoder is not None:
        return next(iter(decoder.demo_options), "auto")
    return "auto"
