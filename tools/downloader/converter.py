#!/usr/bin/env python3
"""Runs posezoo.omz.commands.converter, whether posezoo is installed or not."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "src"))  # after an installed posezoo

from posezoo.__main__ import main

if __name__ == "__main__":
    sys.exit(main("posezoo.omz.commands.converter"))
