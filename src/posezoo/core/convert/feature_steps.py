"""Steps of a conversion and of its self-check that features do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.declarations.model import Decoder, ModelSpec
from posezoo.core.plugins import Hook


class OnnxRewriting:
    """Leaves each ONNX file as it is; a feature overrides the methods."""

    def before_reading(self, path: Path, *, is_compared: bool) -> bytes | None:  # noqa: ARG002
        """The file without operations that OpenVINO reads wrongly; None if it stays as it is.
        ``is_compared``: ONNX Runtime, if installed, checks the result.
        """
        return None

    def after_failure(self, source: Path | bytes, problem: str) -> bytes | None:  # noqa: ARG002
        """The file without what OpenVINO lacks, by what it says of it; None if that is unknown."""
        return None


ONNX_REWRITING = Hook(OnnxRewriting())


class ComparedRows:
    """Selects all rows of outputs; a feature, which knows decoders, overrides the method."""

    def select(self, spec: ModelSpec, outputs: NamedArrays) -> NamedArrays:  # noqa: ARG002
        """Outputs by name, with only the rows to compare: those of people, and not padding."""
        return outputs


COMPARED_ROWS = Hook(ComparedRows())


class Int8Maker:
    """Makes INT8 of a network whose ranges are in the registry: ``spec`` declares
    ``int8_ranges``.
    """

    def check_declared(self, spec: ModelSpec) -> None:
        """Read the declared ranges.

        Raises:
            ConversionError: their file is missing, is not the declared one, or is malformed.
            MissingPackageError: a package that reads it is not installed.
        """
        raise NotImplementedError

    def write(self, half: Path, xml: Path, spec: ModelSpec, decoder: Decoder | None) -> Path:
        """Write the FP16-INT8 IR of a checked FP16 IR to ``xml``, which is returned.

        Raises:
            ConversionError: the ranges cannot be read, or are those of another network.
            OutputError: the IR cannot be written.
        """
        raise NotImplementedError

    def explain_difference(self, half: Path, xml: Path, spec: ModelSpec) -> str:
        """How an INT8 IR differs from the FP16 IR with its ranges; empty if it does not."""
        raise NotImplementedError

    def explain_wide_range(self, half: Path, spec: ModelSpec, feeds: Sequence[NamedArrays]) -> str:
        """Which range is far wider than the values of the FP16 IR for these inputs; empty if none
        is.
        """
        raise NotImplementedError


INT8_MAKER = Hook(Int8Maker())


class SamplePhotos:
    """Reads no photos; a feature overrides the methods."""

    def read(self) -> Sequence[Array]:
        """The photos: uint8 (height, width, 3), BGR; none if they cannot be decoded."""
        return ()

    def read_photo(self, path: Path) -> Array:
        """A photo in the same form.

        Raises:
            ImageError: it cannot be decoded.
            MissingPackageError: OpenCV is not installed.
        """
        raise NotImplementedError

    def open(self, image: object) -> Array:
        """A photo in the same form, of an array, a path, the bytes of a file or an image of Pillow.

        Raises:
            ImageError: it cannot be decoded, or has another type.
            MissingPackageError: OpenCV is not installed.
        """
        raise NotImplementedError


SAMPLE_PHOTOS = Hook(SamplePhotos())
