"""The file with which a run that ended early continues."""

import os

import pytest

from fakes import scaling_irs
from fakes.loaded_irs import load_ir
from posezoo.run.result_journal import describe_estimator, open_journal
from posezoo.run.runtime.runtime_config import LoadOptions


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    return tmp_path / "photo.jpg"


def test_a_photo_is_known_by_its_bytes_alone(tmp_path, photo):
    path = tmp_path / "results.jsonl"
    with open_journal(path, {"model": "a"}) as journal:
        journal.add("first", {}, photo)
    before = photo.stat()
    photo.touch()
    with open_journal(path, {"model": "a"}) as journal:
        assert journal.has("first", photo)
    photo.write_bytes(b"b photo")
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    with open_journal(path, {"model": "a"}) as journal:
        assert not journal.has("first", photo)
    photo.unlink()
    with open_journal(path, {"model": "a"}) as journal:
        assert not journal.has("first", photo)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"7",
        b"{}",
        b'{"id": [], "file": [], "result": {}}',
        b'{"id": "x", "file": []}',
        b"[" * 9999,
    ],
)
def test_a_line_that_is_no_result_is_left_out_and_a_whole_one_is_believed(tmp_path, line):
    path = tmp_path / "results.jsonl"
    theirs = b'{"id": "theirs", "file": [""], "result": {"poses": [1]}}'
    path.write_bytes(b"\n".join([b'{"model": "a"}', line, theirs]))
    with open_journal(path, {"model": "a"}) as journal:
        assert "x" not in journal
        assert journal.read("theirs") == {"poses": [1]}


def test_a_heading_tells_other_files_on_which_poses_depend(tmp_path):
    network = scaling_irs.write_ir(tmp_path / "one_person.xml", {"heatmaps": 17})
    estimator = load_ir(network, "heatmap")
    boxes = tmp_path / "boxes.json"
    headings = [describe_estimator(estimator, LoadOptions())]
    for content in ("[]", "[1]"):
        boxes.write_text(content)
        headings.append(describe_estimator(estimator, LoadOptions(), boxes))
    assert all(one != other for one in headings for other in headings if one is not other)
    others = [heading.pop("others") for heading in headings]
    assert headings[0] == headings[1] == headings[2] and others[0] == []
