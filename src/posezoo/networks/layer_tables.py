"""The papers' tables of layers, by network; the modules of the networks name the columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: The rows by the name of the table.
LAYER_TABLES: Mapping[str, Sequence[Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text("utf-8")
)
