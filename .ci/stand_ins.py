"""Pack posezoo-mediapipe and posezoo-openvino-dev of the posezoo that this Python imports:
stand_ins.py FOLDER. `make release` calls it with the posezoo that it built.
"""

from __future__ import annotations

import sys
from pathlib import Path

from posezoo.omz.stand_in_wheel import pack_mediapipe, pack_stand_in
from posezoo.omz.verbs.shims import COMMANDS

# The models of openvino-dev are not in the wheel: its commands read them when they are first used.
for name, content in (pack_mediapipe(None), pack_stand_in(None, COMMANDS, "omz", None)):
    (Path(sys.argv[1]) / name).write_bytes(content)
