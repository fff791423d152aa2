"""The publishers' own programs, which ``make judges`` puts beside the environment."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "build" / "judges"


def judge(name: str) -> ModuleType:
    """A package of the judges; the test is skipped without it."""
    if not (FOLDER / name).is_dir():
        pytest.skip("needs make judges")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return pytest.importorskip(name, reason="needs make judges")


def mediapipe_python() -> Path:
    """The Python of the environment that has MediaPipe's own program, which needs numpy 1."""
    python = FOLDER.parent / "mediapipe-env" / "bin" / "python"
    if not python.is_file():
        pytest.skip("needs make judges")
    return python


def name_of(package: str) -> str:
    """A judge and its version, as it states it."""
    (metadata,) = FOLDER.glob(f"{package}-*.dist-info")
    return metadata.stem.replace("-", " ")
