import os
import subprocess
import sys
from pathlib import Path

import pytest

import posezoo
from fakes.command import run_process
from fakes.waiting import HANG_S
from posezoo.core.install_commands import install_command, pip_command
from posezoo.core.ir.openvino_import import error_text, import_openvino

IMPORT = """
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.errors import MissingPackageError
try:
    print(import_openvino().__name__)
except MissingPackageError as error:
    print(error.problem, "|", error.hint)
"""


def in_an_environment_with(folder):
    """What a fresh process says that finds this folder's packages first."""
    source = Path(posezoo.__file__).parents[1]
    child = run_process(
        [sys.executable, "-c", IMPORT],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{source}"},
        check=True,
    )
    return child.stdout.strip()


@pytest.mark.parametrize("version", ["2024.6.0", "2025.1.0", "2025.0"])
def test_an_openvino_that_converts_wrongly_is_refused(tmp_path, version):
    record = tmp_path / f"openvino-{version}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: openvino\nVersion: {version}\n")
    said = in_an_environment_with(tmp_path)
    assert f"version {version} is too old (2025.4 or newer" in said
    assert said.endswith(f"| {install_command('run')}")


def test_an_openvino_that_does_not_load_is_reported_in_one_line(tmp_path):
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("import a_library_that_is_missing")
    said = in_an_environment_with(tmp_path)
    assert said.startswith(
        "openvino is installed but does not load: No module named 'a_library_that_is_missing'"
    )


def test_an_openvino_without_its_files_is_reported_with_how_to_repair_it(tmp_path):
    """Uninstalling the real openvino-dev removes files of the package openvino, which has some with the same name."""
    record = tmp_path / "openvino-2026.4.1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 2026.4.1\n")
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("")
    said = in_an_environment_with(tmp_path)
    assert said == (
        "openvino is installed but does not load: some of its files are missing, as after uninstalling openvino-dev"
        f" | {pip_command()} install --force-reinstall --no-deps openvino==2026.4.1"
    )


def test_its_telemetry_is_never_imported(tmp_path):
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text(
        "raise SystemExit('telemetry was imported')"
    )
    assert in_an_environment_with(tmp_path) == "openvino"


def test_only_the_last_line_of_an_openvino_error_is_shown():
    with pytest.raises(RuntimeError, match="nowhere") as failure:
        import_openvino().Core().read_model("/nowhere.xml")
    assert "\n" not in error_text(failure.value)
    assert "nowhere.xml" in error_text(failure.value)
    assert (
        error_text(RuntimeError("Check 'x' failed at a.cpp:1:\n the file is empty.\n\n"))
        == "the file is empty"
    )
    assert error_text(ValueError()) == "ValueError"


THREADS = """
import os, sys, threading
from posezoo.core.ir.openvino_import import import_openvino
kind = import_openvino().Type.f32
sys.setswitchinterval(1e-6)
ready = threading.Barrier(3)
threads = [threading.Thread(target=lambda: (ready.wait(), kind.to_dtype()), daemon=True) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
os._exit(0)
"""


def test_threads_that_first_infer_at_once_do_not_deadlock():
    # Without our first call, each of these processes hangs with a chance of one in three.
    children = [subprocess.Popen([sys.executable, "-c", THREADS]) for _ in range(6)]
    try:
        assert [child.wait(timeout=HANG_S) for child in children] == [0] * len(children)
    finally:
        for child in children:
            child.kill()
            child.wait()
