"""The papers' tables of layers, by network; the modules of the networks name the columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_layer_table(network: str) -> list[Any]:
    """The rows of a table of layer_tables.json."""
    tables = json.loads(Path(__file__).with_name("layer_tables.json").read_text("utf-8"))
    rows: list[Any] = tables[network]
    return rows
