"""Bad model.yml files, as users meet them: one line, before any request; the others go on working."""

import sys

import pytest

from fakes.bad_files import ALL
from fakes.command import posezoo, run_process
from fakes.zoo import declared_file, model_yml, write_model

#: One of each family of mistakes.
REPRESENTATIVE = (
    "null", "huge size", "name: traversal", "name: ESC", "description turns around", "catastrophic pattern",
    "an empty file", "tabs", "an alias bomb", "100,000 levels", "a million items", "2 MiB", "UTF-16",
    "a duplicate key", "a tag that runs code", "a key that moves the cursor", "original outside",
)  # fmt: skip

MOST_MIB = 300  # generous: only a bomb that goes off takes this

SCRIPT = """
import sys
from posezoo.cli.main import main
code = main(sys.argv[1:])
peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))
open('measured', 'w').write(peak)
sys.exit(code)
"""


def errors_of(ended):
    """The lines of its errors, without the hints."""
    return [line for line in ended.stderr.splitlines() if not line.startswith("  hint:")]


@pytest.fixture
def root(tmp_path):
    """A registry with one good model, whose file lies on this machine."""
    original = tmp_path / "net.tflite"
    original.write_bytes(b"net")
    write_model(tmp_path / "models", "good", model_yml(files=[declared_file(original)]))
    return tmp_path / "models"


def test_each_bad_file_is_one_line_in_a_small_process(root, tmp_path):
    folders = {name: f"bad{number}" for number, name in enumerate(REPRESENTATIVE)}
    for name, folder in folders.items():
        write_model(root, folder, ALL[name].content)
    ended = run_process(
        [sys.executable, "-c", SCRIPT, "list", "--models_dir", root],
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 1
    lines = errors_of(ended)
    assert len(lines) == len(folders)
    for name, folder in folders.items():
        (line,) = (each for each in lines if f"{root}/public/{folder}/model.yml:" in each)
        assert ALL[name].problem in line
    assert all(line.isprintable() for line in ended.stderr.splitlines())
    assert int((tmp_path / "measured").read_text()) / 1024 < MOST_MIB


def test_the_bad_one_selected_fails_before_any_request(root, server):
    server.serve("net.tflite", b"net")
    file = {
        "name": "net.tflite",
        "size": 3,
        "checksum": "short",
        "source": server.url("net.tflite"),
    }
    write_model(root, "bad", model_yml(files=[file]))
    for selection in (["bad"], ["--all"]):
        ran = posezoo(
            "download", *selection, "--models_dir", root, "--output_dir", root.parent / "out"
        )
        assert ran.returncode == 1
        assert any("96 hex digits" in line for line in errors_of(ran))
    assert server.requests == []


def test_folders_with_unsafe_names_are_told_harmlessly(root):
    folders = ["a\nb", "a\x1b[2Jb", "\u202egnp", "a b", "CON", "x" * 200]
    for folder in folders:
        write_model(root, folder, model_yml())
    ended = posezoo("list", "--models_dir", root)
    assert ended.returncode == 1
    lines = errors_of(ended)
    assert len(lines) == len(folders)
    assert all("is not a model name" in line for line in lines)
    assert all(line.isprintable() for line in ended.stderr.splitlines())
