"""What differs between operating systems, and what does not."""

from __future__ import annotations

from fakes.files import give_away
from posezoo.core.operating_system import hard_link


def test_a_hard_link_is_another_name_of_a_regular_file(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    assert hard_link(tmp_path / "file", tmp_path / "link")
    assert (tmp_path / "link").samefile(tmp_path / "file")


def test_no_hard_link_is_made_that_would_not_be_safe(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "symbolic").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for source in ("symbolic", "folder", "missing"):
        assert not hard_link(tmp_path / source, tmp_path / "link")
    assert not hard_link(tmp_path / "file", tmp_path / "link", mode=0o600)
    assert not hard_link(tmp_path / "file", tmp_path / "folder")
    assert not (tmp_path / "link").exists()
    assert hard_link(tmp_path / "file", tmp_path / "link", mode=0o640)


def test_no_hard_link_is_made_to_the_file_of_another_user(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    give_away(tmp_path / "file")
    assert not hard_link(tmp_path / "file", tmp_path / "link")
    assert not (tmp_path / "link").exists()
