"""Text of strangers, replaced by patterns of strangers."""

import time

import pytest

from fakes.waiting import HANG_S
from posezoo.core.declarations.model import RegexReplace
from posezoo.core.download import model_download
from posezoo.core.download.model_download import replace_text
from posezoo.core.errors import DownloadError


def replace(tmp_path, text, *steps):
    path = tmp_path / "net.py.orig"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return replace_text("net.py", path, [RegexReplace("net.py", *step) for step in steps])


def test_replacements_follow_one_another(tmp_path):
    text = "import kaldi_io\nlayer.apply(x)\n"
    steps = [
        ("import kaldi_io", r"# \g<0>"),
        (r"\blayer\.(apply)\b", r"layer.\1_now"),
        ("apply_now", "go"),
    ]
    assert replace(tmp_path, text, *steps) == "# import kaldi_io\nlayer.go(x)\n"


def test_lines_end_with_a_newline_as_open_model_zoo_leaves_them(tmp_path):
    assert replace(tmp_path, b"a\r\nb\r\n", ("b", "\u00fc")) == "a\n\u00fc\n"


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (("nowhere", ""), "'nowhere' was found 0 times, expected at least 1"),
        (("a", "b", 3), "'a' was found 2 times, expected 3"),
        (("a", r"\9"), "cannot be replaced"),
        (("(", ""), "cannot be replaced"),
    ],
)
def test_what_cannot_be_replaced_is_reported(tmp_path, step, problem):
    with pytest.raises(DownloadError, match=r"^net\.py: ") as caught:
        replace(tmp_path, "a a\n", step)
    assert problem in caught.value.problem


def test_only_as_many_are_replaced_as_are_asked_for(tmp_path):
    assert replace(tmp_path, "a a a", ("a", "b", 2)) == "b b a"


def test_a_pattern_that_takes_for_ever_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(model_download, "TIMEOUT_S", 0.5)
    start_time = time.monotonic()
    with pytest.raises(DownloadError, match=r"takes longer than 0\.5 s"):
        replace(tmp_path, "a" * 50 + "!", ("(a+)+$", "b"))
    assert time.monotonic() - start_time < HANG_S


def test_a_text_does_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(model_download, "MAX_BYTES", 10_000)
    with pytest.raises(DownloadError, match="longer than 10000 characters"):
        replace(tmp_path, "a" * 1000, ("a", "b" * 100))


def test_a_file_that_is_no_text_or_does_not_exist_is_reported(tmp_path):
    with pytest.raises(DownloadError, match="cannot be read as UTF-8"):
        replace(tmp_path, b"\xff\xfe", ("a", "b"))
    with pytest.raises(DownloadError, match="neither published nor in an archive"):
        replace_text("gone.py", tmp_path / "gone.py", [RegexReplace("gone.py", "a", "b")])
