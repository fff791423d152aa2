"""Two photos to try a pose model on, from a wheel of scikit-image; they are free, and not part of posezoo."""

from __future__ import annotations

import time
from pathlib import Path

from posezoo.download.context import DownloadContext, Sleep
from posezoo.download.file_download import download_file
from posezoo.download.options import DownloadOptions
from posezoo.download.source_types import list_candidates
from posezoo.events import Listener, ignore_event
from posezoo.spec.model import Digest, PythonPackageSource, SourceFile, Wheel

_WHEEL = Wheel(
    name="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    size=13711217,
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)


def _photo(name: str, size: int, sha384: str) -> SourceFile:
    source = PythonPackageSource("scikit-image", "0.26.0", _WHEEL, f"skimage/data/{name}")
    return SourceFile(name, size, Digest("sha384", sha384), (source,))


#: Both have 512 x 512 pixels: a portrait in colour, and a man behind a camera in grey. As
#: scikit-image's ``skimage.data`` states: the portrait is of Eileen Collins, photo by NASA (Great Images in
#: NASA), public domain; the other is a photo by Lav Varshney, CC0.
SAMPLES: tuple[SourceFile, ...] = (
    _photo(
        "astronaut.png",
        791555,
        "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3",
    ),
    _photo(
        "camera.png",
        139512,
        "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04",
    ),
)


def download_samples(
    folder: Path,
    download_options: DownloadOptions,
    listener: Listener = ignore_event,
    *,
    sleep: Sleep = time.sleep,
) -> tuple[Path, ...]:
    """Download both photos to a folder; photos that exist and are verified are kept.

    Raises:
        DownloadError: no source sent one of the photos.
        OutputError: a photo cannot be written.
    """
    targets = tuple(folder / photo.name for photo in SAMPLES)
    with DownloadContext("samples", download_options, listener, base=folder, sleep=sleep) as context:
        for photo, target in zip(SAMPLES, targets, strict=True):
            download_file(photo, target, list_candidates(photo, context), context)
    return targets
