"""How posezoo knows the files that flags name for results as its own."""

from __future__ import annotations

from typing import NamedTuple


class OutputFile(NamedTuple):
    """What is known about the file that a flag names for a result (``cli.named_outputs``)."""

    #: Texts that each such file has near its beginning; without them, its record tells.
    signs: tuple[str, ...] = ()
    appends: bool = False  # whether lines are appended to it


#: The HTML page of posezoo card --html.
HTML_PAGE = OutputFile(signs=("<!DOCTYPE html>\n<!-- drawn by posezoo -->",))

#: Measurements, for posezoo recommend --figures.
MEASUREMENTS = OutputFile(signs=('"model": "', '"kind": "', '"precision": "', '"figures": '))
