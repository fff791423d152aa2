"""The photos that come with posezoo, on which INT8 is compared with FP16. A feature reads them."""

from __future__ import annotations

from collections.abc import Sequence

from posezoo.core.arrays import Array
from posezoo.core.plugins import Hook


class SamplePhotos:
    """Reads none; a feature overrides the method."""

    def read(self) -> Sequence[Array]:
        """The photos: uint8 (height, width, 3), BGR; none if they cannot be decoded."""
        return ()


SAMPLE_PHOTOS: Hook[SamplePhotos] = Hook("sample_photos", SamplePhotos())
