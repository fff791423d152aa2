"""Models are selected once for both command lines."""

import pytest

from fakes.zoo import write_model
from posezoo.cli.selection import select_models
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
