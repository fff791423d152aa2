"""What an IR says of its model for other programs. A feature knows how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from posezoo.core.declarations.model import Decoder, ModelSpec, Plain
from posezoo.core.plugins import Hook
from posezoo.core.values import frozen

_Shapes = Mapping[str, tuple[int, ...]]


@frozen
class ModelDescription:
    """What a feature knows of models; without one, an IR says nothing."""

    #: Finds the names of a model's classes, from the shapes of its outputs, which an IR describes
    #: though no model.yml has them.
    find_labels: Callable[[ModelSpec, Iterable[Sequence[int]]], Sequence[str]] = lambda *_: ()
    #: Makes the section ``model_info`` from the shapes of the outputs, the model and its decoder.
    build_model_info: Callable[[_Shapes, ModelSpec, Decoder | None], Mapping[str, Plain]] = (
        lambda *_: {}
    )


MODEL_DESCRIPTION: Hook[ModelDescription] = Hook("model_description", ModelDescription())
