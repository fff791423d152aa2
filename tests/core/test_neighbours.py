"""Several packages of OpenCV: which of them stay, and when a command warns of them."""

import sys
from importlib import import_module

import pytest

from posezoo.core.neighbours import find_overwritten_opencv, warn_of_overwritten_opencv
from posezoo.core.versions import package_version


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs packages, and nothing else is installed."""
    for name in ("packaging.requirements", "packaging.utils"):  # imported already
        import_module(name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    package_version.cache_clear()

    def install(name, version, *requirements):
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
        (folder / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")

    yield install
    package_version.cache_clear()


def warnings():
    said = []
    warn_of_overwritten_opencv(said.append)
    return said


def test_one_opencv_is_no_conflict(installed):
    installed("opencv-python-headless", "4.14")
    assert find_overwritten_opencv() is None
    assert warnings() == []


def test_the_opencv_of_posezoo_over_another_is_a_warning_with_the_command_that_keeps_the_other(
    installed,
):
    installed("posezoo", "1", 'opencv-python-headless>=4; extra == "run"')
    installed("opencv-python-headless", "5.0")
    installed("opencv-contrib-python", "4.11.0.86")
    installed("mediapipe", "0.10.21", "opencv-contrib-python")
    (warning,) = warnings()
    assert warning.endswith(" install --no-deps opencv-contrib-python==4.11.0.86")
    assert "uninstall --yes opencv-python-headless opencv-contrib-python && " in warning


def test_two_that_another_program_requires_are_not_ours_to_warn_of(installed):
    installed("opencv-python", "5.0")
    installed("opencv-contrib-python", "5.1")
    installed("rtmlib", "0.0.16", "opencv-python", "opencv-contrib-python")
    assert warnings() == []
    command = find_overwritten_opencv().command
    assert command.endswith(" install --force-reinstall --no-deps opencv-contrib-python==5.1")
    assert "uninstall" not in command


def test_a_headless_opencv_that_another_program_requires_is_not_ours_either(installed):
    installed("opencv-python-headless", "5.0")
    installed("opencv-python", "5.0")
    installed("deeplabcut", "3.0", "opencv-python-headless")
    assert warnings() == []
    assert find_overwritten_opencv().command.endswith("opencv-python-headless==5.0")
