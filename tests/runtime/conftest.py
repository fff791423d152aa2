"""Models from the mirror, and real photos."""

from __future__ import annotations

import json

import pytest

from posezoo import images
from posezoo.pipeline.zoo_context import open_context
from posezoo.settings import read_settings, to_settings


@pytest.fixture(scope="session")
def zoo(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    flags = {"output_dir": folder, "cache_dir": folder / "cache", "mirror": (str(mirror),), "attempts": 1}
    return open_context(to_settings(read_settings(flags)))


@pytest.fixture(scope="session")
def photos(shared):
    """Real photos, and the people in each that COCO's annotators marked with five keypoints and more."""
    folder = shared / "data" / "photos"
    known = json.loads((folder / "person_keypoints.json").read_text())
    return [
        (
            images.read_image(folder / image["file_name"]),
            [
                each
                for each in known["annotations"]
                if each["image_id"] == image["id"] and each["num_keypoints"] >= 5
            ],
        )
        for image in known["images"]
    ]
