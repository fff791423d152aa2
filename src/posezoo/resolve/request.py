"""What a user requests: a model, its precisions, and the form of the IR's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.spec.model import ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How the IR's inputs differ from those in model.yml; each option changes the IR and its key.

    Attributes:
        mo_arguments: further arguments of Model Optimizer: the values of ``--add_mo_arg``.
        element_type: the type of image inputs, by OpenVINO's name (u8, f16, f32); empty for the model's own.
        layout: the layout of image inputs, NCHW or NHWC; empty for the model's own.
        resize: whether the IR takes images of any height and width, and resizes them.
        dynamic: whether the IR has dynamic sizes: those that model.yml names, by default height and width.
    """

    mo_arguments: tuple[str, ...] = ()
    element_type: str = ""
    layout: str = ""
    resize: bool = False
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A user's request for one model.

    Attributes:
        spec: the chosen variant; with the user's own checkpoint, the model from ``resolve.custom_weights``.
        precisions: the precisions of the IR.
        inputs: the form of the IR's inputs.
        checkpoint: the user's own weights, which replace the published ones.
        has_model_optimizer: whether the user named a Model Optimizer.
        allow_upstream_code: whether code that comes with the model may be run.
    """

    spec: ModelSpec
    precisions: tuple[Precision, ...]
    inputs: InputOptions = InputOptions()
    checkpoint: Path | None = None
    has_model_optimizer: bool = False
    allow_upstream_code: bool = False
