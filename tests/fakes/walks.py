"""The generated walks of benchmarks/walks.py, for tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "walks.py"
_spec = importlib.util.spec_from_file_location("walks", _PATH)
walks = importlib.util.module_from_spec(_spec)
sys.modules["walks"] = walks
_spec.loader.exec_module(walks)
