"""One model, ready to use: an image in, poses out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from posezoo.errors import InferenceError
from posezoo.images import as_bgr
from posezoo.inference import Array, Network, shape_text
from posezoo.pose import blazepose
from posezoo.pose.blazepose import BlazePoseOptions
from posezoo.pose.decoders import DECODERS, Option, options_of
from posezoo.pose.keypoints import Pose
from posezoo.pose.letterbox import Image, View, letterbox
from posezoo.spec.model import CompositeSpec, Decoder, ModelSpec, Output


class Pipeline(Protocol):
    """The steps from an (H, W, 3) uint8 BGR image to its poses, surest first."""

    def __call__(self, image: Image) -> list[Pose]:
        """The people in one image."""
        ...


class Estimator:
    """A model that finds poses in images; made by ``load``.

    Attributes:
        model: what it was made of.
        device: where it runs, as OpenVINO names it.
        executed_precision: the arithmetic that it really runs in: f32, bf16, ...
    """

    def __init__(
        self, model: ModelSpec | CompositeSpec, networks: Sequence[Network], pipeline: Pipeline
    ) -> None:
        self.model = model
        self.device = _joined(network.device for network in networks)
        self.executed_precision = _joined(network.executed_precision for network in networks)
        self._pipeline = pipeline

    def __call__(self, image: object, color: str = "BGR") -> list[Pose]:
        """The people in an image, surest first; an empty list where there is none.

        Args:
            image: uint8 of shape (H, W, 3), (H, W) or (H, W, 4), any size.
            color: the order of its channels, BGR (as ``images.read`` and OpenCV give it) or RGB.

        Raises:
            ImageError: it is no such image.
            InferenceError: the device fails.
        """
        return self._pipeline(as_bgr(image, color))


def load(
    model: ModelSpec | CompositeSpec,
    irs: Mapping[str, Path],
    *,
    device: str = "CPU",
    inference_precision: str = "f32",
    cache_dir: Path | None = None,
    **options: Option,
) -> Estimator:
    """Make a model ready to use.

    Args:
        model: what is to be run; its decoder says how.
        irs: the .xml of the model by its name; of a composite, of each stage by the stage's name.
        device: where to run, as OpenVINO names it.
        inference_precision: the arithmetic to ask for: f32, bf16, f16 or default.
        cache_dir: where OpenVINO may keep compiled networks for the next start.
        options: of the decoder, over those that the model declares.

    Raises:
        InferenceError: the model has no decoder or an unknown one, an option cannot be meant, or an IR
            is missing, damaged or another network's.
        MissingPackageError: OpenVINO is not installed.
    """
    decoder = _decoder_of(model)
    chosen = options_of(decoder, options)
    if decoder.name not in PIPELINES:
        raise InferenceError(
            f"{model.name}: decoder {decoder.name} takes outputs, but nothing here runs its network yet",
            hint="run the network yourself and hand its outputs to posezoo.decode",
        )
    networks = [
        _network(xml, outputs, device, inference_precision, cache_dir)
        for xml, outputs in zip(_paths(model, irs), DECODERS[decoder.name].networks, strict=True)
    ]
    return Estimator(model, networks, PIPELINES[decoder.name](networks, chosen))


def _decoder_of(model: ModelSpec | CompositeSpec) -> Decoder:
    if model.decoder is not None:
        return model.decoder
    if isinstance(model, ModelSpec) and model.composite:
        raise InferenceError(
            f"{model.name} finds no poses alone: it is a part of {model.composite}",
            hint=f"run {model.composite}",
        )
    raise InferenceError(f"{model.name} declares no decoder, so nobody knows how its outputs become poses")


def _paths(model: ModelSpec | CompositeSpec, irs: Mapping[str, Path]) -> list[Path]:
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
    return [irs[name] for name in names]


def _network(
    xml: Path, outputs: tuple[Output, ...], device: str, inference_precision: str, cache_dir: Path | None
) -> Network:
    network = Network(
        xml, device, inference_precision, cache_dir, outputs=[output.name for output in outputs]
    )
    for output in outputs:
        if network.outputs[output.name] != output.shape:
            found, expected = shape_text(network.outputs[output.name]), shape_text(output.shape)
            raise InferenceError(
                f"{xml}: is another network: its output {output.name} is {found}, not {expected}"
            )
    return network


def _joined(words: Any) -> str:
    return ",".join(dict.fromkeys(words))


class _BlazePose:
    """A detector looks at the whole image, a landmark network at every person it found."""

    def __init__(self, networks: Sequence[Network], options: BlazePoseOptions) -> None:
        self._detector, self._landmarks = networks
        self._options = options

    def __call__(self, image: Image) -> list[Pose]:
        options = self._options
        view = letterbox(image.shape[1::-1], blazepose.DETECTOR_SIZE)
        outputs = _seen(self._detector, view, image)
        found = blazepose.detections(
            outputs["Identity"],
            outputs["Identity_1"],
            min_score=options.min_detection_score,
            max_overlap=options.max_overlap,
            weighted=options.weighted,
        )
        squares = blazepose.regions(found[: options.max_people], view)
        poses = [pose for square in squares if (pose := self._look(square, image)) is not None]
        poses = blazepose.distinct(poses, max_similarity=options.max_similarity)
        return sorted(poses, key=lambda pose: -pose.score)

    def _look(self, square: View, image: Image) -> Pose | None:
        outputs = _seen(self._landmarks, square, image)
        presence = float(outputs["Identity_1"].item())
        if presence < self._options.min_presence:
            return None
        return blazepose.pose(outputs["Identity"], presence, square, image.shape[1::-1])


def _seen(network: Network, view: View, image: Image) -> dict[str, Array]:
    """The outputs for what a view shows; the IR takes BGR 0..255, float32, (1, height, width, 3)."""
    (name,) = network.inputs
    return network({name: view.take(image)[None].astype(np.float32)})


#: What runs the networks of a decoder, made from them and the decoder's options.
PIPELINES: dict[str, Callable[[Sequence[Network], Any], Pipeline]] = {"blazepose": _BlazePose}
