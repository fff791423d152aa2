"""What OpenVINO reads instead of an ONNX file that it cannot read, or reads wrongly. A feature
makes it.
"""

from __future__ import annotations

from pathlib import Path

from posezoo.core.plugins import Hook


class OnnxRewriting:
    """Leaves every file as it is; a feature overrides the methods."""

    def before_reading(self, path: Path, *, is_compared: bool) -> bytes | None:  # noqa: ARG002
        """The file without operations that OpenVINO reads wrongly; None if it stays as it is.

        Args:
            path: the file.
            is_compared: whether the result is compared with ONNX Runtime if that is installed.
        """
        return None

    def after_failure(self, source: Path | bytes, problem: str) -> bytes | None:  # noqa: ARG002
        """The file without what OpenVINO lacks, by what it says of it; None if that is unknown."""
        return None


ONNX_REWRITING: Hook[OnnxRewriting] = Hook("onnx_rewriting", OnnxRewriting())
