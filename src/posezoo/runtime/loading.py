"""From a model and its IR to an estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.errors import InferenceError
from posezoo.pose.decoders import DECODERS, Option, resolve_options
from posezoo.pose.letterbox import Size
from posezoo.runtime.blazepose_pipeline import BlazePosePipeline
from posezoo.runtime.bottom_up_pipeline import BottomUpPipeline
from posezoo.runtime.decoder_matching import describe_ir
from posezoo.runtime.detector_pipeline import DetectorPipeline
from posezoo.runtime.estimator import Estimator
from posezoo.runtime.graph import Graph, Preprocessing
from posezoo.runtime.inference_pipeline import Pipeline
from posezoo.runtime.lifting_pipeline import LiftingPipeline
from posezoo.runtime.pipeline_config import PipelineConfig
from posezoo.runtime.runtime_config import RuntimeConfig
from posezoo.runtime.test_time_augmentation import TestTimeAugmentation
from posezoo.runtime.top_down_pipeline import TopDownPipeline
from posezoo.spec.model import ColorOrder, CompositeSpec, Decoder, ModelSpec

#: What runs the networks of a decoder.
PIPELINES: dict[str, Callable[[PipelineConfig], Pipeline]] = {
    "associative_embedding": BottomUpPipeline,
    "blazepose": BlazePosePipeline,
    "detection": DetectorPipeline,
    "heatmap": TopDownPipeline,
    "lifting_3d": LiftingPipeline,
    "movenet": TopDownPipeline,
    "openpose": BottomUpPipeline,
    "simcc": TopDownPipeline,
}


def load_estimator(
    model: ModelSpec | CompositeSpec,
    irs: Mapping[str, Path],
    *,
    device: str = "CPU",
    inference_precision: str = "f32",
    cache_dir: Path | None = None,
    requests: int = 1,
    streams: str = "",
    threads: int = 0,
    hint: str = "",
    target_size: int | None = None,
    aspect: Size | None = None,
    layout: str = "",
    reverse_input_channels: bool | None = None,
    mean: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    own: Preprocessing | None = None,
    graphs: Sequence[Graph] = (),
    **options: Option,
) -> Estimator:
    """Make a model ready to use.

    Args:
        model: what is to be run; its decoder says how.
        irs: the .xml of the model by its name; of a composite, of each stage by the stage's name.
        device: where to run, as OpenVINO names it.
        inference_precision: the arithmetic to ask for: f32, bf16, f16 or default.
        cache_dir: where compiled networks may be kept for the next start.
        requests: how many images may be in the works at once; 0: as many as the device does best with.
        streams: how many of them really run side by side; see ``inference.Runtime``, as for all of these.
        threads: of the CPU; 0: its cores.
        hint: LATENCY, THROUGHPUT or NONE; empty: LATENCY for one request, else THROUGHPUT.
        target_size: how large images are seen: the height in pixels for openpose, the shorter side for
            associative_embedding; None: as the IR's own input.
        aspect: width and height of the images to come, for which the input is made once, if it can be; None:
            the IR's own, or each image's where the IR takes any.
        layout: of the network's input, NCHW or NHWC, where the IR's own word and shape are not to be trusted.
        reverse_input_channels: whether red and blue change places in BGR images; None: as the model says.
        mean: taken off in the graph, beside what the IR does itself: one for each channel, or one for all.
        scale: divides, then.
        flip: look at the mirrored image, too, and average both answers: of openpose, associative_embedding
            and heatmap.
        scales: at which to look at each image, relative to the usual one, and average the answers: of
            openpose and associative_embedding.
        own: what the IR leave to be done to pictures, unless it is said here; None: as the model declares.
        graphs: the IR in the order they run in, where they have been read already.
        options: of the decoder, over those that the model declares.

    Raises:
        InferenceError: the model has no decoder or an unknown one, an option cannot be meant, or an IR
            is missing, damaged or another network's.
        MissingPackageError: OpenVINO is not installed.
    """
    decoder = _decoder_of(model)
    if flip and decoder.name == "heatmap":  # its own affair: each person is mirrored, not the image
        options, flip = {**options, "flip": True}, False
    chosen = resolve_options(decoder, options)
    if (target_size is not None and target_size < 1) or (aspect is not None and min(aspect) < 1):
        raise InferenceError(f"expected a target size and an aspect above 0, got {target_size} and {aspect}")
    own = _declared(model) if own is None else own
    config = PipelineConfig(
        model,
        _paths(model, irs),
        decoder.name,
        chosen,
        RuntimeConfig(device, inference_precision, cache_dir, requests, streams, threads, hint),
        _overridden(own, layout, reverse_input_channels, mean, scale),
        target_size,
        aspect,
        tuple(graphs),
        flip,
        tuple(scales),
    )
    pipeline = TestTimeAugmentation if config.uses_augmentation else PIPELINES[decoder.name]
    return Estimator(model, decoder.name, pipeline(config))


def load_ir(xml: Path, decoder: str | None = None, **how: Any) -> Estimator:
    """Make an IR ready to use that no model.yml describes.

    Args:
        xml: of the IR.
        decoder: a name of ``pose.decoders.DECODERS``; None: what the IR says of itself, as our converter and
            Open Model Zoo write it, else what its outputs look like.
        how: whatever ``load`` takes; the preprocessing goes over what the IR says of itself.

    Raises:
        DecoderError: the outputs are for no known decoder, or not for this one; it tells which one they fit.
        InferenceError: as for ``load``.
        MissingPackageError: OpenVINO is not installed.
    """
    graph = Graph(xml)
    model, own = describe_ir(graph, decoder)
    return load_estimator(model, {model.name: xml}, own=own, graphs=(graph,), **how)


def _decoder_of(model: ModelSpec | CompositeSpec) -> Decoder:
    if model.decoder is not None:
        return model.decoder
    if isinstance(model, ModelSpec) and model.composite:
        raise InferenceError(
            f"{model.name} finds no poses alone: it is a part of {model.composite}",
            hint=f"run {model.composite}",
        )
    raise InferenceError(f"{model.name} declares no decoder, so nobody knows how its outputs become poses")


def _paths(model: ModelSpec | CompositeSpec, irs: Mapping[str, Path]) -> tuple[Path, ...]:
    names = model.stages if isinstance(model, CompositeSpec) else (model.name,)
    decoder = _decoder_of(model).name
    needed = len(DECODERS[decoder].networks)
    if len(names) != needed:
        raise InferenceError(f"{model.name}: decoder {decoder} needs {needed} networks, not {len(names)}")
    for name in names:
        if name not in irs:
            raise InferenceError(
                f"{model.name}: no IR of {name} was given", hint=f"posezoo convert {model.name}"
            )
    return tuple(irs[name] for name in names)


def _declared(model: ModelSpec | CompositeSpec) -> Preprocessing:
    """What the IR of a model of the zoo leaves to be done: it holds mean and scale already."""
    if isinstance(model, CompositeSpec) or not model.inputs:
        return Preprocessing()
    image = model.inputs[0]
    return Preprocessing(layout=image.ir_layout, reverse_input_channels=image.ir_color is ColorOrder.RGB)


def _overridden(
    preprocessing: Preprocessing,
    layout: str,
    reverse_input_channels: bool | None,
    mean: Sequence[float] | None,
    scale: Sequence[float] | None,
) -> Preprocessing:
    if layout not in ("", "NCHW", "NHWC"):
        raise InferenceError(f"layout: expected NCHW or NHWC, got {layout!r}")
    if reverse_input_channels is not None:
        preprocessing = replace(preprocessing, reverse_input_channels=reverse_input_channels)
    return replace(
        preprocessing,
        layout=layout or preprocessing.layout,
        mean=preprocessing.mean if mean is None else tuple(mean),
        scale=preprocessing.scale if scale is None else tuple(scale),
    )
