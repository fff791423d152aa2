"""The interface to what an IR says of its model for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from posezoo.core.declarations.model import Decoder, ModelSpec, Plain
from posezoo.core.plugins import Hook


class ModelDescription:
    """Says nothing; a feature overrides the methods."""

    def find_labels(
        self,
        spec: ModelSpec,  # noqa: ARG002
        shapes: Iterable[Sequence[int]],  # noqa: ARG002
    ) -> Sequence[str]:
        """The names of a model's classes that no model.yml has, from the shapes of its outputs."""
        return ()

    def build_model_info(
        self,
        shapes: Mapping[str, tuple[int, ...]],  # noqa: ARG002
        spec: ModelSpec,  # noqa: ARG002
        decoder: Decoder | None,  # noqa: ARG002
    ) -> Mapping[str, Plain]:
        """The section ``model_info``, from the shapes of the outputs by name, the model and its
        decoder.
        """
        return {}


MODEL_DESCRIPTION = Hook(ModelDescription())
