from __future__ import annotations

import pytest

from posezoo.download.options import DownloadOptions
from posezoo.download.published_photos import SAMPLES, download_samples
from posezoo.errors import DownloadError
from posezoo.events import Event, FileUpToDate


def test_both_photos_come_from_a_mirror(mirror, tmp_path):
    photos = download_samples(tmp_path / "samples", DownloadOptions(None, (str(mirror),)))
    assert [photo.name for photo in photos] == ["astronaut.png", "camera.png"]
    for photo in photos:
        content = photo.read_bytes()
        assert content.startswith(b"\x89PNG")
        # A PNG says its width and height, big-endian, from its 17th byte on.
        assert (int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")) == (
            512,
            512,
        )


def test_photos_that_are_here_stay(mirror, tmp_path):
    events: list[Event] = []
    for _ in range(2):
        download_samples(tmp_path, DownloadOptions(None, (str(mirror),)), events.append)
    assert events[-2:] == [FileUpToDate("samples", photo.name) for photo in SAMPLES]


def test_without_network_and_mirror_the_reason_is_named(tmp_path):
    with pytest.raises(DownloadError, match=r"folder of wheels has scikit_image-0\.26\.0-"):
        download_samples(tmp_path / "samples", DownloadOptions(None))
    assert list((tmp_path / "samples").iterdir()) == []
