"""Models are selected once for both command lines."""

import pytest

from fakes.zoo import write_model
from posezoo.cli.selection import read_list_file, select_models
from posezoo.core.errors import PosezooError
from posezoo.core.registry import open_registry


class Output:
    """Keeps the lines that a command line would show."""

    def __init__(self):
        self.lines = []

    def warn(self, message):
        self.lines.append(f"warning: {message}")


@pytest.fixture
def registry(tmp_path):
    """Three files that cannot be read."""
    for name in ("bad", "worse", "worst"):
        write_model(tmp_path, name, "files: [")
    return open_registry([tmp_path])


def test_files_that_cannot_be_read_pass_no_filter_and_share_one_warning(registry):
    output = Output()
    selection = select_models(registry, None, output, filtered=True)
    assert not selection.problems
    (line,) = output.lines
    assert line.startswith("warning: left out: ")
    assert "bad/model.yml" in line
    assert line.endswith("(and 2 more)")


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
