"""Tests that run code in bubblewrap's sandbox."""

from __future__ import annotations

import pytest

from posezoo.omz.sandbox import explain_missing_sandbox

needs_sandbox = pytest.mark.skipif(
    bool(explain_missing_sandbox()), reason="bubblewrap cannot run here"
)
