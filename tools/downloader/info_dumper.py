"""Runs posezoo.omz.commands.info_dumper, whether posezoo is installed or not."""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("posezoo") is None:
    sys.path.append(str(Path(__file__).resolve().parents[2] / "src"))

from posezoo.__main__ import main

if __name__ == "__main__":
    sys.exit(main("posezoo.omz.commands.info_dumper"))
