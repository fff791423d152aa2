"""Files of which little is known: capped, held against what is known, and pinned by their first use."""

import hashlib
from dataclasses import replace

import pytest

from fakes.files import WEIGHTS, model, zipped
from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.download.model_download import download_model, plan_download
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DigestError, PosezooError, SizeError, UnpinnedFileError
from posezoo.core.events import LicenseNoted, WarningIssued
from posezoo.core.files.verified_files import is_verified_file
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile

SHA1 = hashlib.sha1(WEIGHTS).hexdigest()


def archive(url, digits):
    return SourceFile(
        "net.zip", None, None, (HttpSource(url),), 100_000, {"net.params": Digest("sha1", digits)}
    )


def loose(url):
    return SourceFile("net.pth", None, None, (HttpSource(url),), 10_000)


@pytest.fixture
def layout(tmp_path):
    return ModelLayout(tmp_path, tmp_path)


@pytest.fixture
def lock(tmp_path):
    return LockFile(tmp_path / "posezoo.lock")


def trusting(lock):
    return DownloadOptions(None, first_use=lock.record_first_use)


def test_a_full_sha1_of_a_member_is_a_pin(server, layout):
    file = archive(server.serve("n", zipped({"net.params": WEIGHTS})), SHA1)
    (path,) = download_model(model(file), layout, DownloadOptions(None))
    assert is_verified_file(path, file)
    path.write_bytes(zipped({"net.params": WEIGHTS[1:]}))
    assert not is_verified_file(path, file)
    download_model(model(file), layout, DownloadOptions(None))
    assert is_verified_file(path, file)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (zipped({"net.params": WEIGHTS[:-1]}), "contains net.params with SHA-1"),
        (zipped({"other.params": WEIGHTS}), "does not contain net.params"),
        (WEIGHTS, "cannot be read in it"),
        (zipped({"net.params": WEIGHTS})[:-30], "cannot be read in it"),
    ],
)
@pytest.mark.parametrize("digits", [SHA1, SHA1[:8]])
def test_an_archive_of_something_else_gets_no_name(server, layout, lock, body, problem, digits):
    file = archive(server.serve("n", body), digits)
    with pytest.raises(DigestError, match=problem):
        download_model(model(file), layout, trusting(lock))
    assert not layout.file_path(model(file), file).exists()
    assert not lock.path.exists()


def test_eight_digits_and_nothing_are_no_pin(server, layout):
    for file in (
        archive(server.serve("n", zipped({"net.params": WEIGHTS})), SHA1[:8]),
        loose(server.serve("m", WEIGHTS)),
    ):
        with pytest.raises(UnpinnedFileError) as caught:
            download_model(model(file), layout, DownloadOptions(None))
        assert "--trust_on_first_use" in caught.value.hint
        (step,) = plan_download(model(file), layout, DownloadOptions(None))
        assert step.is_unpinned
    assert server.requests == []


def test_a_file_that_cannot_be_remembered_gets_no_name(server, layout, tmp_path):
    (tmp_path / "file").touch()
    lock = LockFile(tmp_path / "file" / "posezoo.lock")
    spec = model(loose(server.serve("n", WEIGHTS)))
    with pytest.raises(PosezooError, match="file: cannot be written"):
        download_model(spec, layout, trusting(lock))
    assert not layout.file_path(spec, spec.files[0]).exists()


@pytest.mark.parametrize("faults", [{}, {"chunked": True}])
def test_an_unknown_size_has_a_cap(server, layout, lock, faults):
    spec = model(loose(server.serve("n", bytes(10_001), **faults)))
    with pytest.raises(SizeError, match="10000"):
        download_model(spec, layout, trusting(lock))


def test_a_license_note_is_reported_after_the_download_alone(server, layout, lock):
    spec = replace(model(loose(server.serve("n", WEIGHTS))), license_note="Unclear.")
    told = []
    download_model(spec, layout, trusting(lock), listener=told.append)
    assert told[-2] == LicenseNoted("pose", "Unclear.")
    told.clear()
    download_model(lock.with_pins(spec), layout, DownloadOptions(None), listener=told.append)
    assert not any(isinstance(event, LicenseNoted) for event in told)


def two_sources(*urls):
    return SourceFile("net.pth", None, None, tuple(map(HttpSource, urls)), 10_000)


def test_before_the_first_use_is_trusted_the_other_source_sends_the_same(server, layout, lock):
    urls = [server.serve(name, WEIGHTS) for name in ("one", "other")]
    (path,) = download_model(model(two_sources(*urls)), layout, trusting(lock))
    assert path.read_bytes() == WEIGHTS
    assert [server.asked(name) for name in ("one", "other")] == [1, 1]
    # From then on the digest in the lock decides.
    path.unlink()
    download_model(lock.with_pins(model(two_sources(*urls))), layout, trusting(lock))
    assert [server.asked(name) for name in ("one", "other")] == [2, 1]


def test_two_sources_with_different_files_are_both_named_and_nothing_is_kept(server, layout, lock):
    urls = [server.serve("one", WEIGHTS), server.serve("other", WEIGHTS[::-1])]
    with pytest.raises(DigestError) as caught:
        download_model(model(two_sources(*urls)), layout, trusting(lock))
    assert all(url in caught.value.problem for url in urls)
    assert caught.value.hint == "one of them was changed: ask the publisher which; nothing was kept"
    assert not list(layout.output_dir.rglob("net.pth*"))
    assert not lock.path.exists()


@pytest.mark.parametrize(
    ("faults", "body", "reason"),
    [
        ({"status": [404]}, b"", "HTTP 404"),
        ({}, bytes(20_000), "at most 10000 are expected"),
    ],
)
def test_if_the_other_source_sends_no_such_file_one_line_says_so(
    server, layout, lock, faults, body, reason
):
    urls = [server.serve("one", WEIGHTS), server.serve("other", body, **faults)]
    events = []
    (path,) = download_model(
        model(two_sources(*urls)), layout, trusting(lock), listener=events.append
    )
    assert path.read_bytes() == WEIGHTS
    (line,) = [
        event.message
        for event in events
        if isinstance(event, WarningIssued) and "not compared" in event.message
    ]
    assert line.startswith(f"net.pth: not compared with {urls[1]}: ")
    assert reason in line
