"""How a model is run: on which device, at which size, with which preprocessing and averaging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from posezoo.errors import InferenceError
from posezoo.pose.decoders import Option
from posezoo.runtime.graph import Preprocessing
from posezoo.runtime.runtime_config import RuntimeConfig


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is run.

    Attributes:
        runtime: where and how the model's networks run.
        target_size: the size to which images are scaled: the height in pixels for openpose and lifting_3d,
            the shorter side for associative_embedding; None: the IR's own input size.
        aspect_size: width and height of the expected images. If the IR allows it, its input gets this aspect
            ratio once; None: the IR's own aspect, or each image's if the IR accepts any size.
        layout: of the network's input, NCHW or NHWC, if the IR's own layout and shape are wrong; else empty.
        reverse_input_channels: whether the network takes RGB; None: as the model declares.
        mean: subtracted in the graph, in addition to what the IR does itself: one value for each channel, or
            one for all; None: as the model declares.
        scale: divisor after the mean is subtracted; None: as the model declares.
        flip: also run the mirrored image, and average both results; for openpose, associative_embedding and
            heatmap.
        scales: the relative scales at which each image is run; they must include 1. The results are averaged.
            For openpose and associative_embedding.
        decoder_options: options of the decoder, which override those that the model declares.

    Raises:
        InferenceError: a size is below 1, or the layout is unknown.
    """

    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    target_size: int | None = None
    aspect_size: tuple[int, int] | None = None
    layout: str = ""
    reverse_input_channels: bool | None = None
    mean: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    decoder_options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = (1 if self.target_size is None else self.target_size, *(self.aspect_size or ()))
        if min(sizes) < 1:
            raise InferenceError(
                f"expected a target size and an aspect above 0, got {self.target_size} and {self.aspect_size}"
            )
        if self.layout not in ("", "NCHW", "NHWC"):
            raise InferenceError(f"layout: expected NCHW or NHWC, got {self.layout!r}")

    @property
    def uses_augmentation(self) -> bool:
        """Whether each image is run more than once (test-time augmentation)."""
        return self.flip or tuple(self.scales) != (1.0,)

    def override(self, preprocessing: Preprocessing) -> Preprocessing:
        """The preprocessing that a model declares, overridden by the values that these options set."""
        if self.reverse_input_channels is not None:
            preprocessing = replace(preprocessing, reverse_input_channels=self.reverse_input_channels)
        return replace(
            preprocessing,
            layout=self.layout or preprocessing.layout,
            mean=preprocessing.mean if self.mean is None else tuple(self.mean),
            scale=preprocessing.scale if self.scale is None else tuple(self.scale),
        )
