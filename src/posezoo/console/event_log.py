"""Appends events to a file, one JSON object per line, to be read during a long run and after it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from posezoo.core.errors import OutputError, os_reason, redact_secrets
from posezoo.core.events import EVENT_TYPES, Event

# Progress is written this often, for each file or task.
_PROGRESS_S = 10.0


class EventLog:
    """A listener that writes each event at once, so that the file is complete even if the run is
    killed.

    Each line has ``time`` (UTC, ISO 8601), ``event``, ``model``, ``stage``, ``worker``, ``seconds``
    and ``bytes``, or null, and the other fields of the event.

    Raises:
        OutputError: the file cannot be opened; later errors are OSErrors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        try:
            open(self._path, "ab").close()
        except OSError as error:
            problem = f"{path}: cannot be written: {os_reason(error)}"
            raise OutputError(problem, hint="check --log") from error
        self._workers: dict[object, str] = {}  # by model
        self._begun: dict[object, float] = {}  # by step, model and file, as all others
        self._written: dict[object, float] = {}  # when progress was written
        self._sizes: dict[object, int] = {}  # the bytes so far

    def __call__(self, event: Event) -> None:
        """Append an event; of progress, the last one, and one in ten seconds."""
        stage, name = EVENT_TYPES[type(event)]
        fields = asdict(event)
        for field, value in fields.items():
            if isinstance(value, str):
                fields[field] = redact_secrets(value)
        model = fields.pop("model", None) or fields.pop("name", None)
        # The worker that an event names, else the latest one of its model, else this process.
        worker = fields.pop("worker", None) or self._workers.get(model) or f"{os.getpid()}"
        if model is not None:
            self._workers[model] = worker
        step, _, phase = name.rpartition("_")
        key = (step, model, fields.get("model_file") or fields.get("package"))
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "event": name,
            "model": model,
            "stage": stage,
            "worker": worker,
            "seconds": self._seconds(key, phase),
            "bytes": self._bytes(key, phase, fields.pop("size", None)),
        }
        if phase != "progress" or self._is_due(key, fields):
            with open(self._path, "ab", buffering=0) as file:
                file.write(json.dumps(line | fields).encode() + b"\n")

    def _seconds(self, key: object, phase: str) -> float | None:
        now = time.monotonic()
        if phase == "begin":
            self._begun[key] = now
            return None
        if key not in self._begun:
            return None
        return round(now - self._begun[key], 3)

    def _bytes(self, key: object, phase: str, size: int | None) -> int | None:
        if size is not None and phase == "progress":
            self._sizes[key] = size
        return self._sizes.pop(key, None) if phase == "end" else size

    def _is_due(self, key: object, fields: Mapping[str, object]) -> bool:
        now = time.monotonic()
        done, total = (*fields.values(), None, None)[:2]
        if done != total and now - self._written.get(key, 0.0) < _PROGRESS_S:
            return False
        self._written[key] = now
        return True
