"""ModelSpec <-> JSON, so that a large registry need not be parsed again.

Only values made by ``model_yml`` are written, and only the classes named here are created when JSON is read.
A stored text never causes an import or runs code.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

from posezoo.spec import model

_CLASSES: tuple[type[Any], ...] = (
    model.Decoder, model.Deprecation, model.Digest, model.FileSource, model.FloatLayers,
    model.GoogleDriveSource, model.HttpSource, model.HuggingFaceSource, model.Input, model.License,
    model.ModelOrigin, model.ModelSpec,
    model.NetworkChoice, model.Output, model.PublishedAccuracy, model.PublishedMetrics,
    model.PythonPackageSource, model.QuantizationSettings, model.RegexReplace, model.SelfCheckSettings,
    model.SourceFile, model.StorageSource, model.Training, model.UnpackArchive, model.Wheel,
)  # fmt: skip
_WORDS: tuple[type[Enum], ...] = (model.ColorOrder, model.Family, model.Framework)

#: Marks values that are not mappings of model.yml, whose keys contain no control characters.
_KIND = "\0"

_FIELDS = {kind: tuple(kind.__dataclass_fields__) for kind in _CLASSES}
_MAKERS: dict[str, Any] = {kind.__name__: kind for kind in (*_CLASSES, *_WORDS)} | {"Path": Path}


def to_json_text(value: Any) -> str:
    """The JSON of specs, which may be in lists and mappings."""
    return json.dumps(_plain(value), separators=(",", ":"))


def from_json_text(text: str | bytes) -> Any:
    """The values that ``to_json_text`` wrote; sequences become tuples.

    Raises:
        ValueError: the text was not written by ``to_json_text`` of the same posezoo version.
    """
    try:
        return _tuples(json.loads(text, object_hook=_from_mapping))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not what was stored: {error}") from error


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is tuple:
        return [_plain(item) for item in value]
    if (fields := _FIELDS.get(kind)) is not None:
        return {_KIND: kind.__name__, "": [_plain(getattr(value, name)) for name in fields]}
    if kind in _WORDS:
        return {_KIND: kind.__name__, "": [value.value]}
    if isinstance(value, Path):
        return {_KIND: "Path", "": [str(value)]}
    return {key: _plain(item) for key, item in value.items()} if kind is dict else value


def _from_mapping(fields: dict[str, Any]) -> Any:
    if (kind := fields.get(_KIND)) is None:
        return {key: _tuples(value) for key, value in fields.items()}
    return _MAKERS[kind](*map(_tuples, fields[""]))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if type(value) is list else value
