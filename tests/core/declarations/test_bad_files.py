"""Bad model.yml files, as users meet them: one line, before any request; the others go on working."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from fakes.bad_files import ALL
from fakes.server import Server
from fakes.waiting import HANG_S
from fakes.zoo import declared_file, model_yml, write_composite, write_model

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


class Run(NamedTuple):
    code: int
    errors: list[str]
    peak_mib: float


@pytest.fixture
def posezoo(tmp_path):
    def run(*args: object) -> Run:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, *map(str, args)], cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S
        )  # fmt: skip
        peak_kib = int((tmp_path / "measured").read_text())
        return Run(ended.returncode, ended.stderr.splitlines(), peak_kib / 1024)

    return run


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def root(tmp_path):
    """A registry with one good model, whose file lies on this machine."""
    original = tmp_path / "net.tflite"
    original.write_bytes(b"net")
    write_model(tmp_path / "models", "good", model_yml(files=[declared_file(original)]))
    return tmp_path / "models"


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_a_bad_file_is_one_line_in_a_small_process(name, root, posezoo):
    write_model(root, "bad", ALL[name].content)
    ran = posezoo("list", "--models_dir", root)
    assert ran.code == 1
    lines = [line for line in ran.errors if not line.startswith("  hint:")]
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {root}/public/bad/model.yml:")
    assert ALL[name].problem in lines[0]
    assert all(line.isprintable() for line in ran.errors)
    assert ran.peak_mib < MOST_MIB


@pytest.mark.slow
def test_the_bad_one_selected_fails_before_any_request(root, posezoo, server: Server):
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
        assert ran.code == 1
        assert any("96 hex digits" in line for line in ran.errors)
    assert server.requests == []


def test_a_good_one_beside_it_works(root, posezoo):
    write_model(root, "bad", "files: [")
    ran = posezoo("download", "good", "--models_dir", root, "--output_dir", root.parent / "out")
    assert ran.code == 0
    assert (root.parent / "out" / "public" / "good" / "net.tflite").read_bytes() == b"net"
    assert not [line for line in ran.errors if "model.yml" in line]


@pytest.mark.parametrize("folder", ["a\nb", "a\x1b[2Jb", "\u202egnp", "a b", "CON", "x" * 200])
def test_a_folder_with_an_unsafe_name_is_told_harmlessly(root, posezoo, folder):
    write_model(root, folder, model_yml())
    ran = posezoo("list", "--models_dir", root)
    assert ran.code == 1
    assert "is not a model name" in ran.errors[0]
    assert all(line.isprintable() for line in ran.errors)


def test_one_name_in_both_families_is_told_and_neither_is_used(root, posezoo):
    write_model(root, "twin", model_yml(), family="public")
    write_model(root, "twin", model_yml(), family="intel")
    ran = posezoo("info", "twin", "--models_dir", root)
    assert ran.code == 1
    assert f"the name twin is also used by {root}/intel/twin/model.yml" in ran.errors[0]
    assert posezoo("info", "good", "--models_dir", root).code == 0


def test_one_part_in_two_composites_is_told(root, posezoo):
    for composite in ("one", "two"):
        write_composite(root, composite, ["part"])
        write_model(root, f"{composite}/part", model_yml())
    ran = posezoo("list", "--models_dir", root)
    assert ran.code == 1
    assert "the name part is also used by" in ran.errors[0]
