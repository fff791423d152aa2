"""Commands that answer at once import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from posezoo.cli.main import VERBS

HEAVY = ("requests", "numpy", "openvino", "torch", "nncf", "cv2", "tqdm", "onnx", "scipy")


def imported(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "args",
    [
        *(["--help"], ["--version"], ["list"], ["info", "--all"], ["plan", "--all"]),
        *(["get", "--help"], ["quantize", "--help"], ["export", "--help"]),
    ],
)
def test_these_commands_import_nothing_heavy(args):
    run = f"from posezoo.cli.main import main\ntry: main({args!r})\nexcept SystemExit: pass"
    assert imported(run) == set()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "export"])
def test_the_help_of_a_verb_reads_no_yaml(verb):
    code = f"from posezoo.cli.main import main\ntry: main([{verb!r}, '--help'])\nexcept SystemExit: pass"
    assert imported(f"{code}\nassert 'yaml' not in sys.modules") == set()


@pytest.mark.parametrize("args", [["--help"], ["--version"], [], ["fly"]])
def test_the_help_of_all_verbs_imports_none_of_them(args):
    code = f"from posezoo.cli.main import main\ntry: main({args!r})\nexcept SystemExit: pass"
    also = "{name for name in sys.modules if name.startswith(('posezoo.spec', 'posezoo.settings', 'posezoo.cli.verbs.'))}"
    assert imported(f"{code}\nassert not {also}, {also}") == set()


def test_importing_posezoo_imports_nothing_heavy():
    assert imported("import posezoo") == set()


def test_get_of_an_up_to_date_model_imports_nothing_heavy(tmp_path, blazepose):
    folder = blazepose.output_dir
    args = ["get", "blazepose-full", "--output_dir", str(folder), "--quiet"]
    assert imported(f"from posezoo.cli.main import main\nassert main({args!r}) == 0") <= {"numpy"}


def test_a_verb_does_not_import_the_other_verbs():
    code = """
from posezoo.cli.main import main
try: main(["list", "--help"])
except SystemExit: pass
assert "posezoo.cli.verbs.list" in sys.modules
assert not {"posezoo.cli.verbs.demo", "posezoo.cli.verbs.benchmark", "posezoo.cli.verbs.run"} & sys.modules.keys()
"""
    assert imported(code) == set()
