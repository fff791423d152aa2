"""A cache of parsed model.yml files, so that a large registry can be listed without parsing it
again.

Only values made by ``spec.model_yml`` are written, and only the classes of ``spec.model`` are
created when the cache is read: a stored text never causes an import or runs code.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from posezoo.errors import OutputError
from posezoo.spec import model
from posezoo.spec.model import ModelSpec

#: If a file changed less than this time ago, another change may leave the same time stamp.
RECENT_NS = 2_000_000_000

#: The key of an object's class. No mapping of model.yml has it: their keys contain no control
#: characters.
_KIND = "\0"

_FIELDS = {
    kind: tuple(kind.__dataclass_fields__)
    for kind in vars(model).values()
    if isinstance(kind, type) and is_dataclass(kind)
}
_ENUMS: tuple[type[Any], ...] = (model.ColorOrder, model.Family, model.Framework)
_CONSTRUCTORS: dict[str, Any] = {kind.__name__: kind for kind in (*_FIELDS, *_ENUMS)} | {
    "Path": Path
}

Fingerprint = tuple[int, ...]  # of a file: size, inode and modification times


class ParseCache:
    """The specs of a registry, each with its file's fingerprint; without write access, nothing is
    cached.
    """

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        paths = "\n".join(str(root.absolute()) for root in roots)
        digest = sha256(paths.encode(errors="surrogateescape")).hexdigest()
        self._file = folder / f"{digest[:32]}.json"
        self._fingerprints: dict[Path, Fingerprint] = {}  # taken before each file was read
        self._stored = self._load()

    def find(self, path: Path) -> ModelSpec | None:
        """The spec of a model.yml, if it did not change since it was cached."""
        try:  # a change of a file beside it may change the model, too
            file, folder = path.stat(), path.parent.stat()
        except OSError:
            self._fingerprints[path] = ()
        else:
            times = file.st_mtime_ns, file.st_ctime_ns, folder.st_mtime_ns
            self._fingerprints[path] = file.st_size, file.st_ino, *times
        fingerprint, spec = self._stored.get(str(path), ((), None))
        return spec if fingerprint == self._fingerprints[path] else None

    def update(self, specs: Mapping[Path, ModelSpec]) -> None:
        """Write these specs if any of them is not cached; ``find`` must have been called for each
        before.
        """
        if all(spec is self._stored.get(str(path), ((), None))[1] for path, spec in specs.items()):
            return
        from posezoo.files.verified_files import write_atomically

        settled_before = time.time_ns() - RECENT_NS
        entries = {
            str(path): (fingerprint, spec)
            for path, spec in specs.items()
            if (fingerprint := self._fingerprints.get(path))
            and max(fingerprint[2:]) < settled_before
        }
        with suppress(
            OutputError, TypeError
        ):  # TypeError: a plug-in's source that has no JSON form
            content = to_json_text((_reader_fingerprint(), entries)).encode()
            write_atomically(self._file, content, lasting=False)

    def _load(self) -> dict[str, tuple[Fingerprint, ModelSpec]]:
        try:
            reader, entries = from_json_text(self._file.read_bytes())
            is_valid = all(isinstance(spec, ModelSpec) for _, spec in entries.values())
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # there is no cache file, or another program wrote it
        return dict(entries) if is_valid and reader == _reader_fingerprint() else {}


def _reader_fingerprint() -> tuple[tuple[str, int, int], ...]:
    """A value that changes if another version of posezoo reads the files."""
    fingerprints = []
    for path in (Path(__file__), *sorted((Path(__file__).parent / "spec").glob("*.py"))):
        status = path.stat()
        fingerprints.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(fingerprints)


def to_json_text(value: Any) -> str:
    """The JSON of specs, which may be in lists and mappings."""
    return json.dumps(_to_json_value(value), separators=(",", ":"))


def from_json_text(text: str | bytes) -> Any:
    """The values that ``to_json_text`` of this posezoo version wrote; sequences become tuples.

    Raises:
        ValueError: the text was not written by it.
    """
    try:
        return _lists_to_tuples(json.loads(text, object_hook=_from_mapping))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not what was stored: {error}") from error


def _to_json_value(value: Any) -> Any:
    kind = type(value)
    if kind is tuple:
        return [_to_json_value(item) for item in value]
    if (names := _FIELDS.get(kind)) is not None:
        return {_KIND: kind.__name__, "": [_to_json_value(getattr(value, name)) for name in names]}
    if kind in _ENUMS:
        return {_KIND: kind.__name__, "": [value.value]}
    if isinstance(value, Path):
        return {_KIND: "Path", "": [str(value)]}
    return {key: _to_json_value(item) for key, item in value.items()} if kind is dict else value


def _from_mapping(values: dict[str, Any]) -> Any:
    if (kind := values.get(_KIND)) is None:
        return {key: _lists_to_tuples(value) for key, value in values.items()}
    return _CONSTRUCTORS[kind](*map(_lists_to_tuples, values[""]))


def _lists_to_tuples(value: Any) -> Any:
    return tuple(map(_lists_to_tuples, value)) if type(value) is list else value
