"""Formats of published models: one module or folder each."""

from __future__ import annotations

from posezoo.core.convert.formats import FORMATS


def list_endings() -> dict[str, str]:
    """The framework of a file to convert, by the ending of its name in lower case.

    All formats are imported, those of plug-ins too.

    Raises:
        PluginError: a plug-in cannot be imported.
    """
    endings: dict[str, str] = {}
    for framework, model_format in FORMATS.items():
        endings |= dict.fromkeys(model_format.endings, framework)
    return endings


def find_framework(file_name: str) -> str:
    """The framework of a file to convert; empty if the ending of its name does not show it.

    Raises:
        PluginError: a plug-in cannot be imported.
    """
    endings = list_endings()
    matching = [each for each in endings if file_name.lower().endswith(each)]
    return endings[max(matching, key=len)] if matching else ""
