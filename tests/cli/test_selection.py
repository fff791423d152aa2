"""Models are selected once for both command lines."""

from __future__ import annotations

import pytest

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.cli.selection import read_list_file, select_models
from posezoo.core.errors import PosezooError, UnknownModelError
from posezoo.core.registry import open_registry


class Output:
    """Keeps the lines that a command line would show."""

    def __init__(self):
        self.lines = []

    def warn(self, message):
        self.lines.append(f"warning: {message}")

    def print_error(self, error):
        self.lines.append(f"error: {error.problem}")


@pytest.fixture
def registry(tmp_path):
    """A composite of two parts, and three files that cannot be read."""
    write_composite(tmp_path, "whole", ["second", "first"])
    for name in ("whole/first", "whole/second"):
        write_model(tmp_path, name, model_yml())
    for name in ("bad", "worse", "worst"):
        write_model(tmp_path, name, "files: [")
    return open_registry([tmp_path])


def test_a_composite_selects_its_parts_and_no_other_file_is_read(registry):
    output = Output()
    selection = select_models(registry, ["whole"], output)
    assert [spec.name for spec in selection.models] == ["second", "first"]
    assert not selection.problems
    assert output.lines == []


def test_a_selected_file_that_cannot_be_read_is_an_error(registry):
    output = Output()
    selection = select_models(registry, ["bad", "whole"], output)
    assert len(selection.problems) == 1
    assert [line.partition(":")[0] for line in output.lines] == ["error"]


def test_files_that_cannot_be_read_pass_no_filter_and_share_one_warning(registry):
    output = Output()
    selection = select_models(registry, None, output, filtered=True)
    assert not selection.problems
    (line,) = output.lines
    assert line.startswith("warning: left out: ")
    assert "bad/model.yml" in line
    assert line.endswith("(and 2 more)")


def test_a_registry_without_models_is_an_error(tmp_path):
    with pytest.raises(UnknownModelError, match=f"no model found in {tmp_path}") as raised:
        select_models(open_registry([tmp_path]), None, Output())
    assert raised.value.hint == "check --models_dir"


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
