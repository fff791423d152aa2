"""The lines of a posezoo.lock.

One entry a line, in JSON, sorted, so that branches that each add one merge like any text::

    {"model": "net@ccd24037", "file": "net.zip", "size": 5, "sha384": "...", "origin": "first_use", ...}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import PosezooError
from posezoo.spec.model import ModelSpec

NAME = "posezoo.lock"
MODEL_YML = "model.yml"
COMPOSITE_YML = "composite-model.yml"

#: Where an entry comes from: a registry's own file, a published file, one whose source was trusted at its
#: first download, an IR that was converted here.
REGISTRY, PUBLISHED, FIRST_USE, MADE = "registry", "published", "first_use", "made"

_SHA384 = re.compile("[0-9a-f]{96}")

#: Model, file, and whether it was converted here: a publisher's IR may have the same name.
LockKey = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class LockEntry:
    """The content of one file."""

    model: str  # name@tag if there are tags, also for the default: another tag may become the default
    file: str  # as model.yml names it; an IR's as FP16/net.xml
    size: int  # bytes
    sha384: str
    origin: str  # REGISTRY, PUBLISHED, FIRST_USE or MADE
    first_seen: str  # ISO 8601, UTC
    revision: int = 0  # of a model.yml: its own revision number
    before: tuple[str, ...] = ()  # of a model.yml: the SHA-384 of its earlier versions

    @property
    def key(self) -> LockKey:
        """What it is about: there is one entry for each key."""
        return self.model, self.file, self.origin == MADE

    def has_same_content(self, other: LockEntry) -> bool:
        """Whether the other entry stands for the same bytes."""
        return (self.key, self.size, self.sha384) == (other.key, other.size, other.sha384)


LockEntries = dict[LockKey, LockEntry]


def model_key(spec: ModelSpec) -> str:
    """The name of a model in a lock."""
    return f"{spec.name}@{spec.tag}" if spec.tag else spec.name


def format_entries(entries: Iterable[LockEntry]) -> bytes:
    """The file's bytes."""
    lines = []
    for entry in sorted(entries, key=lambda entry: entry.key):
        fields = asdict(entry)
        if not entry.revision:
            del fields["revision"]
        if not entry.before:
            del fields["before"]
        lines.append(json.dumps(fields) + "\n")
    return "".join(lines).encode()


def read_entries(path: Path) -> LockEntries:
    """The entries of a posezoo.lock; none if it is missing.

    Raises:
        PosezooError: it cannot be read, or a line is not an entry.
    """
    if path.exists() and not path.is_file():  # a pipe would keep us waiting for ever
        raise PosezooError(f"{path}: cannot be read: it is not a file", hint="check --lock")
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PosezooError(f"{path}: cannot be read: {reason}", hint="check --lock") from error
    entries: LockEntries = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry = _entry(line)
        if entry is None or entries.setdefault(entry.key, entry) != entry:
            problem = (
                "is not an entry"
                if entry is None
                else f"contradicts another entry of {entry.model}: {entry.file}"
            )
            raise PosezooError(
                f"{path}:{number}: {problem}", hint="restore the line from version control, or remove it"
            )
    return entries


def _entry(line: str) -> LockEntry | None:
    try:
        fields: Any = json.loads(line)
        entry = LockEntry(**{**fields, "before": tuple(fields.get("before", ()))})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = (entry.model, entry.file, entry.sha384, entry.origin, entry.first_seen, *entry.before)
    numbers = (entry.size, entry.revision)
    has_types = all(isinstance(text, str) and text.isprintable() for text in texts) and all(
        type(number) is int and number >= 0 for number in numbers
    )
    is_entry = has_types and all(_SHA384.fullmatch(digits) for digits in (entry.sha384, *entry.before))
    return entry if is_entry else None
