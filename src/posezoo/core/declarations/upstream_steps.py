"""Steps of a conversion for which a model.yml names its authors' script, or a configuration of
Model Optimizer, and which a feature does instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import MoArgumentPairs
from posezoo.core.plugins import Hook

if TYPE_CHECKING:
    from openvino import Model


class UpstreamSteps:
    """Does none of these steps; a feature overrides the methods."""

    def with_original(self, spec: ModelSpec) -> ModelSpec:
        """The model with the file that a script reads as the file to convert, if the script is not
        needed.
        """
        return spec

    def reads_original(self, spec: ModelSpec) -> bool:  # noqa: ARG002
        """Whether the file to convert is one that a script would read."""
        return False

    def carries_out(self, spec: ModelSpec, flag: str, value: str) -> bool:  # noqa: ARG002
        """Whether the steps include what an argument of the model asks for."""
        return False

    def replaces_outputs(self, arguments: MoArgumentPairs) -> bool:  # noqa: ARG002
        """Whether the network gets other outputs than the arguments name."""
        return False

    def difference(self, spec: ModelSpec) -> str:  # noqa: ARG002
        """How the IR differs from Model Optimizer's because of these steps; empty if it does
        not.
        """
        return ""

    def added_inputs(self, spec: ModelSpec) -> frozenset[str]:  # noqa: ARG002
        """The inputs that the network gets besides the declared ones."""
        return frozenset()

    def read_parts(self, spec: ModelSpec, source: Path) -> bytes | None:  # noqa: ARG002
        """The parts of a graph that are read, for ``change_network``; None if all of it is read.

        Raises:
            ConversionError: a file that describes the graph is missing or damaged.
        """
        return None

    def change_network(self, network: Model, spec: ModelSpec, source: Path) -> Model:  # noqa: ARG002
        """The network (``openvino.Model``) as read from ``source``, with the changes that the
        model's arguments ask for; it replaces the given one.

        Raises:
            ConversionError: a file that describes the changes is missing or damaged, or does not
                fit the network.
        """
        return network


UPSTREAM_STEPS = Hook(UpstreamSteps())
