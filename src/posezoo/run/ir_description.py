"""What an IR says of its model to Open Model Zoo's demos, Model API and DL Streamer."""

from __future__ import annotations

from collections.abc import Mapping

from posezoo.core.declarations.model import Decoder, ModelSpec, Plain
from posezoo.core.ir.model_description import ModelDescription
from posezoo.run.model_procs import find_labels


class _Description(ModelDescription):
    find_labels = staticmethod(find_labels)

    def build_model_info(
        self, shapes: Mapping[str, tuple[int, ...]], spec: ModelSpec, decoder: Decoder | None
    ) -> Mapping[str, Plain]:
        # It imports the decoders, which the key of an IR does not need.
        from posezoo.run.model_info import build_model_info

        return build_model_info(shapes, spec, decoder)


DESCRIPTION = _Description()
