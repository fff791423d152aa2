#!/usr/bin/env python3
"""Find poses on pictures, videos and cameras by Open Model Zoo's flags; posezoo is installed or
not.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "src"))  # after an installed posezoo

from posezoo.__main__ import main

if __name__ == "__main__":
    sys.exit(main("posezoo.run.verbs.demo"))
