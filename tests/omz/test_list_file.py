"""The file of --list names the models that Open Model Zoo's commands select."""

import pytest

from posezoo.core.errors import PosezooError
from posezoo.omz.commands.list_file import read_list_file


def test_a_list_file_has_a_pattern_at_the_start_of_each_line(tmp_path):
    path = tmp_path / "models.lst"
    path.write_text("\ufefffirst  # a comment\n\n'two words' more\nlast-*\n")
    assert read_list_file(path) == ["first", "two words", "last-*"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "is not UTF-8"),
        (b"good\n'open\n", ":2: No closing quotation"),
        (b"good\\", ":1: No escaped character"),
        (b"x" * (1 << 20) + b"x", "is larger than 1048576 bytes"),
        (None, "cannot be read: No such file"),
    ],
)
def test_an_unreadable_list_file_is_named(tmp_path, content, problem):
    path = tmp_path / "models.lst"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PosezooError, match=problem) as caught:
        read_list_file(path)
    assert caught.value.problem.startswith(str(path))
    assert caught.value.hint
