"""posezoo.lock: what files without a pin held at their first download; from then on that is their pin.

One entry a line, in JSON, sorted: so that two branches that each add one merge like any text::

    {"model": "net@ccd24037", "file": "net.zip", "size": 5, "sha384": "...", "origin": "first_use", ...}
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from posezoo.errors import DigestError, PosezooError
from posezoo.files import cannot_write, write_whole
from posezoo.guard import in_turn
from posezoo.spec.model import Digest, ModelSpec, SourceFile

NAME = "posezoo.lock"
FIRST_USE = "first_use"
_SHA384 = re.compile("[0-9a-f]{96}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one file held."""

    model: str  # name@tag where there are tags, the default's too: which one is the default may change
    file: str
    size: int  # bytes
    sha384: str
    origin: str  # first_use: whoever downloaded it trusted the source
    first_seen: str  # ISO 8601, UTC


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Lock:
    """The entries of a posezoo.lock, read when they are first needed.

    Args:
        path: the file; it need not be there.
        now: the clock.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = _now) -> None:
        # A link is followed: projects that share a lock by links go on sharing it when one of them writes.
        self.path = path.resolve() if path.is_symlink() else path
        self._now = now
        self._entries: dict[tuple[str, str], Entry] | None = None
        self._alone = threading.Lock()

    def pinned(self, spec: ModelSpec) -> ModelSpec:
        """The model, with size and SHA-384 for each file that has no pin but an entry.

        Raises:
            PosezooError: the file cannot be read, or is not what we write.
        """
        if all(file.is_pinned for file in spec.files):
            return spec
        return replace(spec, files=tuple(self._pinned(spec, file) for file in spec.files))

    def record(self, spec: ModelSpec, file: SourceFile, size: int, digest: Digest) -> None:
        """Remember what a file without a pin held.

        Raises:
            DigestError: there is an entry already, and it says something else.
            OutputError: the lock cannot be written, or another run keeps it locked.
            PosezooError: it cannot be read.
        """
        seen = self._now().isoformat(timespec="seconds")
        entry = Entry(_key(spec), file.name, size, digest.value, FIRST_USE, seen)
        with self._alone, self._turn():
            entries = _read(self.path)  # again: another run may have written since
            known = entries.setdefault((entry.model, entry.file), entry)
            if known.sha384 != entry.sha384:
                raise DigestError(
                    f"{file.name}: gives bytes of {digest}, {self.path} has {known.sha384[:12]}…",
                    hint="two downloads gave different files: find out which is the right one",
                )
            lines = [json.dumps(asdict(each)) for _, each in sorted(entries.items())]
            write_whole(self.path, "".join(f"{line}\n" for line in lines).encode())
            self._entries = entries

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with in_turn(self.path):
                yield
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def _pinned(self, spec: ModelSpec, file: SourceFile) -> SourceFile:
        if self._entries is None:
            self._entries = _read(self.path)
        entry = self._entries.get((_key(spec), file.name))
        if file.is_pinned or entry is None:
            return file
        return replace(file, size=entry.size, checksum=Digest("sha384", entry.sha384), first_use=True)


def _key(spec: ModelSpec) -> str:
    return f"{spec.name}@{spec.tag}" if spec.tag else spec.name


def _read(path: Path) -> dict[tuple[str, str], Entry]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PosezooError(f"{path}: cannot be read: {why}", hint="check --lock") from error
    entries: dict[tuple[str, str], Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry = _entry(line)
        if entry is None or entries.setdefault((entry.model, entry.file), entry) != entry:
            problem = "is no entry" if entry is None else f"says otherwise of {entry.model}: {entry.file}"
            raise PosezooError(
                f"{path}:{number}: {problem}", hint="restore the line from version control, or remove it"
            )
    return entries


def _entry(line: str) -> Entry | None:
    try:
        found: Any = json.loads(line)
        entry = Entry(**found)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (entry.model, entry.file, entry.sha384, entry.origin, entry.first_seen)
    right = all(isinstance(text, str) and text.isprintable() for text in texts) and type(entry.size) is int
    return entry if right and entry.size >= 0 and _SHA384.fullmatch(entry.sha384) else None
