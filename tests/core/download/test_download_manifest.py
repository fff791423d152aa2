"""The manifest says where each file came from, and nothing that would let others in."""

import json

import pytest

from fakes.files import declared, model, put
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DownloadError, OutputError
from posezoo.core.events import WarningIssued
from posezoo.core.files.manifest import NAME
from posezoo.core.layout import ModelLayout

BODY = b"weights" * 1000


def served_model(server):
    return model(declared("net.pth", BODY, server.serve("net.pth", BODY)))


def record(layout, spec):
    return json.loads((layout.model_download_dir(spec) / NAME).read_text())


def test_it_has_url_size_and_digest_of_each_file(server, tmp_path):
    end = server.serve("cdn/net.pth?X-Amz-Signature=5ecret", BODY)
    start = server.serve("net.pth", status=[302] * 9, headers={"Location": end})
    file, layout = declared("net.pth", BODY, start), ModelLayout(tmp_path, tmp_path)
    spec = model(file, declared("own.bin", b"own", server.serve("own.bin", b"own")))
    download_model(spec, layout, DownloadOptions(None))
    found = record(layout, spec)
    assert found["model"] == "pose"
    assert found["files"]["net.pth"] == {
        "url": start,
        "size": len(BODY),
        "sha384": file.checksum.value,
    }
    assert "5ecret" not in (layout.model_download_dir(spec) / NAME).read_text()


def test_a_cache_and_a_mirror_are_named(tmp_path):
    one, two = declared("one", b"1"), declared("two", b"22")
    put(tmp_path / "cache", b"1", one)
    put(tmp_path / "mirror", b"22", two)
    spec, layout = model(one, two), ModelLayout(tmp_path / "out", tmp_path / "out")
    download_model(
        spec, layout, DownloadOptions(tmp_path / "cache", mirrors=(str(tmp_path / "mirror"),))
    )
    files = record(layout, spec)["files"]
    assert [file["url"] for file in files.values()] == [
        str(tmp_path / "cache" / "1" / one.checksum.value[:2] / one.checksum.value[2:]),
        str(tmp_path / "mirror"),
    ]
    assert [file["size"] for file in files.values()] == [1, 2]


def test_a_file_that_came_stays_recorded_when_another_fails_and_when_nothing_comes(
    server, tmp_path
):
    good = declared("good", b"good", server.serve("good", b"good"))
    failed = declared("bad", b"bad", server.url("nowhere"))
    spec, layout = model(good, failed), ModelLayout(tmp_path, tmp_path)
    with pytest.raises(DownloadError):
        download_model(spec, layout, DownloadOptions(None))
    before = record(layout, spec)
    assert list(before["files"]) == ["good"]
    download_model(model(good), layout, DownloadOptions(None))
    assert record(layout, spec) == before
    server.serve("nowhere", b"bad")
    download_model(spec, layout, DownloadOptions(None))
    assert record(layout, spec)["files"]["good"] == before["files"]["good"]
    assert list(record(layout, spec)["files"]) == ["good", "bad"]


def test_a_manifest_that_cannot_be_written_is_one_error_before_anything_is_fetched(
    server, tmp_path
):
    spec, layout = served_model(server), ModelLayout(tmp_path, tmp_path)
    (layout.model_download_dir(spec) / NAME).mkdir(parents=True)
    told = []
    with pytest.raises(OutputError, match=r"provenance\.json: cannot be written: Is a directory"):
        download_model(spec, layout, DownloadOptions(None), listener=told.append)
    assert server.requests == []
    assert not [each for each in told if isinstance(each, WarningIssued)]


def test_what_a_killed_run_left_beside_it_is_removed(server, tmp_path):
    spec, layout = served_model(server), ModelLayout(tmp_path, tmp_path)
    download_model(spec, layout, DownloadOptions(None))
    (layout.model_download_dir(spec) / f".{NAME}.part").touch()
    download_model(spec, layout, DownloadOptions(None))
    left = {path.name for path in layout.model_download_dir(spec).iterdir()}
    assert left == {"net.pth", NAME}


def test_what_came_before_a_run_was_killed_is_listed_by_the_next_one(server, tmp_path):
    spec, layout = served_model(server), ModelLayout(tmp_path, tmp_path)
    download_model(spec, layout, DownloadOptions(None))
    folder = layout.model_download_dir(spec)
    # What a kill between the file's name and the manifest leaves.
    digest = spec.files[0].checksum
    staged = {"net.pth": [f"{digest.algorithm}:{digest.value}"]}
    (folder / NAME).write_text(json.dumps({"model": "pose", "files": {}, "staged": staged}))
    (folder / ".net.pth.part.json").write_text(f'{{"sha384": "{digest.value}", "url": "x"}}')
    (folder / f".{NAME}.part").write_text("half")
    server.requests.clear()
    download_model(spec, layout, DownloadOptions(None))
    assert server.requests == []
    entry = {"size": len(BODY), "sha384": digest.value}  # nobody remembers who sent it
    assert record(layout, spec) == {"model": "pose", "files": {"net.pth": entry}}
    assert {path.name for path in folder.iterdir()} == {"net.pth", NAME}
