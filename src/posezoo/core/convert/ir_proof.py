"""The proof of IR, which a feature does: equal to the original, or not, or cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.convert.frontends import VerifiedSource
from posezoo.core.convert.proof_result import SelfCheckResult
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.plugins import Hook

if TYPE_CHECKING:
    from openvino import Model

#: Starts the proofs of IR on disk in the threads of a pool; the first IR proves the others. Each
#: result is a SelfCheckError if an IR differs from its original.
StartProofs = Callable[
    [ThreadPoolExecutor, Mapping[Precision, Path]], Mapping[Precision, Future[SelfCheckResult]]
]


class IrProof:
    """Proves no IR; a feature overrides the method."""

    def plan(
        self,
        network: Model,
        spec: ModelSpec,
        source: VerifiedSource,
        options: ConversionOptions,
    ) -> StartProofs:
        """What will prove the IR of a network.

        Args:
            network: the prepared network, whose memory is free when the proofs start.
            spec: the model, with all of its inputs.
            source: its original.
        """
        raise NotImplementedError


IR_PROOF = Hook(IrProof())
