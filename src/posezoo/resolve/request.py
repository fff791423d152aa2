"""What a user asks for: a model, its precisions, and how the IR takes its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.spec.model import ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How the IR takes its inputs if not as model.yml says; all of this changes the IR and its key.

    Attributes:
        mo_arguments: further arguments of Model Optimizer, as ``--add_mo_arg`` gives them.
        element_type: of images, by OpenVINO's name (u8, f16, f32); empty: as the model says.
        layout: of images, NCHW or NHWC; empty: as the model says.
        resize: whether the IR takes images of any height and width, and resizes them.
        dynamic: whether the sizes that model.yml names, else height and width, are left open.
    """

    mo_arguments: tuple[str, ...] = ()
    element_type: str = ""
    layout: str = ""
    resize: bool = False
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One model, as a user asks for it.

    Attributes:
        spec: the variant chosen; with a checkpoint of the user's own, the model that it makes
            (``resolve.custom_weights``).
        precisions: of the IR.
        inputs: how the IR takes its inputs.
        checkpoint: the user's own weights, in place of the published ones.
        has_model_optimizer: whether a Model Optimizer was named.
        allow_upstream_code: whether code that comes with the model may be run.
    """

    spec: ModelSpec
    precisions: tuple[Precision, ...]
    inputs: InputOptions = InputOptions()
    checkpoint: Path | None = None
    has_model_optimizer: bool = False
    allow_upstream_code: bool = False
