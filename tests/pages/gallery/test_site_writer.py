"""The folder of a site: complete files, old pages removed, other files never touched."""

import json
import os

import pytest

from fakes.small_disk import small_disk
from posezoo.core.errors import OutputError
from posezoo.pages.gallery.site_writer import MANIFEST, plan_site, write_site

PAGES = {"models/a.html": b"a", "models/b.html": b"b", "index.html": b"index"}


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path):
    """A site that was written into an empty folder."""
    write_site(tmp_path, PAGES)
    return tmp_path


def test_a_second_run_writes_only_pages_that_differ(folder):
    before = (folder / "models" / "a.html").stat().st_mtime_ns
    changes = write_site(folder, {**PAGES, "index.html": b"new"})
    assert (changes.written, changes.unchanged) == (
        ("index.html",),
        ("models/a.html", "models/b.html"),
    )
    assert (folder / "models" / "a.html").stat().st_mtime_ns == before
    assert write_site(folder, {**PAGES, "index.html": b"new"}).written == ()


def test_a_site_consists_of_its_pages_and_a_manifest_and_of_none_of_removed_models(folder):
    pages = {name: page for name, page in PAGES.items() if name != "models/b.html"}
    assert write_site(folder, pages).removed == ("models/b.html",)
    written = files(folder)
    assert json.loads(written.pop(MANIFEST))["files"].keys() == pages.keys()
    assert written == pages


def test_other_files_stay(folder):
    (folder / "CNAME").write_text("example.org")
    (folder / "models" / "b.html").write_text("changed by hand")
    write_site(folder, {"index.html": b"new"})
    assert (folder / "CNAME").read_text() == "example.org"
    assert (folder / "models" / "b.html").read_text() == "changed by hand"


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is not the folder of a gallery") as refusal:
        write_site(tmp_path, PAGES)
    assert "--force" in refusal.value.hint
    assert files(tmp_path) == {"thesis.txt": b"years of work"}
    write_site(tmp_path, PAGES, force=True)
    assert files(tmp_path).keys() == {"thesis.txt", MANIFEST, *PAGES}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "site").write_text("a file")
    with pytest.raises(OutputError, match="is not the folder of a gallery"):
        write_site(tmp_path / "site", PAGES)


def test_a_page_that_posezoo_did_not_write_is_not_overwritten_without_force(folder):
    (folder / "models" / "c.html").write_text("mine")
    with pytest.raises(OutputError, match=r"c\.html: was not written by posezoo gallery"):
        write_site(folder, {**PAGES, "models/c.html": b"c"})
    assert (folder / "models" / "c.html").read_text() == "mine"


@pytest.mark.parametrize(
    "manifest",
    [
        '{"files": {"../outside.html": "%s", "/etc/x.html": "%s", "notes.txt": "%s"}}',
        '{"files": ["%s", "%s", "%s"]}',
        "%s%s%s",
        '{"files": {"a.html": 1}, "%s%s%s": 1}',
        "[" * 100_000 + "%s%s%s",
    ],
)
def test_a_forged_manifest_removes_no_other_file(tmp_path, manifest):
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of foo
    site = tmp_path / "site"
    site.mkdir()
    for path in (tmp_path / "outside.html", site / "notes.txt"):
        path.write_text("foo")
    (site / MANIFEST).write_text(manifest % (digest, digest, digest))
    write_site(site, PAGES, force=True)
    assert (tmp_path / "outside.html").read_text() == (site / "notes.txt").read_text() == "foo"


def test_a_plan_has_the_same_changes_and_writes_nothing(folder):
    new = {"models/a.html": b"other", "index.html": b"index"}
    before = files(folder)
    plan = plan_site(folder, new)
    assert files(folder) == before
    assert plan == write_site(folder, new)


def test_an_interrupted_site_is_recognized_and_completed(tmp_path):
    blocked = tmp_path / "site"
    (blocked / "models").mkdir(parents=True)
    (blocked / "models" / "b.html").mkdir()
    with pytest.raises(OutputError):
        write_site(blocked, PAGES, force=True)
    (blocked / "models" / "b.html").rmdir()
    assert write_site(blocked, PAGES).unchanged == ("models/a.html",)
    assert files(blocked).keys() == {MANIFEST, *PAGES}


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
def test_a_full_disk_leaves_no_partial_page(tmp_path):
    with small_disk(tmp_path, "64k"):
        pages = {f"models/{number}.html": bytes([number]) * 9000 for number in range(20)}
        with pytest.raises(OutputError, match="cannot be written") as failure:
            write_site(tmp_path / "site", pages)
        assert "free some space" in failure.value.hint
        there = files(tmp_path / "site")
        there.pop(MANIFEST)
        assert there and all(pages[name] == content for name, content in there.items())
