"""Lists say where files come from as a download would find it, at a fraction of its cost."""

from dataclasses import replace

import pytest

from fakes.files import WEIGHTS, declared, model, put
from posezoo.core.declarations.model import Framework, License, SourceFile
from posezoo.core.declarations.sources import (
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
)
from posezoo.core.download.model_download import plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.availability import REFUSED, find_file_places, name_source

HUB = HuggingFaceSource("someone/pose", "pose.onnx", "0" * 40)


def in_hub_cache(tmp_path, content):
    path = tmp_path / "hub" / "models--someone--pose" / "snapshots" / HUB.revision / HUB.file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


CASES = {
    "here": lambda folder, file: (folder / "public/pose/pose.onnx").write_bytes(WEIGHTS),
    "damaged here": lambda folder, file: (folder / "public/pose/pose.onnx").write_bytes(
        bytes(4096)
    ),
    "cache": lambda folder, file: put(folder / "cache", WEIGHTS, file),
    "mirror": lambda folder, file: put(folder / "mirror", WEIGHTS, file),
    "cut short in the mirror": lambda folder, file: put(folder / "mirror", b"short", file),
    "hub": lambda folder, file: in_hub_cache(folder, WEIGHTS),
    "another file in the hub's cache": lambda folder, file: in_hub_cache(folder, b"short"),
    "nowhere": lambda folder, file: None,
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("has_folder", [True, False])
@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_list_says_what_a_plan_says(case, has_folder, is_pinned, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    file = declared("pose.onnx", WEIGHTS, "https://models.invalid/n", HUB)
    if has_folder or "here" in case:
        (tmp_path / "public" / "pose").mkdir(parents=True)
    CASES[case](tmp_path, file)
    if not is_pinned:
        file = SourceFile(file.name, sources=file.sources)
    spec, layout = model(file), ModelLayout(tmp_path, tmp_path)
    mirrors = ("https://mirror.invalid/files", str(tmp_path / "mirror"))
    for options in (DownloadOptions(tmp_path / "cache", mirrors), DownloadOptions(None)):
        (planned,) = plan_download(spec, layout, options)
        expected = planned.origin.value
        if planned.origin is FileOrigin.SOURCE:
            expected = name_source(file.sources[0])
        availability = find_file_places(spec, layout, options)
        assert availability.places == {"": (expected,)}
        assert availability.is_local is (planned.origin is not FileOrigin.SOURCE)


def test_a_license_that_is_not_allowed_is_said_for_each_precision(tmp_path):
    files = [
        declared(f"{name}/pose.xml", WEIGHTS, "https://a.invalid/n") for name in ("FP32", "FP16")
    ]
    spec = replace(model(*files), license=License("GPL-3.0-only"), framework=Framework.DLDT)
    options = DownloadOptions(None, allow_licenses=("MIT",))
    availability = find_file_places(spec, ModelLayout(tmp_path, tmp_path), options)
    assert availability.places == {"FP32": (REFUSED,), "FP16": (REFUSED,)}


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (HttpSource("https://reader:secret@a.invalid/n?token=12ab"), "a.invalid"),
        (GoogleDriveSource("1a"), "drive.google.com"),
        (HUB, "huggingface.co"),
        (FileSource("weights/pose.onnx"), "file"),
    ],
)
def test_a_place_is_the_host_of_a_source(source, place):
    assert name_source(source) == place
