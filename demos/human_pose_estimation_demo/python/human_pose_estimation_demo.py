"""Find poses on pictures, videos and cameras by Open Model Zoo's flags; posezoo is installed or
not.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("posezoo") is None:
    sys.path.append(str(Path(__file__).resolve().parents[3] / "src"))

from posezoo.run.verbs.demo import main

if __name__ == "__main__":
    sys.exit(main())
