"""What posezoo prints runs where it is printed, also without PyTorch."""

import os

import pytest

import printed_commands


@pytest.mark.slow
def test_no_printed_command_ends_with_a_missing_package(tmp_path, monkeypatch, capsys):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert printed_commands.main() == 0, capsys.readouterr().out
