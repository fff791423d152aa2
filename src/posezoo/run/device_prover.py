"""Compares a model on the device that the user chose with the CPU: ``posezoo run`` calls it, a
feature does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.core.plugins import Hook

if TYPE_CHECKING:
    from posezoo.run.load import PreparedModel


class DeviceProver:
    """Compares nothing; a feature overrides the method."""

    def prove_once(self, prepared: PreparedModel) -> str:  # noqa: ARG002
        """The verdict on a model on the device of the settings; empty if there is none."""
        return ""


DEVICE_PROVER: Hook[DeviceProver] = Hook("device_proof", DeviceProver())
