"""The module docs/omz_projects.py, which is in no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_SPEC = importlib.util.spec_from_file_location("omz_projects", DOCS / "omz_projects.py")
omz_projects = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = omz_projects  # where its dataclass looks for its types
_SPEC.loader.exec_module(omz_projects)
