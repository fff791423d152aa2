import sys

from fakes.command import run_process, succeeded

#: NNCF reports with what a program has imported before, such as by OpenVINO.
LATE = """
import sys, types
sys.modules["openvino_telemetry"] = types.ModuleType("openvino_telemetry")
from posezoo.core.errors import import_optional
import_optional("json", extra="run")
import openvino_telemetry
"""


def test_reports_are_off_even_if_a_program_has_imported_what_reports():
    ended = run_process([sys.executable, "-c", LATE])
    assert "import of openvino_telemetry halted; None in sys.modules" in ended.stderr


def test_posezoo_alone_changes_nothing_in_a_program():
    """Another program in the process decides for itself, until posezoo imports a package that reports."""
    changed = (
        "import os, sys; before = dict(os.environ); import posezoo; print(before == os.environ)"
    )
    assert succeeded(run_process([sys.executable, "-c", changed])).stdout == "True\n"
