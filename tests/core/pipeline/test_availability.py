"""Lists say where files come from as a download would find it, at a fraction of its cost."""

import hashlib
from dataclasses import replace

import pytest

from fakes.files import WEIGHTS, declared, model, put
from fakes.zoo import model_yml, published_file, write_model
from posezoo.core.declarations.model import Framework, License, Precision, SourceFile
from posezoo.core.declarations.sources import (
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
)
from posezoo.core.download.candidates import (
    refused_a_moment_ago,
    remember_answer,
    remember_refusal,
)
from posezoo.core.download.model_download import plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import FileOrigin
from posezoo.core.errors import DownloadError, find_missing_packages
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.availability import (
    REFUSED,
    AvailabilityFinder,
    find_file_places,
    name_source,
)
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings

MISSING = find_missing_packages({"openvino": "run", "cv2": "run"})
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


@pytest.fixture
def declared_pose(tmp_path):
    """A model that is published as IR on a host, and the finder's answer about it, anew."""
    body = b"a network"
    files = [
        published_file(f"FP16/pose{suffix}", body, f"https://models.invalid/pose{suffix}")
        for suffix in (".xml", ".bin")
    ]
    write_model(tmp_path / "models", "pose", model_yml(framework="dldt", files=files))

    def find(**settings):
        folders = {"models_dir": tmp_path / "models", "weights_dir": tmp_path / "weights"}
        flags = {**folders, "cache_dir": tmp_path / "cache", **settings}
        context = open_context(to_settings(read_settings(flags)))
        pose = context.registry.find("pose")
        return AvailabilityFinder(context).find([(pose, Precision.FP16)])

    return find


@pytest.mark.skipif(MISSING is not None, reason="needs openvino and cv2")
def test_a_host_counts_until_it_does_not_answer(declared_pose):
    found = declared_pose()
    assert (found.places, found.hosts, found.needs) == (("models.invalid",),) * 2 + ((),)
    assert (found.closed, found.rank, found.is_local) == ((), 1, False)
    remember_refusal("models.invalid:443")
    assert declared_pose().closed == ("models.invalid",)
    remember_answer("models.invalid:443")
    assert declared_pose().closed == ()


def test_a_host_that_does_not_answer_is_remembered_by_the_download(fetch, server):
    fetch(declared("a.onnx", WEIGHTS, server.serve("a.onnx", WEIGHTS)))
    assert not refused_a_moment_ago("localhost")
    with pytest.raises(DownloadError) as caught:
        fetch(declared("b.onnx", WEIGHTS[1:], server.serve("b.onnx", b"", status=[503] * 9)))
    assert caught.value.is_silent and caught.value.hosts == (server.url().split("/")[2],)
    assert refused_a_moment_ago("localhost")


@pytest.mark.skipif(MISSING is not None, reason="needs openvino and cv2")
def test_a_mirror_in_a_folder_closes_the_hosts_of_what_it_lacks(declared_pose, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    assert declared_pose(mirror=[str(mirror)]).closed == ("models.invalid",)
    digest = hashlib.sha384(b"a network").hexdigest()
    (mirror / "1" / digest[:2]).mkdir(parents=True)
    (mirror / "1" / digest[:2] / digest[2:]).write_bytes(b"a network")
    found = declared_pose(mirror=[str(mirror)])
    assert (found.places, found.closed, found.rank) == (("mirror",), (), 0)
    assert declared_pose(mirror=["https://mirror.invalid"]).closed == ()


def test_a_license_that_is_not_allowed_is_a_need(declared_pose):
    found = declared_pose(allow_licenses=["MIT"])
    assert found.rank == 2
    assert "has a license that the settings do not allow: pose" in found.needs
